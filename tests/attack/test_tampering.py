"""Threat: Rewritten record.

The changes that a person with all rights over the database can make, and that `verify` names. The
attacker is a superuser who disables the triggers, so no guard of the database helps.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from support.cli import CommandLine, Result

from registry.log import merkle

Tamper = Callable[[str], None]


@pytest.fixture
def filled(cli: CommandLine) -> CommandLine:
    """A registry of ten events with two accounts and three credentials."""
    for account in ("main_bot", "other_bot"):
        cli("create-account", account)
        fields = json.dumps({"api_key": f"key-of-{account}", "secret_key": f"{account:s>40}"})
        cli("add-credential", account, "aster", "--from-json", "-", stdin=fields)
    cli("add-credential", "main_bot", "lighter", "--from-json", "-", stdin=_lighter("a1b2"))
    cli("replace-credential", "main_bot", "lighter", "--from-json", "-", stdin=_lighter("c3d4"))
    cli("update-account", "main_bot", "--description", "first")
    cli("deactivate-credential", "main_bot", "lighter")
    cli("reactivate-credential", "main_bot", "lighter")
    cli("rename-account", "other_bot", "second_bot")
    return cli


def _lighter(key: str) -> str:
    return json.dumps({"private_key": key * 20, "account_index": 7})


@pytest.fixture
def tamper(connection: psycopg.Connection[Any]) -> Tamper:
    """Runs a statement with all triggers, foreign keys included, out of the way."""

    def run(statement: str) -> None:
        with connection.transaction():
            connection.execute("SET LOCAL session_replication_role = replica")
            connection.execute(statement)

    return run


def failures(result: Result) -> list[tuple[str, int | None]]:
    assert result.exit_status == 6
    return [(f["check"], f["position"]) for f in result.data["failures"]]


def test_an_honest_log_verifies_with_all_its_keys_and_rows(filled: CommandLine) -> None:
    result = filled("verify", "--json")
    assert result.exit_status == 0
    assert (result.data["events"], result.data["data_keys"], result.data["failures"]) == (10, 4, [])


@pytest.mark.parametrize(
    ("change", "position"),
    [
        ("data = replace(data::text, 'first', 'First')::json", 6),
        ("data = (data::text || ' ')::json", 3),
        ("actor = 'somebody@else'", 0),
        ("occurred_at = occurred_at - interval '1 microsecond'", 5),
        ("recorded_at = recorded_at + interval '1 second'", 9),
        ("reason = 'because'", 4),
        ("recorded_by = 'nobody'", 2),
        ("event_type = 'CredentialReactivated'", 7),
        ("command_id = gen_random_uuid()", 1),
        ("leaf_hash = sha256(leaf_hash)", 8),
    ],
)
def test_a_changed_value_is_found_at_its_event(
    filled: CommandLine, tamper: Tamper, change: str, position: int
) -> None:
    tamper(f"UPDATE audit_events SET {change} WHERE position = {position}")
    assert ("leaf hashes", position) in failures(filled("verify", "--json"))


def test_a_changed_event_with_its_hash_computed_anew_is_found_in_the_tree(
    filled: CommandLine, tamper: Tamper
) -> None:
    tamper("UPDATE audit_events SET actor = 'somebody@else' WHERE position = 4")
    tamper(f"UPDATE audit_events SET leaf_hash = {_LEAF} WHERE position = 4")
    assert failures(filled("verify", "--json")) == [("subtree roots", 5)]


_LEAF = (
    "sha256('\\x00' || audit_leaf(position, event_id, stream_type, stream_id, stream_version, "
    "event_type, schema_version, data, actor, reason, command_id, command_index, command_digest, "
    "related_account_id, occurred_at, recorded_at, recorded_by))"
)


def test_a_row_deleted_in_the_middle_is_named(filled: CommandLine, tamper: Tamper) -> None:
    tamper("DELETE FROM audit_events WHERE position = 4")
    assert ("positions", 4) in failures(filled("verify", "--json"))


def test_rows_deleted_at_the_end_are_named_while_the_head_remembers_them(
    filled: CommandLine, tamper: Tamper
) -> None:
    tamper("DELETE FROM audit_events WHERE position >= 8")
    result = filled("verify", "--json")
    assert ("positions", 8) in failures(result)
    assert "positions 8 to 9 are missing" in result.out


def test_a_row_beyond_the_head_is_named(filled: CommandLine, tamper: Tamper) -> None:
    tamper("UPDATE audit_head SET size = 9")
    assert ("head", 9) in failures(filled("verify", "--json"))


def test_two_swapped_rows_are_both_named(filled: CommandLine, tamper: Tamper) -> None:
    tamper("UPDATE audit_events SET position = 1000 WHERE position = 2")
    tamper("UPDATE audit_events SET position = 2 WHERE position = 7")
    tamper("UPDATE audit_events SET position = 7 WHERE position = 1000")
    found = failures(filled("verify", "--json"))
    assert {("leaf hashes", 2), ("leaf hashes", 7)} <= set(found)


def test_a_changed_root_beside_an_event_is_named(filled: CommandLine, tamper: Tamper) -> None:
    tamper(
        "UPDATE audit_events SET subtree_roots = array_replace(subtree_roots, subtree_roots[3], "
        "sha256('x')) WHERE position = 7"
    )
    assert ("subtree roots", 7) in failures(filled("verify", "--json"))


@pytest.mark.parametrize("roots", ["'{}'", "array_append(subtree_roots, sha256('x'))"])
def test_lost_and_spare_roots_are_named(filled: CommandLine, tamper: Tamper, roots: str) -> None:
    tamper(f"UPDATE audit_events SET subtree_roots = {roots} WHERE position = 5")
    assert ("subtree roots", 5) in failures(filled("verify", "--json"))


def test_a_changed_head_is_found(filled: CommandLine, tamper: Tamper) -> None:
    tamper("UPDATE audit_head SET peaks[1] = sha256('x')")
    assert failures(filled("verify", "--json"))[0] == ("head", None)


def test_a_deleted_head_is_found(filled: CommandLine, tamper: Tamper) -> None:
    tamper("DELETE FROM audit_head")
    assert filled("verify", "--json").exit_status == 6


def test_a_stream_that_skips_a_version_is_named_though_all_hashes_fit(
    filled: CommandLine, tamper: Tamper, connection: psycopg.Connection[Any]
) -> None:
    tamper("UPDATE audit_events SET stream_version = 9 WHERE position = 8")
    with rebuilt_tree(connection, tamper):
        pass
    assert ("stream versions", 8) in failures(filled("verify", "--json", "--only-log"))


def test_a_token_replayed_in_another_slot_is_found(filled: CommandLine, tamper: Tamper) -> None:
    tamper(
        "UPDATE account_exchange_credentials AS c SET api_key_encrypted = o.api_key_encrypted "
        "FROM account_exchange_credentials AS o "
        "WHERE c.id <> o.id AND c.api_key_encrypted IS NOT NULL AND o.api_key_encrypted IS NOT NULL"
    )
    result = filled("verify", "--json")
    assert failures(result) == [("projections", None), ("projections", None)]
    assert "differs from the log in api_key_encrypted" in result.out


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE accounts SET is_active = FALSE WHERE account_name = 'main_bot'", "is_active"),
        ("UPDATE accounts SET metadata = '{\"max_positions\": 99}'", "metadata"),
        ("UPDATE accounts SET updated_at = updated_at - interval '1 us'", "updated_at"),
        ("DELETE FROM account_exchange_credentials", "lacks the row"),
        (
            "INSERT INTO accounts SELECT gen_random_uuid(), 'x', NULL, NULL, TRUE, now(), now()",
            "that no event made",
        ),
    ],
)
def test_an_edited_projection_row_is_named(
    filled: CommandLine, tamper: Tamper, statement: str, said: str
) -> None:
    tamper(statement)
    result = filled("verify", "--json")
    assert {check for check, _ in failures(result)} == {"projections"}
    assert said in result.out


def test_a_replaced_data_key_is_named_at_the_event_that_brought_it(
    filled: CommandLine, tamper: Tamper
) -> None:
    tamper(
        "UPDATE credential_data_keys AS k SET wrapped_key = o.wrapped_key "
        "FROM credential_data_keys AS o WHERE k.credential_version = 2 AND o.id <> k.id"
    )
    assert failures(filled("verify", "--json")) == [("data keys", 5)]


@pytest.mark.parametrize(
    "change", ["credential_id = o.credential_id", "credential_version = 3"], ids=["id", "version"]
)
def test_a_data_key_given_to_another_credential_or_version_is_named(
    filled: CommandLine, tamper: Tamper, change: str
) -> None:
    tamper(
        f"UPDATE credential_data_keys AS k SET {change} FROM credential_data_keys AS o "
        "WHERE k.credential_version = 2 AND o.credential_id <> k.credential_id"
    )
    for options in ((), ("--without-keys",)):
        result = filled("verify", "--json", *options)
        assert failures(result) == [("data keys", 5)]
        assert "is stored as that of another credential" in result.out


def test_a_damaged_data_key_is_named(filled: CommandLine, tamper: Tamper) -> None:
    tamper(
        "UPDATE credential_data_keys SET wrapped_key = overlay(wrapped_key PLACING 'AAAA' FROM 50) "
        "WHERE credential_version = 2"
    )
    assert failures(filled("verify", "--json")) == [("data keys", 5)]


def test_a_lost_data_key_is_named_without_any_master_key(
    filled: CommandLine, tamper: Tamper
) -> None:
    tamper("DELETE FROM credential_data_keys WHERE credential_version = 2")
    result = filled("verify", "--without-keys", "--json", CREDENTIAL_ENCRYPTION_KEY="")
    assert failures(result) == [("data keys", 5)]


def test_data_keys_that_no_event_names_are_reported(
    filled: CommandLine, tamper: Tamper, connection: psycopg.Connection[Any]
) -> None:
    with rebuilt_tree(connection, tamper):
        tamper("DELETE FROM audit_events WHERE position >= 5")
    result = filled("verify", "--json")
    named = [f["message"] for f in result.data["failures"] if f["check"] == "data keys"]
    assert len(named) == 1
    assert "no event names the data key" in named[0]
    assert "version 2" in named[0]
    told = filled("doctor")
    assert told.exit_status == 1
    assert "1 data key that no event names" in told.out
    assert "verify --against" in told.out
    tamper("DELETE FROM credential_data_keys WHERE credential_version = 2")
    assert "that no event names" not in filled("doctor").out


def test_many_data_keys_that_no_event_names_are_counted(
    filled: CommandLine, tamper: Tamper
) -> None:
    tamper(
        "INSERT INTO credential_data_keys SELECT gen_random_uuid(), gen_random_uuid(), 1, 'x', "
        "'0123456789ab', now() FROM generate_series(1, 50)"
    )
    result = filled("verify", "--without-keys", "--json")
    assert (len(result.data["failures"]), result.data["more_failures"]) == (20, 30)


def test_a_server_that_counts_statements_makes_no_view_another(
    filled: CommandLine, connection: psycopg.Connection[Any]
) -> None:
    name = connection.info.dbname
    connection.execute(f'ALTER DATABASE "{name}" SET compute_query_id = on'.encode())
    assert filled("verify").exit_status == 0


@pytest.mark.parametrize(
    ("view", "change"),
    [
        ("audit_trail", (r"(e\.)?\bactor\b", "'somebody@else'::text AS actor")),
        ("audit_trail", ("FROM audit_events e", "FROM audit_events e WHERE e.position <> 3")),
        ("former_names", (r"(e\.)?\bactor\b", "'somebody@else'::text AS actor")),
        ("credential_overview", (r"(c\.)?\bis_active\b", "true AS is_active")),
    ],
)
def test_a_view_that_shows_another_history_than_the_log_is_named(
    filled: CommandLine, connection: psycopg.Connection[Any], view: str, change: tuple[str, str]
) -> None:
    """The log itself is as it was, and `history` shows what the view does."""
    row = connection.execute("SELECT pg_get_viewdef(%s::text::regclass)", [view]).fetchone()
    assert row is not None
    told = re.sub(*change, row[0], count=1)
    assert told != row[0]
    connection.execute(f"CREATE OR REPLACE VIEW {view} AS {told}".encode())
    result = filled("verify", "--json")
    assert failures(result) == [("views", None)]
    assert f"the view {view} is not" in result.out
    assert filled("doctor").exit_status == 1


def test_a_deleted_end_with_the_head_set_back_is_found_by_a_checkpoint_only(
    filled: CommandLine, tamper: Tamper, connection: psycopg.Connection[Any]
) -> None:
    filled("generate-checkpoint-key", "--origin", "test.example/log")
    checkpoints = str(filled.folder / "checkpoints")
    assert filled("checkpoint", "--append", checkpoints).exit_status == 0
    (filled.folder / "config" / "checkpoint.last").unlink()
    with rebuilt_tree(connection, tamper):
        tamper("DELETE FROM audit_events WHERE position >= 8")
    assert filled("verify", "--only-log", "--json").exit_status == 0
    result = filled("verify", "--only-log", "--against", checkpoints, "--json")
    assert failures(result) == [("checkpoints", 8)]
    assert "positions 8 to 9 are missing" in result.out


def test_a_log_rewritten_as_a_whole_is_found_by_a_checkpoint_only(
    filled: CommandLine, tamper: Tamper, connection: psycopg.Connection[Any]
) -> None:
    filled("generate-checkpoint-key", "--origin", "test.example/log")
    checkpoints = str(filled.folder / "checkpoints")
    filled("checkpoint", "--append", checkpoints)
    filled("create-account", "third_bot")
    with rebuilt_tree(connection, tamper):
        tamper("UPDATE audit_events SET actor = 'nobody@nowhere' WHERE position = 3")
    result = filled("verify", "--against", checkpoints, "--json")
    assert failures(result) == [("checkpoints", 10)]
    refused = filled("checkpoint", "--json")
    assert (refused.exit_status, refused.error["code"]) == (6, "log_rewritten")


@contextmanager
def rebuilt_tree(connection: psycopg.Connection[Any], tamper: Tamper) -> Iterator[None]:
    """Makes all hashes fit again after a change, as a patient forger would."""
    yield
    tamper(f"UPDATE audit_events SET leaf_hash = {_LEAF}")
    peaks: list[bytes] = []
    rows = connection.execute("SELECT position, leaf_hash FROM audit_events ORDER BY 1").fetchall()
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        for position, leaf in rows:
            roots = merkle.grow(peaks, position, leaf)
            connection.execute(
                "UPDATE audit_events SET subtree_roots = %s::bytea[] WHERE position = %s",
                [roots, position],
            )
        connection.execute("UPDATE audit_head SET size = %s, peaks = %s", [len(rows), peaks])


def test_a_checkpoint_of_another_key_proves_nothing(filled: CommandLine) -> None:
    filled("generate-checkpoint-key", "--origin", "test.example/log")
    note = filled("checkpoint").out
    forged = note.replace("\n10\n", "\n11\n", 1)
    path = filled.file("forged", forged)
    refused = filled("verify", "--against", path, "--json")
    assert (refused.exit_status, refused.error["code"]) == (6, "invalid_proof")


@pytest.mark.parametrize(
    ("statement", "verifies", "last"),
    [
        ("UPDATE accounts SET description = 'x'", True, "The tables do NOT follow from the log."),
        ("UPDATE dexes SET name = 'x' WHERE name = 'aster'", True, "The tables do NOT follow"),
        ("UPDATE audit_events SET actor = 'x' WHERE position = 1", False, "The log of 10 events"),
    ],
)
def test_a_sound_log_is_told_from_what_does_not_follow_from_it(
    filled: CommandLine, tamper: Tamper, statement: str, verifies: bool, last: str
) -> None:
    tamper(statement)
    told = filled("verify")
    assert told.exit_status == 6
    assert ("The log of 10 events verifies" in told.out) == verifies
    assert ("does NOT verify" in told.out) != verifies
    assert told.out.splitlines()[-1].startswith(last)
    assert filled("verify", "--json").data["log_verified"] == verifies
