"""A webhook, signed as https://www.standardwebhooks.com says."""

import base64
import binascii
import contextlib
import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import urlsplit

from registry.encryption.secret import Secret

_PREFIX: Final = "whsec_"
_LEAST_KEY: Final = 16
_DONE: Final = range(200, 300)
_ELSEWHERE: Final = range(300, 400)


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that takes messages by POST."""

    host: str
    port: int
    path: str = field(repr=False)
    """It may hold a token, as those of many services do: it is never shown."""
    is_encrypted: bool
    key: Secret | None
    seconds: float

    @classmethod
    def to(cls, url: Secret, secret: Secret | None, seconds: float, *, plain_http: bool) -> Self:
        """The webhook of an address.

        Raises:
            ValueError: it is none, is not encrypted, or the secret is too short.
        """
        parts, port = None, None
        with contextlib.suppress(ValueError):  # its text has the address
            parts = urlsplit(url.reveal())
            port = parts.port or (443 if parts.scheme == "https" else 80)
        if (
            parts is None
            or port is None
            or parts.scheme not in ("https", "http")
            or not parts.hostname
            or parts.username
        ):
            raise ValueError("webhook must be an address such as https://alerts.example/registry")
        if parts.scheme == "http" and not (plain_http or _is_local(parts.hostname)):
            raise ValueError("webhook must begin with https://, unless plain_http = true")
        path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        if not path.isascii() or not path.isprintable() or " " in path:
            raise ValueError("webhook must be an address of printable ASCII characters")
        if secret is not None and len(_key(secret)) < _LEAST_KEY:
            raise ValueError(f"its secret must have {_LEAST_KEY} bytes or more")
        is_encrypted = parts.scheme == "https"
        return cls(parts.hostname, port, path, is_encrypted, secret, seconds)

    def __str__(self) -> str:
        return f"webhook at {self.host}"

    def send(self, id_: str, body: bytes) -> str | None:
        """Sends a message; returns what went wrong, or None if the receiver took it.

        It takes no longer than its seconds from the connection on. Nothing of the answer but the
        status is read, and a redirection is not followed: it would leave with the signature.
        """
        try:
            with self._connected() as connection:
                connection.request("POST", self.path, body, self._headers(id_, body))
                status = connection.getresponse().status
        except TimeoutError:
            return f"no answer within {self.seconds:g} seconds"
        except ssl.SSLError as error:
            return f"no encrypted connection: {error.reason or type(error).__name__}"
        except OSError as error:
            return f"no connection: {error.strerror or type(error).__name__}"
        except (http.client.HTTPException, ValueError) as error:
            return f"no answer in HTTP: {type(error).__name__}"
        if status in _ELSEWHERE:
            return f"HTTP {status}: it redirects, and that is not followed"
        return None if status in _DONE else f"HTTP {status}"

    @contextlib.contextmanager
    def _connected(self) -> Iterator[http.client.HTTPConnection]:
        plain = socket.create_connection((self.host, self.port), timeout=self.seconds)
        with contextlib.ExitStack() as closing:
            made = closing.enter_context(plain)
            if self.is_encrypted:
                made = closing.enter_context(
                    ssl.create_default_context().wrap_socket(
                        plain, server_hostname=self.host, do_handshake_on_connect=False
                    )
                )
            expired = threading.Event()

            def cut() -> None:
                # Each byte of a slow answer would begin the socket's own limit anew.
                expired.set()
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(made, socket.SHUT_RDWR)

            timer = threading.Timer(self.seconds, cut)
            timer.daemon = True
            timer.start()
            closing.callback(timer.cancel)
            connection = http.client.HTTPConnection(self.host, self.port)
            connection.sock = made
            try:
                if isinstance(made, ssl.SSLSocket):
                    made.do_handshake()
                yield connection
                if expired.is_set():  # what was cut looks like an answer that has ended
                    raise TimeoutError
            except (OSError, http.client.HTTPException, ValueError):
                if expired.is_set():
                    raise TimeoutError from None
                raise

    def _headers(self, id_: str, body: bytes) -> dict[str, str]:
        moment = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "account-registry",
            "Connection": "close",
            "webhook-id": id_,
            "webhook-timestamp": moment,
        }
        if self.key is not None:
            signed = f"{id_}.{moment}.".encode() + body
            digest = hmac.digest(_key(self.key), signed, hashlib.sha256)
            headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
        return headers


def _key(secret: Secret) -> bytes:
    text = secret.reveal()
    if not text.startswith(_PREFIX):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(f"its secret begins with {_PREFIX}, and is not base64") from None


def _is_local(name: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(name).is_loopback
    return name == "localhost"
