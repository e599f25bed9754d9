"""The page: who may see it, what each answer holds, and what it says when something is wrong."""

import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol
from urllib.parse import quote, urlencode

import pytest
from support.bots import login_role
from support.demo_fleet import demo_fleet, plant_hostile_texts, planted
from support.page_server import Browser, page_of
from support.proxy import Proxy
from support.world import World

from registry import Registry
from registry.errors import InvalidInput
from registry.page.guard import HEADERS
from registry.page.serving import address_of
from registry.services.views.described import VIEWS

VIEW_PATHS = ["/", *(f"/{name}" for name in VIEWS if name != "accounts")]
PATHS = [*VIEW_PATHS, "/account?name=main_bot"]


class Lends(Protocol):
    def __call__(self) -> AbstractContextManager[str]: ...


@pytest.fixture(scope="module")
def shown(fresh_database: Lends) -> Iterator[tuple[World, Browser]]:
    """The fleet, and its page on an auditor's login."""
    with (
        fresh_database() as address,
        demo_fleet(address) as world,
        login_role(address, "registry_auditor") as auditor,
        Registry.open(auditor.address) as registry,
        page_of(registry, "bots.example.org") as page,
    ):
        yield world, page


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
        assert "main_bot" not in answer.text


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


@pytest.mark.parametrize("path", VIEW_PATHS)
def test_each_row_of_each_view_names_its_account(page: Browser, path: str) -> None:
    text = page.get(f"{path}?state=").text
    body = text.partition("<tbody")[2].partition("</tbody>")[0]
    rows = body.split("<tr ")[1:]
    assert rows
    assert [row for row in rows if '<th scope="row"' not in row and "problems" not in path] == []
    assert "<style" not in text
    assert not re.search(r"<script(?! src=)|\sstyle=|\son\w+=", text)


def test_no_answer_holds_a_secret_or_the_token(shown: tuple[World, Browser]) -> None:
    world, page = shown
    paths = [*PATHS, "/account?name=funding_arb", "/credentials?text=key", "/?account=no", "/login"]
    answers = [page.get(path) for path in paths]
    told = "\n".join(f"{answer.headers}{answer.text}" for answer in answers)
    assert [secret for secret in (*planted(world), page.token) if secret in told] == []


def test_filters_stand_in_the_address_and_in_the_links(page: Browser) -> None:
    answer = page.get("/?account=grid_*&state=attention")
    assert re.findall(r'scope="row"[^>]*><a href="([^"]+)">', answer.text) == [
        "/account?name=grid_btc",
        "/account?name=grid_eth",
    ]
    assert 'value="grid_*"' in answer.text
    later = page.get("/positions?text=aster")
    assert "of 42" in later.text


def test_a_filter_that_matches_nothing_says_so(page: Browser) -> None:
    answer = page.get("/credentials?account=nobody&exchange=aster")
    assert "No credential fits account nobody, exchange aster." in answer.text
    assert "without filters" in answer.text


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/?state=gone", 400, "accounts have no state gone"),
        ("/?page=0", 400, "page is not a number"),
        ("/?page=9999999999999999999", 400, "page is not a number"),
        ("/?text=" + "x" * 201, 400, "longer than 200"),
        ("/?text=%00", 400, "the filter text"),
        ("/account?name=main_bod", 404, "there is no account main_bod"),
        ("/account", 404, "there is no account"),
        ("/account?name=main_bot&events=x", 400, "events is not a number"),
        ("/no-such-page", 404, "There is no such page"),
    ],
)
def test_a_wrong_address_says_what_is_wrong(
    page: Browser, path: str, status: int, says: str
) -> None:
    answer = page.get(path)
    assert (answer.status, says in answer.text) == (status, True)


def test_an_account_shows_its_limits_its_keys_and_its_history(page: Browser) -> None:
    text = page.get("/account?name=main_bot").text
    for said in (
        "Primary funding arbitrage",
        "21,000 / 50,000",
        "7 / 12",
        "created account",
        "fra-1",
    ):
        assert said in text
    few = page.get("/account?name=main_bot&events=3").text
    assert few.count('<li><span class="when"') == 3
    assert "events=12#older" in few


def test_a_part_of_a_page_is_what_a_script_renews(page: Browser) -> None:
    part = page.get("/positions", X_Part="live").text
    assert "<html" not in part
    assert part.strip() in page.get("/positions").text or "Read 2" in part


def test_hostile_texts_are_shown_and_not_obeyed(world: World) -> None:
    plant_hostile_texts(world)
    name = world.accounts.list()[0]["account_name"]
    with page_of(world) as page:
        for path in ("/", "/credentials", "/positions", f"/account?name={quote(name)}"):
            text = page.get(path).text
            assert "\\u202eevil\\u200b" in text
            assert not {"\u202e", "\u200b", "\x1b"} & set(text)
            assert "<script>alert" not in text
        text = quote('"><script>alert(2)</script>')
        echoed = page.get(f"/?text={text}").text
        assert "<script>alert" not in echoed


def test_a_change_is_told_at_once_and_many_are_told_as_one(world: World) -> None:
    with page_of(world) as page:
        lines = page.events()
        assert next(lines) == "retry: 2000"
        time.sleep(1.5)  # what there was before is told too
        world.account("bot")
        started = time.monotonic()
        told = [line for line in (next(lines) for _ in range(6)) if line.startswith("event")]
        assert told == ["event: change"] * len(told) != []
        assert time.monotonic() - started < 10
        assert "bot" in page.get("/", X_Part="live").text


def test_a_database_that_goes_away_is_said_and_then_the_page_goes_on(
    world: World, database_url: str
) -> None:
    world.account("bot")
    proxy = Proxy(database_url)
    with Registry.open(proxy.address) as registry, page_of(registry) as page:
        assert page.get("/").status == 200
        proxy.refusals = 10_000
        with world.database.connection() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        answer = page.get("/")
        assert answer.status == 503
        assert "The database is away" in answer.text
        assert 'http-equiv="refresh"' in answer.text
        assert page.get("/", X_Part="live").status == 503
        proxy.refusals = 0
        assert page.get("/").status == 200
    proxy.close()


@pytest.mark.parametrize("text", ["8484", "host:8484", "127.0.0.1", "127.0.0.1:x", "[::1]", ":1"])
def test_a_place_to_listen_is_an_address_and_a_port(text: str) -> None:
    with pytest.raises(InvalidInput):
        address_of(text)
    assert address_of("[::1]:0") == ("::1", 0)
