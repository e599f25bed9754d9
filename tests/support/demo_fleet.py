"""A small fleet in which each state of each view occurs, to be looked at."""

import contextlib
import datetime as dt
import random
import uuid
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

import psycopg

from registry.clock import now
from registry.database.pool import PooledDatabase
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.loader import CredentialLoader
from support.credentials import FIELDS
from support.raw_events import append_raw
from support.registry_tables import unguarded
from support.world import World

HOSTILE: Final = "</td><script>alert(1)</script>\u202eevil\u200b"
"""A name that would be markup, and changes the direction of what follows."""

# Name -> exchanges, share of max_exposure_usd that its positions have, their number.
_ACCOUNTS: Final = {
    "main_bot": (("aster", "backpack", "lighter"), 0.42, 7),
    "grid_btc": (("aster", "backpack"), 0.91, 9),
    "grid_eth": (("aster", "backpack"), 0.55, 6),
    "funding_arb": (("aster", "backpack", "lighter"), 0.67, 8),
    "basis_sol": (("aster", "backpack"), 0.23, 3),
    "hedge_bot": ((), 0.12, 2),
    "maker_01": (("aster",), 0.31, 3),
    "maker_02": (("aster",), 0.28, 3),
    "scalper": (("backpack",), 0.05, 1),
    "old_bot": (("aster",), 0, 0),
    "cold_wallet": ((), 0, 0),
}
_LIMIT: Final = 50_000
_SYMBOLS: Final = ("BTC", "ETH", "SOL", "HYPE", "XRP")


@contextlib.contextmanager
def demo_fleet(address: str) -> Iterator[World]:
    """The fleet, in the empty registry at an address, for a superuser."""
    database = PooledDatabase(Target(address), keep=5)
    world = World(database, MasterKeyring([generate_master_key()]))
    with psycopg.connect(address, autocommit=True) as connection:
        _fill(world, connection)
    yield world
    world.loader.close()
    world.close()


def plant_hostile_texts(world: World) -> None:
    """Writes markup, escapes and changes of direction where only a superuser can."""
    world.account("victim", "aster")
    with psycopg.connect(world.database.target.url or "", autocommit=True) as connection:
        account = world.accounts.get("victim")["id"]
        _open(connection, account, random.Random(1), 1, Decimal(10))  # noqa: S311
        with unguarded(connection):
            connection.execute(
                "UPDATE accounts SET account_name = %s, description = %s, wallet_address = %s"
                " WHERE account_name = 'victim'",
                [HOSTILE, f"{HOSTILE}\x1b[2J", HOSTILE],
            )
            connection.execute("UPDATE account_exchange_credentials SET label = %s", [HOSTILE])
            connection.execute(
                "UPDATE symbols SET symbol = left(%s, 20)"
                " WHERE id IN (SELECT symbol_id FROM strategy_positions)",
                [HOSTILE],
            )
            connection.execute(
                "UPDATE dexes SET name = left(%s, 50) WHERE name = 'aster'", [HOSTILE]
            )


def planted(world: World) -> list[str]:
    """The secrets of the fleet, and how every token of the registry begins."""
    accounts = [record["account_name"] for record in world.accounts.list()]
    values = [value for fields in FIELDS.values() for value in fields.values() if "-" in value]
    return [*(f"{account}-{value}" for account in accounts for value in values), "gAAAAA"]


def _fill(world: World, connection: psycopg.Connection[Any]) -> None:
    chance = random.Random(7)  # noqa: S311 - the same fleet every time
    ids = {}
    for name, (exchanges, used, positions) in _ACCOUNTS.items():
        ids[name] = world.account(name, *exchanges, max_exposure_usd=_LIMIT, max_positions=12)
        for number in range(positions):
            size = Decimal(str(_LIMIT * used / positions)).quantize(Decimal("0.01"))
            _open(connection, ids[name], chance, number, size)
    world.accounts.update("main_bot", description="Primary funding arbitrage")
    world.accounts.update("cold_wallet", description="Looks only")
    world.credential("main_bot", "aster", permission="read_only", api_key="ro", secret_key="ro2")
    world.share("hedge_bot", "main_bot", "aster")
    world.share("hedge_bot", "funding_arb", "backpack", "read_only")
    world.credential(
        "funding_arb", "backpack", permission="read_only", public_key="a1", secret_key="b2"
    )
    renewed: dict[str, Any] = {**FIELDS["lighter"], "private_key": "main_bot-lighter-secret-2"}
    world.credential("main_bot", "lighter", replace=True, **renewed)
    for account, days in (("funding_arb", -2), ("grid_eth", 9), ("main_bot", 64)):
        expires_at = now() + dt.timedelta(days=days)
        world.credentials.update(account, "aster", permission="full", expires_at=expires_at)
    for account, exchange, outcome in (
        ("maker_01", "aster", "wrong_key"),
        ("main_bot", "aster", "valid"),
        ("grid_eth", "aster", "valid"),
    ):
        _check(world, connection, ids[account], account, exchange, outcome)
    _load(world)
    world.stop(account="scalper", reason="losses since noon, Anna looks into it")
    world.accounts.deactivate("old_bot", reason="replaced by main_bot")


def _load(world: World) -> None:
    """Lets bots on two hosts load their credentials."""
    for account, host in (("main_bot", "fra-1"), ("grid_btc", "fra-1"), ("grid_eth", "sin-2")):
        loader = CredentialLoader(world.database, keyring=world.keyring, purpose="start")
        loader._caller = replace(loader._caller, actor=f"{account}@{host}", host=host)
        loader.load_account_credentials(account)


def _open(
    connection: psycopg.Connection[Any],
    account: uuid.UUID | None,
    chance: random.Random,
    number: int,
    size: Decimal,
) -> None:
    connection.execute(
        "INSERT INTO public.symbols (symbol) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING",
        [list(_SYMBOLS)],
    )
    connection.execute(
        "INSERT INTO public.strategy_positions (id, account_id, strategy_name, symbol_id,"
        " long_dex_id, short_dex_id, size_usd, entry_long_rate, entry_short_rate,"
        " entry_divergence, opened_at, status, cumulative_funding_usd)"
        " SELECT gen_random_uuid(), %s, 'funding', s.id, l.id, r.id, %s, 0.1, 0.2, 0.1,"
        " now() AT TIME ZONE 'UTC' - make_interval(hours => %s), 'open', %s"
        " FROM public.symbols AS s, public.dexes AS l, public.dexes AS r"
        " WHERE s.symbol = %s AND l.name = 'aster' AND r.name = 'backpack'",
        [account, size, 3 + 7 * number, round(chance.uniform(-9, 60), 2), chance.choice(_SYMBOLS)],
    )


def _check(
    world: World,
    connection: psycopg.Connection[Any],
    account_id: uuid.UUID,
    account: str,
    exchange: str,
    outcome: str,
) -> None:
    credential = next(
        c for c in world.credentials.list(account, exchange=exchange) if c["permission"] == "full"
    )
    (exchange_id,) = connection.execute(
        "SELECT id FROM public.dexes WHERE name = %s", [exchange]
    ).fetchall()[0]
    data = {
        "credential_id": str(credential["id"]),
        "exchange": exchange,
        "exchange_id": exchange_id,
        "subaccount_index": None,
        "permission": "full",
        "version": credential["version"],
        "outcome": outcome,
    }
    append_raw(connection, "CredentialChecked", ("account", account_id), data)
