"""The feed: durable events in order, none missed, for several consumers at once."""

import asyncio
import gc
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.cli import CommandLine
from support.large_log import load_events, many_accounts
from support.world import World

from registry import AsyncRegistry, Registry, errors
from registry.database import listening
from registry.database.listening import News
from registry.services.feed.events import Place
from registry.services.feed.feed import Feed
from registry.services.feed.reader import Reader
from registry.services.reading.history import HistoryFilter

Connection = psycopg.Connection[Any]
LISTENING = """SELECT count(*) FROM pg_locks
    WHERE locktype = 'advisory' AND classid::bigint << 32 | objid::bigint = 7234117009
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


def positions(feed: Feed, count: int) -> list[int]:
    """The positions of the next events."""
    return [next(feed).position for _ in range(count)]


def await_listening(connection: Connection, sessions: int) -> None:
    """Waits until so many sessions want to be told of events."""
    deadline = time.monotonic() + 30
    while connection.execute(LISTENING).fetchone() != (sessions,):
        assert time.monotonic() < deadline


def test_an_event_says_what_the_history_says_and_where_it_is(world: World) -> None:
    world.account("bot", "aster")
    world.credentials.update("bot", "aster", label="new")
    with world.feed(after=-1) as feed:
        created, added, updated = (next(feed) for _ in range(3))
    assert (created.event_type, created.account_name, added.exchange) == (
        "AccountCreated",
        "bot",
        "aster",
    )
    assert updated.previous == {"label": None}
    assert [event.record() for event in (created, added, updated)] == world.history()
    with world.feed(after=added.place) as feed:
        assert next(feed) == updated
    with world.feed(after=1) as feed:
        assert next(feed) == updated


def test_it_begins_at_the_end_and_gives_what_is_asked_for(world: World) -> None:
    world.account("one", "aster")
    with (
        world.feed() as everything,
        world.feed("one") as of_one,
        world.feed(types=["CredentialAdded", "AccountDeleted"]) as of_types,
        world.feed(exchange="backpack", after=-1) as of_exchange,
    ):
        world.account("two", "backpack")
        world.credential("one", "lighter")
        assert positions(everything, 3) == [2, 3, 4]
        assert positions(of_one, 1) == [4]
        assert positions(of_types, 2) == [3, 4]
        assert positions(of_exchange, 1) == [3]


def test_a_bookmark_keeps_the_place_behind_what_was_processed(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "bookmark"
    with world.feed(bookmark=file):  # at the end of an empty log
        world.account("bot", "aster")
    killed = world.feed(bookmark=file)
    assert positions(killed, 2) == [0, 1]
    assert killed.next_now() is None
    world.account("other")
    assert positions(killed, 1) == [2]
    monkeypatch.setattr(killed, "save_place", lambda: None)  # it is killed while it works at 2
    with world.feed(bookmark=file) as again:
        assert next(again).position == 2
        again.save()
    world.account("another")
    with world.feed(bookmark=file, after=-1) as later:
        assert next(later).position == 3
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text())["position"] == 2
    assert list(tmp_path.iterdir()) == [file]


def test_it_knows_where_it_began_also_when_it_has_read_ahead(
    world: World, connection: Connection
) -> None:
    world.account("bot", "aster")
    reader = Reader(HistoryFilter(), (), Place(-1))
    while reader.look(connection) is News.MORE:
        pass
    assert (reader.begun(), reader.up_to()) == (Place(-1), None)


def damage(connection: Connection, statement: str) -> None:
    """As a superuser does who restores another log."""
    connection.execute("SET session_replication_role = replica")
    connection.execute(statement.encode())
    connection.execute("RESET session_replication_role")


def test_another_log_is_an_error_and_no_gap(
    world: World, connection: Connection, tmp_path: Path
) -> None:
    world.account("bot", "aster", "backpack")
    file = tmp_path / "bookmark"
    with world.feed(bookmark=file, after=-1) as feed:
        positions(feed, 3)
        feed.save()
        damage(connection, "UPDATE audit_events SET leaf_hash = sha256('x') WHERE position = 2")
        world.account("next")
        with pytest.raises(errors.LogIsAnother, match="up to position 2, and it holds something"):
            next(feed)
    with pytest.raises(errors.LogIsAnother):
        world.feed(bookmark=file)
    damage(connection, "DELETE FROM audit_events WHERE position > 1")
    damage(connection, "UPDATE audit_head SET size = 2")
    with pytest.raises(errors.LogIsAnother, match="it ends at 1 now"):
        world.feed(bookmark=file)
    with pytest.raises(errors.LogIsAnother, match="it ends at 1 now"):
        world.feed(after=7)
    assert world.feed(after=1).place.position == 1


def test_a_slow_consumer_holds_up_nobody_and_fills_no_memory(
    world: World, connection: Connection
) -> None:
    load_events(connection, many_accounts(600))
    slow, quick = world.feed(after=-1), world.feed(after=-1)
    assert positions(quick, 4800) == list(range(4800))
    assert len(slow.reader._events) <= 2000
    assert positions(slow, 4800) == list(range(4800))
    world.account("new")
    assert positions(slow, 1) == positions(quick, 1) == [4800]
    await_listening(connection, 1)


def test_who_has_just_been_given_an_event_makes_appends_send_no_messages(
    world: World, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "_AWAKE_SECONDS", 2)
    with world.feed() as feed:
        for number, wanted in enumerate((1, 0, 1)):
            await_listening(connection, wanted)
            if wanted:
                world.account(f"bot_{number}")
                next(feed)


def test_a_consumer_that_ends_is_left_and_the_connection_with_the_last_one(
    world: World, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "_LINGER_SECONDS", 0)
    feeds = [world.feed() for _ in range(3)]
    await_listening(connection, 1)
    feeds.pop().close()
    waiting = threading.Thread(target=list, args=(feeds[0],))
    waiting.start()
    feeds[0].close()
    waiting.join(30)
    assert not waiting.is_alive()
    assert list(feeds[0]) == []
    hub = feeds[1]._hub
    feeds.clear()  # one of them is dropped, and not closed
    gc.collect()
    assert hub._present() == []
    hub.call()
    await_listening(connection, 0)


def test_a_fork_goes_on_with_a_connection_of_its_own(world: World, tmp_path: Path) -> None:
    world.account("bot")
    file = tmp_path / "bookmark"
    feed = world.feed(after=-1, bookmark=file)
    assert positions(feed, 1) == [0]
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - it is not seen there
        os.write(theirs, json.dumps(positions(feed, 1)).encode())
        os._exit(0)
    world.account("other")
    assert positions(feed, 1) == [1]
    assert json.loads(os.read(ours, 100)) == [1]
    assert os.waitpid(child, 0)[1] == 0
    feed.close()
    assert json.loads(file.read_text())["position"] == 0


def test_an_asyncio_program_waits_for_events_of_many_feeds(world: World, database_url: str) -> None:
    def waiting() -> int:
        return sum(len(hub._present()) for hub in listening._hubs.values())

    async def first(registry: AsyncRegistry) -> int:
        async with registry.feed(after=-1) as feed:
            async for event in feed:
                return event.position
        raise AssertionError

    async def run() -> list[int]:
        async with AsyncRegistry.open(database_url) as registry:
            tasks = [asyncio.create_task(first(registry)) for _ in range(20)]
            while waiting() < len(tasks):  # noqa: ASYNC110 - threads join the hub
                await asyncio.sleep(0.01)
            await asyncio.to_thread(world.account, "bot")
            return await asyncio.wait_for(asyncio.gather(*tasks), 30)

    assert asyncio.run(run()) == [0] * 20


def test_an_event_that_comes_as_the_time_limit_ends_is_given_the_next_time(
    world: World, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, next_now = threading.Event(), Feed.next_now

    def slowly(feed: Feed) -> Any:
        event = next_now(feed)
        taken.set()
        time.sleep(0.2)
        return event

    async def run() -> list[int]:
        file = tmp_path / "bookmark"
        async with AsyncRegistry.open(database_url) as registry:
            async with registry.feed(after=-1, bookmark=file) as feed:
                first = await anext(feed)
                monkeypatch.setattr(Feed, "next_now", slowly)
                waiting = asyncio.create_task(anext(feed))
                await asyncio.to_thread(taken.wait)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
                await feed.save()
                kept = json.loads(file.read_text())["position"]
                second = await anext(feed)
            return [first.position, kept, second.position]

    world.account("bot", "aster")
    assert asyncio.run(run()) == [0, 0, 1]


def test_a_login_that_keeps_the_lock_of_followers_makes_them_ask_seldom(
    world: World, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[None] = []
    announce = listening.Hub._announce

    def counted(*arguments: Any, **options: Any) -> bool:
        asked.append(None)
        return announce(*arguments, **options)

    monkeypatch.setattr(listening.Hub, "_announce", counted)
    connection.execute("SELECT pg_advisory_lock(7234117009)")
    with world.feed() as feed:
        time.sleep(1.5)  # at twenty times a second, thirty times
        assert 0 < len(asked) < 10
        world.account("bot")
        assert next(feed).position == 0


def test_two_consumers_with_one_bookmark_are_told(world: World, tmp_path: Path) -> None:
    file = tmp_path / "bookmark"
    with world.feed(bookmark=file) as one, world.feed(bookmark=file) as other:
        world.account("bot", "aster")
        assert positions(one, 2) == [0, 1]
        one.save()
        assert positions(other, 1) == [0]
        with pytest.raises(errors.Conflict, match="another consumer keeps its place"):
            other.save()
        one.close()
        file.unlink()  # to begin anew is allowed
        other.save()
    assert json.loads(file.read_text())["position"] == 0


WRONG: dict[str, Callable[[Path], object]] = {
    "other text": lambda path: path.write_text("{}"),
    "no hash": lambda path: path.write_text('{"position": 3, "leaf_hash": null}'),
    "a folder": lambda path: path.mkdir(),
    "a pipe": os.mkfifo,
    "a link": lambda path: path.symlink_to(path.with_name("nowhere")),
    "an endless number": lambda path: path.write_text('{"position": Infinity, "leaf_hash": ""}'),
    "deep": lambda path: path.write_text("[" * 4000),
    "much": lambda path: path.write_bytes(bytes(10_000)),
}


@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG)
def test_what_is_no_bookmark_is_refused(
    database_url: str, tmp_path: Path, make: Callable[[Path], object]
) -> None:
    make(tmp_path / "bookmark")
    with Registry.open(database_url) as registry, pytest.raises(errors.InvalidInput):
        registry.feed(bookmark=tmp_path / "bookmark")


def test_what_cannot_be_followed_is_told_at_once(world: World, database_url: str) -> None:
    for wrong, error in (
        ({"account": "nobody"}, errors.AccountNotFound),
        ({"exchange": "nowhere"}, errors.ExchangeNotFound),
        ({"types": ["CredentialReplacd"]}, errors.InvalidInput),
        ({"types": "CredentialReplaced"}, errors.InvalidInput),
        ({"after": Place(5)}, errors.LogIsAnother),
        ({"after": -2}, errors.InvalidInput),
        ({"after": "2"}, errors.InvalidInput),
    ):
        with pytest.raises(error):
            world.feed(**wrong)
    registry = Registry.open(database_url)
    feed = registry.feed()
    registry.close()
    assert list(feed) == []
    with pytest.raises(errors.RegistryClosed):
        registry.feed()


def test_a_bot_may_not_follow_the_log(world: World, cli: CommandLine, bot: Any) -> None:
    world.account("bot")
    with Registry.open(bot.address) as registry, pytest.raises(errors.PermissionDenied):
        registry.feed()
