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
_FULL: Final = re.compile(
    "too many|remaining connection slots|no more connections|client connections exceeded"
)
_ONLY_READS: Final = "session is read-only"
_NO_ANSWER: Final = "connection timeout expired"

_OF_POOLERS: Final = {
    "no more connections allowed|client connections exceeded": "The pooler takes no more clients: "
    "raise its max_client_conn, or the like.",
    "accepted and not served": "The pooler's console says which: SHOW POOLS. A pool that is too "
    "small needs a larger default_pool_size.",
    "query_wait_timeout": "The pooler had no connection to the server free in time: its pool is "
    "too small or paused, or it does not reach the server.",
    "server_login_retry|cannot connect to server|server down": "The pooler does not reach the "
    "server: check that it runs. The pooler's log says more.",
    "closed the connection unexpectedly": "Try again. The log of the server, or of a pooler in "
    "between, says why.",
    "statement pooling mode": "Set the pooler's pool_mode to transaction.",
    "unsupported startup parameter": "It is a pooler's answer. Leave the parameter out of "
    "DATABASE_URL, or name it in the pooler's ignore_startup_parameters.",
}
"""What PgBouncer says, and what it means: all of its errors have the SQLSTATE 08P01."""
_NOT_SENT: Final = re.compile("query_wait_timeout|server_login_retry")

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


def pooler_hint(said: str) -> str | None:
    """What to do about an answer of a pooler's own; None if it is none."""
    return next((hint for text, hint in _OF_POOLERS.items() if re.search(text, said)), None)


def never_sent(said: str) -> bool:
    """Whether a pooler says that it had no server to send a statement to."""
    return bool(_NOT_SENT.search(said))


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
    if hint := pooler_hint("; ".join(said)):
        return hint
    if crowded:
        return "The server has no connection to give: raise its max_connections, or use a pooler."
    if any(_ONLY_READS in cause for cause in said):
        return READ_ONLY_HINT
    if all(cause == _NO_ANSWER for cause in said):
        return (
            "Check DATABASE_URL and that the server runs. A pooler does not answer either while it "
            "reaches no server."
        )
    return (
        "Check DATABASE_URL and that the server runs; "
        "unset DATABASE_URL to use the embedded database."
    )
