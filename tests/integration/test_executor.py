"""Commands against a database with concurrent writers and broken connections."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from freezegun import freeze_time
from support.proxy import Moment, Proxy
from support.tables import nothing_written

from registry import Registry
from registry.database.connection import Connection
from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.errors import (
    AccountExists,
    AccountNotFound,
    CommandIdReused,
    InvalidInput,
    StaleVersion,
)
from registry.execution.account_tasks import RuleTask
from registry.execution.executor import CommandExecutor, Decided, Invocation, Outcome
from registry.facade.accounts import Accounts
from registry.facade.given import By
from registry.log.ids import new_id
from registry.rules import accounts as rules
from registry.rules.account_state import AccountState

ME = Invocation(actor="tester@host")


class Disturbed(RuleTask):
    """Deactivates an account; something happens between its reading and its writing."""

    def __init__(self, disturb: Callable[[int, Connection], object]) -> None:
        super().__init__("bot", {"verb": "deactivate-account"}, rules.deactivate)
        self._disturb = disturb
        self.decisions = 0

    def decide(self) -> Decided:
        self.decisions += 1
        decision = super().decide()
        self._disturb(self.decisions, self._connection)
        return decision


@pytest.fixture
def accounts(database: SingleConnection) -> Accounts:
    """The service, with an account `bot` made already."""
    service = Registry(database).accounts
    service.create("bot")
    return service


@pytest.fixture
def second(database_url: str) -> Iterator[Accounts]:
    """The same service on a connection of its own."""
    database = SingleConnection(Target(database_url))
    yield Registry(database).accounts
    database.close()


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    """A way to the database that can be cut."""
    proxy = Proxy(database_url)
    yield proxy
    proxy.close()


def describe(service: Accounts, text: str, **options: Any) -> Outcome:
    return service.update("bot", description=text, **options)


def event_types(connection: psycopg.Connection[Any]) -> list[str]:
    rows = connection.execute("SELECT event_type FROM audit_events ORDER BY position")
    return [row[0] for row in rows]


@pytest.mark.usefixtures("accounts")
def test_a_decision_on_a_state_that_changed_is_made_again(
    second: Accounts,
    database: SingleConnection,
    connection: psycopg.Connection[Any],
) -> None:
    def another_write(decisions: int, _: Connection) -> None:
        if decisions == 1:
            describe(second, "in between")

    task = Disturbed(another_write)
    outcome = CommandExecutor(database).execute(task, ME)
    assert (task.decisions, outcome.positions, outcome.replayed) == (2, (2,), False)
    assert event_types(connection) == ["AccountCreated", "AccountUpdated", "AccountDeactivated"]


@pytest.mark.usefixtures("accounts")
def test_a_decision_that_is_never_in_time_ends_as_a_typed_conflict(
    second: Accounts, database: SingleConnection
) -> None:
    task = Disturbed(lambda decisions, _: describe(second, f"{decisions}"))
    with pytest.raises(StaleVersion, match="is at version"):
        CommandExecutor(database).execute(task, ME)
    assert task.decisions == 20


@pytest.mark.usefixtures("accounts")
def test_what_another_command_made_impossible_is_refused_on_the_second_look(
    second: Accounts, database: SingleConnection
) -> None:
    task = Disturbed(lambda n, _: second.delete("bot") if n == 1 else None)
    with pytest.raises(AccountNotFound, match="was deleted"):
        CommandExecutor(database).execute(task, ME)


def test_an_expected_version_that_is_stale_is_refused_and_not_decided_again(
    accounts: Accounts, second: Accounts, database: SingleConnection, database_url: str
) -> None:
    describe(accounts, "second version", expected_version=1)
    with nothing_written(database_url):
        with pytest.raises(StaleVersion, match="at version 2, not 1"):
            describe(accounts, "third", expected_version=1)
        with pytest.raises(InvalidInput, match="0 or more"):
            describe(accounts, "third", expected_version=-1)
    task = Disturbed(lambda *_: describe(second, "in between"))
    with pytest.raises(StaleVersion):
        CommandExecutor(database).execute(task, Invocation(actor="a", expected_version=2))
    assert task.decisions == 1


def test_the_same_command_id_gives_the_first_result_again(
    accounts: Accounts, database_url: str
) -> None:
    command_id = new_id()
    first = describe(accounts, "once", command_id=command_id)
    with nothing_written(database_url):
        again = describe(accounts, "once", command_id=command_id)
        with pytest.raises(CommandIdReused):
            describe(accounts, "another text", command_id=command_id)
        with pytest.raises(CommandIdReused):
            accounts.deactivate("bot", actor="a", command_id=command_id)
    assert (first.replayed, again.replayed) == (False, True)
    assert (again.positions, again.event_types) == (first.positions, first.event_types)
    assert again.stream_id == first.stream_id


def test_a_command_on_a_thing_that_it_ended_itself_can_be_sent_again(
    accounts: Accounts,
) -> None:
    steps: list[Callable[[By], Outcome]] = [
        lambda by: accounts.rename("bot", "other", **by),
        lambda by: accounts.delete("other", **by),
    ]
    for step in steps:
        by = By(actor="a", command_id=new_id())
        first, again = step(by), step(by)
        assert again.positions == first.positions
        assert again.replayed


def test_creating_again_by_the_same_command_id_is_no_conflict_and_by_another_is(
    accounts: Accounts,
) -> None:
    by = By(actor="a", command_id=new_id())
    first = accounts.create("new", metadata={"max_positions": 1}, **by)
    again = accounts.create("new", metadata={"max_positions": 1}, **by)
    assert again.stream_id == first.stream_id
    with pytest.raises(AccountExists):
        accounts.create("new", metadata={"max_positions": 1})


@pytest.mark.usefixtures("accounts")
def test_a_connection_that_ends_before_the_commit_is_opened_again_and_all_is_applied_once(
    database: SingleConnection, connection: psycopg.Connection[Any]
) -> None:
    def terminate(decisions: int, mine: Connection) -> None:
        if decisions == 1:
            connection.execute("SELECT pg_terminate_backend(%s, 5000)", [mine.info.backend_pid])

    outcome = CommandExecutor(database).execute(Disturbed(terminate), ME)
    assert outcome.positions == (1,)
    assert event_types(connection) == ["AccountCreated", "AccountDeactivated"]


@pytest.mark.usefixtures("accounts")
@pytest.mark.parametrize(("moment", "replayed"), [("before commit", False), ("after commit", True)])
def test_a_connection_that_is_lost_at_the_commit_leaves_the_command_applied_once(
    proxy: Proxy,
    connection: psycopg.Connection[Any],
    moment: Moment,
    replayed: bool,
) -> None:
    database = SingleConnection(Target(proxy.address))
    service = Registry(database).accounts
    describe(service, "through the proxy")
    proxy.cut = moment
    outcome = describe(service, "cut")
    assert (outcome.positions, outcome.replayed, proxy.connections) == ((2,), replayed, 2)
    assert event_types(connection)[2:] == ["AccountUpdated"]
    database.close()


@pytest.mark.usefixtures("accounts")
def test_a_server_that_comes_back_after_a_while_is_waited_for(
    proxy: Proxy, connection: psycopg.Connection[Any]
) -> None:
    database = SingleConnection(Target(proxy.address))
    service = Registry(database).accounts
    describe(service, "through the proxy")
    proxy.cut, proxy.refusals = "after commit", 2
    assert describe(service, "cut").replayed
    assert proxy.connections == 4
    assert len(event_types(connection)) == 3
    database.close()


def test_a_dry_run_says_what_would_happen_and_writes_nothing(
    accounts: Accounts, database_url: str
) -> None:
    with nothing_written(database_url):
        outcome = accounts.create("new", dry_run=True)
        assert (outcome.event_types, outcome.positions) == (("AccountCreated",), ())
        assert (outcome.changed, outcome.dry_run) == (True, True)
        assert accounts.delete("bot", dry_run=True).event_types == ("AccountDeleted",)
        assert accounts.update("bot", description=None, dry_run=True).event_types == ()


def test_a_dry_run_meets_the_guards_of_the_database_too(
    accounts: Accounts, database_url: str
) -> None:
    with nothing_written(database_url), pytest.raises(AccountExists):
        accounts.create("bot", dry_run=True)


def test_a_command_with_nothing_to_change_writes_nothing(
    accounts: Accounts, database_url: str
) -> None:
    describe(accounts, "the same")
    with nothing_written(database_url):
        outcome = describe(accounts, "the same")
    assert (outcome.changed, outcome.positions, outcome.stream_id) == (False, (), None)


def test_rows_and_events_have_the_application_s_time(
    accounts: Accounts, connection: psycopg.Connection[Any]
) -> None:
    with freeze_time("2031-02-03 04:05:06.000700"):
        describe(accounts, "frozen")
    row = connection.execute(
        "SELECT a.updated_at::text, (e.occurred_at AT TIME ZONE 'UTC')::text "
        "FROM accounts a, audit_events e WHERE e.position = 1"
    ).fetchone()
    assert row == ("2031-02-03 04:05:06.0007", "2031-02-03 04:05:06.0007")


@pytest.mark.parametrize(
    "given",
    [
        {"account": "a", "metadata": {"n": 2**70}},
        {"account": "a", "metadata": {"n": {1, 2}}},
        {"account": "a", "metadata": {"t": "\ud800"}},
        {"account": "\ud800"},
        {"account": "a\0b"},
        {"account": "a", "description": "\udfff"},
    ],
)
def test_a_value_that_cannot_be_sent_is_a_typed_error_for_a_program_too(
    accounts: Accounts, database_url: str, given: dict[str, Any]
) -> None:
    with nothing_written(database_url), pytest.raises(InvalidInput):
        accounts.create(**given)


@pytest.mark.parametrize(
    "name", ["\ud800", "a\0b", "x" * 100_000, "key" * 30_000, "://a:" * 20_000, "a.b-" * 25_000]
)
def test_a_name_that_no_account_can_have_is_a_typed_error(accounts: Accounts, name: str) -> None:
    with pytest.raises((InvalidInput, AccountNotFound)):
        accounts.deactivate(name)


@pytest.mark.parametrize(
    ("actor", "reason"), [("", None), (" ", None), ("x" * 256, None), ("a", "x" * 1001), ("a", " ")]
)
def test_who_asks_and_why_are_checked_first(actor: str, reason: str | None) -> None:
    with pytest.raises(InvalidInput):
        Invocation(actor=actor, reason=reason)


def test_the_connection_is_usable_after_every_kind_of_error(
    accounts: Accounts, database: SingleConnection
) -> None:
    def fails(state: AccountState) -> list[Any]:
        raise ZeroDivisionError(state.name)

    for task, kind in (
        (RuleTask("bot", {}, fails), ZeroDivisionError),
        (RuleTask("nobody", {}, fails), AccountNotFound),
    ):
        with pytest.raises(kind):
            CommandExecutor(database).execute(task, ME)
        with database.connection() as connection:
            assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert describe(accounts, "still works").positions == (1,)


@pytest.mark.usefixtures("accounts")
@pytest.mark.usefixtures("accounts")
def test_a_command_takes_two_round_trips(proxy: Proxy) -> None:
    database = SingleConnection(Target(proxy.address))
    service = Registry(database).accounts
    describe(service, "prepares the connection")
    before = proxy.round_trips
    describe(service, "counted")
    assert proxy.round_trips - before == 2
    database.close()
