"""Column declarations: each column is declared once, in the type of its row.

A row is a `TypedDict` with the columns in order. The annotation of a column gives its type,
nullability (`| None`), and the other rules as a `Column`. Everything else is derived from these
declarations: statements of the sinks, rows made by events, details that can be set, cleared
and rolled back, requirements for hand-made tables. Refused values are derived from them too; a
test compares them with the table's own constraints.
"""

import datetime as dt
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, cast, get_args, get_type_hints

Misfit = str
"""The reason why a value or a change does not fit, in words; empty if it fits."""

NEEDED: Final = object()
"""The default of a column that has none: the event that inserts a row must give the value."""

OWN_TIME: Final = object()
"""The default of a timestamp column: the time of the event, unless its data give another."""


@dataclass(frozen=True, slots=True)
class Column:
    """The type and the rules of a column."""

    type: str
    """The PostgreSQL type, with its length."""
    rule: Callable[[Any], bool] | None = None
    """A condition on values beyond the type."""
    default: Any = NEEDED
    """The value in a new row if the event gives none; NULL if the column is nullable."""
    detail: bool = False
    """Whether a command can set and clear the column by itself."""
    secret: bool = False
    """Whether the values, although encrypted, are never shown."""
    original: bool = False
    """Whether a hand-made table from before the registry must have the column to be adopted."""
    account: bool = False
    """Whether the column refers to an account."""
    nullable: bool = False
    """Derived from the annotation."""

    @property
    def kind(self) -> str:
        """The type without its length: a cast to `varchar(255)` would truncate longer values."""
        return self.type.partition("(")[0]

    def misfit(self, name: str, value: Any) -> Misfit:
        """The reason why the column `name` cannot hold a value; empty if it can."""
        if value is None:
            return "" if self.nullable else f"it lacks {name}"
        if not _FITS[self.kind](value) or (
            self.kind == "varchar" and len(value) > int(self.type[len("varchar(") : -1])
        ):
            return f"{name} cannot hold what it says"
        if self.rule is not None and not self.rule(value):
            return f"{name} cannot be what it says"
        return ""


def columns_of(row: type) -> dict[str, Column]:
    """The columns that a row type declares, in order."""
    return {
        name: _declared(hint) for name, hint in get_type_hints(row, include_extras=True).items()
    }


def _declared(hint: Any) -> Column:
    holds, column = get_args(hint)
    said = cast("Column", column)
    if type(None) not in get_args(holds):
        return said
    return replace(said, nullable=True, default=None if said.default is NEEDED else said.default)


def is_uuid(value: Any) -> bool:
    """Whether the value is an id in the canonical form of events."""
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def is_clean(name: str) -> bool:
    """Whether the text can be a name: not blank, not padded, without control characters."""
    stripped = name.strip(" ")
    return name == stripped != "" and not any(unicodedata.category(c) == "Cc" for c in name)


def is_object(value: Any) -> bool:
    """Whether the value is a JSON object."""
    return isinstance(value, dict)


def is_array(value: Any) -> bool:
    """Whether the value is a JSON array."""
    return isinstance(value, list)


def _is_time(value: Any) -> bool:
    if not isinstance(value, str) or _TIME.fullmatch(value) is None:
        return False
    try:
        dt.datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?")
_FITS: Final[dict[str, Callable[[Any], bool]]] = {
    "uuid": is_uuid,
    "timestamp": _is_time,
    "text": _is_text,
    "varchar": _is_text,
    "boolean": lambda value: isinstance(value, bool),
    "jsonb": lambda value: isinstance(value, dict | list),
    "integer": lambda value: type(value) is int and 0 <= value < 2**31,
}
