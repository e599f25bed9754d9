"""Moments and spans of time as people type them: every option and parameter takes them alike."""

import datetime as dt
import re
from typing import Final

from registry.clock import now
from registry.errors import InvalidInput

_SPAN: Final = re.compile(
    r"([+-]?)([0-9]{1,5}) ?(?:(s|seconds?)|(min|minutes?)|(h|hours?)|(d|days?)|(w|weeks?))"
)
_UNITS: Final = ("seconds", "minutes", "hours", "days", "weeks")
_DAYS: Final = {"yesterday": -1, "today": 0, "tomorrow": 1}
_YEARS: Final = range(1970, 2200)
_DATE_LENGTH: Final = len("2030-01-31")

# No m: it is minutes for some and months for others.
_SPAN_FORMS: Final = "10s, 30min, 36h, 14d or 2w"
_FORMS: Final = "2030-01-31T12:00:00Z, 2030-01-31, -36h, -1d, 2w, yesterday, today or now"
_FORMS_AHEAD: Final = "2030-01-31T12:00:00Z, 2030-01-31, 36h, 90d, 12w or tomorrow"


def moment(value: str | dt.datetime, what: str, *, ahead: bool = False) -> dt.datetime:
    """A moment in UTC.

    A text is ISO 8601 with its time zone, a date, which is its first moment in UTC, a word
    such as `yesterday`, or a span before (-1d) or after (+1d) now. A span without a sign is
    before now, as what is asked for is in the past; with `ahead` it is after now.

    Raises:
        InvalidInput: it is not a moment, says no time zone, or no calendar of people has it.
    """
    try:
        found = value if isinstance(value, dt.datetime) else _parsed(value, what, ahead=ahead)
        if found.tzinfo is None:
            raise InvalidInput(
                f"{what} {value} says no time zone", hint="Add Z for UTC, or +02:00 and the like."
            )
        utc = found.astimezone(dt.UTC)
    except OverflowError:
        utc = None
    if utc is None or utc.year not in _YEARS:
        hint = f"A year is {_YEARS[0]} to {_YEARS[-1]}."
        raise InvalidInput(f"{what} {value} is out of range", hint=hint)
    return utc


def _parsed(text: str, what: str, *, ahead: bool) -> dt.datetime:
    word = text.strip().lower()
    if word == "now":
        return now()
    if word in _DAYS:
        first = now().replace(hour=0, minute=0, second=0, microsecond=0)
        return first + dt.timedelta(days=_DAYS[word])
    if found := _SPAN.fullmatch(word):
        is_after = found[1] == "+" or (ahead and not found[1])
        then = now() + (_span(found) if is_after else -_span(found))
        return then.replace(microsecond=0) if ahead else then
    try:
        parsed = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        forms = _FORMS_AHEAD if ahead else _FORMS
        raise InvalidInput(
            f"{what} {text!r} is not a moment", hint=f"It looks like {forms}."
        ) from None
    is_date = parsed.tzinfo is None and len(word) == _DATE_LENGTH
    return parsed.replace(tzinfo=dt.UTC) if is_date else parsed


def duration(text: str, what: str) -> dt.timedelta:
    """A span of time such as 14d.

    Raises:
        InvalidInput: it is not one.
    """
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None or found[1]:
        hint = f"It looks like {_SPAN_FORMS}."
        raise InvalidInput(f"{what} {text!r} is not a span of time", hint=hint)
    return _span(found)


def _span(found: re.Match[str]) -> dt.timedelta:
    unit = next(unit for unit, written in zip(_UNITS, found.groups()[2:], strict=True) if written)
    return dt.timedelta(**{unit: int(found[2])})
