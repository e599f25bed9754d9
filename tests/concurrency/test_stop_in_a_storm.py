"""A stop while many bots load: when it has returned, nothing of it is released any more."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from support.world import World

from registry import Registry
from registry.errors import UseIsStopped
from registry.loader import CredentialLoader

BOTS = 8


def test_nothing_is_released_after_a_stop_has_returned(world: World, database_url: str) -> None:
    for number in range(BOTS):
        world.account(f"bot{number}", "aster")
    stopped, done = threading.Event(), threading.Event()
    loads = []

    def bot(number: int) -> None:
        with CredentialLoader(database_url, keyring=world.keyring) as loader:
            while not done.is_set():
                was_stopped = stopped.is_set()
                try:
                    loader.load(f"bot{number}", "aster")
                    loads.append((was_stopped, True))
                except UseIsStopped:
                    loads.append((was_stopped, False))

    def loaded(*wanted: tuple[bool, bool]) -> None:
        deadline = time.monotonic() + 30
        while sum(load in wanted for load in loads) < 2 * BOTS:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    with ThreadPoolExecutor(BOTS) as pool:
        running = [pool.submit(bot, number) for number in range(BOTS)]
        try:
            loaded((False, True))
            (position,) = world.stop(exchange="aster", reason="a storm").positions
            stopped.set()
            loaded((True, False), (True, True))
        finally:
            done.set()
        for each in running:
            each.result()
    assert (True, True) not in loads
    released = world.history(event_type="CredentialReleased", limit=10_000)
    assert max(event["position"] for event in released) < position


def test_a_stop_is_resumed_once_by_many(world: World, database_url: str) -> None:
    world.stop(everything=True, reason="a storm")
    with Registry.open(database_url) as registry, ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda _: registry.resume(), range(4)))
    assert [outcome.changed for outcome in outcomes].count(True) == 1
    assert world.stops() == []
