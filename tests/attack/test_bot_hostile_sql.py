"""Threat: Hostile SQL.

The actions that a bot's login role can and cannot take with SQL of its own.
"""

from collections.abc import Iterator

import psycopg
import pytest
from support.bots import LoginRole, login_role
from support.hostile import COLLECT, REQUEST, Connection, collect, events, refusal, request
from support.world import CALLER, World

from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring
from registry.services.releases.releases import ReleaseService
from registry.services.releases.resolution import Wish, resolve

APPEND = """SELECT append_event(gen_random_uuid(), 'release', gen_random_uuid(), 0, 'X', 1, '{}',
    'a', NULL, gen_random_uuid(), 0, sha256(''), NULL, now())"""
WRITE = """SELECT audit_write(0, '{}', NULL, gen_random_uuid(), 'release', gen_random_uuid(), 1,
    'X', 1, '{}', 'a', NULL, gen_random_uuid(), 0, sha256(''), NULL, now())"""
APPEND_RELEASE = """SELECT append_release(gen_random_uuid(), 'X', gen_random_uuid(), '{}', 'a',
    NULL, gen_random_uuid(), 0, NULL, now())"""


@pytest.fixture
def mallory(world: World, bot: LoginRole) -> Iterator[Connection]:
    """A bot that may use its own account and wants more."""
    world.account("mallory", "backpack")
    world.account("victim", "backpack", "aster")
    world.access.grant("mallory", bot.name)
    with bot.connect() as connection:
        yield connection


def test_a_bot_gets_its_own_tokens_once_the_request_is_committed(mallory: Connection) -> None:
    release = request(mallory, "mallory")
    (sealed,) = collect(mallory, release)
    assert sealed[8].startswith("gAAAA")


def test_the_record_holds_what_the_bot_claims_and_what_the_database_knows(
    world: World, mallory: Connection, bot: LoginRole
) -> None:
    request(mallory, "mallory")
    ((actor, recorded_by, data),) = events(world, "CredentialReleased")
    assert (actor, recorded_by) == ("a", bot.name)
    assert (data["host"], data["purpose"]) == ("h", "p")
    assert data["client_address"] in (None, "127.0.0.1", "::1")  # by socket, or by TCP


def test_claims_cannot_carry_control_characters_or_essays(
    world: World, mallory: Connection
) -> None:
    mallory.execute(
        "SELECT * FROM request_release('mallory', NULL, NULL, NULL, NULL, %s, %s, %s)",
        ["\x1b[31mroot\n", "h" * 10_000, ""],
    )
    ((actor, _, data),) = events(world, "CredentialReleased")
    assert actor == "?[31mroot?"
    assert (len(data["host"]), data["purpose"]) == (255, "unknown")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT api_key_encrypted FROM account_exchange_credentials",
        "SELECT * FROM accounts",
        "SELECT * FROM account_exchange_sharing",
        "SELECT * FROM credential_overview",
        "SELECT * FROM credential_data_keys",
        "SELECT * FROM registry_keys",
        "SELECT * FROM audit_events",
        "SELECT * FROM audit_trail",
        "SELECT * FROM audit_head FOR UPDATE",
        "SELECT * FROM account_access",
        "SELECT * FROM release_collections",
        "COPY credential_data_keys TO STDOUT",
        "DELETE FROM release_collections",
        "INSERT INTO account_access VALUES (gen_random_uuid(), gen_random_uuid(), 'x', now())",
        "TRUNCATE audit_events",
        "TRUNCATE release_collections",
        "SELECT * FROM log_marks",
        "INSERT INTO log_marks VALUES (1000000, '0/0')",
        "INSERT INTO release_answers (exchange) VALUES ('aster')",
        "ALTER TABLE audit_events DISABLE TRIGGER ALL",
        "ALTER TABLE strategy_positions DISABLE ROW LEVEL SECURITY",
        "DROP POLICY registry_bots_own ON strategy_positions",
        "SET session_replication_role = replica",
        "SET ROLE registry_owner",
        "SET ROLE registry_operator",
        "SET SESSION AUTHORIZATION postgres",
        "GRANT registry_operator TO CURRENT_USER",
        "ALTER FUNCTION session_may_use(uuid) OWNER TO CURRENT_USER",
        "CREATE OR REPLACE FUNCTION session_may_use(uuid) RETURNS boolean RETURN true",
        "CREATE TABLE public.accounts_of_mine (id int)",
        "SELECT session_may_use(gen_random_uuid())",
        "SELECT resolve_credential(gen_random_uuid(), 1, NULL, NULL, NULL)",
        "SELECT other_users(gen_random_uuid(), gen_random_uuid(), 1, gen_random_uuid(), 1)",
        APPEND_RELEASE,
        APPEND,
        WRITE,
    ],
)
def test_a_bot_cannot_read_or_call_anything_else(mallory: Connection, statement: str) -> None:
    assert refusal(mallory, statement).sqlstate == "42501"


def test_an_account_that_is_not_the_bots_looks_like_one_that_does_not_exist(
    mallory: Connection,
) -> None:
    answers = [
        mallory.execute(REQUEST, [name, None]).fetchall() for name in ("victim", "nobody", "")
    ]
    assert answers == [[(None, "not_permitted", None)]] * 3
    assert mallory.execute("SELECT * FROM session_account('victim')").fetchall() == [
        ("not_permitted", None, None)
    ]


def test_a_request_that_is_rolled_back_gives_nothing(world: World, mallory: Connection) -> None:
    """Pain 23: where no audit is written, no secret leaves."""
    with mallory.transaction(force_rollback=True):
        release = request(mallory, "mallory")
    assert refusal(mallory, COLLECT, [release]).sqlstate == "RG021"
    assert events(world, "CredentialReleased") == []


def test_the_transaction_of_the_request_cannot_collect(mallory: Connection) -> None:
    with pytest.raises(psycopg.Error) as caught, mallory.transaction():
        collect(mallory, request(mallory, "mallory"))
    assert caught.value.sqlstate == "RG021"


def test_nor_with_the_request_in_a_subtransaction_of_it(mallory: Connection) -> None:
    mallory.execute("BEGIN")
    mallory.execute("SAVEPOINT inner_one")
    release = request(mallory, "mallory")
    mallory.execute("RELEASE SAVEPOINT inner_one")
    assert refusal(mallory, COLLECT, [release]).sqlstate == "RG021"
    mallory.execute("ROLLBACK")


def test_nor_inside_one_block_that_catches_errors(mallory: Connection) -> None:
    block = """DO $$
    DECLARE r uuid;
    BEGIN
        BEGIN
            SELECT release_id INTO r FROM public.request_release(
                'mallory', ARRAY['backpack'], NULL, NULL, NULL, 'a', 'h', 'p');
        EXCEPTION WHEN division_by_zero THEN NULL;
        END;
        PERFORM * FROM public.collect_releases(ARRAY[r]);
    END $$"""
    assert refusal(mallory, block).sqlstate == "RG021"


def test_another_connections_request_cannot_be_collected_before_it_commits(
    bot: LoginRole, mallory: Connection
) -> None:
    with bot.connect() as other:
        other.execute("BEGIN")
        release = request(other, "mallory")
        assert refusal(mallory, COLLECT, [release]).sqlstate == "RG021"
        other.execute("COMMIT")
    assert collect(mallory, release)


def test_a_release_is_collected_once(mallory: Connection) -> None:
    release = request(mallory, "mallory")
    assert collect(mallory, release)
    assert refusal(mallory, COLLECT, [release]).sqlstate == "RG021"


def test_two_connections_cannot_both_collect_it(
    bot: LoginRole, mallory: Connection, connection: Connection
) -> None:
    release = request(mallory, "mallory")
    with bot.connect() as other:
        other.execute("BEGIN")
        assert collect(other, release, flushing=connection)
        mallory.execute("SET lock_timeout = '100ms'")
        assert refusal(mallory, COLLECT, [release]).sqlstate == "55P03"
        other.execute("COMMIT")
    assert refusal(mallory, COLLECT, [release]).sqlstate == "RG021"


@pytest.mark.parametrize("account", ["victim", "mallory"], ids=["another account", "the same"])
def test_a_release_of_another_role_cannot_be_collected(
    world: World, mallory: Connection, database_url: str, account: str
) -> None:
    with login_role(database_url, "registry_bot") as honest, honest.connect() as other:
        world.access.grant(account, honest.name)
        release = request(other, account)
        assert refusal(mallory, COLLECT, [release]).sqlstate == "RG021"
        assert collect(other, release)


def test_a_release_is_not_collected_late(mallory: Connection, connection: Connection) -> None:
    release = request(mallory, "mallory")
    connection.execute("ALTER TABLE audit_events DISABLE TRIGGER audit_events_append_only")
    connection.execute(
        "UPDATE audit_events SET occurred_at = occurred_at - interval '11 seconds' "
        "WHERE event_id = %s",
        [release],
    )
    error = refusal(mallory, COLLECT, [release])
    assert "in time" in str(error)


@pytest.mark.parametrize("change", ["revoke", "deactivate", "replace", "stop"])
def test_what_has_changed_since_the_request_is_not_collected(
    world: World, mallory: Connection, bot: LoginRole, change: str
) -> None:
    release = request(mallory, "mallory")
    match change:
        case "revoke":
            world.access.revoke("mallory", bot.name)
        case "deactivate":
            world.credentials.deactivate("mallory", "backpack")
        case "replace":
            world.credential(
                "mallory", "backpack", replace=True, public_key="new1", secret_key="new2"
            )
        case _:
            world.accounts.deactivate("mallory")
    assert collect(mallory, release) == []


@pytest.mark.parametrize("change", ["narrow", "end", "stop the lender", "stop the borrower"])
def test_a_share_that_has_changed_since_the_request_gives_nothing(
    world: World, mallory: Connection, change: str
) -> None:
    world.share("mallory", "victim", "aster")
    release = request(mallory, "mallory", "aster")
    match change:
        case "narrow":
            world.share("mallory", "victim", "aster", "read_only")
        case "end":
            world.shares.revoke("mallory", "aster")
        case "stop the lender":
            world.accounts.deactivate("victim", cascade=True)
        case _:
            world.accounts.deactivate("mallory")
    assert collect(mallory, release) == []


def test_the_environment_cannot_stand_in_for_what_is_borrowed(
    world: World, mallory: Connection
) -> None:
    fallback = "SELECT public.record_fallback('mallory', 'aster', NULL, 'o', 'a', 'h', 'p')"
    assert mallory.execute(fallback.encode()).fetchone() == ("ok",)
    world.share("mallory", "victim", "aster", "read_only")
    assert mallory.execute(fallback.encode()).fetchone() == ("registry_has_credential",)
    assert len(events(world, "EnvironmentFallbackUsed")) == 1


def test_access_that_was_revoked_gives_nothing_more(
    world: World, mallory: Connection, bot: LoginRole
) -> None:
    world.access.revoke("mallory", bot.name)
    assert mallory.execute(REQUEST, ["mallory", None]).fetchall() == [(None, "not_permitted", None)]


def test_turning_synchronous_commit_off_gives_no_secret_before_the_record_is_on_disk(
    mallory: Connection, connection: Connection
) -> None:
    # The server of the tests runs without fsync; what is asked for here is the order.
    mallory.execute("SET synchronous_commit = off")
    for _ in range(20):
        release = request(mallory, "mallory")
        written = connection.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
        assert written is not None
        assert collect(mallory, release)
        row = connection.execute(
            "SELECT pg_current_wal_flush_lsn() >= %s::pg_lsn", [written[0]]
        ).fetchone()
        assert row == (True,)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TEMPORARY TABLE account_access (account_id uuid, role_name text)",
        "CREATE TEMPORARY VIEW accounts AS SELECT 'x' AS account_name",
        "SET search_path = pg_temp, public",
    ],
)
def test_objects_of_the_bots_own_do_not_lead_a_function_astray(
    mallory: Connection, statement: str
) -> None:
    mallory.execute("SET search_path = pg_temp, public")
    mallory.execute(statement.encode())
    assert mallory.execute(REQUEST, ["victim", None]).fetchall() == [(None, "not_permitted", None)]


def test_set_role_to_a_role_of_its_own_changes_nothing(world: World, database_url: str) -> None:
    world.account("victim", "backpack")
    with (
        login_role(database_url, "registry_bot") as second,
        login_role(database_url, "registry_bot", second.name) as first,
        first.connect() as session,
    ):
        world.access.grant("victim", second.name)
        session.execute(f'SET ROLE "{second.name}"')
        assert session.execute(REQUEST, ["victim", None]).fetchall() == [
            (None, "not_permitted", None)
        ]


def test_an_auditor_reads_the_log_and_no_token(world: World, database_url: str) -> None:
    world.account("alice", "backpack")
    with login_role(database_url, "registry_auditor") as role, role.connect() as auditor:
        row = auditor.execute(
            "SELECT data FROM audit_trail WHERE event_type = 'CredentialAdded'"
        ).fetchone()
        assert row is not None
        assert "tokens" not in row[0]
        for column in ("api_key_encrypted", "secret_key_encrypted"):
            statement = f"SELECT {column} FROM account_exchange_credentials"
            assert refusal(auditor, statement).sqlstate == "42501"
        assert refusal(auditor, "SELECT wrapped_key FROM credential_data_keys").sqlstate == "42501"
        assert refusal(auditor, "SELECT data FROM audit_events").sqlstate == "42501"
        for call in (
            "SELECT * FROM request_release('alice', NULL, NULL, NULL, NULL, 'a', 'h', 'p')",
            "SELECT * FROM collect_releases(ARRAY[gen_random_uuid()])",
        ):
            assert refusal(auditor, call).sqlstate == "42501"


def test_an_operator_works_without_being_the_owner(
    database_url: str, keyring: MasterKeyring
) -> None:

    with login_role(database_url, "registry_operator") as role:
        database = SingleConnection(Target(role.address))
        operated = World(database, keyring)
        operated.account("alice", "backpack")
        operated.account("bob")
        operated.share("bob", "alice", "backpack")
        assert resolve(database, "bob", "backpack", Wish())[0].granted
        released = ReleaseService(database, keyring).release("bob", None, Wish(), CALLER)
        assert released.credentials["backpack"].plain()["secret_key"] == "alice-backpack-secret"
        operated.accounts.delete("alice", cascade=True)
        with pytest.raises(psycopg.Error), database.connection() as connection:
            connection.execute("ALTER TABLE audit_events DISABLE TRIGGER ALL")
        database.close()


def test_the_last_use_comes_from_the_release_and_equals_its_time(
    mallory: Connection, connection: Connection
) -> None:
    """Pain 12: `last_used` must be written."""
    release = request(mallory, "mallory")
    row = connection.execute(
        "SELECT c.last_used = e.occurred_at AT TIME ZONE 'UTC' FROM audit_events AS e "
        "JOIN account_exchange_credentials AS c ON c.id::text = e.data ->> 'credential_id' "
        "WHERE e.event_id = %s",
        [release],
    ).fetchone()
    assert row == (True,)
