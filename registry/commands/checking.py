"""The verb `check-credential`: asks exchanges whether keys are what the registry says."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from registry.commands._client_config import ClientConfigFile, read_config
from registry.commands._options import OnlyPermission, OnlySubaccount
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.errors import InvalidInput
from registry.hints import commands_of

if TYPE_CHECKING:
    from registry.checking.findings import Checked

# Heading -> name in the record.
_SHOWN: Final = {
    "account": "account_name",
    "exchange": "exchange",
    "subaccount": "subaccount_index",
    "permission": "permission",
    "result": "result",
    "may": "may",
    "why": "why",
    "addresses": "bound_to",
    "expires": "expires_at",
    "exchange account": "exchange_account_id",
    "differs": "differs",
    "warning": "warnings",
}
_UNDER: Final = (*("may", "why", "addresses", "expires", "exchange account"), "differs", "warning")


@dataclass(frozen=True, slots=True)
class WhatToCheck:
    """Which credentials to check."""

    account: Annotated[
        str | None, typer.Argument(metavar="[ACCOUNT]", help="The account's name.")
    ] = None
    exchange: Annotated[
        str | None, typer.Argument(metavar="[EXCHANGE]", help="Only this exchange's.")
    ] = None
    every: Annotated[bool, typer.Option("--all", help="Those of all accounts.")] = False
    subaccount: OnlySubaccount = None
    permission: OnlyPermission = None
    even_in_use: Annotated[
        bool,
        typer.Option(
            "--even-in-use",
            help="Also keys whose nonces are counted and that a program received within a day.",
        ),
    ] = False


Record = Annotated[
    bool, typer.Option("--record", help="Keep in the log what each exchange has said.")
]


@verb()
def check_credential(
    run: Run, what: WhatToCheck, record: Record = False, client_config: ClientConfigFile = None
) -> None:
    """Ask exchanges whether keys work. Reads only.

    Also what they may do, and until when. Exit code 6 if a key does not work or differs from the
    registry, 7 if no answer came.
    """
    from registry.checking.findings import exit_status

    if what.every == (what.account is not None):
        raise InvalidInput(
            "name an account, or say --all" if not what.every else "--all takes no account",
            hint="For example: account-registry check-credential main_bot",
        )
    found = run.registry.credentials.check(
        what.account,
        what.exchange,
        subaccount=what.subaccount,
        permission=what.permission,
        even_in_use=what.even_in_use,
        record=record,
        client_config=read_config(client_config),
        actor=run.actor(),
        reason=run.reason,
    )
    run.output.result([_as_data(checked) for checked in found], lambda: _tell(run, found))
    run.exit_status = exit_status(found)


def _as_data(checked: "Checked") -> dict[str, Any]:
    data = asdict(checked)
    return {**data, **data.pop("facts"), "hint": checked.hint and commands_of(checked.hint)}


def _tell(run: Run, found: "list[Checked]") -> None:
    run.output.listed(
        _SHOWN,
        [_as_row(checked) for checked in found],
        lambda: "There are no credentials to check.",
        under=_UNDER,
    )
    for checked in found:
        for hint in (checked.hint, checked.correction):
            if hint is not None:
                run.output.remark(f"{checked.account_name} {checked.exchange}: {commands_of(hint)}")


def _as_row(checked: "Checked") -> dict[str, Any]:
    facts = checked.facts
    bound = {None: None, False: "any", True: "bound, to which is not told"}[facts.bound]
    return {
        **asdict(checked),
        **asdict(facts),
        "result": checked.outcome.words,
        "bound_to": ", ".join(facts.addresses) or bound,
        "differs": "; ".join(difference.text for difference in checked.differences) or None,
        "warnings": "; ".join(checked.warnings) or None,
    }
