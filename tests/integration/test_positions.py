"""The positions of an account: its limits, and the roles that may read or change them."""

import datetime as dt
import threading
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from support.bots import LoginRole, login_role
from support.world import World

from registry import errors
from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.positions import FundingArbPositionManager

Connection = psycopg.Connection[Any]


def opened(manager: FundingArbPositionManager, size: int = 100, **more: Any) -> uuid.UUID:
    """A position with the usual values."""
    values: dict[str, Any] = {
        "symbol": "BTC",
        "long_dex": "lighter",
        "short_dex": "backpack",
        "size_usd": Decimal(size),
        "entry_long_rate": Decimal("0.01"),
        "entry_short_rate": Decimal("0.03"),
        **more,
    }
    return manager.create(**values)


@pytest.fixture
def manager(world: World) -> FundingArbPositionManager:
    """The positions of main_bot."""
    world.account("main_bot")
    return FundingArbPositionManager("main_bot", world.database)


def test_an_update_by_plain_sql_counts_as_one_and_a_new_owner_does_not(
    manager: FundingArbPositionManager, connection: Connection, world: World
) -> None:
    position = opened(manager)
    moment = "SELECT updated_at FROM public.strategy_positions WHERE id = %s"
    made = connection.execute(moment, [position]).fetchone()
    world.account("heir")
    world.positions.link("heir", [position], move=True)
    assert connection.execute(moment, [position]).fetchone() == made
    update = "UPDATE public.strategy_positions SET rebalance_pending = TRUE WHERE id = %s"
    connection.execute(update, [position])
    updated = connection.execute(moment, [position]).fetchone()
    assert updated is not None
    assert made is not None
    assert updated > made
    said = "UPDATE public.strategy_positions SET updated_at = '2030-01-01' WHERE id = %s"
    connection.execute(said, [position])
    expected = dt.datetime.fromisoformat("2030-01-01")
    assert connection.execute(moment, [position]).fetchone() == (expected,)


@pytest.fixture
def other(world: World) -> FundingArbPositionManager:
    """Those of another account."""
    world.account("other")
    return FundingArbPositionManager("other", world.database)


def test_a_position_lives_from_open_to_closed(manager: FundingArbPositionManager) -> None:
    position_id = opened(manager, 250, metadata={"note": "first"})
    (position,) = manager.list_open()
    assert (position.id, position.symbol, position.long_dex) == (position_id, "BTC", "lighter")
    assert (position.size_usd, position.entry_divergence) == (Decimal(250), Decimal("0.02"))
    assert position.metadata == {"note": "first"}
    manager.update(position_id, cumulative_funding_usd=Decimal("1.5"), rebalance_pending=True)
    assert manager.close(position_id, "PROFIT")
    assert not manager.close(position_id, "AGAIN")
    closed = manager.get(position_id)
    assert closed is not None
    assert (closed.status, closed.exit_reason, closed.pnl_usd) == (
        "closed",
        "PROFIT",
        Decimal("1.5"),
    )
    assert manager.list_open() == []


def test_an_unknown_or_inactive_account_is_an_error_at_once(world: World) -> None:
    """Pain 17: an unknown account must not work on every account's positions."""
    world.account("stopped")
    world.accounts.deactivate("stopped")
    with pytest.raises(errors.AccountNotFound):
        FundingArbPositionManager("nobody", world.database)
    with pytest.raises(errors.AccountInactive):
        FundingArbPositionManager("stopped", world.database)


def test_an_account_is_named_by_its_name_or_by_its_id(world: World, bot: LoginRole) -> None:
    account_id = world.account("main_bot")
    world.access.grant("main_bot", bot.name)
    database = SingleConnection(Target(bot.address))
    for named in (account_id, str(account_id)):
        manager = FundingArbPositionManager(account_id=named, database=database)
        assert manager.account == "main_bot"
        opened(manager, long_dex="aster")
    assert len(FundingArbPositionManager(account_id, database).list_open()) == 2
    database.close()


@pytest.mark.parametrize(
    ("named", "error", "told"),
    [
        ({}, errors.InvalidInput, "named by its name or by account_id"),
        ({"account": "a", "account_id": uuid.UUID(int=1)}, errors.InvalidInput, "one of the two"),
        ({"account_id": "main_bot"}, errors.InvalidInput, "account_id is not a UUID"),
        ({"account_id": uuid.UUID(int=1)}, errors.AccountNotFound, "no account 00000000"),
    ],
)
def test_an_account_that_is_not_clear_is_said(
    world: World, named: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        FundingArbPositionManager(database=world.database, **named)


def test_times_carry_their_zone(manager: FundingArbPositionManager) -> None:
    moment = dt.datetime(2030, 1, 31, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    position_id = opened(manager, opened_at=moment)
    manager.update(position_id, last_check=moment)
    (position,) = manager.list_open()
    assert (position.opened_at, position.last_check) == (moment, moment)
    assert position.opened_at.utcoffset() == dt.timedelta(0)
    manager.close(position_id, "PROFIT")
    closed = manager.get(position_id)
    assert closed is not None
    assert closed.closed_at is not None
    assert abs(closed.closed_at - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)


def test_another_accounts_position_cannot_be_seen_changed_or_closed_by_its_id(
    manager: FundingArbPositionManager, other: FundingArbPositionManager
) -> None:
    """Pain 17: get, update and close by id must be limited to the account."""
    position_id = opened(other)
    assert manager.get(position_id) is None
    assert manager.list_open() == []
    with pytest.raises(errors.PositionNotFound):
        manager.update(position_id, size_usd=Decimal(1))
    with pytest.raises(errors.PositionNotFound):
        manager.close(position_id, "MINE")
    assert other.get(position_id) is not None
    assert len(other.list_open()) == 1


def test_positions_without_an_account_are_nobodys(
    manager: FundingArbPositionManager, connection: Connection
) -> None:
    position_id = opened(manager)
    connection.execute("UPDATE strategy_positions SET account_id = NULL")
    assert manager.get(position_id) is None
    assert manager.list_open() == []


def test_bad_values_are_refused(manager: FundingArbPositionManager) -> None:
    position_id = opened(manager)
    with pytest.raises(errors.ExchangeNotFound):
        opened(manager, long_dex="nowhere")
    for size in (0, -5):
        with pytest.raises(errors.InvalidInput):
            opened(manager, size)
        with pytest.raises(errors.InvalidInput):
            manager.update(position_id, size_usd=Decimal(size))
    with pytest.raises(errors.InvalidInput, match="account_id"):
        manager.update(position_id, account_id=uuid.uuid4())
    with pytest.raises(errors.InvalidInput, match="nothing"):
        manager.update(position_id)


def test_the_number_of_positions_is_limited(world: World) -> None:
    """Pain 11: limits in the metadata must be enforced."""
    world.account("small", max_positions=2)
    manager = FundingArbPositionManager("small", world.database)
    first, _ = opened(manager), opened(manager)
    with pytest.raises(errors.LimitReached, match="max_positions is 2") as full:
        opened(manager)
    assert str(full.value.hint).endswith('update("small", set={"max_positions": NUMBER})')
    manager.close(first, "DONE")
    opened(manager)


def test_a_closed_position_is_not_reopened_beyond_a_limit(
    world: World, connection: Connection
) -> None:
    world.account("small", max_positions=1)
    manager = FundingArbPositionManager("small", world.database)
    first = opened(manager)
    manager.close(first, "DONE")
    second = opened(manager)
    reopen = "UPDATE strategy_positions SET status = 'open' WHERE id = %s"
    with pytest.raises(psycopg.Error) as caught:
        connection.execute(reopen, [first])
    assert caught.value.sqlstate == "RG022"
    manager.close(second, "DONE")
    connection.execute(reopen, [first])


def test_the_exposure_is_limited_for_opening_and_for_enlarging(world: World) -> None:
    """Pain 11: limits in the metadata must be enforced."""
    world.account("small", max_exposure_usd=1000)
    manager = FundingArbPositionManager("small", world.database)
    position_id = opened(manager, 600)
    with pytest.raises(errors.LimitReached, match="1100 USD") as full:
        opened(manager, 500)
    assert str(full.value.hint).endswith('update("small", set={"max_exposure_usd": NUMBER})')
    opened(manager, 400)
    with pytest.raises(errors.LimitReached):
        manager.update(position_id, size_usd=Decimal(601))
    manager.update(position_id, size_usd=Decimal(100))


def test_a_limit_that_was_lowered_lets_what_is_open_be_closed(world: World) -> None:
    world.account("small", max_positions=2, max_exposure_usd=1000)
    manager = FundingArbPositionManager("small", world.database)
    first = opened(manager, 600)
    world.accounts.update("small", metadata={"max_exposure_usd": 10})
    manager.update(first, size_usd=Decimal(500), rebalance_reason="SMALLER")
    assert manager.close(first, "DONE")


def test_a_stopped_account_closes_and_does_not_open(
    world: World, manager: FundingArbPositionManager
) -> None:
    position_id = opened(manager)
    world.accounts.deactivate("main_bot")
    with pytest.raises(errors.AccountInactive):
        opened(manager)
    assert manager.close(position_id, "STOPPED")


def test_two_processes_at_once_do_not_pass_a_limit(world: World, database_url: str) -> None:
    world.account("small", max_positions=5)
    outcomes: list[str] = []
    start = threading.Barrier(8)

    def work() -> None:
        database = SingleConnection(Target(database_url))
        manager = FundingArbPositionManager("small", database)
        start.wait()
        for _ in range(4):
            try:
                opened(manager)
                outcomes.append("opened")
            except errors.LimitReached:
                outcomes.append("refused")
        database.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (outcomes.count("opened"), outcomes.count("refused")) == (5, 27)


INSERT = (
    "INSERT INTO strategy_positions (id, account_id, strategy_name, symbol_id, long_dex_id, "
    "short_dex_id, size_usd, entry_long_rate, entry_short_rate, entry_divergence, opened_at) "
    "SELECT gen_random_uuid(), %s, 'x', s.id, 1, 2, 10, 0, 0, 0, now() "
    "FROM symbols s, generate_series(1, %s)"
)


def test_the_limit_holds_for_sql_too_in_one_statement_and_in_every_isolation(
    world: World, connection: Connection
) -> None:
    account = world.account("small", max_positions=3)
    connection.execute("INSERT INTO symbols (symbol) VALUES ('BTC')")
    with pytest.raises(psycopg.Error) as caught:
        connection.execute(INSERT, [account, 4])
    assert caught.value.sqlstate == "RG022"
    connection.execute(INSERT, [account, 2])
    connection.execute(INSERT, [None, 50])
    connection.execute("SET default_transaction_isolation = 'repeatable read'")
    with pytest.raises(psycopg.Error, match="in a repeatable read transaction") as caught:
        connection.execute(INSERT, [account, 1])
    assert caught.value.sqlstate == "RG022"
    connection.execute("SET default_transaction_isolation = 'read committed'")
    connection.execute(INSERT, [account, 1])
    connection.execute("SET default_transaction_isolation = 'serializable'")
    with pytest.raises(psycopg.Error, match="max_positions"):
        connection.execute(INSERT, [account, 1])


# Row-level security.


@pytest.fixture
def bot_session(world: World, bot: LoginRole) -> Iterator[Connection]:
    """A bot that has main_bot, beside an account that it has not."""
    for name in ("main_bot", "other"):
        world.account(name)
        opened(FundingArbPositionManager(name, world.database))
    world.access.grant("main_bot", bot.name)
    with bot.connect() as session:
        yield session


def count(connection: Connection) -> int:
    """How many positions a session sees."""
    row = connection.execute("SELECT count(*) FROM strategy_positions").fetchone()
    assert row is not None
    number: int = row[0]
    return number


def test_a_bot_sees_and_changes_the_positions_of_its_accounts_only(
    bot_session: Connection, connection: Connection
) -> None:
    assert count(bot_session) == 1
    assert bot_session.execute("UPDATE strategy_positions SET pnl_usd = 1").rowcount == 1
    assert count(connection) == 2


def test_a_bot_cannot_write_positions_of_others_or_of_nobody(
    bot_session: Connection, connection: Connection
) -> None:
    row = connection.execute("SELECT id FROM accounts WHERE account_name = 'other'").fetchone()
    assert row is not None
    for account in (row[0], None):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            bot_session.execute(INSERT, [account, 1])
    with pytest.raises(psycopg.Error) as caught:
        bot_session.execute("UPDATE strategy_positions SET account_id = %s", [row[0]])
    assert caught.value.sqlstate == "RG024"
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        bot_session.execute("DELETE FROM strategy_positions")


@pytest.mark.usefixtures("bot_session")
def test_a_bot_works_through_the_manager_and_within_the_limits(
    world: World, bot: LoginRole
) -> None:
    world.accounts.update("main_bot", metadata={"max_positions": 2})
    database = SingleConnection(Target(bot.address))
    manager = FundingArbPositionManager("main_bot", database)
    opened(manager, symbol="A_NEW_ONE")
    with pytest.raises(errors.LimitReached):
        opened(manager)
    with pytest.raises(errors.NotPermitted):
        FundingArbPositionManager("other", database)
    database.close()


@pytest.mark.usefixtures("bot_session")
def test_a_role_that_was_there_before_sees_what_it_saw(
    connection: Connection, database_url: str
) -> None:
    """A bot's own role is neither the table's owner nor one of ours."""
    with login_role(database_url) as legacy:
        connection.execute(f'GRANT ALL ON strategy_positions TO "{legacy.name}"')
        with legacy.connect() as session:
            assert count(session) == 2
            assert session.execute("UPDATE strategy_positions SET pnl_usd = 2").rowcount == 2
        connection.execute(f'GRANT registry_bot TO "{legacy.name}"')
        with legacy.connect() as session:
            assert count(session) == 0


@pytest.mark.usefixtures("bot_session")
def test_the_owner_of_the_table_is_not_affected(connection: Connection, database_url: str) -> None:
    with login_role(database_url) as owner:
        row = connection.execute("SELECT current_user").fetchone()
        connection.execute(f'ALTER TABLE strategy_positions OWNER TO "{owner.name}"')
        with owner.connect() as session:
            assert count(session) == 2
        assert row is not None
        connection.execute(f'ALTER TABLE strategy_positions OWNER TO "{row[0]}"')


def test_set_role_does_not_let_a_bot_out(
    bot_session: Connection, connection: Connection, bot: LoginRole, database_url: str
) -> None:
    with login_role(database_url) as legacy:
        connection.execute(f'GRANT ALL ON strategy_positions TO "{legacy.name}"')
        connection.execute(f'GRANT "{legacy.name}" TO "{bot.name}"')
        bot_session.execute(f'SET ROLE "{legacy.name}"')
        assert count(bot_session) == 1


def test_policies_of_the_users_own_stay_the_ones_that_permit(empty_database: str) -> None:
    from registry.database.migration_files import load_migrations
    from registry.database.migrator import Migrator

    with psycopg.connect(empty_database, autocommit=True) as connection:
        known = load_migrations()
        Migrator(connection, tuple(m for m in known if m.number < 12)).up()
        connection.execute("ALTER TABLE strategy_positions ENABLE ROW LEVEL SECURITY")
        connection.execute("CREATE POLICY mine ON strategy_positions USING (strategy_name = 'a')")
        Migrator(connection, tuple(m for m in known if m.number <= 12)).up()
        policies = connection.execute("SELECT policyname FROM pg_policies ORDER BY 1").fetchall()
        assert policies == [("mine",), ("registry_bots_own",)]
        Migrator(connection, tuple(m for m in known if m.number <= 12)).down(keep=11)
        enabled = connection.execute(
            "SELECT relrowsecurity FROM pg_class WHERE oid = 'strategy_positions'::regclass"
        ).fetchone()
        assert enabled == (True,)
