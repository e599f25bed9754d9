"""What followers cost an append, how soon bots hear of a change, and what asking for one costs.

    scripts/benchmark feed [--rounds 5] [--followers 20] [--seconds 4] [--json]

Two databases on one server take turns: one that nobody follows, and one that a process for each
follower follows by `Registry.feed`. In each, a client appends one event after the other, at its own
pace and fifty times a second. In a third, bots of one process `watch` accounts that borrow the same
key, which is replaced: woken by messages, and asking as behind a pooler. The time runs from before
the command was sent until the new credentials are there. In the end one session asks
`account_digests` for an account with three credentials, and loads them as `fleet` does.
"""

import contextlib
import functools
import logging
import multiprocessing
import os
import statistics
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final

import psycopg
from append import append
from fleet import NEW, Client, postmaster_of, processor, run
from harness import Limit, Target, options, own_server, report, take_turns
from psycopg.conninfo import make_conninfo
from support.bots import LoginRole, login_role
from support.world import World

from registry import Registry
from registry.database import listening
from registry.database.migrator import Migrator
from registry.database.opening import SingleConnection
from registry.database.queries import one_row
from registry.database.target import Target as Database
from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.errors import RegistryError
from registry.loader import CredentialLoader

PER_SECOND: Final = 50
BOTS: Final = 5
CHANGES: Final = 15
POLLS: Final = 3000
KEYS: Final = MasterKeyring([generate_master_key()])

TARGETS: Final = [
    Target("append 50 times a second, followed", "append 50 times a second", most=1.3),
    Target("append on and on, followed", "append on and on"),
]


def main() -> None:
    """Measures and prints."""
    chosen = options("What following costs.", rounds=5, followers=20, seconds=4.0)
    with own_server() as address, contextlib.ExitStack() as stack:
        quiet, followed, watched = (_database(address, name) for name in ("a", "b", "c"))
        events = stack.enter_context(_followers(followed, chosen.followers))
        ways: dict[str, Callable[[], float]] = {}
        for name, where in (("", quiet), (", followed", followed)):
            for pace, per_second in (("50 times a second", PER_SECOND), ("on and on", 0)):
                ways[f"append {pace}{name}"] = functools.partial(
                    _append, where, chosen.seconds, per_second
                )
        measured = take_turns(ways, chosen.rounds)
        seen = _all_seen(followed, events)
        stack.close()
        heard = {
            f"watching, {how}": _watch(watched, chosen.rounds, is_asking=how == "asking")
            for how in ("woken", "asking")
        }
        asked = _ask(watched)
    limits = [Limit("events that a follower lacks", seen, 0)]
    for name, (p50, p99), most in (
        ("watching, woken", heard["watching, woken"], (0.2, 2.0)),
        ("watching, asking", heard["watching, asking"], (2.0, 3.0)),
    ):
        limits += [Limit(f"{name}: p50, s", p50, most[0]), Limit(f"{name}: p99, s", p99, most[1])]
    report("feed", "ms", measured, TARGETS, as_json=chosen.json, limits=limits, facts=asked)


def _database(address: str, name: str) -> str:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS feed_{name}".encode())
        connection.execute(f"CREATE DATABASE feed_{name}".encode())
    made = make_conninfo(address, dbname=f"feed_{name}")
    with psycopg.connect(made, autocommit=True) as connection:
        Migrator(connection).up()
    return made


@contextlib.contextmanager
def _followers(address: str, number: int) -> Iterator[Any]:
    """So many processes that follow; yields what each has seen."""
    context = multiprocessing.get_context("fork")
    ready, seen = context.Barrier(number + 1), context.Array("q", number)
    processes = [
        context.Process(target=_follow, args=(address, one, ready, seen), daemon=True)
        for one in range(number)
    ]
    for process in processes:
        process.start()
    ready.wait()
    yield seen
    for process in processes:
        process.kill()


def _follow(address: str, number: int, ready: Any, seen: Any) -> None:
    with Registry.open(address) as registry, registry.feed(after=-1) as feed:
        ready.wait()
        for event in feed:
            seen[number] = event.position + 1


def _all_seen(address: str, seen: Any) -> int:
    with psycopg.connect(address) as connection:
        ((size,),) = connection.execute("SELECT size FROM audit_head").fetchall()
    deadline = time.monotonic() + 10
    while min(seen) < size and time.monotonic() < deadline:
        time.sleep(0.01)
    return int(size - min(seen))


def _append(address: str, seconds: float, per_second: int) -> float:
    """The median of milliseconds of one append."""
    step, taken = append(address, 0), []
    for _ in range(12):
        step()
    started = time.perf_counter()
    while (now := time.perf_counter()) < started + seconds:
        step()
        taken.append(time.perf_counter() - now)
        if per_second:
            time.sleep(max(0.0, 1 / per_second - taken[-1]))
    return statistics.median(taken) * 1000


def _watch(address: str, rounds: int, *, is_asking: bool) -> tuple[float, float]:
    """The median and the 99th percentile of seconds until bots have what is new."""
    taken: list[float] = []
    database = SingleConnection(Database(address))
    world = World(database, KEYS)
    name = f"lender_{uuid.uuid4().hex[:8]}"
    world.account(name, "aster")
    told = threading.Semaphore(0)
    begun = [0.0]

    def watch(loader: CredentialLoader, account: str) -> None:
        with contextlib.suppress(RegistryError):  # its login is dropped in the end
            for number, _ in enumerate(loader.watch(account)):
                if number:
                    taken.append(time.perf_counter() - begun[0])
                told.release()

    if is_asking:
        vars(listening)["lends_transactions"] = lambda _: True
    with login_role(address, "registry_bot") as role, contextlib.ExitStack() as stack:
        for number in range(BOTS):
            account = f"{name}_{number}"
            world.account(account)
            world.share(account, name, "aster")
            world.access.grant(account, role.name)
            loader = stack.enter_context(CredentialLoader(role.address, keyring=world.keyring))
            threading.Thread(target=watch, args=(loader, account), daemon=True).start()
            told.acquire()
        for _ in range(CHANGES * rounds):
            time.sleep(0.3)
            begun[0] = time.perf_counter()
            fields = {"api_key": uuid.uuid4().hex, "secret_key": uuid.uuid4().hex}
            world.credentials.replace(name, "aster", fields, cascade=True)
            for _ in range(BOTS):
                told.acquire()
    database.close()
    taken.sort()
    return round(statistics.median(taken), 3), round(taken[len(taken) * 99 // 100], 3)


def _ask(address: str) -> dict[str, Any]:
    """The processor's microseconds of the server for a question, and for a load."""
    database = SingleConnection(Database(address))
    world = World(database, KEYS)
    world.account("bot_0", "aster", "backpack", "lighter")
    postmaster = postmaster_of(address)
    with login_role(address, "registry_bot") as role:
        world.access.grant("bot_0", role.name)
        database.close()
        client = Client(role.address, NEW, 0)
        run([client], 1)
        client.milliseconds.clear()
        before = processor(postmaster)
        run([client], 3)
        load = (processor(postmaster) - before) / len(client.milliseconds)
        client.close()
        ask = functools.partial(_processor_of_a_question, role, postmaster)
        questions = {
            "a question": ask(POLLS, is_same=True, is_kept=True),
            "a question after a change of anything": ask(POLLS, is_same=False, is_kept=True),
            "a question with a connection of its own": ask(
                POLLS // 10, is_same=True, is_kept=False
            ),
            "a load of three credentials": load,
        }
    return {f"server, ms of the processor for {n}": round(ms, 3) for n, ms in questions.items()}


def _processor_of_a_question(
    role: LoginRole, postmaster: int, times: int, *, is_same: bool, is_kept: bool
) -> float:
    statement = "SELECT * FROM account_digests('bot_0', NULL, NULL, NULL, NULL, %s)"
    connection = role.connect()
    newest, before = "", 0.0
    for number in range(-times // 10, times):
        if number == 0:
            before = processor(postmaster)
        if not is_kept:
            connection.close()
            connection = role.connect()
        *_, newest = one_row(connection.execute(statement, [newest if is_same else ""]))
    spent = processor(postmaster) - before
    connection.close()
    return spent / times


if __name__ == "__main__":
    os.environ.setdefault("PGAPPNAME", "benchmark")
    logging.disable()
    main()
