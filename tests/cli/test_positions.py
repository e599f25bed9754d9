"""Positions and the accounts that own them."""

import uuid
from typing import Any

import psycopg
import pytest
from support.cli import CommandLine
from support.registry_tables import add_positions

IDS = [str(uuid.UUID(int=number)) for number in range(1, 4)]


@pytest.fixture
def bots(cli: CommandLine, connection: psycopg.Connection[Any]) -> CommandLine:
    add_positions(connection, *IDS[:2])
    add_positions(connection, IDS[2], status="closed")
    cli("create-account", "alpha")
    cli("create-account", "beta")
    return cli


def owners(cli: CommandLine) -> dict[str, str | None]:
    listed = cli("list-positions", "--all", "--json").data
    return {row["id"]: row["account_name"] for row in listed}


def test_all_positions_without_an_owner_can_be_linked_at_once(bots: CommandLine) -> None:
    assert bots("link-positions", "alpha", "--position", IDS[0]).exit_status == 0
    linked = bots("link-positions", "beta", "--unowned", "--json")
    assert [event["type"] for event in linked.data["events"]] == ["PositionsLinked"]
    assert owners(bots) == {IDS[0]: "alpha", IDS[1]: "beta", IDS[2]: "beta"}
    assert "Nothing to change" in bots("link-positions", "beta", "--unowned").out


def test_a_position_of_another_account_is_only_moved_when_that_is_said(bots: CommandLine) -> None:
    bots("link-positions", "alpha", "--position", IDS[0])
    refused = bots("link-positions", "beta", "--position", IDS[0], "--json")
    assert (refused.exit_status, refused.error["code"]) == (4, "positions_owned")
    assert f"{IDS[0]} of alpha" in refused.error["message"]
    moved = bots("link-positions", "beta", "--position", IDS[0], "--move", "--json")
    types = [event["type"] for event in moved.data["events"]]
    assert types == ["PositionsUnlinked", "PositionsLinked"]
    assert owners(bots)[IDS[0]] == "beta"
    assert bots("rebuild", "--check").exit_status == 0


def test_an_unlinked_position_lets_its_account_be_deleted(bots: CommandLine) -> None:
    bots("link-positions", "alpha", "--position", IDS[0])
    assert bots("delete-account", "alpha", "--yes").exit_status == 5
    assert bots("unlink-positions", "beta", "--position", IDS[0]).exit_status == 4
    assert bots("unlink-positions", "alpha", "--position", IDS[0]).exit_status == 0
    assert bots("delete-account", "alpha", "--yes").exit_status == 0


def test_all_positions_that_do_not_exist_are_named_at_once(bots: CommandLine) -> None:
    missing = [str(uuid.uuid4()) for _ in range(2)]
    options = [option for one in [IDS[0], *missing] for option in ("--position", one)]
    refused = bots("link-positions", "alpha", *options, "--json")
    assert refused.exit_status == 3
    assert refused.error["message"] == f"there is no position {', '.join(missing)}"
    assert bots("list-positions", "--account", "alpha", "--json").data == []


def test_the_list_joins_account_symbol_and_exchanges(bots: CommandLine) -> None:
    bots("link-positions", "alpha", "--unowned")
    listed = bots("list-positions", "--account", "alpha", "--json").data
    assert [row["id"] for row in listed] == IDS[:2]
    assert (listed[0]["symbol"], listed[0]["long_exchange"]) == ("BTC", "lighter")
    assert "BTC" in bots("list-positions").out
    for option in (("--exchange", "lighter"), ("--symbol", "BTC"), ("--sort", "size usd")):
        assert IDS[0] in bots("list-positions", *option).out
    none = bots("list-positions", "--unowned", "--exchange", "lighter").err
    assert none.startswith("No position fits exchange lighter, unowned, open. There are ")
    assert bots("list-positions", "--account", "nobody").exit_status == 3


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ([], 2),
        (["--unowned", "--position", IDS[0]], 2),
        (["--position", "x"], 2),
        (["--position", str(uuid.UUID(int=99))], 3),
    ],
)
def test_what_names_no_position_is_refused(
    bots: CommandLine, options: list[str], status: int
) -> None:
    assert bots("link-positions", "alpha", *options).exit_status == status
    assert set(owners(bots).values()) == {None}


def test_the_events_of_a_move_are_in_both_histories(bots: CommandLine) -> None:
    bots("link-positions", "alpha", "--position", IDS[0])
    bots("link-positions", "beta", "--position", IDS[0], "--move")
    for name, last in (("alpha", "unlinked 1 position"), ("beta", "linked 1 position")):
        assert last in bots("history", name).out.splitlines()[-1]


def test_an_account_with_closed_positions_is_deleted_where_that_is_meant(
    bots: CommandLine, connection: psycopg.Connection[Any]
) -> None:
    assert bots("link-positions", "alpha", "--position", IDS[0]).exit_status == 0
    connection.execute("UPDATE strategy_positions SET status = 'closed'")
    refused = bots("delete-account", "alpha", "--yes")
    assert refused.exit_status == 5
    assert "owns 1 closed position, which would have no owner then" in refused.err
    assert "or add --cascade." in refused.err
    done = bots("delete-account", "alpha", "--yes", "--cascade")
    assert done.exit_status == 0, done.err
    assert "Note: without an owner from now on: 1 closed position" in done.err
    owners = connection.execute("SELECT DISTINCT account_id FROM strategy_positions").fetchall()
    assert owners == [(None,)]
    assert bots("rebuild", "--check").exit_status == 0


def test_all_positions_of_an_account_are_unlinked_at_once(bots: CommandLine) -> None:
    assert bots("link-positions", "alpha", "--unowned").exit_status == 0
    assert bots("unlink-positions", "alpha", "--owned").exit_status == 0
    listed = bots("list-positions", "--account", "alpha", "--json").data
    assert listed == []
    for wrong in (["--owned", "--position", IDS[0]], []):
        assert bots("unlink-positions", "alpha", *wrong).exit_status == 2
