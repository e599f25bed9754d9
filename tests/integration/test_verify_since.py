"""`verify --since`: what came after a checkpoint is read, and what came before is not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.cli import CommandLine, Result
from support.registry_tables import unguarded

SECRET = '{"api_key": "key-of-bot", "secret_key": "secret-of-bot"}'
BEFORE, EVENTS = 3, 6

Tamper = Callable[[str], None]


@pytest.fixture
def notes(cli: CommandLine, tmp_path: Path) -> str:
    """A file of two checkpoints; three events came before the newer one, and three after it."""
    path = str(tmp_path / "notes.txt")
    cli("generate-checkpoint-key")
    cli("create-account", "bot")
    cli("checkpoint", "--append", path)
    cli("create-account", "other")
    cli("update-account", "bot", "--description", "first")
    cli("checkpoint", "--append", path)
    cli("add-credential", "bot", "aster", "--from-json", "-", stdin=SECRET)
    cli("update-account", "bot", "--description", "second")
    cli("create-account", "third")
    return path


@pytest.fixture
def tamper(connection: psycopg.Connection[Any]) -> Tamper:
    def run(statement: str) -> None:
        with unguarded(connection):
            connection.execute(statement.encode())

    return run


def failures(result: Result) -> list[tuple[str, int | None]]:
    assert result.exit_status == 6
    return [(f["check"], f["position"]) for f in result.data["failures"]]


def test_it_reads_what_came_after_the_newest_checkpoint_and_says_so(
    cli: CommandLine, notes: str
) -> None:
    result = cli("verify", "--since", notes, "--json")
    assert result.exit_status == 0
    assert (result.data["first"], result.data["events"]) == (BEFORE, EVENTS)
    assert (result.data["data_keys"], result.data["checkpoints"]) == (1, 2)
    shown = cli("verify", "--since", notes, COLUMNS="200").out
    assert "Read: events 3 to 5. For the 3 events before, only the signed root" in shown


def test_nothing_new_is_fine(cli: CommandLine, notes: str) -> None:
    cli("checkpoint", "--append", notes)
    result = cli("verify", "--since", notes)
    assert (result.exit_status, "Read: no event" in result.out) == (0, True)


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ("UPDATE audit_events SET actor = 'x' WHERE position = 4", "leaf hashes"),
        ("UPDATE audit_events SET stream_version = 9 WHERE position = 3", "stream versions"),
        ("UPDATE audit_events SET stream_version = 2 WHERE position = 5", "stream versions"),
        ("UPDATE audit_events SET subtree_roots = '{}' WHERE position = 3", "subtree roots"),
        ("DELETE FROM audit_events WHERE position = 4", "positions"),
        ("DELETE FROM credential_data_keys", "data keys"),
        ("UPDATE audit_head SET size = 5", "head"),
    ],
)
def test_each_damage_after_the_checkpoint_is_found_as_by_a_whole_verification(
    cli: CommandLine, notes: str, tamper: Tamper, change: str, check: str
) -> None:
    tamper(change)
    since = failures(cli("verify", "--since", notes, "--json"))
    assert check in {name for name, _ in since}
    whole = failures(cli("verify", "--against", notes, "--only-log", "--json"))
    assert set(since) == set(whole)


def test_a_changed_row_before_it_is_seen_by_a_whole_verification_only(
    cli: CommandLine, notes: str, tamper: Tamper
) -> None:
    tamper("UPDATE audit_events SET actor = 'x' WHERE position = 1")
    assert cli("verify", "--since", notes).exit_status == 0
    assert ("leaf hashes", 1) in failures(cli("verify", "--json"))


def test_a_log_that_does_not_continue_the_checkpoint_is_read_whole(
    cli: CommandLine, notes: str, tamper: Tamper
) -> None:
    tamper("UPDATE audit_events SET leaf_hash = sha256(leaf_hash) WHERE position = 2")
    result = cli("verify", "--since", notes, "--json")
    assert {("checkpoints", 3), ("leaf hashes", 2)} <= set(failures(result))
    assert result.data["first"] == 0


def test_a_checkpoint_of_more_events_than_there_are_fails(
    cli: CommandLine, notes: str, tamper: Tamper
) -> None:
    cli("checkpoint", "--append", notes)
    tamper("DELETE FROM audit_events WHERE position = 5")
    tamper("UPDATE audit_head SET size = 5")
    assert ("checkpoints", 5) in failures(cli("verify", "--since", notes, "--json"))


def test_a_checkpoint_that_this_key_did_not_sign_is_refused_as_by_against(
    cli: CommandLine, notes: str, tmp_path: Path
) -> None:
    written = Path(notes).read_text()
    for name, text, status in (
        ("empty", "", 2),
        ("damaged", written.replace("\n3\n", "\n4\n"), 6),
        ("cut", written[:-9], 6),
        ("no note", "hello\n", 6),
    ):
        path = tmp_path / name
        path.write_text(text)
        refused = cli("verify", "--since", str(path))
        assert refused.exit_status == status, name
        assert refused.err == cli("verify", "--against", str(path)).err
    assert cli("verify", "--since", str(tmp_path / "none")).exit_status == 2


def test_other_checkpoints_can_be_compared_too(cli: CommandLine, notes: str) -> None:
    result = cli("verify", "--since", notes, "--against", notes, "--json")
    assert (result.exit_status, result.data["checkpoints"]) == (0, 2)
