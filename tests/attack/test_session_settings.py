"""Threat: Session settings.

A login changes session settings, the isolation level or the form of its transaction. Its aim is
that something else is released, recorded or hashed than the functions intend.
"""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from support.bots import LoginRole, login_role
from support.hostile import COLLECT, collect
from support.world import World

from registry.database.target import Target
from registry.encryption.sealing import DataKey, Place
from registry.services.audit.verification import Extent, verify

Connection = psycopg.Connection[Any]

REQUEST = """SELECT release_id FROM public.request_release(
    'mallory', NULL, NULL, NULL, NULL, %s, 'h', 'p', %s)"""

SETTINGS = [
    "extra_float_digits = -15",
    "bytea_output = 'escape'",
    "DateStyle = 'SQL, DMY'",
    "IntervalStyle = 'sql_standard'",
    "TimeZone = 'Pacific/Apia'",
    "client_encoding = 'LATIN1'",
    "standard_conforming_strings = off",
    "array_nulls = off",
    "transform_null_equals = on",
    "quote_all_identifiers = on",
    "row_security = off",
    "synchronous_commit = off",
    "search_path = ''",
    "plan_cache_mode = 'force_custom_plan'",
    "default_transaction_isolation = 'repeatable read'",
    "default_transaction_isolation = 'serializable'",
    "enable_indexscan = off",
    "lc_numeric = 'C'",
    "xmloption = 'document'",
]


@pytest.fixture
def mallory(world: World, bot: LoginRole) -> Iterator[Connection]:
    """A bot that may use its own account."""
    world.account("mallory", "backpack")
    world.access.grant("mallory", bot.name)
    with bot.connect() as connection:
        yield connection


def failures(world: World, address: str) -> list[Any]:
    """What a verification of the whole log finds."""
    extent = Extent(with_keys=False, processes=1)
    return verify(world.database, Target(address), extent).failures


@pytest.mark.parametrize("setting", SETTINGS)
def test_no_setting_changes_what_is_recorded_released_or_hashed(
    world: World, mallory: Connection, database_url: str, setting: str
) -> None:
    mallory.execute(f"SET {setting}".encode())
    row = mallory.execute(REQUEST, ["a\\b'c\"ä", "1/2/2026 \\x00"]).fetchone()
    assert row is not None
    (collected,) = collect(mallory, row[0])
    _, _, exchange_id, owner, subaccount, permission, _, key, secret, more, *data_key = collected
    opened = DataKey.unwrap(world.keyring, *data_key).open(
        Place(owner, exchange_id, subaccount, permission),
        {n: t for n, t in {"api_key": key, "secret_key": secret, **(more or {})}.items() if t},
    )
    assert opened["secret_key"].reveal() == "mallory-backpack-secret"
    with world.database.connection() as connection:
        recorded = connection.execute(
            "SELECT actor, reason, occurred_at > now() - interval '1 minute' "
            "FROM audit_events WHERE event_type = 'CredentialReleased'"
        ).fetchall()
    assert recorded == [("a\\b'c\"ä", "1/2/2026 \\x00", True)]
    assert failures(world, database_url) == []


@pytest.mark.parametrize(
    "setting",
    [
        "session_replication_role = replica",
        "log_statement = 'none'",
        "allow_system_table_mods = on",
    ],
)
def test_settings_that_would_disarm_the_guards_are_refused(
    mallory: Connection, setting: str
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        mallory.execute(f"SET {setting}".encode())


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_snapshot_from_before_a_revocation_collects_nothing_after_it(
    world: World, bot: LoginRole, mallory: Connection, level: str
) -> None:
    row = mallory.execute(REQUEST, ["a", None]).fetchone()
    assert row is not None
    with bot.connect() as older:
        older.execute(f"BEGIN ISOLATION LEVEL {level}".encode())
        older.execute("SELECT count(*) FROM public.dexes")  # takes the snapshot
        world.access.revoke("mallory", bot.name)
        with pytest.raises(psycopg.errors.SerializationFailure):
            older.execute(COLLECT, [[row[0]]])


def test_a_snapshot_from_before_a_revocation_requests_nothing_after_it(
    world: World, bot: LoginRole, mallory: Connection
) -> None:
    mallory.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    mallory.execute("SELECT count(*) FROM public.dexes")
    world.access.revoke("mallory", bot.name)
    with pytest.raises(psycopg.errors.SerializationFailure):
        mallory.execute(REQUEST, ["a", None])


def test_a_snapshot_from_before_the_collection_collects_nothing_a_second_time(
    bot: LoginRole, mallory: Connection
) -> None:
    row = mallory.execute(REQUEST, ["a", None]).fetchone()
    assert row is not None
    with bot.connect() as older:
        older.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        older.execute("SELECT count(*) FROM public.dexes")
        assert collect(mallory, row[0])
        with pytest.raises(psycopg.errors.SerializationFailure):
            older.execute(COLLECT, [[row[0]]])


def test_a_cursor_kept_across_the_commit_holds_nothing_that_was_not_released(
    mallory: Connection,
) -> None:
    mallory.execute("BEGIN")
    mallory.execute(
        "DECLARE kept CURSOR WITH HOLD FOR SELECT c.* FROM public.request_release("
        "'mallory', NULL, NULL, NULL, NULL, 'a', 'h', 'p') AS r, "
        "LATERAL public.collect_releases(ARRAY[r.release_id]) AS c"
    )
    with pytest.raises(psycopg.Error) as refused:
        mallory.execute("COMMIT")  # the held cursor is run to its end here
    assert refused.value.sqlstate == "RG021"


def test_a_prepared_statement_is_decided_each_time_it_is_executed(
    world: World, bot: LoginRole, mallory: Connection
) -> None:
    mallory.execute(
        "PREPARE again AS SELECT outcome FROM public.request_release("
        "'mallory', NULL, NULL, NULL, NULL, 'a', 'h', 'p')"
    )
    for _ in range(7):  # beyond the five after which a generic plan may be kept
        assert mallory.execute("EXECUTE again").fetchall() == [("ok",)]
    world.access.revoke("mallory", bot.name)
    assert mallory.execute("EXECUTE again").fetchall() == [("not_permitted",)]


def test_a_transaction_prepared_for_two_phase_commit_is_not_there_without_the_servers_leave(
    mallory: Connection,
) -> None:
    mallory.execute("BEGIN")
    mallory.execute(REQUEST, ["a", None])
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        mallory.execute("PREPARE TRANSACTION 'held'")


def test_a_role_of_another_name_in_quotes_is_not_the_bot(
    world: World, bot: LoginRole, database_url: str
) -> None:
    """Access is by the exact name of the role that logged in."""
    world.account("victim", "backpack")
    world.access.grant("victim", bot.name)
    with login_role(database_url, "registry_bot") as other, other.connect() as session:
        session.execute(f"SET application_name = '{bot.name}'")
        assert session.execute(
            "SELECT outcome FROM public.request_release("
            "'victim', NULL, NULL, NULL, NULL, %s, 'h', 'p')",
            [bot.name],
        ).fetchall() == [("not_permitted",)]
