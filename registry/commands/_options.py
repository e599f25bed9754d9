"""Arguments and options that several verbs share, each defined once.

A dataclass groups several options; `_verb.verb` expands it into them.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from registry.events.permissions import Access, Permission, SharingType

if TYPE_CHECKING:
    from registry.facade.seeing import FilesBeside as FilesBesideGiven
    from registry.services.releases.resolution import Wish

# ---------------------------------------------------------------- accounts and exchanges

AccountName = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's name.")]
OptionalAccount = Annotated[
    str | None, typer.Argument(metavar="[ACCOUNT]", help="Only this account's.")
]
ExchangeName = Annotated[str, typer.Argument(metavar="EXCHANGE", help="See: exchanges.")]
ExchangeOption = Annotated[
    str | None, typer.Option("--exchange", metavar="EXCHANGE", help="Only this exchange's.")
]

# ---------------------------------------------------------------- the credential

Subaccount = Annotated[
    int | None,
    typer.Option("--subaccount", metavar="N", help="The subaccount at the exchange, from 0."),
]
SubaccountChoice = Annotated[
    list[str] | None,
    typer.Option(
        "--subaccount",
        metavar="[EXCHANGE=]N|none",
        help="Which of several credentials: for all exchanges, or for one; may be repeated.",
    ),
]
PermissionOption = Annotated[
    Permission | None,
    typer.Option("--permission", help="What the key can do at the exchange. [default: full]"),
]
OnlySubaccount = Annotated[
    int | None, typer.Option("--subaccount", metavar="N", help="Only this subaccount's.")
]
OnlyPermission = Annotated[
    Permission | None, typer.Option("--permission", help="Only keys that can do this.")
]
AccessOption = Annotated[
    SharingType | None, typer.Option("--access", help="Ask for less than there is.")
]


def wish_of(
    subaccount: Sequence[str] | None, access: Access | None, lender: str | None = None
) -> "Wish":
    """The options that choose a credential for use, as the services take them.

    Raises:
        InvalidInput: a subaccount is not valid.
    """
    from registry.services.releases.resolution import Wish
    from registry.subaccounts import Subaccounts

    return Wish(subaccounts=Subaccounts.parse(subaccount or ()), access=access, lender=lender)


@dataclass(frozen=True, slots=True)
class SlotOptions:
    """The slot of a credential; a part that is not given is looked up if only one slot fits."""

    account: AccountName
    exchange: ExchangeName
    subaccount: Subaccount = None
    permission: PermissionOption = None

    def __str__(self) -> str:
        return f"{self.account} for {self.exchange}"

    @property
    def place(self) -> tuple[str, str]:
        """The leading positional arguments of the registry's methods."""
        return self.account, self.exchange

    @property
    def which(self) -> dict[str, Any]:
        """The keyword arguments of the registry's methods that select the slot."""
        return {"subaccount": self.subaccount, "permission": self.permission}

    @property
    def facts(self) -> dict[str, str]:
        """The slot's part of the JSON of every change."""
        return {"account": self.account, "exchange": self.exchange}


# ---------------------------------------------------------------- details


class DetailOptions:
    """A dataclass whose fields are details, with an option for each."""

    def given(self) -> dict[str, Any]:
        """The details that were given."""
        said = dataclasses.asdict(self)  # type: ignore[call-overload]
        return {name: said[name] for name in self.options() if said[name] not in (None, [])}

    def changes(self, clear: Sequence[str] | None) -> dict[str, Any]:
        """The given details, and None for each detail to clear.

        Raises:
            InvalidInput: a name to clear is not a detail, or the detail is set too.
        """
        from registry.errors import InvalidInput

        changes = self.given()
        options = {option: name for name, option in self.options().items()}
        for option in clear or []:
            name = options.get(f"--{option}")
            if name is None:
                choices = ", ".join(known.removeprefix("--") for known in options)
                raise InvalidInput(
                    f"there is no detail {option!r} to clear", hint=f"It is one of: {choices}."
                )
            if changes.get(name) is not None:
                raise InvalidInput(f"{option} cannot be set and cleared at once")
            changes[name] = None
        return changes

    @classmethod
    def options(cls) -> dict[str, str]:
        """The option of each detail."""
        hints = get_type_hints(cls, include_extras=True)
        # Within Annotated, the `default` of Typer's Option is the option's first name.
        return {name: hint.__metadata__[0].default for name, hint in hints.items()}


Clear = Annotated[
    list[str] | None,
    typer.Option(
        "--clear", metavar="DETAIL", help="Empty a detail, by its option's name; may be repeated."
    ),
]

# ---------------------------------------------------------------- times


def moment_of(text: str | None, option: str) -> Any:
    """The position or time in an option's text; None if the option was not given.

    Raises:
        InvalidInput: the text is neither; the message names the option.
    """
    if text is None:
        return None
    from registry.services.reading.as_of import parse_moment

    return parse_moment(text, option)


# ---------------------------------------------------------------- options of changes

Cascade = Annotated[
    bool, typer.Option("--cascade", help="Do it although others borrow; says who is affected.")
]
AllowSharedSecret = Annotated[
    bool, typer.Option("--allow-shared-secret", help="Store it although another account holds it.")
]
AllowOtherAccount = Annotated[
    bool,
    typer.Option("--allow-other-account", help="Read a file although it names another account."),
]
Wide = Annotated[bool, typer.Option("--wide", help="Show ids, and all that there is, too.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


# ---------------------------------------------------------------- files beside the database


@dataclass(frozen=True, slots=True)
class FilesBeside:
    """Files that tell what the database does not know."""

    bookmark: Annotated[
        list[Path] | None,
        typer.Option(
            "--bookmark",
            metavar="FILE",
            help="A bookmark of a consumer of the log, which may lag; may be repeated.",
        ),
    ] = None
    checkpoints: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Signed checkpoints. [default: the last one that was signed here]"
        ),
    ] = None

    def given(self) -> "FilesBesideGiven":
        """The same as the registry's methods take it."""
        return {"bookmarks": self.bookmark or [], "checkpoints": self.checkpoints}
