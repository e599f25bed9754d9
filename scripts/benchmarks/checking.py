"""Many keys that are checked at once, against the time that the exchanges' rate limits need.

    scripts/benchmark checking [--keys 1000] [--rounds 1] [--json]

The exchanges are local servers, each a process, with the answers that the exchanges document. The
limits are those of ccxt's clients. The whole check is measured: releases, clients, requests.
"""

import contextlib
import inspect
import logging
import multiprocessing
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import ccxt
from harness import Limit, options, own_server, report
from support.exchange_server import ExchangeServer
from support.key_answers import KEYS, RIGHT
from support.world import World

from registry.checking.findings import CheckOutcome
from registry.checking.probes import PROBES
from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring, generate_master_key

EXCHANGES: Final = ("backpack", "binance", "bybit", "coinbase")
MOST: Final = 3.0
"""The longest check, as a multiple of the time that the rate limits need."""


def main() -> None:
    """Measures and prints."""
    chosen = options("Many keys that are checked at once.", keys=1000, rounds=1)
    logging.getLogger("registry").setLevel(logging.ERROR)
    each = chosen.keys // len(EXCHANGES)
    with own_server() as address, contextlib.closing(SingleConnection(Target(address))) as database:
        world = World(database, MasterKeyring([generate_master_key()]))
        _fill(world, each)
        with _servers() as config:
            seconds = [_seconds(world, config) for _ in range(chosen.rounds)]
    needed = max(each * _milliseconds(exchange) / 1000 for exchange in EXCHANGES)
    limits = [Limit("time over that of the limits", round(max(seconds) / needed, 2), MOST)]
    facts = {"keys": each * len(EXCHANGES), "the limits need, s": round(needed, 1)}
    report("checking", "s", {"check": seconds}, [], as_json=chosen.json, limits=limits, facts=facts)


def _fill(world: World, each: int) -> None:
    for number in range(each):
        name = f"account_{number}"
        world.account(name)
        for exchange in EXCHANGES:
            world.credentials.add(name, exchange, KEYS[exchange], allow_shared_secret=True)


@contextlib.contextmanager
def _servers() -> Iterator[Mapping[str, Any]]:
    """Exchanges that answer; yields the settings of their clients."""
    servers = {name: ExchangeServer(name, lambda r, n=name: RIGHT[n][r.path]) for name in EXCHANGES}  # type: ignore[misc]
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=server.serve_forever) for server in servers.values()]
    for process in processes:
        process.start()
    try:
        yield {name: {**s.config(), "enableRateLimit": True} for name, s in servers.items()}
    finally:
        for process in processes:
            process.kill()


def _seconds(world: World, config: Mapping[str, Any]) -> float:
    started = time.perf_counter()
    found = world.credentials.check(client_config=config)
    taken = time.perf_counter() - started
    wrong = [one for one in found if one.outcome is not CheckOutcome.VALID]
    if wrong:
        raise SystemExit(f"{len(wrong)} keys were not valid, such as {wrong[0]}")
    return taken


def _milliseconds(exchange: str) -> float:
    """The time between two keys that the exchange's rate limit needs."""
    kind = getattr(ccxt, exchange)
    calls = (inspect.getattr_static(kind, method) for method, _ in PROBES[exchange].calls)
    return float(kind().rateLimit * sum(call.config["cost"] for call in calls))


if __name__ == "__main__":
    main()
