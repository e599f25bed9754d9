"""Threat: Clock jumps.

The server's clock is ahead for a while and is then corrected. The log's own clock never goes
back, so it stands still meanwhile. Nothing may take the events of that time for new ones.
"""

from typing import Any

import psycopg
import pytest
from support.bots import LoginRole
from support.cli import CommandLine
from support.raw_events import append_raw
from support.registry_tables import contents, unguarded
from support.world import World

Connection = psycopg.Connection[Any]

REQUEST = (
    "SELECT release_id FROM request_release('bot', NULL, NULL, NULL, NULL, 'bot@host', 'h', 'p')"
)


@pytest.fixture
def after_a_jump(connection: Connection) -> None:
    """The log as it is after the clock was a year ahead."""
    with unguarded(connection):
        connection.execute("UPDATE audit_head SET appended_at = now() + interval '1 year'")


def test_events_keep_their_order_and_the_true_time_beside_it(
    after_a_jump: None, world: World, connection: Connection
) -> None:
    world.account("one")
    world.account("two")
    rows = connection.execute(
        "SELECT recorded_at > now() + interval '11 months', occurred_at <= now() "
        "FROM audit_events ORDER BY position"
    ).fetchall()
    assert rows == [(True, True)] * 2


@pytest.mark.parametrize("shift", ["- interval '11 seconds'", "+ interval '11 seconds'"])
def test_a_release_is_not_collected_late_although_the_log_stands_still(
    after_a_jump: None, world: World, bot: LoginRole, connection: Connection, shift: str
) -> None:
    """Neither one of a while ago, nor one of the time when the clock was ahead."""
    world.account("bot", "aster")
    world.access.grant("bot", bot.name)
    with bot.connect() as session:
        row = session.execute(REQUEST).fetchone()
        assert row is not None
        with unguarded(connection):
            connection.execute(
                f"UPDATE audit_events SET occurred_at = occurred_at {shift} "
                "WHERE event_type = 'CredentialReleased'".encode()
            )
        with pytest.raises(psycopg.Error, match="in time"):
            session.execute("SELECT * FROM collect_releases(%s)", [[*row]])
        row = session.execute(REQUEST).fetchone()
        assert row is not None
        assert session.execute("SELECT * FROM collect_releases(%s)", [[*row]]).fetchone()


def test_a_share_of_a_lender_that_was_stopped_comes_back_from_the_log(
    after_a_jump: None, world: World, connection: Connection, cli: CommandLine
) -> None:
    """Its grant is no grant of just now, which would need an active lender."""
    world.account("lender", "aster")
    world.account("borrower")
    world.share("borrower", "lender", "aster")
    world.accounts.deactivate("lender", cascade=True)
    before = contents(connection)
    with unguarded(connection):
        connection.execute("DELETE FROM account_exchange_sharing")
    repaired = cli("rebuild")
    assert repaired.exit_status == 0, repaired.err
    assert contents(connection) == before
    assert cli("migrate", "down", "--yes").exit_status == 0
    assert cli("migrate", "up").exit_status == 0
    assert contents(connection) == before


def test_a_share_of_just_now_needs_an_active_lender_all_the_same(
    after_a_jump: None, world: World, connection: Connection
) -> None:
    world.account("lender", "aster")
    world.account("borrower")
    world.share("borrower", "lender", "aster", "read_only")
    world.accounts.deactivate("lender", cascade=True)
    row = connection.execute(
        "SELECT s.id, s.primary_account_id FROM account_exchange_sharing AS s"
    ).fetchone()
    assert row is not None
    share, borrower = row
    with pytest.raises(psycopg.Error, match="not active"), connection.transaction():
        append_raw(connection, "SharingChanged", ("account", borrower), {"share_id": str(share)})
        connection.execute("UPDATE account_exchange_sharing SET sharing_type = 'full'")
