"""The verb rollback: undone changes, changes that cannot be undone, and undoing a rollback."""

import json
import uuid
from typing import Any

import psycopg
import pytest
from support.bots import login_role
from support.cli import CommandLine, Result
from support.registry_tables import add_positions, contents

Connection = psycopg.Connection[Any]


def aster(secret: str) -> str:
    return json.dumps({"api_key": f"key-{secret}", "secret_key": f"secret-{secret}"})


def add(cli: CommandLine, account: str, secret: str, verb: str = "add-credential") -> Result:
    result = cli(verb, account, "aster", "--from-json", "-", stdin=aster(secret))
    assert result.exit_status == 0, result.err
    return result


def last(connection: Connection) -> str:
    row = connection.execute("SELECT size - 1 FROM public.audit_head").fetchone()
    assert row is not None
    return str(row[0])


def state(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    """All rows, without the times of the last change."""
    tables = ("accounts", "account_exchange_credentials", "account_exchange_sharing")
    return {
        table: [
            row[0]
            for row in connection.execute(
                f"SELECT to_jsonb(t) - 'updated_at' FROM public.{table} AS t ORDER BY t.id".encode()
            )
        ]
        for table in tables
    } | {"links": contents(connection)["strategy_positions"]}


def roll_back(cli: CommandLine, to: str, *options: str) -> Result:
    return cli("rollback", "--to", to, "--yes", *options)


@pytest.fixture
def busy(cli: CommandLine, connection: Connection) -> CommandLine:
    """Three accounts with credentials and positions."""
    add_positions(connection, *(str(uuid.UUID(int=number)) for number in range(1, 4)))
    for name in ("alpha", "beta", "gamma"):
        cli("create-account", name, "--metadata", '{"max_positions": 3}')
        add(cli, name, name)
    assert cli("link-positions", "alpha", "--unowned").exit_status == 0
    return cli


def change_everything(cli: CommandLine) -> None:
    """One of each kind of change, with names that move in a circle."""
    position = str(uuid.UUID(int=2))
    for arguments in (
        ("update-account", "alpha", "--description", "changed", "--clear", "metadata"),
        ("rename-account", "alpha", "x"),
        ("rename-account", "beta", "alpha"),
        ("rename-account", "x", "beta"),
        ("update-credential", "beta", "aster", "--label", "new", "--expires-at", "2030-01-01"),
        ("deactivate-credential", "beta", "aster"),
        ("deactivate-account", "beta"),
        ("link-positions", "alpha", "--position", position, "--move"),
        ("delete-account", "gamma", "--yes"),
        ("create-account", "gamma"),
        ("create-account", "delta"),
    ):
        assert cli(*arguments).exit_status == 0, arguments
    add(cli, "alpha", "second", "replace-credential")
    add(cli, "delta", "delta")
    assert cli("link-positions", "delta", "--position", str(uuid.UUID(int=3)), "--move").err == ""


def test_a_rollback_brings_everything_back_and_can_be_rolled_back(
    busy: CommandLine, connection: Connection
) -> None:
    before, position = state(connection), last(connection)
    change_everything(busy)
    changed, end = state(connection), last(connection)
    assert changed != before
    result = roll_back(busy, position)
    assert result.exit_status == 0, result.err
    assert state(connection) == before
    assert busy("rebuild", "--check").exit_status == 0
    assert roll_back(busy, end).exit_status == 0
    assert state(connection) == changed
    assert roll_back(busy, position).exit_status == 0
    assert state(connection) == before
    assert busy("rebuild", "--check").exit_status == 0


def test_a_restored_credential_still_opens_and_the_next_version_is_a_new_one(
    busy: CommandLine, connection: Connection
) -> None:
    position = last(connection)
    add(busy, "alpha", "second", "replace-credential")
    assert busy("remove-credential", "alpha", "aster", "--yes").exit_status == 0
    assert roll_back(busy, position).exit_status == 0
    # Giving the same secrets again is noticed, so they are the first ones.
    same = busy("replace-credential", "alpha", "aster", "--from-json", "-", stdin=aster("alpha"))
    assert "Nothing to change" in same.out
    add(busy, "alpha", "third", "replace-credential")
    shown = busy("show-account", "alpha", "--json").data
    assert [c["version"] for c in shown["credentials"]] == [3]


def test_a_dry_run_shows_the_plan_and_changes_nothing(
    busy: CommandLine, connection: Connection
) -> None:
    position = last(connection)
    change_everything(busy)
    end = last(connection)
    result = busy("rollback", "--to", position, "--dry-run")
    assert (result.exit_status, last(connection)) == (0, end)
    for line in (
        "  ~ name: 'beta' → 'alpha'",
        "  + credential aster version 1",
        "  ~ aster: secrets of version 2 → 1",
        "  ~ account: inactive → active",
        "  - account",
        "  - 1 position",
    ):
        assert line in result.out.splitlines(), (line, result.out)
    assert "key-" not in result.out


def test_only_one_account_can_be_rolled_back(busy: CommandLine, connection: Connection) -> None:
    position = last(connection)
    busy("update-account", "alpha", "--description", "a")
    busy("update-account", "beta", "--description", "b")
    assert roll_back(busy, position, "--account", "alpha").exit_status == 0
    shown = {a["account_name"]: a["description"] for a in busy("list-accounts", "--json").data}
    assert (shown["alpha"], shown["beta"]) == (None, "b")


def test_the_history_says_why(busy: CommandLine, connection: Connection) -> None:
    position = last(connection)
    busy("update-account", "alpha", "--description", "a")
    busy("rollback", "--to", position, "--yes", "--reason", "wrong account")
    busy("update-account", "alpha", "--description", "a")
    roll_back(busy, position)
    reasons = [event["reason"] for event in busy("history", "alpha", "--json").data]
    assert reasons[-4:] == [None, "wrong account", None, f"rollback to event {position}"]


def test_destroyed_secrets_are_refused_by_name_and_can_be_skipped(
    busy: CommandLine, connection: Connection
) -> None:
    position = last(connection)
    busy("update-account", "beta", "--description", "b")
    assert busy("remove-credential", "alpha", "aster", "--yes").exit_status == 0
    connection.execute("DELETE FROM public.credential_data_keys")
    refused = roll_back(busy, position, "--json")
    assert (refused.exit_status, refused.error["code"]) == (5, "cannot_roll_back")
    assert "secrets of alpha for aster version 1" in refused.error["message"]
    assert roll_back(busy, position, "--skip").exit_status == 0
    assert busy("show-account", "alpha", "--json").data["credentials"] == []
    assert busy("show-account", "beta", "--json").data["description"] is None


def test_positions_that_are_gone_are_refused_by_name(
    busy: CommandLine, connection: Connection
) -> None:
    position, gone = last(connection), str(uuid.UUID(int=1))
    busy("unlink-positions", "alpha", "--position", gone)
    connection.execute("DELETE FROM public.strategy_positions WHERE id = %s", [gone])
    refused = roll_back(busy, position)
    assert refused.exit_status == 5
    assert f"position {gone} of alpha is gone" in refused.err
    assert "Nothing to change" in roll_back(busy, position, "--skip").out


def test_a_name_that_another_account_has_now_is_refused_by_name(
    busy: CommandLine, connection: Connection
) -> None:
    position = last(connection)
    busy("delete-account", "gamma", "--yes")
    busy("create-account", "gamma")
    refused = roll_back(busy, position, "--account", "gamma")
    # The account of that name now is the new one: it would be deleted, and nothing restored.
    assert refused.exit_status == 0
    busy("create-account", "gamma")
    busy("rename-account", "beta", "was_beta")
    busy("create-account", "beta")
    refused = roll_back(busy, position, "--account", "was_beta")
    assert refused.exit_status == 5
    assert "the name beta belongs to another account now" in refused.err


def test_an_account_that_owns_positions_of_the_bot_is_not_deleted(
    busy: CommandLine, connection: Connection
) -> None:
    position = last(connection)
    busy("create-account", "delta")
    add_positions(connection, str(uuid.UUID(int=9)))
    connection.execute(
        "UPDATE public.strategy_positions SET account_id = (SELECT id FROM public.accounts "
        "WHERE account_name = 'delta') WHERE id = %s",
        [uuid.UUID(int=9)],
    )
    refused = roll_back(busy, position)
    assert (refused.exit_status, "account delta owns 1 position" in refused.err) == (5, True)


@pytest.mark.parametrize("lack", ["removed", "stopped", "account"])
def test_a_share_of_a_lender_without_a_credential_is_refused_by_name_and_can_be_skipped(
    busy: CommandLine, connection: Connection, lack: str
) -> None:
    busy("remove-credential", "beta", "aster", "--yes")
    assert busy("share", "beta", "alpha", "aster").exit_status == 0
    before = last(connection)
    assert busy("unshare", "beta", "aster").exit_status == 0
    match lack:
        case "removed":
            done = busy("remove-credential", "alpha", "aster", "--yes")
        case "stopped":
            done = busy("deactivate-credential", "alpha", "aster")
        case _:
            done = busy("deactivate-account", "alpha")
    assert done.exit_status == 0, done.err
    assert busy("update-account", "beta", "--description", "new").exit_status == 0
    for option in ("--dry-run", "--json"):
        refused = roll_back(busy, before, "--account", "beta", option)
        assert "alpha has nothing to lend" in refused.out + refused.err
    assert refused.exit_status == 5
    skipped = roll_back(busy, before, "--account", "beta", "--skip")
    assert skipped.exit_status == 0, skipped.err
    assert busy("show-account", "beta", "--json").data["description"] is None
    # Together with the lender it does come back.
    whole = roll_back(busy, before)
    assert whole.exit_status == 0, whole.err
    assert [one["borrower"] for one in busy("list-shares", "--json").data] == ["beta"]


def refused_and_skipped(cli: CommandLine, to: str, *account: str, named: str) -> None:
    """What cannot come back is told before, refused, and left out with --skip."""
    shown = cli("rollback", "--to", to, "--dry-run", *account)
    refused = roll_back(cli, to, "--json", *account)
    assert (shown.exit_status, refused.exit_status) == (5, 5)
    assert named in shown.out + shown.err
    assert refused.error["code"] == "cannot_roll_back"
    assert named in refused.error["message"]
    skipped = roll_back(cli, to, "--skip", "--json", *account)
    assert skipped.exit_status == 0, skipped.err
    assert any(named in what for what in skipped.data["skipped"])


def test_access_of_a_role_that_is_gone_is_refused_by_name_and_can_be_skipped(
    busy: CommandLine, connection: Connection, database_url: str
) -> None:
    with login_role(database_url) as role:
        assert busy("grant-access", "alpha", "--role", role.name).exit_status == 0
        position = last(connection)
        assert busy("revoke-access", "alpha", "--role", role.name).exit_status == 0
    assert busy("update-account", "alpha", "--description", "new").exit_status == 0
    named = f"access of role {role.name} to alpha cannot come back: there is no such login role"
    refused_and_skipped(busy, position, named=named)
    assert busy("show-account", "alpha", "--json").data["description"] is None
    assert busy("list-access", "--json").data == []


@pytest.mark.parametrize("side", ["lender", "borrower"])
def test_a_share_that_would_make_a_chain_is_refused_by_name_and_can_be_skipped(
    busy: CommandLine, connection: Connection, side: str
) -> None:
    for name in ("beta", "gamma"):
        busy("remove-credential", name, "aster", "--yes")
    assert busy("share", "beta", "alpha", "aster").exit_status == 0
    position = last(connection)
    assert busy("unshare", "beta", "aster").exit_status == 0
    if side == "lender":
        add(busy, "gamma", "gamma")
        assert busy("share", "alpha", "gamma", "aster").exit_status == 0
        named = "a share of beta cannot come back: alpha borrows from gamma itself"
    else:
        add(busy, "beta", "beta")
        assert busy("share", "gamma", "beta", "aster").exit_status == 0
        named = "it lends to gamma itself"
    refused_and_skipped(busy, position, "--account", "beta", named=named)
    shares = [(one["borrower"], one["lender"]) for one in busy("list-shares", "--json").data]
    assert shares == [("alpha", "gamma") if side == "lender" else ("gamma", "beta")]
    # All of it together does come back.
    whole = roll_back(busy, position)
    assert whole.exit_status == 0, whole.err
    assert [one["borrower"] for one in busy("list-shares", "--json").data] == ["beta"]


def test_a_credential_that_others_borrow_by_now_is_refused_by_name_and_can_be_skipped(
    busy: CommandLine, connection: Connection
) -> None:
    for name in ("beta", "gamma"):
        busy("remove-credential", name, "aster", "--yes")
    position = last(connection)
    add(busy, "gamma", "again")
    assert busy("share", "beta", "gamma", "aster").exit_status == 0
    named = "credential aster version 2 of gamma is lent to beta, and cannot go"
    refused_and_skipped(busy, position, "--account", "gamma", named=named)
    assert len(busy("show-account", "gamma", "--json").data["credentials"]) == 1


def test_a_plan_that_was_not_confirmed_is_not_carried_out(
    busy: CommandLine, connection: Connection
) -> None:
    position = last(connection)
    busy("update-account", "beta", "--description", "b")
    end = last(connection)
    assert busy("rollback", "--to", position).exit_status == 5
    assert last(connection) == end


def test_a_rollback_to_a_time_goes_by_the_databases_clock(
    busy: CommandLine, connection: Connection
) -> None:
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    busy("update-account", "beta", "--description", "b")
    assert roll_back(busy, row[0].isoformat()).exit_status == 0
    assert busy("show-account", "beta", "--json").data["description"] is None
    assert roll_back(busy, "999999").exit_status == 2


def test_the_same_command_id_is_applied_once(busy: CommandLine, connection: Connection) -> None:
    position = last(connection)
    busy("update-account", "beta", "--description", "b")
    command = ("--command-id", str(uuid.uuid4()), "--json")
    first, again = roll_back(busy, position, *command), roll_back(busy, position, *command)
    assert first.data["events"] == again.data["events"]
    assert (first.data["replayed"], again.data["replayed"]) == (False, True)
