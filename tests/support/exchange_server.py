"""A stand-in for exchanges: records requests, answers reads, and refuses everything else."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

# GRVT uses POST for all requests.
_GRVT_READS: Final = frozenset(
    (
        *("all_instruments", "currency", "mini", "ticker", "book", "trade_history", "kline"),
        *("funding", "positions", "account_summary", "order", "open_orders", "order_history"),
        *("fill_history", "funding_payment_history", "get_all_initial_leverage"),
        *("deposit_history", "transfer_history", "withdrawal_history"),
    )
)


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    method: str
    path: str
    raw_query: str
    headers: Mapping[str, str]
    body: str

    @property
    def query(self) -> Mapping[str, str]:
        """The query parameters."""
        return dict(parse_qsl(self.raw_query))

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def reads(self, exchange: str) -> bool:
        """Whether the request only reads, or logs in."""
        if self.method == "GET":
            return True
        folder, _, last = self.path.rpartition("/")
        return self.method == "POST" and {
            "hyperliquid": self.path == "/info",
            "paradex": self.path == "/v1/auth",
            "grvt": self.path == "/auth/api_key/login"
            or (folder in ("/full/v1", "/lite/v1") and last in _GRVT_READS),
        }.get(exchange, False)


@dataclass(frozen=True)
class Reply:
    """An answer with a status of its own; a text as its body is sent as it is."""

    status: int
    body: Any
    seconds: float = 0
    """How long the answer takes."""


Answer = Callable[[Request], Any]


class ExchangeServer(ThreadingHTTPServer):
    """Answers for one exchange by calling a function."""

    request_queue_size = 256

    def __init__(self, exchange: str, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.exchange = exchange
        self.answer = answer
        self.trading = False
        """Whether requests that change something are accepted too."""
        self.requests: list[Request] = []
        self.address = f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def changes(self) -> list[Request]:
        """The requests that were not reads."""
        return [request for request in self.requests if not request.reads(self.exchange)]

    def config(self, *, exchange: str | None = None, **options: Any) -> dict[str, Any]:
        """The options of a ccxt client, by default its exchange's, that direct it here."""
        import ccxt

        urls = getattr(ccxt, exchange or self.exchange)().urls["api"]
        return {
            "urls": {"api": _moved(urls, self.address)},
            "enableRateLimit": False,
            "options": options,
        }


def _moved(urls: Any, address: str) -> Any:
    if isinstance(urls, dict):
        return {name: _moved(inner, address) for name, inner in urls.items()}
    return address + urlsplit(urls).path if isinstance(urls, str) else urls


class _Handler(BaseHTTPRequestHandler):
    server: ExchangeServer

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        parts = urlsplit(self.path)
        request = Request(self.command, parts.path, parts.query, dict(self.headers), body)
        self.server.requests.append(request)
        if self.server.trading or request.reads(self.server.exchange):
            self._send(200, self.server.answer(request))
        else:
            self._send(403, {"status": "err", "error": "a change", "code": 403, "message": "no"})

    def _send(self, status: int, answer: Any) -> None:
        if isinstance(answer, Reply):
            time.sleep(answer.seconds)
            status, answer = answer.status, answer.body
        is_text = isinstance(answer, str)
        content = (answer if is_text else json.dumps(answer)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if is_text else "application/json")
        self.send_header("Content-Length", str(len(content)))
        if self.path.endswith("/login"):
            self.send_header("Set-Cookie", "gravity=grvt-session; HttpOnly")
            self.send_header("X-Grvt-Account-Id", "account-of-grvt")
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _handle  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Logs nothing."""


@contextmanager
def serving(exchange: str, answer: Answer) -> Iterator[ExchangeServer]:
    """A server that runs meanwhile."""
    with ExchangeServer(exchange, answer) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield running
        finally:
            running.shutdown()
            thread.join()
