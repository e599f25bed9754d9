"""The page of many accounts: its processor time, its delay, and what it costs to be left open.

    scripts/benchmark page [--accounts 1000] [--positions 10000] [--rounds 5] [--json]

A log of three credentials for each account, and open positions, on a server of its own. The
processor's time is that of all processes: the server's, and the program's. A page and the one query
behind it take turns. The delay is from a commit until a page that is open has been sent the change.
"""

import contextlib
import functools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
from biglog import fill
from fleet import postmaster_of, processor
from harness import Limit, Target, options, own_server, report, take_turns

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from support.page_server import Browser

from registry import Registry
from registry.services.views.described import VIEWS

_PAGES: Final = 40
"""Pages in a round; the processor's time is counted in hundredths of a second."""
_CHANGES: Final = 25
_IDLE_SECONDS: Final = 30
_RENEWED_SECONDS: Final = 10
_TICK: Final = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measures and prints."""
    chosen = options("The page.", accounts=1000, positions=10_000, rounds=5)
    with own_server() as address:
        with psycopg.connect(address, autocommit=True) as connection:
            fill(connection, 4 * chosen.accounts, accounts=chosen.accounts)
            _open_positions(connection, chosen.positions)
        postmaster = postmaster_of(address)
        with serving(address) as (page, pid), Registry.open(address) as registry:

            def cost(work: Callable[[], Any]) -> float:
                before = processor(postmaster) + _used(pid) + _own()
                for _ in range(_PAGES):
                    work()
                return (processor(postmaster) + _used(pid) + _own() - before) / _PAGES

            ways: dict[str, Callable[[], Any]] = {}
            for name in ("accounts", "positions", "credentials"):
                path = "/" if name == "accounts" else f"/{name}"
                ways[f"query of {name}"] = functools.partial(registry.views.read, name)
                ways[f"page of {name}"] = functools.partial(page.get, path)
            for work in ways.values():
                work()
            runs = {name: functools.partial(cost, work) for name, work in ways.items()}
            measured = take_turns(runs, chosen.rounds)
            delays = _delays(registry, page)
            idle = _idle(page, lambda: processor(postmaster) + _used(pid))
    report(
        "page",
        "ms of processor",
        measured,
        [Target(f"page of {n}", f"query of {n}", most=3) for n in VIEWS if f"page of {n}" in ways],
        as_json=chosen.json,
        limits=[
            Limit("from a commit to a page, s, median", round(statistics.median(delays), 3), 1.0),
            Limit("an open page, percent of a core", round(idle, 2), 2.0),
        ],
        facts={
            "accounts": chosen.accounts,
            "positions": chosen.positions,
            "from a commit to a page, s, longest": round(max(delays), 3),
        },
    )


def _open_positions(connection: psycopg.Connection[Any], number: int) -> None:
    connection.execute("INSERT INTO symbols (symbol) SELECT 'S' || n FROM generate_series(1, 50) n")
    connection.execute(
        "INSERT INTO strategy_positions (id, account_id, strategy_name, symbol_id, long_dex_id,"
        " short_dex_id, size_usd, entry_long_rate, entry_short_rate, entry_divergence, opened_at)"
        " SELECT gen_random_uuid(), a.id, 'funding', s.id, 1, 2, 100 + n, 0.1, 0.2, 0.1,"
        " now() - make_interval(mins => n::integer)"
        " FROM generate_series(1, %s) n"
        " JOIN (SELECT id, row_number() OVER () r, count(*) OVER () c FROM accounts) a"
        "   ON a.r = n %% a.c + 1"
        " JOIN (SELECT id, row_number() OVER () r FROM symbols) s ON s.r = n %% 50 + 1",
        [number],
    )
    connection.execute("VACUUM ANALYZE")


@contextlib.contextmanager
def serving(address: str) -> Iterator[tuple[Browser, int]]:
    """The page as users start it, and its process."""
    command = [sys.executable, "-m", "registry.commands", "serve", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(
        command,
        env={**os.environ, "DATABASE_URL": address},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None  # noqa: S101
    place, _, token = process.stdout.readline().strip().rpartition(" ")[2].partition("#token=")
    try:
        yield Browser(place, token), process.pid
    finally:
        process.terminate()
        process.wait()


def _delays(registry: Registry, page: Browser) -> list[float]:
    """Seconds from a commit until the page, renewed when it was told to, shows what is new."""
    changes = (line for line in page.events() if line.startswith("event"))
    found = []
    for number in range(_CHANGES):
        time.sleep(1.2)  # not so soon after the last change that a page waits with the next one
        name = f"new_{number}"
        registry.accounts.create(name)
        committed = time.monotonic()
        while name not in page.get(f"/?account={name}", X_Part="live").text.partition("<tbody")[2]:
            next(changes)
        found.append(time.monotonic() - committed)
    return found


def _idle(page: Browser, used: Callable[[], float]) -> float:
    """The percentage of a core that a page takes that is open, while nothing happens."""
    lines = page.events()
    next(lines)
    before, started = used(), time.monotonic()
    while (passed := time.monotonic() - started) < _IDLE_SECONDS:
        page.get("/", X_Part="live")
        time.sleep(_RENEWED_SECONDS)
    return (used() - before) / passed / 10


def _used(pid: int) -> float:
    """The processor's milliseconds of a process so far."""
    numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, numbers[11:13])) * 1000 / _TICK


def _own() -> float:
    return time.process_time() * 1000


if __name__ == "__main__":
    main()
