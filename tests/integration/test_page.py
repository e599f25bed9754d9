"""The page: who may see it, what each answer holds, and what it says when something is wrong."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

import pytest
from support.page_server import Browser, page_of, page_of_fleet
from support.proxy import Proxy
from support.world import World

from registry import Registry
from registry.errors import InvalidInput
from registry.page.serving import address_of
from registry.services.views.described import VIEWS

VIEW_PATHS = ["/", *(f"/{name}" for name in VIEWS if name != "accounts")]
PATHS = [*VIEW_PATHS, "/account?name=main_bot"]


class Lends(Protocol):
    def __call__(self) -> AbstractContextManager[str]: ...


@pytest.fixture(scope="module")
def shown(fresh_database: Lends) -> Iterator[tuple[World, Browser]]:
    with fresh_database() as address, page_of_fleet(address, "bots.example.org") as found:
        yield found


@pytest.fixture
def page(shown: tuple[World, Browser]) -> Browser:
    return shown[1]


@pytest.mark.parametrize("path", VIEW_PATHS)
def test_each_row_of_each_view_names_its_account(page: Browser, path: str) -> None:
    text = page.get(f"{path}?state=").text
    body = text.partition("<tbody")[2].partition("</tbody>")[0]
    rows = body.split("<tr ")[1:]
    assert rows
    assert [row for row in rows if '<th scope="row"' not in row and "problems" not in path] == []
    assert "<style" not in text
    assert not re.search(r"<script(?! src=)|\sstyle=|\son\w+=", text)


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


def test_a_change_is_told_to_whoever_looks(world: World) -> None:
    with Registry.open(world.database.target.url) as registry, page_of(registry) as page:
        lines = page.events()
        assert next(lines) == "retry: 2000"
        world.account("bot")
        assert next(line for line in lines if line.startswith("event")) == "event: change"
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
