"""Values as plain text, on a line for people or as JSON: nothing in it steers a terminal."""

import datetime as dt
import decimal
import re
import uuid
from typing import Any, Final

# Characters that control a terminal (C0 and C1, line ends included), change the direction
# of text, cannot be seen, or end a line: https://www.unicode.org/reports/tr9/
_STEERING: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)


def show(value: Any) -> str:
    """A value on one line, for people; times are UTC."""
    match value:
        case None | []:
            return "-"
        case bool():
            return "yes" if value else "no"
        case dt.datetime():
            moment = value if value.tzinfo is None else value.astimezone(dt.UTC)
            return f"{moment:%Y-%m-%d %H:%M:%S}Z"
        case dict():
            return to_json(value)
        case list() | tuple():
            return ", ".join(show(item) for item in value)
        case _:
            # Exact numbers without exponents: a position of nothing is 0.00000000 and not 0E-8.
            return visible(f"{value:f}" if isinstance(value, decimal.Decimal) else str(value))


def visible(text: str) -> str:
    r"""Escapes control characters (ESC as \x1b), so that a terminal shows them and does not obey.

    Names, labels and reasons come from the database, and their authors may want to forge the
    output that an administrator sees.
    """
    if text.isprintable():  # almost always; a long table has a hundred thousand texts
        return text
    return _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def to_json(value: Any) -> str:
    """JSON text; times are ISO 8601 in UTC, exact numbers are strings."""
    import orjson

    text = orjson.dumps(
        value, default=_encode, option=orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z
    ).decode()
    # JSON escapes C0 only; these characters occur in strings only, so an escape is equivalent.
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _encode(value: Any) -> Any:
    if isinstance(value, decimal.Decimal | uuid.UUID):
        return str(value)
    raise TypeError(type(value).__name__)
