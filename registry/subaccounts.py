"""The choice of subaccounts as callers make it: one for all exchanges, or for each another."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self, TypeAlias

from registry import values
from registry.errors import InvalidInput
from registry.hints import Hint, Option
from registry.shown import shown

Choice: TypeAlias = int | Mapping[str, int | None] | None
"""A subaccount for all exchanges, or exchange -> subaccount; None makes no choice.

In a mapping None stands for the credential without a subaccount, "" for all other exchanges."""

_UNNUMBERED: Final = "none"


@dataclass(frozen=True, slots=True)
class Subaccounts:
    """The chosen subaccounts, as the mapping of a `Choice`."""

    chosen: Mapping[str, int | None] = field(default_factory=dict)

    @classmethod
    def of(cls, choice: Choice) -> Self:
        """Builds it from an argument.

        Raises:
            InvalidInput: a subaccount is not a valid number, or an exchange no name.
        """
        chosen = choice if isinstance(choice, Mapping) else {} if choice is None else {"": choice}
        for name, number in chosen.items():
            if type(name) is not str:
                raise InvalidInput("a subaccount is chosen by the name of its exchange")
            if number is not None:
                if type(number) is not int:
                    raise InvalidInput(
                        "a subaccount is a whole number, or None for the one without"
                    )
                values.subaccount_index(number)
        return cls(dict(chosen))

    @classmethod
    def parse(cls, texts: Iterable[str], *, numbers_only: bool = False) -> Self:
        """Builds it from texts such as `3`, `lighter=3` and `aster=none`.

        Raises:
            InvalidInput: a text is not valid, or an exchange is named twice.
        """
        found: dict[str, int | None] = {}
        for text in texts:
            exchange, equals, number = text.rpartition("=")
            is_none = number == _UNNUMBERED and not numbers_only
            if not (is_none or _is_whole(number)) or bool(equals) != bool(exchange):
                also = "" if numbers_only else ", or `none` in its place for the one without"
                raise InvalidInput(
                    f"a subaccount is a number, or EXCHANGE=NUMBER{also}",
                    hint=Hint("It looks like ", Option("subaccount", {"lighter": 3}), "."),
                )
            if exchange in found:
                where = shown(exchange) if exchange else "all exchanges"
                raise InvalidInput(f"two subaccounts are named for {where}")
            found[exchange] = None if is_none else int(number)
        return cls.of(found)

    def get(self, exchange: str) -> int | None:
        """The number for an exchange; None for the credential without one, or for no choice."""
        return self.chosen.get(exchange, self.chosen.get(""))

    def leaves_open(self, exchange: str) -> bool:
        """Whether no credential of this exchange is chosen."""
        return not self.chosen.keys() & {exchange, ""}

    def others(self, exchange: str) -> list[str]:
        """The other exchanges that are named."""
        return sorted(self.chosen.keys() - {"", exchange})

    def among(self, exchanges: Collection[str]) -> "Subaccounts":
        """The choice for these exchanges only."""
        return Subaccounts({n: v for n, v in self.chosen.items() if n in {"", *exchanges}})

    def check(self, loaded: Collection[str]) -> None:
        """Checks that each named exchange is among those that are loaded.

        Raises:
            InvalidInput: one is not.
        """
        for exchange in self.others(""):
            if exchange not in loaded:
                raise not_loaded(exchange, loaded)


NOT_CHOSEN: Final = Subaccounts()


def not_loaded(exchange: str, loaded: Collection[str]) -> InvalidInput:
    """The error for a choice that names another exchange than the loaded ones."""
    return InvalidInput(
        f"a subaccount is chosen for {shown(exchange)}, and no credential of it is asked for",
        hint=f"There is a choice for: {', '.join(loaded)}.",
    )


def _is_whole(text: str) -> bool:
    return text.removeprefix("-").isdecimal() and text.isascii()
