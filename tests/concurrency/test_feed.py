"""Many follow while sessions are killed: each is given each event once and in order."""

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from support.world import World

from registry import Registry
from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring
from registry.errors import RegistryError

pytestmark = pytest.mark.slow
WRITERS, FEEDS, EACH = 3, 4, 40


class Consumer:
    """Follows, and now and then ends as a crash does: what it was given last, it gets again."""

    def __init__(self, address: str, bookmark: Path, chance: random.Random) -> None:
        self.given: list[int] = []
        self.problems: list[str] = []
        self._address = address
        self._bookmark = bookmark
        self._chance = chance
        self.thread = threading.Thread(target=self._run_while_there_is_a_log, daemon=True)
        self.thread.start()

    def _run_while_there_is_a_log(self) -> None:
        with contextlib.suppress(RegistryError):  # the test is over, and its database is gone
            self._run()

    def _run(self) -> None:
        with Registry.open(self._address) as registry:
            while True:
                feed = registry.feed(bookmark=self._bookmark, after=-1)
                feed.save()
                began = len(self.given)
                for event in feed:
                    if len(self.given) == began and self.given:
                        # As far back as what was not kept in the bookmark, and no further.
                        del self.given[event.position :]
                    if event.position != len(self.given):
                        self.problems.append(f"{event.position} after {len(self.given) - 1}")
                        return
                    self.given.append(event.position)
                    if self._chance.random() < 0.05:
                        break
                feed._bookmark = None  # it is killed, and writes nothing more
                feed.close()


@pytest.fixture
def worlds(database_url: str, keyring: MasterKeyring) -> Iterator[list[World]]:
    """A registry for each writer."""
    with contextlib.ExitStack() as stack:
        databases = [SingleConnection(Target(database_url)) for _ in range(WRITERS)]
        for database in databases:
            stack.callback(database.close)
        yield [World(database, keyring) for database in databases]


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_missed_or_given_twice_whatever_is_killed(
    worlds: list[World], database_url: str, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same each time
    consumers = [
        Consumer(database_url, tmp_path / str(number), random.Random(seed * 100 + number))  # noqa: S311
        for number in range(FEEDS)
    ]

    def write(world: World, number: int) -> None:
        for count in range(EACH):
            world.account(f"bot_{number}_{count}")

    writers = [
        threading.Thread(target=write, args=(world, number)) for number, world in enumerate(worlds)
    ]
    for writer in writers:
        writer.start()
    with psycopg.connect(database_url, autocommit=True) as killer:
        while any(writer.is_alive() for writer in writers):
            killer.execute(
                "SELECT pg_terminate_backend(l.pid) FROM pg_locks AS l "
                "WHERE l.locktype = 'advisory' "
                "AND l.classid::bigint << 32 | l.objid::bigint = 7234117009 AND l.database = "
                "(SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            time.sleep(chance.uniform(0, 0.4))
    deadline = time.monotonic() + 60
    everything = list(range(WRITERS * EACH))
    while time.monotonic() < deadline and any(c.given != everything for c in consumers):
        assert [problem for c in consumers for problem in c.problems] == []
        time.sleep(0.05)
    assert [len(c.given) for c in consumers] == [len(everything)] * FEEDS
