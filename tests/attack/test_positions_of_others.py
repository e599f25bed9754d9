"""Threat: Positions of others.

A bot reads, changes or takes over positions of other accounts, or bypasses the limits of its own
account.
"""

import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from support.bots import LoginRole, login_role
from support.cli import CommandLine
from support.registry_tables import add_positions
from support.world import World

Connection = psycopg.Connection[Any]

THEIRS = "00000000-0000-4000-8000-000000000001"
OWN = "00000000-0000-4000-8000-000000000002"
UPSERT = """INSERT INTO public.strategy_positions (id, strategy_name, symbol_id, long_dex_id,
    short_dex_id, size_usd, entry_long_rate, entry_short_rate, entry_divergence, opened_at,
    status, account_id)
    SELECT %s, 'probe', s.id, 1, 2, 1, 0, 0, 0, '2026-01-01', 'open',
        (SELECT account_id FROM public.session_account('mallory'))
    FROM public.symbols AS s LIMIT 1
    ON CONFLICT (id) DO UPDATE SET size_usd = 0 RETURNING size_usd"""


@pytest.fixture
def mallory(world: World, bot: LoginRole, connection: Connection) -> Iterator[Connection]:
    """A bot with one position of its own beside one of a victim."""
    add_positions(connection, THEIRS, OWN)
    for account, position in (("victim", THEIRS), ("mallory", OWN)):
        connection.execute(
            "UPDATE strategy_positions SET account_id = %s WHERE id = %s",
            [world.account(account), position],
        )
    world.access.grant("mallory", bot.name)
    with bot.connect() as session:
        yield session


def seen(session: Connection) -> set[str]:
    return {str(row[0]) for row in session.execute("SELECT id FROM public.strategy_positions")}


def test_a_bot_sees_its_own_positions_only(mallory: Connection) -> None:
    assert seen(mallory) == {OWN}


@pytest.mark.parametrize("through", ["registry_bot", "another role of bots"])
def test_a_role_that_does_not_inherit_is_a_bot_all_the_same(
    mallory: Connection, database_url: str, connection: Connection, through: str
) -> None:
    with login_role(database_url, "registry_bot") as team, login_role(database_url) as alone:
        group = team.name if through != "registry_bot" else "registry_bot"
        for statement in ("ALTER ROLE {} NOINHERIT", "GRANT {} TO {}"):
            names = [alone.name] if "ALTER" in statement else [group, alone.name]
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
        with alone.connect() as session:
            session.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(group)))
            assert seen(session) == set()


def test_a_function_in_the_condition_is_not_shown_rows_of_others(mallory: Connection) -> None:
    told: list[str] = []
    mallory.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
    mallory.execute(
        "CREATE FUNCTION pg_temp.tell(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 "
        "AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END'"
    )
    mallory.execute("SELECT 1 FROM public.strategy_positions WHERE pg_temp.tell(id::text)")
    assert told == [OWN]


@pytest.mark.parametrize(
    "condition",
    ["1 / (size_usd - 777) > 0", "(strategy_name || id::text)::integer > 0"],
    ids=["division", "cast"],
)
def test_an_error_in_the_condition_is_no_oracle(
    mallory: Connection, connection: Connection, condition: str
) -> None:
    connection.execute(
        "UPDATE strategy_positions SET size_usd = 777, strategy_name = 'secret' WHERE id = %s",
        [THEIRS],
    )
    connection.execute("UPDATE strategy_positions SET status = 'closed' WHERE id = %s", [OWN])
    mallory.execute(
        f"SELECT 1 FROM public.strategy_positions WHERE status <> 'closed' AND {condition}".encode()
    )
    mallory.execute(
        f"UPDATE public.strategy_positions SET status = status "
        f"WHERE status <> 'closed' AND {condition}".encode()
    )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE public.strategy_positions SET size_usd = 1 RETURNING id",
        "SELECT id FROM public.strategy_positions FOR UPDATE",
        "EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) "
        "SELECT * FROM public.strategy_positions WHERE size_usd > 0",
    ],
)
def test_no_other_statement_reaches_further(mallory: Connection, statement: str) -> None:
    mallory.execute("SET row_security = on")
    assert THEIRS not in str(mallory.execute(statement.encode()).fetchall())


def test_turning_row_security_off_is_an_error_and_not_a_way_out(mallory: Connection) -> None:
    mallory.execute("SET row_security = off")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        seen(mallory)


def test_copying_out_gives_its_own_rows_only(mallory: Connection) -> None:
    with mallory.cursor().copy("COPY public.strategy_positions (id) TO STDOUT") as copy:
        assert b"".join(bytes(part) for part in copy).split() == [OWN.encode()]


def test_an_upsert_does_not_take_over_the_row_of_another(
    mallory: Connection, connection: Connection
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        mallory.execute(UPSERT, [THEIRS])
    row = connection.execute(
        "SELECT size_usd FROM strategy_positions WHERE id = %s", [THEIRS]
    ).fetchone()
    assert row == (100,)


def test_a_bot_of_two_accounts_cannot_move_a_position_from_one_limit_to_the_other(
    world: World, bot: LoginRole, mallory: Connection
) -> None:
    other = world.account("second", max_positions=0)
    world.access.grant("second", bot.name)
    with pytest.raises(psycopg.Error) as refused:
        mallory.execute("UPDATE public.strategy_positions SET account_id = %s", [other])
    assert refused.value.sqlstate == "RG024"


def test_what_remains_the_id_of_a_position_tells_that_it_is_taken(mallory: Connection) -> None:
    """A unique key is of the whole table; ids are random, so that none can be guessed."""
    plain = UPSERT[: UPSERT.index("ON CONFLICT")]
    with pytest.raises(psycopg.errors.UniqueViolation):
        mallory.execute(plain, [THEIRS])
    mallory.execute(plain, [str(uuid.uuid4())])


OPEN = """INSERT INTO public.strategy_positions (id, strategy_name, symbol_id, long_dex_id,
    short_dex_id, size_usd, entry_long_rate, entry_short_rate, entry_divergence, opened_at,
    status, account_id)
    SELECT gen_random_uuid(), 'probe', s.id, 1, 2, %s, 0, 0, 0, '2026-01-01', %s,
        (SELECT account_id FROM public.session_account('mallory'))
    FROM public.symbols AS s LIMIT 1"""


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "200000-01-01"])
def test_a_time_that_no_reader_can_hold_hides_no_other_position(
    mallory: Connection, cli: CommandLine, moment: str
) -> None:
    mallory.execute("UPDATE strategy_positions SET opened_at = %s", [moment])
    for output in ((), ("--json",)):
        shown = cli("list-positions", *output)
        assert shown.exit_status == 0, shown.err
        assert THEIRS in shown.out
        assert OWN in shown.out


@pytest.fixture
def limited(mallory: Connection, world: World) -> Connection:
    """The bot, its open position of 100 USD, and a limit of 1,000."""
    limits = {"max_exposure_usd": 1000, "max_positions": 3}
    world.accounts.update("mallory", metadata=limits)
    return mallory


def test_a_size_below_zero_makes_no_room_for_a_larger_one(limited: Connection) -> None:
    with pytest.raises(psycopg.Error, match="max_exposure_usd is 1000"):
        limited.execute(OPEN, [-50_000, "open"])
    limited.execute(OPEN, [-500, "open"])
    with pytest.raises(psycopg.Error, match="would have 1001 USD"):
        limited.execute(OPEN, [401, "open"])
    with pytest.raises(psycopg.Error, match="max_exposure_usd is 1000"):
        limited.execute("UPDATE strategy_positions SET size_usd = -90000 WHERE size_usd > 0")


def test_a_position_without_a_status_counts_as_open(
    limited: Connection, connection: Connection
) -> None:
    """Where the bot's own table allows it."""
    connection.execute("ALTER TABLE strategy_positions ALTER COLUMN status DROP NOT NULL")
    limited.execute(OPEN, [900, None])
    with pytest.raises(psycopg.Error, match="max_exposure_usd is 1000"):
        limited.execute(OPEN, [1, "open"])
    with pytest.raises(psycopg.Error, match="max_exposure_usd is 1000"):
        limited.execute("UPDATE strategy_positions SET size_usd = 901 WHERE status IS NULL")
