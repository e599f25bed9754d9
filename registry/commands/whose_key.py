"""The verb `whose-key`: to whom a key that was found somewhere belongs."""

import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from registry.commands._ask import ask_unseen, unseen
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.errors import InvalidInput

if TYPE_CHECKING:
    from registry.encryption.secret import Secret

_MAX_INPUT: Final = 1024 * 1024
_STDIN: Final = "-"

# Heading -> name in the record.
_SHOWN: Final = {
    "account": "account_name",
    "exchange": "exchange",
    "subaccount": "subaccount_index",
    "permission": "permission",
    "field": "field",
    "version": "version",
    "state": "state",
    "from": "since",
    "until": "until",
    "event": "position",
}


@verb()
def whose_key(
    run: Run,
    source: Annotated[
        str | None, typer.Argument(metavar="[-]", help="Read the value from standard input.")
    ] = None,
    fingerprint: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD#CODE",
            help="Look for this instead, as the history shows it, such as api_key#6e5bec8c.",
        ),
    ] = None,
) -> None:
    """Show which credentials hold a value, or ever did.

    The value is never an argument, and is not shown.
    """
    if source is not None and (source != _STDIN or fingerprint is not None):
        raise InvalidInput(
            "whose-key takes no argument but - (what was given is not shown)",
            hint="A value comes by prompt or standard input, a fingerprint with --fingerprint.",
        )
    value = None if fingerprint is not None else _value(run, source)
    found = run.registry.credentials.whose_key(value, fingerprint=fingerprint)

    def text() -> None:
        if found:
            run.output.records(_SHOWN, found)
        else:
            run.output.line("No credential of this registry holds it, or ever did.")

    run.output.result(found, text)


def _value(run: Run, source: str | None) -> "Secret":
    from registry.encryption.secret import Secret
    from registry.machine import text_of

    if source == _STDIN:
        run.keyring()
        given = sys.stdin.buffer.read(_MAX_INPUT + 1)
        return Secret(text_of(given, "standard input", limit=_MAX_INPUT))
    if not sys.stdin.isatty():
        raise InvalidInput(
            "there is no terminal to ask for the value on",
            hint="Give it on standard input: account-registry whose-key -",
        )
    with unseen():
        run.keyring()  # before anybody types a secret in vain
        return Secret(ask_unseen("The value (it is not shown): ", "nothing was looked for"))
