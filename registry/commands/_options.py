"""Arguments and options that several verbs share, each defined once.

A dataclass stands for several options at once; `_verb.verb` takes it apart.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import typer

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
    def place(self) -> tuple[str, str]:
        """What methods of the registry take first."""
        return self.account, self.exchange

    @property
    def which(self) -> dict[str, Any]:
        """What they take by name."""
        return {"subaccount": self.subaccount, "permission": self.permission}

    @property
    def facts(self) -> dict[str, str]:
        """What the JSON of every change says of the slot."""
        return {"account": self.account, "exchange": self.exchange}


# ---------------------------------------------------------------- times


def moment_of(text: str | None, option: str) -> Any:
    """The position or the time that an option's text says, if it was given.

    Raises:
        InvalidInput: it says neither; the option is named.
    """
    if text is None:
        return None
    from registry.services.reading.as_of import parse_moment

    return parse_moment(text, option)


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
