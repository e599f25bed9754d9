"""A bot follows what its account resolves to."""

import asyncio
import contextlib
import queue
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from support.bots import LoginRole
from support.world import World

from registry import errors
from registry.loader import AccountCredentials, AsyncCredentialLoader, Changes, CredentialLoader

Connection = psycopg.Connection[Any]
PATIENCE = 30


@pytest.fixture
def loader(world: World, bot: LoginRole) -> Iterator[CredentialLoader]:
    """A bot's loader: its account borrows two keys, of which one is read-only, and has one."""
    world.account("lender", "backpack", "lighter")
    world.account("main_bot", "aster")
    world.credential("lender", "lighter", permission="read_only")
    world.share("main_bot", "lender", "backpack")
    world.share("main_bot", "lender", "lighter", "read_only")
    world.access.grant("main_bot", bot.name)
    with CredentialLoader(bot.address, keyring=world.keyring) as opened:
        yield opened


def new_key(world: World, account: str, exchange: str, **where: Any) -> None:
    """Replaces a key."""
    names = {"aster": "api_key", "backpack": "public_key", "lighter": "account_index"}
    secret = {"lighter": "private_key"}.get(exchange, "secret_key")
    values = {names[exchange]: str(uuid.uuid4().int % 1000), secret: uuid.uuid4().hex}
    if exchange == "lighter":
        values["api_key_index"] = "3"
    given: dict[str, Any] = {**where, **values}
    world.credential(account, exchange, replace=True, cascade=True, **given)


def what_concerns_others(world: World) -> None:
    """Much that does not concern the account."""
    world.account("other", "aster", "lighter")
    world.account("another", "backpack")
    world.credential("lender", "aster")
    world.share("another", "lender", "lighter")
    new_key(world, "lender", "lighter")  # the full one, which is not lent
    world.stop(account="other", reason="a test")
    world.credentials.update("main_bot", "aster", label="a label", expires_at="2030-01-01")
    world.accounts.update("main_bot", description="a bot")


def test_what_does_not_concern_the_account_changes_no_mark(
    loader: CredentialLoader, world: World
) -> None:
    first = loader.changes_since("main_bot")
    assert (first.exchanges, first.stopped) == (("aster", "backpack", "lighter"), False)
    what_concerns_others(world)
    loader.load_account_credentials("main_bot")
    assert loader.changes_since("main_bot", first.mark) == Changes(first.mark, (), stopped=False)


Step = tuple[Callable[[World], object], tuple[str, ...], bool]
ALL = ("aster", "backpack", "lighter")
STEPS: dict[str, Step] = {
    "a key is replaced": (lambda w: new_key(w, "main_bot", "aster"), ("aster",), False),
    "a lender's is": (lambda w: new_key(w, "lender", "backpack"), ("backpack",), False),
    "a key is stopped": (
        lambda w: w.stop(credential=("main_bot", "aster"), reason="a test"),
        ("aster",),
        False,
    ),
    "it goes on": (lambda w: w.resume(), ("aster",), False),
    "a key is inactive": (
        lambda w: w.credentials.deactivate("main_bot", "aster"),
        ("aster",),
        False,
    ),
    "it is active": (lambda w: w.credentials.reactivate("main_bot", "aster"), ("aster",), False),
    "a lender is stopped": (
        lambda w: w.stop(lender="lender", reason="a test"),
        ("backpack", "lighter"),
        False,
    ),
    "it lends again": (lambda w: w.resume(), ("backpack", "lighter"), False),
    "a share is narrowed": (
        lambda w: w.share("main_bot", "lender", "lighter", "positions_only"),
        ("lighter",),
        False,
    ),
    "a share ends": (lambda w: w.shares.revoke("main_bot", "backpack"), ("backpack",), False),
    "an exchange is not allowed": (
        lambda w: w.accounts.update("main_bot", metadata={"allowed_exchanges": ["aster"]}),
        ("lighter",),
        False,
    ),
    "it is allowed": (lambda w: w.accounts.update("main_bot", metadata={}), ("lighter",), False),
    "all is stopped": (
        lambda w: w.stop(everything=True, reason="a test"),
        ("aster", "lighter"),
        True,
    ),
    "all goes on": (lambda w: w.resume(), ("aster", "lighter"), False),
    "the account is inactive": (
        lambda w: w.accounts.deactivate("main_bot"),
        ("aster", "lighter"),
        True,
    ),
    "it is active again": (
        lambda w: w.accounts.reactivate("main_bot"),
        ("aster", "lighter"),
        False,
    ),
    "it has another name": (
        lambda w: w.accounts.rename("main_bot", "renamed"),
        ("aster", "lighter"),
        True,
    ),
}


def test_what_concerns_the_account_is_told_by_its_exchange(
    loader: CredentialLoader, world: World
) -> None:
    mark, told = loader.changes_since("main_bot").mark, {}
    for name, (change, _, _) in STEPS.items():
        change(world)
        changes = loader.changes_since("main_bot", mark)
        assert loader.changes_since("main_bot", changes.mark).exchanges == ()
        mark, told[name] = changes.mark, (changes.exchanges, changes.stopped)
    assert told == {name: (names, stopped) for name, (_, names, stopped) in STEPS.items()}


def test_only_what_a_load_with_the_same_choice_would_use_counts(
    loader: CredentialLoader, world: World
) -> None:
    for subaccount in (1, 2):
        world.credential("main_bot", "aster", subaccount=subaccount)
    world.credentials.remove("main_bot", "aster", subaccount=None)
    mark = loader.changes_since("main_bot", subaccount={"aster": 1}).mark
    only = loader.changes_since("main_bot", exchanges=["backpack"]).mark
    new_key(world, "main_bot", "aster", subaccount=2)
    assert loader.changes_since("main_bot", mark, subaccount={"aster": 1}).exchanges == ()
    new_key(world, "main_bot", "aster", subaccount=1)
    assert loader.changes_since("main_bot", mark, subaccount={"aster": 1}).exchanges == ("aster",)
    assert loader.changes_since("main_bot", only, exchanges=["backpack"]).exchanges == ()


def test_an_account_that_may_not_be_used_is_refused_and_later_it_is_stopped(
    loader: CredentialLoader, world: World, bot: LoginRole
) -> None:
    mark = loader.changes_since("main_bot").mark
    with pytest.raises(errors.NotPermitted):
        loader.changes_since("lender")
    world.access.revoke("main_bot", bot.name)
    with pytest.raises(errors.NotPermitted):
        loader.changes_since("main_bot")
    assert loader.changes_since("main_bot", mark) == Changes(
        loader.changes_since("main_bot", mark).mark, ALL, stopped=True
    )
    for wrong in ("0", "[]", '{"aster": 1}', "mark", "[" * 100_000):
        with pytest.raises(errors.InvalidInput):
            loader.changes_since("main_bot", wrong)


def test_whoever_waits_is_woken_by_what_concerns_the_account_alone(
    loader: CredentialLoader, world: World
) -> None:
    mark = loader.changes_since("main_bot").mark
    answers: queue.Queue[Changes] = queue.Queue()

    def wait() -> None:
        answers.put(loader.changes_since("main_bot", mark, timeout=None))

    threads = [threading.Thread(target=wait, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    what_concerns_others(world)
    assert loader.changes_since("main_bot", mark, timeout=0.1).exchanges == ()
    assert answers.empty()
    new_key(world, "lender", "backpack")
    for _ in threads:
        assert answers.get(timeout=PATIENCE).exchanges == ("backpack",)


class Bot:
    """Watches in a thread of its own."""

    def __init__(self, watched: Iterator[AccountCredentials]) -> None:
        self._given: queue.Queue[AccountCredentials] = queue.Queue()
        self._watched = watched
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with contextlib.suppress(errors.RegistryError):  # the test is over, its database gone
            for credentials in self._watched:
                self._given.put(credentials)

    def next(self) -> AccountCredentials:
        return self._given.get(timeout=PATIENCE)


def test_a_bot_is_given_what_changed_and_keeps_the_rest(
    loader: CredentialLoader, world: World
) -> None:
    bot = Bot(loader.watch("main_bot"))
    first = bot.next()
    assert sorted(first) == list(ALL)
    new_key(world, "main_bot", "aster")
    second = bot.next()
    assert second["aster"] != first["aster"]
    assert second["backpack"] == first["backpack"]
    released = [e["data"]["exchange"] for e in world.history(event_type="CredentialReleased")]
    assert released == [*ALL, "aster"]
    world.stop(account="main_bot", reason="the bot is mad")
    stopped = bot.next()
    assert stopped == {}
    assert {type(problem) for problem in stopped.problems.values()} == {errors.UseIsStopped}
    world.resume()
    assert bot.next() == second
    world.accounts.deactivate("main_bot")
    inactive = bot.next()
    assert (inactive, sorted(inactive.problems)) == ({}, list(ALL))
    world.accounts.reactivate("main_bot")
    assert bot.next() == second


def test_a_change_while_the_connection_is_lost_is_told_afterwards(
    loader: CredentialLoader, world: World, bot: LoginRole, connection: Connection
) -> None:
    watching = Bot(loader.watch("main_bot"))
    held = watching.next()
    for _ in range(3):
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [bot.name]
        )
        new_key(world, "main_bot", "aster")
        before, held = held, watching.next()
        assert held["aster"] != before["aster"]


def test_an_asyncio_program_watches_many_accounts_without_a_thread_each(
    world: World, database_url: str
) -> None:
    names = [f"bot{number}" for number in range(12)]
    world.account("lender", "aster")
    for name in names:
        world.account(name)
        world.share(name, "lender", "aster")

    async def watch(loader: AsyncCredentialLoader, name: str, begun: asyncio.Semaphore) -> int:
        count = 0
        async for _ in loader.watch(name):
            count += 1
            begun.release()
            if count == 2:
                break
        return count

    async def run() -> list[int]:
        begun = asyncio.Semaphore(0)
        async with AsyncCredentialLoader(database_url, keyring=world.keyring) as loader:
            watching = [asyncio.create_task(watch(loader, name, begun)) for name in names]
            for _ in names:
                await begun.acquire()
            await asyncio.to_thread(new_key, world, "lender", "aster")
            return await asyncio.wait_for(asyncio.gather(*watching), PATIENCE)

    assert asyncio.run(run()) == [2] * len(names)
