"""What an import is told: which subaccounts are meant, and what is allowed."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from registry.encryption.secret import Secret
from registry.errors import InvalidInput
from registry.services.changes.credentials import CredentialInput, Mode
from registry.services.changes.slot_tasks import SlotName


@dataclass(frozen=True, slots=True)
class Subaccounts:
    """What was named: for each exchange, or for all that are not named themselves."""

    by_exchange: Mapping[str, int] = field(default_factory=dict)
    of_all: int | None = None

    @classmethod
    def parse(cls, texts: Iterable[str]) -> "Subaccounts":
        """From texts such as `3` and `lighter=3`.

        Raises:
            InvalidInput: one is none, or names what another one names too.
        """
        found: dict[str, int] = {}
        for text in texts:
            exchange, _, number = text.rpartition("=")
            if not (number.isascii() and number.isdecimal()):
                raise InvalidInput(
                    "a subaccount is a number, or EXCHANGE=NUMBER", hint="It looks like lighter=3."
                )
            if exchange in found:
                raise InvalidInput(f"two subaccounts are named for {exchange or 'all exchanges'}")
            found[exchange] = int(number)
        return cls(found, found.pop("", None))

    def of(self, exchange: str) -> int | None:
        """The number for an exchange; None if there is none."""
        return self.by_exchange.get(exchange, self.of_all)

    def may_be_among(self, held: Collection[int | None], exchange: str) -> bool:
        """Whether one of the subaccounts that are in use for the exchange can be meant."""
        number = self.of(exchange)
        return number is None or number in held or (number == 0 and None in held)


NONE_NAMED: Final = Subaccounts()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What an import may do beside storing what is new."""

    create: bool = False
    """Make the account if there is none."""
    cascade: bool = False
    """Change what others borrow."""
    subaccounts: Subaccounts = NONE_NAMED
    allow_shared_secret: bool = False
    """Take a secret that another account holds."""
    allow_other_account: bool = False
    """Take a file that names another account."""


def import_inputs(
    credentials: Mapping[str, Mapping[str, Secret]], subaccounts: Subaccounts
) -> list[CredentialInput]:
    """Credentials of a file as the service stores them: fields that it does not have are kept.

    Raises:
        InvalidInput: a subaccount is named for an exchange of which the file has nothing.
    """
    unknown = sorted(subaccounts.by_exchange.keys() - credentials.keys())
    if unknown:
        raise InvalidInput(
            f"a subaccount is named for {unknown[0]}, of which the file has no credential",
            hint=f"It has: {', '.join(credentials)}.",
        )
    inputs = []
    for exchange, fields in credentials.items():
        number = subaccounts.of(exchange)
        slot = SlotName(exchange, number or 0, "full")
        inputs.append(CredentialInput(slot, fields, mode=Mode.MERGE, by_default=number is None))
    return inputs
