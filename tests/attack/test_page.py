"""Threat: Strangers at the page.

Whoever reaches the port of `serve`, or makes a browser that shows the page do so.
"""

import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol
from urllib.parse import quote, urlencode, urlsplit

import pytest
from support.demo_fleet import plant_hostile_texts, planted
from support.page_server import Browser, page_of, page_of_fleet
from support.world import World

from registry import Registry
from registry.page.guard import HEADERS
from registry.services.views.described import VIEWS

PATHS = ["/", *(f"/{name}" for name in VIEWS), "/account?name=main_bot"]


class Lends(Protocol):
    def __call__(self) -> AbstractContextManager[str]: ...


@pytest.fixture(scope="module")
def shown(fresh_database: Lends) -> Iterator[tuple[World, Browser]]:
    with fresh_database() as address, page_of_fleet(address, "bots.example.org") as found:
        yield found


@pytest.fixture
def page(shown: tuple[World, Browser]) -> Browser:
    return shown[1]


def without_token(page: Browser) -> Browser:
    return Browser(page.address, "")


def form(token: str) -> str:
    return urlencode({"token": token})


@pytest.mark.parametrize("path", [*PATHS, "/changes", "/no-such-page"])
def test_without_the_token_every_path_asks_for_it_and_shows_nothing(
    page: Browser, path: str
) -> None:
    for stranger in (without_token(page), Browser(page.address, "x" * 43)):
        answer = stranger.get(path)
        assert answer.status == 401
        assert 'name="token"' in answer.text
        assert "main_bot" not in answer.text.replace(path, "")


def test_a_browser_shows_the_token_once_and_then_its_cookie(page: Browser) -> None:
    browser = without_token(page)
    wrong = browser.ask("POST", "/login", form("wrong"))
    assert (wrong.status, "That is not the token" in wrong.text) == (401, True)
    assert "set-cookie" not in wrong.headers
    right = browser.ask("POST", "/login", form(f" {page.token}\n"))
    assert (right.status, right.headers["location"]) == (303, "/")
    cookie, *flags = right.headers["set-cookie"].split("; ")
    assert set(flags) == {"HttpOnly", "Path=/", "SameSite=Strict"}
    assert page.token not in cookie
    browser.cookie = cookie
    assert "main_bot" in browser.get("/").text
    assert browser.ask("POST", "/logout", "").status == 303
    assert browser.get("/").status == 401


@pytest.mark.parametrize(
    ("back", "leads_to"),
    [
        ("/credentials?account=grid_*", "/credentials?account=grid_*"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/credentials?x=\r\nSet-Cookie: a=b", "/"),
    ],
)
def test_whoever_shows_the_token_sees_what_was_asked_for(
    page: Browser, back: str, leads_to: str
) -> None:
    sent = urlencode({"token": page.token, "back": back})
    answer = without_token(page).ask("POST", "/login", sent)
    assert (answer.status, answer.headers["location"]) == (303, leads_to)


@pytest.mark.parametrize("path", [*PATHS, "/static/page.css", "/login", "/no-such-page"])
def test_every_answer_has_the_strict_headers(page: Browser, path: str) -> None:
    headers = page.get(path).headers
    assert {name: headers[name.lower()] for name in HEADERS} == dict(HEADERS)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 421),
        ("evil.example:8484", 421),
        ("127.0.0.1.evil.example", 421),
        ("", 421),
        ("localhost:1", 200),
        ("[::1]:8484", 200),
        ("192.0.2.7", 200),
        ("BOTS.example.org", 200),
    ],
)
def test_a_name_that_somebody_else_points_here_is_refused(
    page: Browser, host: str, status: int
) -> None:
    assert page.get("/", Host=host).status == status


def test_a_form_of_another_page_is_refused(page: Browser) -> None:
    headers = {"Origin": "https://evil.example"}
    assert page.ask("POST", "/login", form(page.token), headers).status == 403
    assert page.ask("POST", "/login", form("x" * 5000)).status == 413


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_the_page_is_read_only(page: Browser, method: str) -> None:
    assert {page.ask(method, path).status for path in PATHS} == {405}


def test_no_answer_holds_a_secret_or_the_token(shown: tuple[World, Browser]) -> None:
    world, page = shown
    paths = [*PATHS, "/account?name=funding_arb", "/credentials?text=key", "/?account=no", "/login"]
    answers = [page.get(path) for path in paths]
    told = "\n".join(f"{answer.headers}{answer.text}" for answer in answers)
    assert [secret for secret in (*planted(world), page.token) if secret in told] == []


def test_a_malformed_request_is_not_written_down_with_its_token(
    page: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    at = urlsplit(page.address)
    assert at.hostname is not None
    with socket.create_connection((at.hostname, at.port or 0), timeout=30) as stranger:
        stranger.sendall(
            f"GET / HTTP/1.1\r\nAuthorization: Bearer {page.token}\nx\r\n\r\n".encode()
        )
        answer = stranger.recv(64)
    assert b" 400 " in answer
    assert page.token not in caplog.text


def test_hostile_texts_are_shown_and_not_obeyed(world: World) -> None:
    plant_hostile_texts(world)
    name = world.accounts.list()[0]["account_name"]
    with Registry.open(world.database.target.url) as registry, page_of(registry) as page:
        for path in ("/", "/credentials", "/positions", f"/account?name={quote(name)}"):
            text = page.get(path).text
            assert "\\u202eevil\\u200b" in text
            assert not {"\u202e", "\u200b", "\x1b"} & set(text)
            assert "<script>alert" not in text
        text = quote('"><script>alert(2)</script>')
        echoed = page.get(f"/?text={text}").text
        assert "<script>alert" not in echoed
