"""Receivers of alerts: a web server that records what it gets, and that misbehaves when told."""

import base64
import contextlib
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

SECRET: Final = "whsec_" + base64.b64encode(b"a secret of the receiver").decode()
_KEY: Final = b"a secret of the receiver"


class Receiver:
    """A webhook on this machine."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/hook/token-in-the-path"
        self.port = port
        self.bodies: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self.behave: Callable[[BaseHTTPRequestHandler], None] = answers(204)
        self.asked = 0

    def took(self, count: int, *, seconds: float = 30) -> list[dict[str, Any]]:
        """Waits until it has taken so many messages."""
        deadline = time.monotonic() + seconds
        while len(self.bodies) < count:
            assert time.monotonic() < deadline, self.bodies
            time.sleep(0.02)
        return self.bodies

    def was_asked(self, count: int) -> None:
        """Waits until somebody has asked so often."""
        deadline = time.monotonic() + 30
        while self.asked < count:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def answers(status: int, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """The behaviour of a server that answers at once."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def hangs(handler: BaseHTTPRequestHandler) -> None:
    """Says nothing."""
    time.sleep(3)


def drips(handler: BaseHTTPRequestHandler) -> None:
    """Sends a header that does not end, a byte at a time."""
    with contextlib.suppress(OSError):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for _ in range(30):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.1)


def floods(handler: BaseHTTPRequestHandler) -> None:
    """Answers, and then sends a body without end."""
    with contextlib.suppress(OSError):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(100_000):
            handler.wfile.write(b"x" * 65536)


def babbles(handler: BaseHTTPRequestHandler) -> None:
    """Answers in no HTTP."""
    handler.wfile.write(b"\x00\xff" * 100)


def continues(handler: BaseHTTPRequestHandler) -> None:
    """Says again and again that it is to be waited for."""
    with contextlib.suppress(OSError):
        for _ in range(300):
            handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            time.sleep(0.01)


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    """A running receiver."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.asked += 1
            behave = receiver.behave
            check(self.headers, body)
            behave(self)
            if behave is ok:
                receiver.ids.append(self.headers["webhook-id"])
                receiver.bodies.append(json.loads(body))

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver = Receiver(server.server_port)
    ok = receiver.behave
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def check(headers: Any, body: bytes) -> None:
    """Verifies the signature with other code than the sender's."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(_KEY, signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert abs(time.time() - int(headers["webhook-timestamp"])) < 60
    assert json.loads(body)["id"] == headers["webhook-id"]
