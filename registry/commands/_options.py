"""Arguments and options that several verbs share, each defined once.

A dataclass stands for several options at once; `_verb.verb` takes it apart.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from registry.services.changes.slot_tasks import SlotName

# ---------------------------------------------------------------- accounts and exchanges

AccountName = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's name.")]
OptionalAccount = Annotated[
    str | None, typer.Argument(metavar="[ACCOUNT]", help="Only this account's.")
]
ExchangeName = Annotated[str, typer.Argument(metavar="EXCHANGE", help="See: exchanges.")]
ExchangeOption = Annotated[
    str | None, typer.Option("--exchange", metavar="EXCHANGE", help="Only this exchange's.")
]

# ---------------------------------------------------------------- which credential

Subaccount = Annotated[
    int | None,
    typer.Option("--subaccount", metavar="N", help="The subaccount at the exchange, from 0."),
]
PermissionOption = Annotated[
    Literal["full", "read_only"] | None,
    typer.Option("--permission", help="What the key can do at the exchange. [default: full]"),
]
AccessOption = Annotated[
    Literal["full", "read_only", "positions_only"] | None,
    typer.Option("--access", help="Ask for less than there is."),
]


@dataclass(frozen=True, slots=True)
class Slot:
    """Which credential is meant; a part that is not given is found where only one fits."""

    account: AccountName
    exchange: ExchangeName
    subaccount: Subaccount = None
    permission: PermissionOption = None

    def __str__(self) -> str:
        return f"{self.account} for {self.exchange}"

    @property
    def name(self) -> "SlotName":
        """The slot in the form that services take."""
        from registry.services.changes.slot_tasks import SlotName

        return SlotName(self.exchange, self.subaccount, self.permission)

    @property
    def facts(self) -> dict[str, str]:
        """What the JSON of every change says of the slot."""
        return {"account": self.account, "exchange": self.exchange}


# ---------------------------------------------------------------- how a change is made

Cascade = Annotated[
    bool,
    typer.Option("--cascade", help="Do it although others borrow; says who is affected."),
]
AllowSharedSecret = Annotated[
    bool,
    typer.Option("--allow-shared-secret", help="Store it although another account holds it."),
]
AllowOtherAccount = Annotated[
    bool,
    typer.Option("--allow-other-account", help="Read a file although it names another account."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
