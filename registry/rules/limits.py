"""The limits of an account: the keys of its metadata that the registry itself keeps.

Each stands here once, with what it means and what it may be. The database enforces them
(`position_limits`, `account_allows`). All other keys are for people and bots.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from registry.errors import InvalidInput
from registry.hints import Hint, Option
from registry.shown import shown

ALLOWED_EXCHANGES: Final = "allowed_exchanges"

_NEAR: Final = 0.9
"""So alike are max_positon and max_positions, but not max_position_size."""
_SAME_WORDS: Final = {"maximum": "max", "allowlist": "whitelist", "permitted": "allowed"}
_MORE_WORDS: Final = ("of", "in", "num", "number", "count", "total", "list", "concurrent")
"""What changes nothing in a name's meaning."""
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@dataclass(frozen=True, slots=True)
class Limit:
    """A key that the registry keeps."""

    means: str
    fits: Callable[[Any], bool]
    """Whether a value, other than null, is one."""
    must_be: str
    also: tuple[str, ...] = ()
    """What people take for its name, which no misspelling leads to."""


LIMITS: Final[Mapping[str, Limit]] = {
    "max_positions": Limit(
        "how many open positions the account has at most",
        lambda value: type(value) is int and value >= 0,
        "a whole number, 0 or more",
        ("max_open_positions", "position_limit", "max_open_trades"),
    ),
    "max_exposure_usd": Limit(
        "how many USD its open positions are worth at most, together",
        lambda value: type(value) in (int, float) and value >= 0,
        "a number, 0 or more",
        ("max_exposure", "max_usd_exposure", "exposure_limit", "exposure_usd"),
    ),
    ALLOWED_EXCHANGES: Limit(
        "the exchanges for which it may have credentials, shares and positions",
        lambda value: isinstance(value, list) and all(type(name) is str for name in value),
        'a list of exchange names, such as ["lighter", "aster"]',
        ("allowed_dexes", "allowed_exchange_names", "exchange_whitelist", "enabled_exchanges"),
    ),
}


def check_limits(metadata: Mapping[str, Any], *, as_is: bool = False) -> None:
    """Refuses values that are no limits, and keys that look like a limit's, unless `as_is`.

    Raises:
        InvalidInput: there is one.
    """
    for key, value in metadata.items():
        limit = LIMITS.get(key)
        if limit is not None and value is not None and not limit.fits(value):
            raise InvalidInput(f"{key} must be {limit.must_be}")
        if not as_is and (meant := meant_by(key)):
            raise InvalidInput(
                f"the metadata's key {shown(repr(key))} is no limit that the registry knows",
                hint=Hint(
                    f"Did you mean {meant}? To keep the key as it is, add ", Option("as_is"), "."
                ),
            )


def allows(metadata: Mapping[str, Any], exchange: str) -> bool:
    """Whether an account of this metadata may use an exchange.

    The database decides, by `account_allows`; what is no list allows nothing.
    """
    allowed = metadata.get(ALLOWED_EXCHANGES)
    return allowed is None or (isinstance(allowed, list) and exchange in allowed)


def stopped(before: Mapping[str, Any], after: Mapping[str, Any]) -> Callable[[str], bool]:
    """Which exchanges an account could use before, and cannot after."""
    return lambda exchange: allows(before, exchange) and not allows(after, exchange)


def meant_by(key: str) -> str | None:
    """The limit whose name a key, which is none itself, was likely meant to be."""
    import difflib

    if key in LIMITS:
        return None

    names = {_normal(name): limit for limit in LIMITS for name in (limit, *LIMITS[limit].also)}
    joined = {_joined(limit): limit for limit in LIMITS}
    for known, written in ((names, _normal(key)), (joined, _joined(key))):
        if close := difflib.get_close_matches(written, known, n=1, cutoff=_NEAR):
            return known[close[0]]
    return None


def _normal(key: str) -> str:
    """A key's words in the order of the alphabet, however they are joined."""
    words = (word.lower() for word in _WORD.findall(key))
    return "".join(sorted(_SAME_WORDS.get(word, word) for word in words if word not in _MORE_WORDS))


def _joined(key: str) -> str:
    return "".join(_WORD.findall(key)).lower()
