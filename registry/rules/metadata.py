"""Decisions about an account's metadata: as a whole, or one key at a time."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from registry.errors import InvalidInput, NotFound
from registry.hints import Hint, Option
from registry.rules.limits import check_limits
from registry.shapes import refuse_keys_within
from registry.shown import shown
from registry.values import metadata


@dataclass(frozen=True, slots=True)
class KeyChanges:
    """Keys of the metadata that are changed, while all others stay."""

    set: Mapping[str, Any] = field(default_factory=dict)
    unset: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Refuses values that JSON cannot carry; the command's own record holds them too."""
        metadata(self.set)

    def __bool__(self) -> bool:
        return bool(self.set or self.unset)

    def applied(self, before: Mapping[str, Any]) -> dict[str, Any]:
        """The metadata after these changes.

        Raises:
            InvalidInput: a key is set and unset.
            NotFound: a key to unset is not there.
        """
        if both := sorted(self.set.keys() & set(self.unset)):
            raise InvalidInput(f"the key {shown(both[0])} cannot be set and unset at once")
        if missing := [key for key in self.unset if key not in before]:
            raise NotFound(
                f"the metadata has no key {shown(missing[0])}",
                hint=f"Its keys are: {', '.join(before)}." if before else "It is empty.",
            )
        kept = {key: value for key, value in before.items() if key not in self.unset}
        return {**kept, **self.set}


def check_new(before: Mapping[str, Any], after: Mapping[str, Any], *, as_is: bool = False) -> None:
    """Checks the keys that are new or different; what the log holds already is not refused again.

    Raises:
        InvalidInput: a value may be a private key, or as `check_limits`.
    """
    new = {
        key: value
        for key, value in after.items()
        if key not in before or _written(before[key]) != _written(value)
    }
    refuse_keys_within(new, "metadata")
    check_limits(new, as_is=as_is)


def _written(value: Any) -> str:
    # In Python True is 1, and 1 is 1.0.
    return json.dumps(value, sort_keys=True)


def dropped(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What is to be said of the keys that a replacement of all drops."""
    gone = [shown(key) for key in before if key not in after]
    return [
        Hint(
            f"the metadata lost what was not named again: {', '.join(gone)}; ",
            Option("set", ...),
            " changes a key and keeps the others",
        )
    ] * bool(gone)
