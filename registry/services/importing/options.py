"""The options of an import: subaccounts and permissions."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from registry.encryption.secret import Secret
from registry.errors import InvalidInput
from registry.services.changes.credentials import CredentialInput, Mode
from registry.services.changes.slot_tasks import SlotName


@dataclass(frozen=True, slots=True)
class Subaccounts:
    """The named subaccounts: one per exchange, and one for the remaining exchanges."""

    by_exchange: Mapping[str, int] = field(default_factory=dict)
    of_all: int | None = None

    @classmethod
    def parse(cls, texts: Iterable[str]) -> "Subaccounts":
        """From texts such as `3` and `lighter=3`.

        Raises:
            InvalidInput: a text is not valid, or an exchange is named twice.
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
        """Whether the number for the exchange, or any if none is named, is among those in use."""
        number = self.of(exchange)
        return number is None or number in held or (number == 0 and None in held)


NONE_NAMED: Final = Subaccounts()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """The options of an import."""

    create: bool = False
    """Create a missing account."""
    cascade: bool = False
    """Change credentials that are lent."""
    exchanges: Sequence[str] = ()
    """Import these exchanges' credentials only; by default all that the file has."""
    subaccounts: Subaccounts = NONE_NAMED
    allow_shared_secret: bool = False
    """Accept a secret that another account holds."""
    allow_other_account: bool = False
    """Accept a file that names another account."""


def import_inputs(
    credentials: Mapping[str, Mapping[str, Secret]], subaccounts: Subaccounts
) -> list[CredentialInput]:
    """The credentials of a file as input of the service; stored fields not in the file are kept.

    Raises:
        InvalidInput: a subaccount is named for an exchange without a credential in the file.
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
