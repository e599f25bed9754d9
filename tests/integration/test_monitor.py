"""`monitor`: the views on a screen, live, with keys and mouse, for an auditor."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from support.bots import login_role
from support.demo_fleet import demo_fleet, plant_hostile_texts, planted
from support.registry_tables import unguarded
from support.screens import Screen, compare, on_a_screen
from support.world import World

from registry import Registry
from registry.services.views.described import VIEWS
from registry.terminal.table import PageTable
from registry.terminal.tabs import ORDER


class Lends(Protocol):
    def __call__(self) -> AbstractContextManager[str]: ...


@pytest.fixture(scope="module")
def fleet(fresh_database: Lends) -> Iterator[tuple[World, Registry]]:
    """The fleet, and a registry that an auditor has opened."""
    with (
        fresh_database() as address,
        demo_fleet(address) as world,
        login_role(address, "registry_auditor") as auditor,
        Registry.open(auditor.address) as registry,
    ):
        yield world, registry


@pytest.fixture
def registry(fleet: tuple[World, Registry]) -> Registry:
    return fleet[1]


def accounts(screen: Screen) -> list[str]:
    return [row["account"] for row in screen.app.screen.query_one(PageTable).rows]


def test_it_begins_with_the_problems_and_says_what_to_do(registry: Registry) -> None:
    async def look(screen: Screen) -> None:
        assert accounts(screen)[:2] == ["funding_arb", "maker_01"]
        assert "■ critical" in screen.lines[3]
        await screen.shows(
            "what to do: Bring the next key into use: account-registry rotate-credential"
        )
        await screen.press("down")
        await screen.shows("account-registry check-credential maker_01 aster --record")

    on_a_screen(registry, look)


def test_a_filter_is_typed_and_taken_back(registry: Registry) -> None:
    async def look(screen: Screen) -> None:
        await screen.press("2")
        await screen.filter("account=grid_* state=near its limit")
        assert accounts(screen) == ["grid_btc"]
        await screen.shows("only account=grid_* state=near its limit")
        await screen.press("escape")
        assert len(accounts(screen)) == 11
        await screen.press("slash", "q", "1", "escape")
        assert len(accounts(screen)) == 11

    on_a_screen(registry, look)


def test_a_filter_that_fits_nothing_or_is_none_is_answered(registry: Registry) -> None:
    async def look(screen: Screen) -> None:
        await screen.press("2")
        await screen.filter("exchange=aster zzz")
        await screen.shows("No account fits", "There are 11 accounts without filters.")
        await screen.filter("state=gone")
        await screen.shows("accounts have no state gone. It is attention, expired")
        await screen.filter("grid")
        assert accounts(screen) == ["grid_btc", "grid_eth"]

    on_a_screen(registry, look, size=(120, 24))


def test_pages_are_turned_by_keys_and_by_going_over_the_end(registry: Registry) -> None:
    async def look(screen: Screen) -> None:
        await screen.press("3")
        first = accounts(screen)
        table = screen.app.screen.query_one(PageTable)
        assert len(first) == table.room == 15
        await screen.press("n")
        assert (len(accounts(screen)), table.chosen) == (3, 0)
        await screen.press("up")
        assert (accounts(screen), table.chosen) == (first, 14)
        await screen.press("down")
        assert (len(accounts(screen)), table.chosen) == (3, 0)
        await screen.press("n", "p")
        assert accounts(screen) == first

    on_a_screen(registry, look)


def test_enter_shows_all_of_an_account_and_escape_goes_back(registry: Registry) -> None:
    async def look(screen: Screen) -> None:
        await screen.press("2", "down", "down", "down", "enter")
        await screen.shows("grid_btc", "near its limit: exposure is 91 % of the limit")
        await screen.shows("Problems 1", "Credentials 2", "Positions 9", "Releases 1", "History")
        await screen.shows("another limit: account-registry update-account grid_btc")
        await screen.press("escape")
        assert len(accounts(screen)) == 11

    on_a_screen(registry, look, size=(80, 60))


def test_the_mouse_chooses_views_rows_keys_and_accounts(registry: Registry) -> None:
    async def look(screen: Screen) -> None:
        await screen.pilot.click(offset=(screen.lines[1].index("Accounts"), 1))
        await screen.until(lambda: len(accounts(screen)) == 11)
        await screen.settled()
        table = screen.app.screen.query_one(PageTable)
        await screen.pilot.click(PageTable, offset=(4, 3))
        assert table.chosen == 2
        await screen.pilot.click(offset=(screen.lines[-1].index("account"), 23))
        await screen.shows("scalper", "losses since noon")
        await screen.press("escape")
        await screen.pilot.click(PageTable, offset=(4, 1), times=2)
        await screen.shows("funding_arb", "expired: aster expired 2 d ago")

    on_a_screen(registry, look)


@pytest.mark.parametrize("size", [(1, 1), (20, 10), (20, 24), (300, 60)])
def test_every_page_fits_any_terminal(registry: Registry, size: tuple[int, int]) -> None:
    async def look(screen: Screen) -> None:
        for number in range(1, len(ORDER) + 1):
            await screen.press(str(number))
            assert max(map(len, screen.lines)) <= size[0]
            if size == (20, 10):
                assert accounts(screen)[0][:8] in screen.text
                assert any(mark in screen.text for mark in "■▲●○")
        await screen.press("enter", "question_mark", "escape", "escape")

    on_a_screen(registry, look, size=size)


def test_no_screen_shows_a_secret_or_a_token(fleet: tuple[World, Registry]) -> None:
    world, registry = fleet
    seen = list[str]()

    async def look(screen: Screen) -> None:
        for number in range(1, len(ORDER) + 1):
            await screen.press(str(number))
            seen.append(screen.text)
        for name in ("main_bot", "funding_arb"):
            await screen.press("2")
            await screen.filter(name)
            await screen.press("enter")
            seen.append(screen.text)
            await screen.press("escape", "escape")

    on_a_screen(registry, look, size=(200, 70))
    assert all("main_bot" in text or "funding_arb" in text for text in seen)
    assert [secret for secret in planted(world) for text in seen if secret in text] == []


@pytest.mark.parametrize(
    ("name", "view", "size", "keys"),
    [
        ("monitor-accounts", "accounts", (110, 20), ()),
        ("monitor-positions", "positions", (80, 24), ("down",)),
        ("monitor-narrow", "accounts", (20, 14), ()),
    ],
)
def test_it_looks_as_the_pages_show_it(
    registry: Registry, name: str, view: str, size: tuple[int, int], keys: tuple[str, ...]
) -> None:
    async def look(screen: Screen) -> None:
        await screen.press(*keys)
        compare(name, screen.picture())

    on_a_screen(registry, look, size=size, view=view)


# ------------------------------------------------------------------ a registry that changes


def test_what_happens_is_shown_without_a_key_and_the_chosen_row_stays(world: World) -> None:
    for name in ("a_bot", "b_bot", "c_bot"):
        world.account(name, "aster")

    async def look(screen: Screen) -> None:
        await screen.press("down")
        table = screen.app.screen.query_one(PageTable)
        world.stop(account="c_bot", reason="too fast")
        await screen.until(lambda: accounts(screen) == ["c_bot", "a_bot", "b_bot"])
        assert table.row is not None
        assert table.row["account"] == "b_bot"
        await screen.shows("too fast")

    on_a_screen(world, look, view="accounts")


def test_a_database_that_goes_away_and_comes_back_is_said_and_gone_on_with(world: World) -> None:
    world.account("bot", "aster")
    address = world.database.target.url or ""
    name = str(conninfo_to_dict(address)["dbname"])

    def allow(connections: bool) -> None:
        with psycopg.connect(address, dbname="postgres", autocommit=True) as server:
            server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {connections}'.encode())
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s AND NOT %s",
                [name, connections],
            )

    async def look(screen: Screen) -> None:
        assert accounts(screen) == ["bot"]
        allow(False)
        await screen.shows("■ The database is away", "this is old")
        assert "bot" in screen.text
        await screen.pilot.press("2")  # a key waits for nothing
        allow(True)
        await screen.until(lambda: "away" not in screen.text)
        world.account("another")
        await screen.until(lambda: len(accounts(screen)) == 2)

    on_a_screen(world, look, view="accounts")


def test_hostile_texts_are_shown_and_not_obeyed(world: World) -> None:
    plant_hostile_texts(world)
    markup = "[@click=app.quit]go[/] [red]x[/red] [/nothing]"
    world.account("other", "backpack")
    world.stop(account="other", reason=markup)
    with world.database.connection() as connection, unguarded(connection):
        connection.execute("UPDATE accounts SET description = %s", [f"{markup}\x1b[2J"])
    seen = list[str]()

    async def look(screen: Screen) -> None:
        for number in range(1, len(ORDER) + 1):
            await screen.press(str(number))
            seen.append(screen.text)
        for key in ("home", "end"):
            await screen.press("2", key, "enter")
            seen.append(screen.text)
            await screen.press("escape")
        await screen.filter("[@click=app.quit]zz[/] \\[")
        seen.append(screen.text)

    on_a_screen(world, look, size=(300, 40))
    whole = "\n".join(seen)
    assert markup in whole
    assert "[@click=app.quit]zz[/] \\[" in whole
    assert "</script>\\u202eevil\\u200b" in whole
    assert not {"\x1b", "\u202e", "\u200b"} & set(whole)


def test_a_row_of_no_account_says_so(world: World) -> None:
    found: Any = world.views.read("positions")
    assert found.rows == []

    async def look(screen: Screen) -> None:
        await screen.shows("There are no positions.")
        table = screen.app.screen.query_one(PageTable)
        table.show(VIEWS["shares"], [_row_without_account()], found.read_at)
        await screen.press("enter")
        await screen.shows("This row is of no account.")

    on_a_screen(world, look, view="positions")


def _row_without_account() -> dict[str, Any]:
    names = [column.name for column in VIEWS["shares"].columns]
    return {**dict.fromkeys(names), "state": "ok"}
