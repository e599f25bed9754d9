"""Each value of a view in words, for every face: times as spans, numbers with their commas."""

import datetime as dt
import functools
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from registry.hints import commands_of
from registry.plain import show, visible
from registry.plurals import counted
from registry.services.views.described import Column
from registry.shown import shown

NONE: Final = "-"
_SPANS: Final = (("d", 86_400), ("h", 3600), ("min", 60))
_LONGEST: Final = 300
_LARGE: Final = 1000


def in_words(column: Column, row: Mapping[str, Any], now: dt.datetime) -> str:
    """The value of a column in a row; nothing in the text steers a terminal or a page."""
    value = row[column.name]
    return NONE if value in (None, [], "") else _said(column, value, row, now)


def _said(column: Column, value: Any, row: Mapping[str, Any], now: dt.datetime) -> str:
    words: str
    match column.kind:
        case "since":
            words = f"{span(now - value)} ago" if value <= now else f"in {span(value - now)}"
        case "until":
            words = f"in {span(value - now)}" if value > now else f"{span(now - value)} ago"
        case "usd":
            words = _usd(value) + _limit(column, row, _usd)
        case "part":
            words = f"{value * 100:,.0f} %"
        case "number":
            words = _whole(value) + _limit(column, row, _whole)
        case "prose":
            words = _shortened(visible(commands_of(value)))
        case "said":
            words = said(value)
        case _:
            words = _shortened(show(value))
    return words


@functools.lru_cache(maxsize=4096)
def said(text: str) -> str:
    """A free text, unless it could be a secret by mistake."""
    return _shortened(visible(shown(text)))


def span(length: dt.timedelta) -> str:
    """A span of time in its largest unit, such as `3 d`."""
    seconds = int(abs(length).total_seconds())
    for unit, size in _SPANS:
        if seconds >= size:
            return f"{seconds // size:,} {unit}"
    return f"{seconds} s"


def why(row: Mapping[str, Any], now: dt.datetime) -> str | None:
    """Why an account is in its state; None if the state says all."""
    expires_at = row["expires_at"]
    match row["state"]:
        case "expired":
            return f"{row['expiring']} expired {span(now - expires_at)} ago"
        case "expires soon":
            return f"{row['expiring']} expires in {span(expires_at - now)}"
        case "check failed":
            return str(row["failed"])
        case "stopped":
            return str(row["stop_reason"] or "no reason was given")
        case "at its limit" | "near its limit":
            return _nearest(row)
    return None


def _nearest(row: Mapping[str, Any]) -> str:
    """The limit that an account is nearest to."""
    positions, most = row["positions"], row["max_positions"]
    exposure = row["of_limit"] or Decimal(0)
    if most is not None and positions >= exposure * most:
        return f"{positions:,} of {counted(int(most), 'position')}"
    return f"exposure is {exposure * 100:,.0f} % of the limit"


def _limit(column: Column, row: Mapping[str, Any], form: Callable[[Any], str]) -> str:
    """What a limit adds to the value that it limits."""
    limit = None if column.limit is None else row[column.limit]
    return "" if limit is None else f" / {form(limit)}"


def _usd(value: Decimal) -> str:
    """Dollars, with cents where they say something."""
    return f"{value:,.2f}" if 0 < abs(value) < _LARGE else f"{value:,.0f}"


def _whole(value: Decimal | int) -> str:
    return f"{value:,.0f}"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
