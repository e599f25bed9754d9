"""Serves the metrics over HTTP, on this machine only unless told."""

import contextlib
import ipaddress
import socket
import socketserver
from collections.abc import Callable, Iterable
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import make_wsgi_app

from registry.errors import InvalidInput
from registry.hints import Hint, Option
from registry.services.metrics.collector import RegistryCollector, of_its_own
from registry.shown import shown

_PORTS: Final = range(65536)
_LOCAL: Final = "localhost"


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Binds without asking a name server for this machine's name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "", self.socket.getsockname()[1]
        self.setup_environ()


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    timeout = 10
    """How many seconds a client may take for its request, and for reading the answer."""

    def log_message(self, *_: Any) -> None:
        """Says nothing: a request every few seconds is what is wanted."""


def serve(
    collector: RegistryCollector,
    listen: str,
    *,
    any_address: bool,
    ready: Callable[[str], None],
) -> None:
    """Serves until the program is interrupted; `ready` gets the address.

    Raises:
        InvalidInput: the address is none, is not of this machine alone, or is in use.
    """
    address, port = _parsed(listen)
    if not (address.is_loopback or any_address):
        hint = Hint("Whoever reaches it can read the names of accounts. If that is meant: ",
                    Option("any_address"))  # fmt: skip
        raise InvalidInput(f"other machines could reach {address}", hint=hint)
    metrics: Any = make_wsgi_app(of_its_own(collector))
    is_short = isinstance(address, ipaddress.IPv4Address)
    kind = _Server if is_short else _Server6
    try:
        server = kind((str(address), port), _Quiet)
    except OSError as error:
        raise InvalidInput(f"cannot listen on {listen}: {error.strerror}") from None
    with server:
        server.set_app(_refusing_names(metrics) if address.is_loopback else metrics)
        host = str(address) if is_short else f"[{address}]"
        ready(f"http://{host}:{server.server_port}/metrics")
        server.serve_forever()


def _parsed(listen: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    host, colon, port = listen.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address("127.0.0.1" if bare == _LOCAL else bare)
        if colon and port.isdecimal() and int(port) in _PORTS:
            return address, int(port)
    hint = "It looks like 127.0.0.1:9187 or [::1]:9187."
    raise InvalidInput(f"{shown(listen)} is no address to listen on", hint=hint)


def _refusing_names(app: Any) -> Any:
    """A web page can make a browser here ask a name of its own that leads to this machine."""

    def checked(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        named = environ.get("HTTP_HOST", _LOCAL)
        try:
            _parsed(named if named.rpartition(":")[2].isdecimal() else f"{named}:80")
        except InvalidInput:
            start("403 Forbidden", [("Content-Type", "text/plain")])
            return [b"Ask for this machine by its address.\n"]
        answer: Iterable[bytes] = app(environ, start)
        return answer

    return checked
