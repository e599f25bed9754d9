"""Who may see the page: the token, the sessions of browsers, and the names of this server."""

import collections
import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

_SESSIONS: Final = 1000

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer, by which a form of this page would come from nowhere.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "account-registry",
}
"""The headers of every answer."""


class Guard:
    """Knows the token, and the browsers that have shown it."""

    def __init__(self, names: Iterable[str], token: str | None = None) -> None:
        self.token = token or secrets.token_urlsafe(32)
        self._names = {name.lower() for name in (*names, "localhost")}
        # In the order of their making: the oldest ends when there are too many.
        self._sessions: collections.OrderedDict[bytes, None] = collections.OrderedDict()

    def is_own_host(self, host: str) -> bool:
        """Whether a request was sent to this server by a name of its own, or by its address.

        A page elsewhere can make its own name point here, but no address.
        """
        try:
            name = urlsplit(f"//{host}").hostname or ""
            ipaddress.ip_address(name)
        except ValueError:
            return host.rpartition(":")[0].lower() in self._names or host.lower() in self._names
        return True

    @staticmethod
    def is_own_origin(origin: str | None, host: str) -> bool:
        """Whether a form was sent from a page of this server; programs name no origin."""
        return origin is None or urlsplit(origin).netloc == host

    def knows_token(self, given: str) -> bool:
        """Whether this is the token; takes as long for any other one."""
        return hmac.compare_digest(given.strip().encode(), self.token.encode())

    def new_session(self) -> str:
        """A new session's id, for the cookie of a browser that has shown the token."""
        session = secrets.token_urlsafe(32)
        self._sessions[_digest(session)] = None
        while len(self._sessions) > _SESSIONS:
            self._sessions.popitem(last=False)
        return session

    def knows_session(self, session: str) -> bool:
        """Whether a browser that sends this has shown the token."""
        return _digest(session) in self._sessions

    def end_session(self, session: str) -> None:
        """Forgets a session."""
        self._sessions.pop(_digest(session), None)


def _digest(session: str) -> bytes:
    # What is looked up is not what was sent, so that the time of it tells nothing.
    return hashlib.sha256(session.encode()).digest()
