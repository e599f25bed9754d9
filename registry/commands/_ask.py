"""Asks for a credential's fields on a terminal, and checks each one when it was typed."""

import contextlib
import os
import signal
import sys
import termios
from collections.abc import Iterator
from getpass import getpass
from typing import TYPE_CHECKING, Final

from registry.commands._options import SlotOptions
from registry.commands._run import Run
from registry.errors import InvalidCredential, InvalidInput

if TYPE_CHECKING:
    from registry.catalog.specification import ExchangeSpec, Field, FieldSpec


_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGCONT)


def ask_for_fields(
    run: Run, slot: SlotOptions, *, replace: bool = False, rotate: bool = False
) -> "dict[str, Field]":
    """The fields that a person types; the place is checked before the first question.

    Raises:
        InvalidInput: there is no terminal, or the input ended.
    """
    if not sys.stdin.isatty():
        spec = run.registry.exchanges.get(slot.exchange, account=slot.account)
        raise InvalidInput(
            "there is no terminal to ask for the fields on",
            hint="Give them with --from-json FILE or --from-json -; "
            f"they are: {', '.join(spec.fields)}.",
        )
    with unseen():
        run.keyring()  # fails early, before a person types a secret
        spec = run.registry.exchanges.get(slot.exchange, account=slot.account)
        run.registry.credentials.check_place(
            *slot.place, replace=replace, rotate=rotate, **slot.which
        )
        answers: dict[str, Field] = {}
        for field in spec.fields.values():
            while field.has_place(answers) and not _answered(run, spec, field, answers):
                pass
        return answers


def _answered(
    run: Run, spec: "ExchangeSpec", field: "FieldSpec", answers: "dict[str, Field]"
) -> bool:
    """Asks for a field; False if the answer is none, which was said."""
    from registry.encryption.secret import Secret

    needed = field.required and not any(field.name in o.instead_of for o in spec.fields.values())
    prompt = f"{spec.display_name} {field.name}{'' if field.required else _default(field)}: "
    ended = "nothing was changed"
    answer = ask_unseen(prompt, ended) if field.secret else _ask_openly(prompt, ended)
    if not answer:
        if needed:
            run.output.notice("  It is needed. Ctrl-C leaves, and nothing is changed.")
        return not needed
    try:
        spec.check_values({**answers, field.name: Secret(answer)})
    except InvalidCredential as problem:
        run.output.notice(f"  {problem.message[0].upper()}{problem.message[1:]}. Once more:")
        return False
    answers[field.name] = Secret(answer)
    return True


def _default(field: "FieldSpec") -> str:
    return f" [{field.default or 'none'}]"


def ask_unseen(prompt: str, ended: str) -> str:
    """The answer to a prompt, which is not shown.

    Raises:
        InvalidInput: the input ended; `ended` says what that means.
    """
    try:
        return getpass(prompt)
    except EOFError:
        raise InvalidInput(f"the input ended; {ended}") from None


@contextlib.contextmanager
def unseen() -> Iterator[None]:
    """Shows nothing that is typed meanwhile; what nobody read does not reach the shell either."""
    with _echo(on=False):
        yield


@contextlib.contextmanager
def _echo(*, on: bool) -> Iterator[None]:
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    wanted = [*before]
    wanted[3] = wanted[3] | termios.ECHO if on else wanted[3] & ~termios.ECHO

    # A shell does not restore the echo after every signal, nor take it away when this goes on.
    def signalled(number: int, _: object) -> None:
        if number != signal.SIGCONT:
            sys.exit(128 + number)
        termios.tcsetattr(terminal, termios.TCSANOW, wanted)

    others = {number: signal.signal(number, signalled) for number in _SIGNALS}
    try:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, wanted)
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
        for number, handler in others.items():
            signal.signal(number, handler)


def _ask_openly(prompt: str, ended: str) -> str:
    with _echo(on=True):
        sys.stderr.write(prompt)
        sys.stderr.flush()
        answer = os.read(sys.stdin.fileno(), 4096).decode(errors="surrogateescape")
    if not answer:
        raise InvalidInput(f"the input ended; {ended}")
    return answer.rstrip("\n")
