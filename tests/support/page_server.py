"""The page of a registry, and a client that keeps cookies as a browser does."""

import asyncio
import contextlib
import http.client
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field

from registry.page.guard import Guard
from registry.page.serving import listening
from registry.registry import Registry
from support.bots import login_role
from support.demo_fleet import demo_fleet
from support.world import World


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the page."""

    status: int
    headers: dict[str, str]
    text: str


@dataclass(slots=True)
class Browser:
    """Asks the page, with its token unless that is taken away."""

    address: str
    token: str
    cookie: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> Answer:
        """The answer to a GET."""
        return self.ask("GET", path, headers=headers)

    def ask(
        self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """The answer to a request; header names have _ for -."""
        place = urllib.parse.urlsplit(self.address)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
        sent = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        if self.cookie:
            sent["Cookie"] = self.cookie
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, body, {**self.headers, **sent})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, text)

    def events(self) -> Iterator[str]:
        """The lines of server-sent events, until the server ends."""
        place = urllib.parse.urlsplit(self.address)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
        connection.request("GET", "/changes", headers={"Authorization": f"Bearer {self.token}"})
        answer = connection.getresponse()
        with contextlib.closing(connection):
            while line := answer.readline():
                yield line.decode().rstrip("\n")


@contextlib.contextmanager
def page_of(registry: Registry, *names: str) -> Iterator[Browser]:
    """The page of a registry, in a thread; the browser has its token."""
    guard, ready = Guard(names), threading.Event()
    found: list[str] = []
    ended: list[asyncio.Event] = []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        ended.append(asyncio.Event())
        async with listening(registry, ("127.0.0.1", 0), guard) as address:
            found.append(address)
            ready.set()
            await ended[0].wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(20)
    try:
        yield Browser(found[0], guard.token)
    finally:
        loop.call_soon_threadsafe(ended[0].set)
        thread.join(20)
        loop.close()


@contextlib.contextmanager
def page_of_fleet(address: str, *names: str) -> Iterator[tuple[World, Browser]]:
    """A fleet in the empty registry at an address, and its page on an auditor's login."""
    with (
        demo_fleet(address) as world,
        login_role(address, "registry_auditor") as auditor,
        Registry.open(auditor.address) as registry,
        page_of(registry, *names) as page,
    ):
        yield world, page
