"""Rotating the master key, and destroying secrets."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.appending import append
from support.cli import CommandLine
from support.world import World

from registry.database.opening import SingleConnection
from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.errors import MasterKeyWrong
from registry.events.keys import MasterKeyRotated
from registry.execution.executor import Invocation
from registry.log.ids import REGISTRY_STREAM
from registry.services.changes.rotation import rotate
from registry.services.releases.resolution import Wish, resolve

ASTER = {"api_key": "aster-api-key-1", "secret_key": "aster-secret-1"}


def add(cli: CommandLine, account: str, *, key: str = "aster-api-key-1", verb: str = "add") -> None:
    fields = json.dumps({**ASTER, "api_key": key})
    told = ("--from-json", "-", "--allow-shared-secret")
    done = cli(f"{verb}-credential", account, "aster", *told, stdin=fields)
    assert done.exit_status == 0, done.err


def master_keys(connection: psycopg.Connection[Any]) -> set[str]:
    rows = connection.execute(
        "SELECT master_key_id FROM credential_data_keys UNION SELECT master_key_id "
        "FROM registry_keys"
    )
    return {row[0] for row in rows}


def test_after_a_rotation_the_old_key_is_not_needed_and_the_log_is_as_it_was(
    cli: CommandLine, connection: psycopg.Connection[Any]
) -> None:
    cli("create-account", "bot")
    add(cli, "bot")
    old, new = cli.environment["CREDENTIAL_ENCRYPTION_KEY"], generate_master_key().reveal()
    before = connection.execute("SELECT position, leaf_hash FROM audit_events").fetchall()
    both = f"{new},{old}"
    assert "under an older master key" in cli("doctor", CREDENTIAL_ENCRYPTION_KEY=both).out
    rotated = cli("rotate-master-key", "--json", CREDENTIAL_ENCRYPTION_KEY=both)
    assert (rotated.exit_status, rotated.data["keys"]) == (0, 2)
    assert (
        "can go from CREDENTIAL_ENCRYPTION_KEY" in cli("doctor", CREDENTIAL_ENCRYPTION_KEY=both).out
    )
    rows = connection.execute("SELECT position, leaf_hash FROM audit_events WHERE position < 2")
    assert rows.fetchall() == before
    with_new = cli("verify", "--json", CREDENTIAL_ENCRYPTION_KEY=new)
    assert (with_new.exit_status, with_new.data["data_keys"]) == (0, 1)
    assert cli("doctor", CREDENTIAL_ENCRYPTION_KEY=old).exit_status == 1


def test_a_rotation_goes_in_batches_and_each_is_an_event(
    cli: CommandLine, database: SingleConnection, invocation: Invocation
) -> None:
    for number in range(5):
        cli("create-account", f"bot{number}")
        add(cli, f"bot{number}")
    new = generate_master_key()
    ring = MasterKeyring.parse(type(new)(f"{new.reveal()},{cli.master_key}"))
    done = rotate(database, ring, invocation, batch=2)
    assert (done.keys, len(done.positions)) == (6, 3)
    events = cli("history", "--type", "MasterKeyRotated", "--json").data
    assert [e["data"]["remaining"] for e in events] == [3, 1, 0]
    assert {e["data"]["master_key_id"] for e in events} == {ring.newest_id}
    again = rotate(database, ring, invocation, batch=2)
    assert (again.keys, again.positions) == (0, ())


@pytest.mark.slow
def test_a_rotation_that_is_killed_goes_on_where_it_stopped(
    cli: CommandLine, connection: psycopg.Connection[Any]
) -> None:
    cli("create-account", "bot")
    add(cli, "bot")
    ring = MasterKeyring.parse(type(generate_master_key())(cli.master_key))
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO credential_data_keys VALUES (%s, %s, 1, %s, %s, now())",
            [
                (key_id, uuid.uuid4(), ring.wrap(key_id, os.urandom(32)), ring.newest_id)
                for key_id in (uuid.uuid4() for _ in range(6000))
            ],
        )
    both = f"{generate_master_key().reveal()},{cli.master_key}"
    environment = {**cli.environment, "CREDENTIAL_ENCRYPTION_KEY": both}
    command = [sys.executable, "-m", "registry.commands", "rotate-master-key"]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, env=environment, cwd=root) as process:
        deadline = time.monotonic() + 60
        while len(master_keys(connection)) < 2 and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert len(master_keys(connection)) == 2, "it was killed before its end"
    # Both keys are valid meanwhile.
    assert cli("verify", "--json", CREDENTIAL_ENCRYPTION_KEY=both).data["data_keys"] == 1
    assert cli("rotate-master-key", CREDENTIAL_ENCRYPTION_KEY=both).exit_status == 0
    assert master_keys(connection) == {
        MasterKeyring.parse(type(generate_master_key())(both)).newest_id
    }
    assert cli("verify", "--only-log", CREDENTIAL_ENCRYPTION_KEY=both).exit_status == 0


def test_a_rotation_without_the_old_key_changes_nothing(
    cli: CommandLine, database: SingleConnection, invocation: Invocation
) -> None:
    cli("create-account", "bot")
    add(cli, "bot")
    with pytest.raises(MasterKeyWrong):
        rotate(database, MasterKeyring([generate_master_key()]), invocation)
    assert cli("verify").exit_status == 0


def test_a_dry_run_of_a_rotation_counts_and_changes_nothing(
    cli: CommandLine, connection: psycopg.Connection[Any]
) -> None:
    cli("create-account", "bot")
    add(cli, "bot")
    both = f"{generate_master_key().reveal()},{cli.master_key}"
    result = cli("rotate-master-key", "--dry-run", "--json", CREDENTIAL_ENCRYPTION_KEY=both)
    assert (result.data["remaining"], result.data["keys"]) == (2, 0)
    assert len(master_keys(connection)) == 1


def test_keys_change_only_with_an_event_of_the_same_transaction(
    cli: CommandLine, connection: psycopg.Connection[Any]
) -> None:
    cli("create-account", "bot")
    add(cli, "bot")
    add(cli, "bot", key="another", verb="replace")
    cli("destroy-secrets", "bot", "aster", "--old", "--yes")
    (event_id,) = connection.execute(
        "SELECT event_id FROM audit_events WHERE event_type = 'CredentialSecretsDestroyed'"
    ).fetchone() or (None,)
    connection.execute("SET ROLE registry_operator")
    for statement in (
        "DELETE FROM credential_data_keys",
        "UPDATE credential_data_keys SET wrapped_key = ''",
        f"SELECT destroy_data_keys('{event_id}')",
        f"SELECT rewrap_data_keys('{event_id}', '{{}}', '{{}}', '{{}}', 'x')",
        f"SELECT rewrap_registry_key('{uuid.uuid4()}', 'fingerprint', '', '', 'x')",
        f"SELECT audit_event_of_this_transaction('{event_id}', 'CredentialSecretsDestroyed')",
    ):
        with pytest.raises(psycopg.Error) as refused:
            connection.execute(statement)
        assert refused.value.sqlstate in ("42501", "RG005"), statement


def test_a_rotation_changes_no_key_that_was_wrapped_anew_since_it_was_read(
    cli: CommandLine, connection: psycopg.Connection[Any]
) -> None:
    """Two rotations at once: the slower one must not put the older token back."""
    cli("create-account", "bot")
    add(cli, "bot")
    event = MasterKeyRotated(master_key_id="x", previous_key_ids=["y"], keys=1, remaining=0)
    with connection.transaction():
        append(connection, stream=REGISTRY_STREAM, event=event)
        ((event_id,),) = connection.execute(
            "SELECT event_id FROM audit_events WHERE event_type = 'MasterKeyRotated'"
        ).fetchall()
        ((key, wrapped),) = connection.execute(
            "SELECT id, wrapped_key FROM credential_data_keys"
        ).fetchall()
        for before, changed in (("as it was", 0), (wrapped, 1)):
            assert connection.execute(
                "SELECT rewrap_data_keys(%s, %s::uuid[], %s::text[], ARRAY['new'], 'x')",
                [event_id, [key], [before]],
            ).fetchone() == (changed,)
            assert connection.execute(
                "SELECT rewrap_registry_key(%s, 'fingerprint', "
                "CASE WHEN %s THEN (SELECT wrapped_key FROM registry_keys) ELSE '' END, 'n', 'x')",
                [event_id, bool(changed)],
            ).fetchone() == (changed,)


def test_a_key_whose_secrets_are_gone_is_said_and_stands_in_the_way_of_no_other(
    world: World, connection: psycopg.Connection[Any]
) -> None:
    world.account("bot", "aster")
    connection.execute("DELETE FROM credential_data_keys")
    (found,) = resolve(world.database, "bot", "aster", Wish())
    assert found.outcome == "secrets_destroyed"
    assert found.error().message == "the secrets of bot for aster were destroyed"
    world.credential("bot", "aster", permission="read_only")
    (found,) = resolve(world.database, "bot", "aster", Wish())
    assert (found.outcome, found.permission) == ("ok", "read_only")


def test_destroyed_secrets_are_gone_and_the_history_still_verifies(
    cli: CommandLine, connection: psycopg.Connection[Any]
) -> None:
    cli("create-account", "bot")
    add(cli, "bot")
    add(cli, "bot", key="another", verb="replace")
    done = cli("destroy-secrets", "bot", "aster", "--version", "1", "--yes", "--json")
    assert [e["type"] for e in done.data["events"]] == ["CredentialSecretsDestroyed"]
    versions = connection.execute("SELECT credential_version FROM credential_data_keys").fetchall()
    assert versions == [(2,)]
    assert cli("verify").exit_status == 0
    assert "destroyed the secrets of aster version 1" in cli("history", "bot", COLUMNS="200").out


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (["--version", "2"], 5, "refused"),
        (["--version", "3"], 3, "credential_not_found"),
        ([], 2, "invalid_input"),
        (["--old", "--version", "1"], 2, "invalid_input"),
    ],
)
def test_what_cannot_be_destroyed_is_refused(
    cli: CommandLine, arguments: list[str], status: int, code: str
) -> None:
    cli("create-account", "bot")
    add(cli, "bot")
    add(cli, "bot", key="another", verb="replace")
    result = cli("destroy-secrets", "bot", "aster", *arguments, "--yes", "--json")
    assert (result.exit_status, result.error["code"]) == (status, code)


def test_destroying_a_version_twice_is_refused_by_name(cli: CommandLine) -> None:
    cli("create-account", "bot")
    add(cli, "bot")
    add(cli, "bot", key="another", verb="replace")
    cli("destroy-secrets", "bot", "aster", "--old", "--yes")
    again = cli("destroy-secrets", "bot", "aster", "--version", "1", "--yes", "--json")
    assert (again.exit_status, again.error["code"]) == (5, "secrets_destroyed")
    assert (
        cli("destroy-secrets", "bot", "aster", "--old", "--yes", "--json").data["changed"] is False
    )


def test_going_back_to_a_destroyed_version_is_refused_by_name(cli: CommandLine) -> None:
    cli("create-account", "bot")
    add(cli, "bot")  # event 1
    add(cli, "bot", key="another", verb="replace")
    cli("destroy-secrets", "bot", "aster", "--old", "--yes")
    back = cli("rollback", "--to", "1", "--yes", "--json")
    assert (back.exit_status, back.error["code"]) == (5, "cannot_roll_back")
    assert "version 1 were destroyed" in cli("rollback", "--to", "1", "--yes").err


def test_a_removed_credential_can_be_destroyed_with_all_its_versions(
    cli: CommandLine, connection: psycopg.Connection[Any]
) -> None:
    cli("create-account", "bot")
    add(cli, "bot")
    add(cli, "bot", key="another", verb="replace")
    done = cli("remove-credential", "bot", "aster", "--destroy", "--yes", "--json")
    assert [e["type"] for e in done.data["events"]] == [
        "CredentialRemoved",
        "CredentialSecretsDestroyed",
    ]
    assert connection.execute("SELECT count(*) FROM credential_data_keys").fetchone() == (0,)
    assert cli("verify").exit_status == 0


def test_destroying_a_lent_credential_ends_its_shares_only_where_told(
    cli: CommandLine, connection: psycopg.Connection[Any]
) -> None:
    cli("create-account", "lender")
    cli("create-account", "bot")
    add(cli, "lender")
    cli("share", "bot", "lender", "aster")
    remove = ("remove-credential", "lender", "aster", "--destroy", "--yes", "--json")
    refused = cli(*remove)
    assert (refused.exit_status, refused.error["code"]) == (5, "account_in_use")
    assert "bot borrows aster from lender" in refused.error["message"]
    assert connection.execute("SELECT count(*) FROM credential_data_keys").fetchone() == (1,)
    done = cli(*remove, "--cascade")
    assert [e["type"] for e in done.data["events"]] == [
        "CredentialRemoved",
        "CredentialSecretsDestroyed",
        "SharingRevoked",
    ]
    assert done.data["notes"] == ["ended with it: bot borrows aster from lender (full)"]
    assert connection.execute(
        "SELECT count(DISTINCT command_id), count(DISTINCT xmin::text) FROM audit_events "
        "WHERE position >= 4"
    ).fetchone() == (1, 1)
    assert connection.execute("SELECT count(*) FROM credential_data_keys").fetchone() == (0,)
    assert cli("list-shares", "--json").data == []


def test_secrets_of_a_deleted_account_can_be_destroyed(
    cli: CommandLine, connection: psycopg.Connection[Any]
) -> None:
    cli("create-account", "bot")
    add(cli, "bot")
    cli("delete-account", "bot", "--yes")
    assert cli("destroy-secrets", "bot", "aster", "--old", "--yes").exit_status == 0
    assert connection.execute("SELECT count(*) FROM credential_data_keys").fetchone() == (0,)
    assert cli("verify").exit_status == 0


def test_credentials_that_expire_soon_are_listed_first_to_expire_first(cli: CommandLine) -> None:
    from datetime import UTC, datetime, timedelta

    for name, days in (("late", 30), ("soon", 3), ("past", -1), ("never", None)):
        cli("create-account", name)
        add(cli, name)
        if days is not None:
            moment = datetime.now(UTC) + timedelta(days=days)
            cli("update-credential", name, "aster", "--expires-at", moment.isoformat())
    due = cli("list-credentials", "--due", "14d", "--json").data
    assert [one["account_name"] for one in due] == ["past", "soon"]
    assert cli("list-credentials", "--due", "soon").exit_status == 2
    assert cli("list-credentials", "--due", "14d").exit_status == 6
    assert cli("list-credentials").exit_status == 0
    cli("deactivate-credential", "past", "aster")
    cli("deactivate-account", "soon")
    none = cli("list-credentials", "--due", "14d")
    told = "No credential fits due 14d. There are 4 credentials in all.\n"
    assert (none.exit_status, none.err) == (0, told)
