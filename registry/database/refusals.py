"""The causes of a failed connection, and the prospects of another attempt.

libpq gives no SQLSTATE for a refused login, only a text, in the server's language. So this is
the one place that reads texts. After an unknown text, another attempt is made.
"""

import re
from typing import Final

import psycopg

from registry import errors

# After these causes only another address helps. The same is true of a text that quotes the user
# or the database, as texts in every language do if that name is the cause.
_FINAL: Final = re.compile(
    r"certificate|private key|\balert\b|password|authentication failed|does not support SSL"
    r"|\binvalid\b|parameter|argument|no such (user|database)|could not match",
    re.IGNORECASE,
)
_PREFIX: Final = re.compile(r"^- host: .*?, hostaddr: \S+: |connection (?:failed|is bad): ")
_QUOTED: Final = re.compile("'[^']*'|\"[^\"]*\"")
_FULL: Final = re.compile("too many|remaining connection slots|no more connections")
_ONLY_READS: Final = "session is read-only"
_NO_ANSWER: Final = "connection timeout expired"

READ_ONLY_HINT: Final = (
    "Name the server that takes writes in DATABASE_URL; where it names several hosts, that one "
    "is looked for."
)


def only_reads(error: psycopg.OperationalError) -> bool:
    """Whether a server that takes no writes was reached, and no server that takes them."""
    return any(_ONLY_READS in cause for cause in causes(error))


def not_connected(error: psycopg.OperationalError, seconds: float) -> errors.DatabaseUnavailable:
    """The error for a connection that failed after `seconds`; never shows the password."""
    said = causes(error)
    names = [(getattr(error.pgconn, part, None) or b"").decode() for part in ("user", "db")]
    crowded = any(_FULL.search(cause) for cause in said)
    silent = all(cause == _NO_ANSWER for cause in said)
    told = "; ".join(dict.fromkeys(said)).replace(_NO_ANSWER, "no answer in time")
    return errors.DatabaseUnavailable(
        f"cannot reach the database: {told}",
        hint=_hint(said, crowded=crowded),
        passing=not any(_is_final(cause, names) for cause in said),
        undone=True,
        crowded=crowded,
        silence=seconds if silent else 0,
    )


def causes(error: psycopg.Error) -> list[str]:
    """The answer of each server of the address, in one line each."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    attempts = [line for line in lines if line.startswith("- host: ")] or lines[:1]
    return [_PREFIX.sub("", attempt) for attempt in attempts]


def _is_final(cause: str, names: list[str]) -> bool:
    if _FULL.search(cause):
        return False
    answer = cause.rpartition(" failed: ")[2]
    quoted = "|".join(re.escape(name) for name in names if name)
    named = quoted and re.search(rf'["«»„“”]\s?({quoted})\s?["«»“”]', answer)
    return bool(_FINAL.search(_QUOTED.sub("", answer)) or named)


def _hint(said: list[str], *, crowded: bool) -> str:
    if crowded:
        return "The server has no connection to give: raise its max_connections, or use a pooler."
    if any(_ONLY_READS in cause for cause in said):
        return READ_ONLY_HINT
    return (
        "Check DATABASE_URL and that the server runs; "
        "unset DATABASE_URL to use the embedded database."
    )
