"""What a loader gives."""

from collections.abc import Iterator
from typing import Any

from registry.errors import RegistryError


class Credential(dict[str, Any]):
    """The fields of one credential: name -> value. An accidental print shows the names only."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self)})"

    def __rich_repr__(self) -> Iterator[str]:
        # Rich, which many bots use to show errors, would show the values.
        yield from self


class AccountCredentials(dict[str, dict[str, Any]]):
    """The credentials of an account: exchange -> field -> value.

    The order of the fields is api_key, secret_key, subaccount_index (a number, absent if
    the credential has none), then all further fields. Every other value is a text.
    """

    def __init__(self, problems: dict[str, RegistryError]) -> None:
        super().__init__()
        self.problems = problems
        """Exchange -> the error that its credential caused."""

    def __repr__(self) -> str:
        # An accidental print shows the names of the fields and no value.
        shown = {exchange: sorted(fields) for exchange, fields in self.items()}
        return f"AccountCredentials({shown})"

    def __rich_repr__(self) -> Iterator[tuple[str, list[str]]]:
        yield from ((exchange, sorted(fields)) for exchange, fields in self.items())
