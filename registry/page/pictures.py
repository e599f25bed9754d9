"""Pictures, drawn as SVG; what each shows is also said as its text."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from markupsafe import Markup

_HEIGHT: Final = 80
_NEAR: Final = Decimal("0.8")


def bar(part: Decimal | float | None) -> Markup:
    """A bar of how much of a limit is used; the number stands beside it."""
    if part is None:
        return Markup()
    level = "bad" if part >= 1 else "warn" if part >= _NEAR else "ok"
    width = max(1, min(100, round(float(part) * 100)))
    return Markup(
        '<svg class="bar {level}" viewBox="0 0 100 6" preserveAspectRatio="none"'
        ' aria-hidden="true"><rect class="whole" width="100" height="6" rx="3"/>'
        '<rect class="used" width="{width}" height="6" rx="3"/>'
        '<rect class="mark" x="80" width="1" height="6"/></svg>'
    ).format(level=level, width=width)


def by_hour(counts: Sequence[tuple[dt.datetime, int]]) -> Markup:
    """Bars of the releases in each hour, the oldest on the left."""
    most = max((count for _, count in counts), default=0)
    total = sum(count for _, count in counts)
    head = Markup(
        '<svg class="hours" viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img"'
        ' aria-label="{label}">'
    ).format(
        width=10 * len(counts),
        height=_HEIGHT,
        label=f"{total:,} releases in {len(counts)} hours, at most {most:,} in one",
    )
    return Markup("").join(
        [head, *(_hour(n, *found, most) for n, found in enumerate(counts)), Markup("</svg>")]
    )


def _hour(number: int, hour: dt.datetime, count: int, most: int) -> Markup:
    # An hour without releases has a line, so that it is seen to be an hour.
    height = max(2, round(_HEIGHT * count / most)) if count else 1
    return Markup(
        '<rect x="{x}" y="{y}" width="8" height="{height}" class="{form}">'
        "<title>{hour:%H}:00, {count:,}</title></rect>"
    ).format(
        x=10 * number + 1,
        y=_HEIGHT - height,
        height=height,
        form="some" if count else "none",
        hour=hour,
        count=count,
    )
