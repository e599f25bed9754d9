"""What a column holds. It is said once, in the type of its row; all else follows from that.

A row is a `TypedDict` with the columns in their order. The annotation of each says what may
stand in it: its type, whether it may be NULL (`| None`), and as a `Column` the rest. From this
follow the statements of the sinks, what an event's field means for the row, which details can
be set and cleared, what a rollback brings back, what a table made by hand must have, and what
the table refuses (a test compares that with the table's own constraints).
"""

import datetime as dt
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, cast, get_args, get_type_hints

Misfit = str
"""Why a value or a change cannot be, in words; empty if it can."""

NEEDED: Final = object()
"""The default of a column for which each event that makes a row must have a value."""

OWN_TIME: Final = object()
"""The default of a column that holds when the event happened, unless its data say otherwise."""


@dataclass(frozen=True, slots=True)
class Column:
    """What may stand in a column."""

    type: str
    """PostgreSQL's, with its length."""
    rule: Callable[[Any], bool] | None = None
    """What a value must fulfil beyond its type."""
    default: Any = NEEDED
    """What a new row holds if the event says nothing; NULL where the column may hold that."""
    detail: bool = False
    """Whether a command can set and clear it by itself."""
    secret: bool = False
    """Whether its values are never shown, encrypted though they are."""
    original: bool = False
    """Whether a table made by hand, before the registry, must have it to be adopted."""
    account: bool = False
    """Whether it refers to an account."""
    nullable: bool = False
    """Follows from the annotation."""

    @property
    def kind(self) -> str:
        """The type without its length: a cast to `varchar(255)` would cut what is longer."""
        return self.type.partition("(")[0]

    def misfit(self, name: str, value: Any) -> Misfit:
        """Why the column of this name cannot hold a value."""
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
    """The columns that a row's type declares, in order."""
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
    """Whether it is an id in the one form that events hold."""
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def is_clean(name: str) -> bool:
    """Whether it can be a name: not blank, not padded, without control characters."""
    stripped = name.strip(" ")
    return name == stripped != "" and not any(unicodedata.category(c) == "Cc" for c in name)


def is_object(value: Any) -> bool:
    """Whether it is a JSON object."""
    return isinstance(value, dict)


def is_array(value: Any) -> bool:
    """Whether it is a JSON array."""
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
