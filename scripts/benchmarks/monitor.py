"""The first screen of `monitor`, against the one query behind it; what is new on it; and a rest.

    scripts/benchmark monitor [--accounts 1000] [--positions 10000] [--rounds 7] [--events 20]
        [--idle 60] [--view accounts] [--json]

Processor time is that of this process and of its sessions in the server. The screen is drawn as
for a terminal of 120 columns and 40 lines; imports are not counted.
"""

import asyncio
import functools
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
from harness import Limit, Target, options, own_server, report, take_turns
from support.world import World
from textual.pilot import Pilot

from registry import Registry
from registry.database.opening import SingleConnection
from registry.database.target import Target as Database
from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.services.views.described import VIEWS
from registry.terminal.app import Monitor
from registry.terminal.table import PageTable

SIZE: Final = (120, 40)
QUERY, SCREEN = "the query of a page", "the first screen"
TICKS: Final = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measures and prints."""
    chosen = options(
        "The screen of monitor.",
        accounts=1000,
        positions=10_000,
        rounds=7,
        events=20,
        idle=60.0,
        view="accounts",
    )
    with own_server() as address:
        _fill(address, chosen.accounts, chosen.positions)
        database = SingleConnection(Database(address))
        registry = Registry(database)
        busy = _Busy(address)

        def query() -> float:
            return busy.during(lambda: registry.views.read(chosen.view, size=SIZE[1] - 10))

        def screen() -> float:
            return busy.during(lambda: asyncio.run(_first(registry, chosen.view)))

        query(), screen()  # plans, caches, stylesheets
        measured = take_turns({QUERY: query, SCREEN: screen}, chosen.rounds, quiet=chosen.json)
        seen, share = asyncio.run(
            _live(registry, address, busy, chosen.view, chosen.events, chosen.idle)
        )
        database.close()
    report(
        "monitor",
        "ms of processor time",
        measured,
        [Target(SCREEN, QUERY, most=3)],
        as_json=chosen.json,
        limits=[
            Limit("seconds from an event to the screen, median", round(seen, 3), 1),
            Limit("% of a core when nothing happens", round(100 * share, 2), 2),
        ],
        facts={"accounts": chosen.accounts, "open positions": chosen.positions},
    )


class _Busy:
    """Counts processor time: of this process, and of the server's sessions."""

    def __init__(self, address: str) -> None:
        self._connection = psycopg.connect(address, autocommit=True)

    def seconds(self) -> float:
        """So far."""
        sessions = self._connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        )
        own = os.times()
        return own.user + own.system + sum(_ticks(pid) for (pid,) in sessions) / TICKS

    def during(self, work: Callable[[], object]) -> float:
        """Milliseconds during some work."""
        before = self.seconds()
        work()
        return (self.seconds() - before) * 1000


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


async def _first(registry: Registry, view: str) -> None:
    """Opens the screen, and closes it when its first page is drawn."""
    app = Monitor(registry, VIEWS[view], {})
    async with app.run_test(size=SIZE) as pilot:
        await _until(pilot, lambda: app.screen.query_one(PageTable).rows)


async def _until(pilot: Pilot[None], is_so: Callable[[], object]) -> None:
    while not is_so():  # noqa: ASYNC110 - what is measured has no event for it
        await asyncio.sleep(0.005)
    await pilot.pause()


async def _live(
    registry: Registry, address: str, busy: _Busy, view: str, events: int, idle: float
) -> tuple[float, float]:
    """The median of seconds until an event is on the screen, and the share of a core at rest."""
    app = Monitor(registry, VIEWS[view], {})
    with _other(address) as other:
        async with app.run_test(size=SIZE) as pilot:
            table = app.screen.query_one(PageTable)
            await _until(pilot, lambda: table.rows)
            waited = []
            for number in range(events):
                name = f"bot_{number:04}"
                await asyncio.sleep(1.5)
                await asyncio.to_thread(other.stop, account=name, reason="measured")
                began = time.perf_counter()
                await _until(pilot, functools.partial(_is_stopped, table, name))
                waited.append(time.perf_counter() - began)
            await asyncio.sleep(3)
            before = busy.seconds()
            await asyncio.sleep(idle)
            share = (busy.seconds() - before) / idle
    return statistics.median(waited), share


def _is_stopped(table: PageTable, name: str) -> bool:
    return any(row["account"] == name and row["state"] == "stopped" for row in table.rows)


@contextmanager
def _other(address: str) -> Iterator[Any]:
    database = SingleConnection(Database(address))
    yield Registry(database)
    database.close()


def _fill(address: str, accounts: int, positions: int) -> None:
    """Accounts with limits and a credential each, and their open positions."""
    database = SingleConnection(Database(address))
    world = World(database, MasterKeyring([generate_master_key()]))
    for number in range(accounts):
        exchanges = ("aster",) if number else ("aster", "backpack")
        world.account(f"bot_{number:04}", *exchanges, max_exposure_usd=50_000, max_positions=20)
    with database.connection() as connection:
        connection.execute(
            "INSERT INTO public.symbols (symbol) VALUES ('BTC') ON CONFLICT DO NOTHING"
        )
        connection.execute(
            "INSERT INTO public.strategy_positions (id, account_id, strategy_name, symbol_id,"
            " long_dex_id, short_dex_id, size_usd, entry_long_rate, entry_short_rate,"
            " entry_divergence, opened_at, status, cumulative_funding_usd)"
            " SELECT gen_random_uuid(), a.id, 'funding', s.id, l.id, r.id, 1000 + n %% 3000, 0.1,"
            " 0.2, 0.1, now() AT TIME ZONE 'UTC' - make_interval(mins => n), 'open', n %% 50"
            " FROM generate_series(1, %s) AS n"
            " JOIN public.accounts AS a"
            " ON a.account_name = 'bot_' || lpad((n %% %s)::text, 4, '0'),"
            " public.symbols AS s, public.dexes AS l, public.dexes AS r"
            " WHERE s.symbol = 'BTC' AND l.name = 'aster' AND r.name = 'backpack'",
            [positions, accounts],
        )
        connection.execute("VACUUM (ANALYZE)")
    database.close()


if __name__ == "__main__":
    main()
