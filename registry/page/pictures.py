"""Pictures, drawn as SVG; what each shows is also said as its text."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from markupsafe import Markup

_WIDTH: Final = 720
_HEIGHT: Final = 96
_FOOT: Final = 18
_HEAD: Final = 14
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
    step = _WIDTH / max(1, len(counts))
    room = _HEIGHT - _FOOT - _HEAD
    parts = [
        Markup(
            '<svg class="hours" viewBox="0 0 {w} {h}" role="img" aria-label="{label}">'
            '<line class="foot" x1="0" x2="{w}" y1="{y}" y2="{y}"/>'
        ).format(
            w=_WIDTH,
            h=_HEIGHT,
            y=_HEIGHT - _FOOT + 0.5,
            label=f"{total:,} releases in the last {len(counts)} hours, at most {most:,} in one",
        )
    ]
    for number, (hour, count) in enumerate(counts):
        height = 0 if not count else max(2, round(room * count / most))
        x = number * step
        parts.append(
            Markup(
                '<rect x="{x:.1f}" y="{y}" width="{w:.1f}" height="{h}" rx="2">'
                "<title>{hour:%H}:00, {count:,}</title></rect>"
            ).format(
                x=x + 2, y=_HEIGHT - _FOOT - height, w=step - 4, h=height, hour=hour, count=count
            )
        )
        if count == most > 0:
            parts.append(_label(x + step / 2, _HEIGHT - _FOOT - height - 4, f"{count:,}"))
        if number % 6 == 0 or number == len(counts) - 1:
            parts.append(_label(x + step / 2, _HEIGHT - 4, f"{hour:%H}:00"))
    return Markup("").join([*parts, Markup("</svg>")])


def _label(x: float, y: float, text: str) -> Markup:
    return Markup('<text x="{x:.1f}" y="{y}">{text}</text>').format(x=x, y=y, text=text)
