"""Creates a large, fully valid log: hashes, tree, data keys and tables.

The rows are loaded by binary COPY (tests/support/large_log.py), some hundred times faster than
by commands. In one kind of log every account has the same eight events, and the accounts are
interleaved as in a grown log. In the other, a log of years, accounts get three credentials each,
and everything after that is releases. It needs a superuser, since the tables' guards are off
meanwhile. For benchmarks and tests only.
"""

import base64
import contextlib
import functools
import itertools
import os
import random
import sys
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import orjson
import psycopg

from projections import accounts, credentials, project, sharing, versions
from projections.memory_sink import Rows, apply_to_memory
from registry.encryption.keyring import MasterKeyring
from registry.events.stored import StoredEvent, utc_text
from registry.log.ids import new_id

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from support.large_log import Made, load_events, recorded_at

EVENTS_PER_ACCOUNT: Final = 8
_INTERLEAVED: Final = 500
_SECRET: Final = 66
"""The length of a typical private key in hexadecimal."""
_TABLES: Final = (accounts.TABLE, credentials.TABLE, sharing.TABLE, versions.TABLE)


def fill(
    connection: psycopg.Connection[Any],
    events: int,
    keyring: MasterKeyring | None = None,
    *,
    accounts: int | None = None,
) -> None:
    """Fills an empty log with this many events, and the tables and data keys to match.

    With a number of accounts it is a log of years.
    """
    exchanges = dict(connection.execute("SELECT d.name, d.id FROM public.dexes AS d").fetchall())
    rows: Rows = {table.name: {} for table in _TABLES}
    keys: list[tuple[uuid.UUID, uuid.UUID, int]] = []
    made = _events(events, exchanges, keys)
    if accounts is not None:
        made = itertools.islice(_years(accounts, exchanges, keys), events)
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        load_events(connection, _projected(made, rows))
        _copy_keys(connection, keys, keyring)
        for table in _TABLES:
            _copy_table(connection, table.name, list(table.columns), rows[table.name].values())
    # Outside of a transaction block, and with the guards on: statistics for the planner.
    connection.execute("VACUUM ANALYZE")


def _projected(events: Iterable[Made], rows: Rows) -> Iterator[Made]:
    """Yields the same events, and applies each to the rows of the tables."""
    for position, made in enumerate(events):
        stored = StoredEvent(
            str(uuid.UUID(bytes=made.stream_id)),
            made.stream_version,
            made.event_type,
            1,
            utc_text(recorded_at(position)),
            orjson.loads(made.data),
        )
        for change in project(stored):
            apply_to_memory(rows, change)
        yield made


def _copy_keys(
    connection: psycopg.Connection[Any],
    keys: list[tuple[uuid.UUID, uuid.UUID, int]],
    keyring: MasterKeyring | None,
) -> None:
    copy_in = (
        "COPY public.credential_data_keys (id, credential_id, credential_version, wrapped_key, "
        "master_key_id, created_at) FROM STDIN"
    )
    with connection.cursor().copy(copy_in) as copy:
        for key_id, credential_id, version in keys:
            wrapped = "-" if keyring is None else keyring.wrap(key_id, os.urandom(32))
            master = "none" if keyring is None else keyring.newest_id
            copy.write_row((key_id, credential_id, version, wrapped, master, recorded_at(0)))


def _copy_table(
    connection: psycopg.Connection[Any],
    table: str,
    columns: list[str],
    rows: Iterable[dict[str, Any]],
) -> None:
    copy_in = f"COPY public.{table} ({', '.join(columns)}) FROM STDIN"
    with connection.cursor().copy(copy_in) as copy:
        for row in rows:
            values = [row.get(column) for column in columns]
            copy.write_row(
                [orjson.dumps(v).decode() if isinstance(v, dict | list) else v for v in values]
            )


def _events(
    events: int, exchanges: dict[str, int], keys: list[tuple[uuid.UUID, uuid.UUID, int]]
) -> Iterator[Made]:
    """The events of all accounts, some hundred accounts interleaved."""
    made = account = 0
    while made < events:
        open_accounts = [
            (new_id(), _story(account + one, exchanges, keys)) for one in range(_INTERLEAVED)
        ]
        account += _INTERLEAVED
        for version in range(1, EVENTS_PER_ACCOUNT + 1):
            for stream_id, story in open_accounts:
                if made == events:
                    return
                made += 1
                event_type, data = next(story)
                yield Made(stream_id.bytes, version, event_type, orjson.dumps(data))


def _story(
    number: int, exchanges: dict[str, int], keys: list[tuple[uuid.UUID, uuid.UUID, int]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    lighter = _identity("lighter", exchanges)
    aster = _identity("aster", exchanges)
    lighter_fields = ("private_key", "account_index", "api_key_index")
    yield (
        "AccountCreated",
        {
            "account_name": f"bot_{number:07}",
            "description": "Funding arbitrage",
            "metadata": {"max_positions": 10, "max_exposure_usd": 100000},
        },
    )
    yield "CredentialAdded", _sealed(lighter, 1, lighter_fields, keys) | {"label": "main"}
    yield "CredentialAdded", _sealed(aster, 1, ("api_key", "secret_key"), keys)
    yield "AccountUpdated", {"metadata": {"max_positions": 20, "max_exposure_usd": 250000}}
    yield "CredentialReplaced", _sealed(lighter, 2, lighter_fields, keys)
    yield "CredentialUpdated", aster | {"label": "aster key", "expires_at": "2027-01-01T00:00:00Z"}
    yield "CredentialDeactivated", lighter
    yield "CredentialReactivated", lighter


def _years(
    accounts: int, exchanges: dict[str, int], keys: list[tuple[uuid.UUID, uuid.UUID, int]]
) -> Iterator[Made]:
    """Accounts with three credentials each, and then their loads for ever."""
    bots: list[tuple[str, uuid.UUID, list[dict[str, Any]]]] = []
    for number in range(accounts):
        stream_id = new_id()
        held = [_identity(name, exchanges) for name in ("lighter", "aster", "backpack")]
        bots.append((f"bot_{number:04}", stream_id, held))
        created = {"account_name": f"bot_{number:04}", "metadata": {"max_positions": 10}}
        yield Made(stream_id.bytes, 1, "AccountCreated", orjson.dumps(created))
        for version, slot in enumerate(held, start=2):
            added = _sealed(slot, 1, ("api_key", "secret_key"), keys)
            yield Made(stream_id.bytes, version, "CredentialAdded", orjson.dumps(added))
    chance = random.Random(1)  # noqa: S311 - the same log every time
    for load in itertools.count():
        chance.shuffle(bots)
        for name, stream_id, held in bots:
            for number, slot in enumerate(held, start=1):
                yield Made(
                    stream_id.bytes,
                    load * len(held) + number,
                    "CredentialReleased",
                    orjson.dumps(_release(name, slot)),
                    b"release",
                    f"{name}@host".encode(),
                )


def _release(name: str, slot: dict[str, Any]) -> dict[str, Any]:
    return {
        "account": name,
        "purpose": "start of the bot",
        "host": "host.example.com",
        "client_address": "10.0.0.17",
        "credential_version": 1,
        "source": "own",
        "access": "full",
        **dict.fromkeys(("lender_id", "lender", "share_id", "sharing_type")),
        **slot,
    }


def _identity(exchange: str, exchanges: dict[str, int]) -> dict[str, Any]:
    return {
        "credential_id": str(new_id()),
        "exchange": exchange,
        "exchange_id": exchanges[exchange],
        "subaccount_index": 0,
        "permission": "full",
    }


def _sealed(
    identity: dict[str, Any],
    version: int,
    fields: tuple[str, ...],
    keys: list[tuple[uuid.UUID, uuid.UUID, int]],
) -> dict[str, Any]:
    key_id = new_id()
    keys.append((key_id, uuid.UUID(identity["credential_id"]), version))
    return identity | {
        "version": version,
        "data_key_id": str(key_id),
        "tokens": {field: _token() for field in fields},
        "fingerprints": {field: os.urandom(8).hex() for field in fields},
    }


def _token() -> str:
    """Random text with the length of a Fernet token of a typical private key."""
    return "gAAAAA" + base64.urlsafe_b64encode(os.urandom(_token_bytes())).decode()


@functools.cache
def _token_bytes() -> int:
    # Version, time, IV, padded ciphertext and HMAC; https://github.com/fernet/spec
    return 1 + 8 + 16 + (_SECRET // 16 + 1) * 16 + 32 - 4


@contextlib.contextmanager
def scratch_database(server: str) -> Iterator[str]:
    """A new, migrated database on a server, dropped afterwards; yields its address."""
    from psycopg.conninfo import make_conninfo

    from registry.database.migrator import Migrator

    name = f"registry_benchmark_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        try:
            address = make_conninfo(server, dbname=name)
            with psycopg.connect(address, autocommit=True) as fresh:
                Migrator(fresh).up()
            yield address
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
