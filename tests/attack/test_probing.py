"""Threat: Probing.

A bot learns about other accounts from the answers that it gets: outcomes, errors, constraint
violations, plans, statistics.
"""

import hashlib
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from support.bots import LoginRole
from support.registry_tables import add_positions
from support.world import World

Connection = psycopg.Connection[Any]

INSERT = """INSERT INTO public.strategy_positions (id, strategy_name, symbol_id, long_dex_id,
    short_dex_id, size_usd, entry_long_rate, entry_short_rate, entry_divergence, opened_at,
    status, account_id)
    SELECT gen_random_uuid(), 'probe', s.id, 1, 2, %s, 0, 0, 0, '2026-01-01', 'open', %s
    FROM public.symbols AS s LIMIT 1"""
FALLBACK = "SELECT public.record_fallback('mallory', 'aster', %s, 'o', 'a', 'h', 'p')"


@pytest.fixture
def mallory(world: World, bot: LoginRole, connection: Connection) -> Iterator[Connection]:
    """A bot beside a victim with limits, whose id it has learnt somewhere."""
    world.account("mallory", "backpack")
    world.account("victim", "backpack", max_positions=1, max_exposure_usd=500)
    add_positions(connection, str(uuid.uuid4()))
    world.access.grant("mallory", bot.name)
    with bot.connect() as session:
        yield session


def id_of(world: World, account: str) -> uuid.UUID:
    with world.database.connection() as connection:
        row = connection.execute(
            "SELECT id FROM accounts WHERE account_name = %s", [account]
        ).fetchone()
    assert row is not None
    found: uuid.UUID = row[0]
    return found


def error(connection: Connection, statement: str, *parameters: Any) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as caught:
        connection.execute(statement.encode(), parameters).fetchall()
    return caught.value


@pytest.mark.parametrize("size", [1, 1_000_000], ids=["within", "beyond the limit"])
def test_a_position_for_anothers_account_tells_neither_its_name_nor_its_limits(
    world: World, mallory: Connection, size: int
) -> None:
    victim = id_of(world, "victim")
    active = error(mallory, INSERT, size, victim)
    world.accounts.deactivate("victim")
    stopped = error(mallory, INSERT, size, victim)
    nobody = error(mallory, INSERT, size, uuid.uuid4())
    assert {one.sqlstate for one in (active, stopped, nobody)} == {"42501"}
    assert str(active) == str(stopped) == str(nobody)
    assert "victim" not in str(active)


def test_the_fallback_of_one_account_does_not_tell_whether_another_exists(
    mallory: Connection,
) -> None:
    answers = [mallory.execute(FALLBACK, [s]).fetchall() for s in ("VICTIM", "NOBODY", "")]
    assert answers == [[("not_permitted",)]] * 3
    assert mallory.execute(FALLBACK, ["MALLORY"]).fetchall() == [("ok",)]


@pytest.mark.parametrize(
    "call",
    [
        "SELECT outcome, owner_name FROM public.request_release("
        "'mallory', ARRAY['backpack'], NULL, NULL, {}, 'a', 'h', 'p')",
        "SELECT outcome FROM public.request_release({}, NULL, NULL, NULL, NULL, 'a', 'h', 'p')",
        "SELECT * FROM public.session_account({})",
        "SELECT * FROM public.account_info({}, NULL)",
        "SELECT public.record_fallback({}, 'aster', NULL, 'o', 'a', 'h', 'p')",
    ],
)
def test_an_account_that_is_named_gives_the_same_answer_whether_it_exists_or_not(
    mallory: Connection, call: str
) -> None:
    answers = [
        mallory.execute(call.format(f"'{name}'").encode()).fetchall()
        for name in ("victim", "nobody")
    ]
    assert answers[0] == answers[1]
    assert "ok" not in str(answers[0])


def test_an_error_of_a_request_quotes_no_row(mallory: Connection) -> None:
    """A claim that is too long is cut, and does not break a constraint that shows the row."""
    rows = mallory.execute(
        "SELECT outcome FROM public.request_release("
        "'mallory', NULL, NULL, NULL, NULL, 'a', 'h', 'p', repeat('r', 100000))"
    ).fetchall()
    assert rows == [("ok",)]


def test_what_a_bot_says_of_itself_is_cleaned_before_it_is_recorded(
    world: World, mallory: Connection
) -> None:
    hostile = "\x1b[2Jx\r\n\x9b31m\u202egnp.exe\u2028\u061c\u00ad\U000e0041"
    mallory.execute(
        "SELECT public.request_release('mallory', NULL, NULL, NULL, NULL, %s, %s, %s, %s)",
        [hostile] * 4,
    )
    with world.database.connection() as connection:
        row = connection.execute(
            "SELECT actor, reason, data ->> 'host', data ->> 'purpose' FROM audit_events "
            "WHERE event_type = 'CredentialReleased'"
        ).fetchone()
    assert row == ("?[2Jx???31m?gnp.exe????",) * 4


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM pg_catalog.pg_statistic",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_ls_logdir()",
        "SELECT pg_stat_file('base')",
        "SELECT lo_import('/etc/passwd')",
        "COPY public.dexes TO '/tmp/dexes'",
        "COPY public.dexes TO PROGRAM 'cat'",
        "SELECT * FROM pg_catalog.pg_authid",
        "EXPLAIN SELECT * FROM public.accounts",
        "EXPLAIN ANALYZE SELECT * FROM public.account_exchange_credentials",
        "SELECT pg_catalog.pg_get_serial_sequence('public.accounts', 'id'), 1 / (SELECT count(*) "
        "FROM public.accounts)",
        "SELECT * FROM pg_logical_slot_peek_changes('x', NULL, NULL)",
        "SELECT pg_export_snapshot(), lo_export(0, '/tmp/x')",
    ],
)
def test_the_server_itself_shows_a_bot_no_rows_and_no_files(
    mallory: Connection, statement: str
) -> None:
    assert error(mallory, statement).sqlstate == "42501"


def test_column_statistics_are_hidden(mallory: Connection, connection: Connection) -> None:
    connection.execute("ANALYZE")
    seen = mallory.execute(
        "SELECT DISTINCT tablename FROM pg_stats WHERE schemaname = 'public'"
    ).fetchall()
    assert {row[0] for row in seen} <= {"dexes", "symbols", "registry_migrations"}


def test_what_other_sessions_do_is_hidden(mallory: Connection, connection: Connection) -> None:
    connection.execute("SELECT 'a statement of somebody else'")
    rows = mallory.execute(
        "SELECT query FROM pg_stat_activity WHERE usename <> session_user AND datname IS NOT NULL"
    ).fetchall()
    assert set(rows) <= {("<insufficient privilege>",)}


def test_what_remains_the_number_of_rows_and_the_names_of_roles_are_no_secret(
    mallory: Connection, connection: Connection
) -> None:
    connection.execute("ANALYZE public.accounts")
    assert mallory.execute(
        "SELECT reltuples FROM pg_class WHERE oid = 'public.accounts'::regclass"
    ).fetchone() == (2,)
    assert mallory.execute("SELECT count(*) FROM pg_roles").fetchone() != (0,)


def test_a_digest_tells_nothing_of_other_accounts_nor_how_much_they_change(
    world: World, mallory: Connection
) -> None:
    """What remains, as for everybody who listens: that something was changed."""
    world.account("lender", "backpack", "aster", "lighter")
    world.share("mallory", "lender", "aster")
    digests = (
        "SELECT outcome, exchange, digest FROM account_digests('mallory', NULL, NULL, NULL, NULL)"
    )
    newest = "SELECT DISTINCT newest FROM account_digests('mallory', NULL, NULL, NULL, NULL)"

    def ask(statement: str) -> list[Any]:
        return mallory.execute(statement.encode()).fetchall()

    before, seen = ask(digests), {*ask(newest)}
    for number in range(3):
        world.account(f"other_{number}", "aster")
        world.share(f"other_{number}", "lender", "lighter")
        world.credential(
            "lender",
            "lighter",
            replace=True,
            cascade=True,
            account_index="1",
            api_key_index="3",
            private_key=uuid.uuid4().hex,
        )
        world.accounts.deactivate(f"other_{number}", cascade=True)
        world.stop(account="victim", reason="a test")
        world.resume()
        world.credentials.deactivate("victim", "backpack")
        world.credentials.reactivate("victim", "backpack")
        assert ask(digests) == before
        seen |= {*ask(newest)}
    assert len(seen) == 4
    # Neither a count nor a hash of one.
    sizes = {hashlib.sha256(str(size).encode()).hexdigest() for size in range(200)}
    assert sizes.isdisjoint(text for (text,) in seen)
    refused = ask("SELECT * FROM account_digests('victim', NULL, NULL, NULL, NULL)")
    assert refused == ask("SELECT * FROM account_digests('nobody', NULL, NULL, NULL, NULL)")
    named = ask("SELECT digest FROM account_digests('mallory', '{lighter}', NULL, NULL, 'lender')")
    assert named == [(None,)]
