"""Changed details in words, such as `metadata.max_positions: 3 → 5`."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from registry.shown import shown

_LONGEST: Final = 60


def in_words(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """How what is named after differs from before."""
    changes = _changes(before, after, "")
    return ", ".join(f"{name}: {_text(old)} → {_text(new)}" for name, old, new in changes)


def _changes(
    before: Mapping[str, Any], after: Mapping[str, Any], within: str
) -> Iterator[tuple[str, Any, Any]]:
    # Within a detail all of it is said, so that what is not there any more has gone.
    for name in [*after, *(sorted(before.keys() - after.keys()) if within else ())]:
        old, new = before.get(name), after.get(name)
        if isinstance(new, Mapping) and isinstance(old, Mapping | None):
            yield from _changes(old or {}, new, f"{within}{name}.")
        elif old != new:
            yield f"{within}{name}", old, new


def _text(value: Any) -> str:
    if value is None:
        return "nothing"
    text = shown(value)
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return repr(text) if isinstance(value, str) else text
