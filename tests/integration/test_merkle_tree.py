"""The Merkle tree of the log, recomputed by an independent implementation."""

import struct
from typing import Any, Final

import psycopg
import pytest
from support import merkle
from support.appending import append, command
from support.cli import CommandLine
from support.credentials import ENV_FILE

from registry.events.stored import Stream
from registry.log.ids import new_id

Connection = psycopg.Connection[Any]

# The columns of a leaf, in the order that migrations/004_append_event.sql documents.
LEAF: Final = (
    "position, event_id, stream_type, stream_id, stream_version, event_type, schema_version, "
    "data, actor, reason, command_id, command_index, command_digest, related_account_id, "
    "occurred_at, recorded_at, recorded_by"
)
_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0"


def entries(connection: Connection) -> list[bytes]:
    """Each row in COPY's binary form, without its column count."""
    query = f"COPY (SELECT {LEAF} FROM audit_events ORDER BY position) TO STDOUT (FORMAT binary)"
    with connection.cursor().copy(query) as copy:
        raw = b"".join(bytes(block) for block in copy)
    assert raw.startswith(_SIGNATURE)
    at = len(_SIGNATURE) + 8
    found = []
    while (count := struct.unpack_from(">h", raw, at)[0]) != -1:
        start = at = at + 2
        for _ in range(count):
            (length,) = struct.unpack_from(">i", raw, at)
            at += 4 + max(length, 0)
        found.append(raw[start:at])
    return found


def check_tree(connection: Connection) -> int:
    """Asserts that every stored hash is what RFC 9162 says; gives the number of leaves."""
    leaves = [merkle.leaf_hash(entry) for entry in entries(connection)]
    stored = connection.execute(
        "SELECT leaf_hash, subtree_roots FROM audit_events ORDER BY position"
    ).fetchall()
    assert [row[0] for row in stored] == leaves
    for number, (_, roots) in enumerate(stored, start=1):
        assert roots == merkle.subtree_roots(leaves[:number]), f"of {number} leaves"
    head = connection.execute("SELECT size, peaks FROM audit_head").fetchone()
    assert head == (len(leaves), merkle.peaks(leaves))
    return len(leaves)


def test_the_tree_of_an_empty_log_has_no_peaks(connection: Connection) -> None:
    assert check_tree(connection) == 0


def test_every_leaf_and_subtree_of_a_log_of_many_sizes_is_right(connection: Connection) -> None:
    stream = Stream("account", new_id())
    for version in range(1, 35):
        by = command(reason=None if version % 3 else "größe")
        related = None if version % 2 else new_id()
        append(connection, stream=stream, version=version, by=by, related=related)
        assert check_tree(connection) == version


@pytest.mark.parametrize("encoding", ["LATIN1", "UTF8"])
@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "UTC"])
def test_the_leaf_does_not_depend_on_what_the_client_uses(
    connection: Connection, encoding: str, zone: str
) -> None:
    connection.execute(f"SET client_encoding = {encoding}")
    connection.execute(f"SET TIME ZONE '{zone}'")
    connection.execute("SET bytea_output = escape")
    connection.execute("SET DateStyle = 'German'")
    append(connection, by=command(reason="größe"))
    connection.execute("RESET ALL")
    connection.execute("SET client_encoding = UTF8")
    assert check_tree(connection) == 1


def test_the_tree_of_what_the_commands_write_is_right(
    cli: CommandLine, connection: Connection
) -> None:
    cli("import-env", "bot", "--env-file", cli.file("bot.env", ENV_FILE), "--create")
    cli("rename-account", "bot", "größe", "--reason", "größer")
    cli("delete-account", "größe", "--yes")
    assert check_tree(connection) == 9


def test_a_root_of_the_whole_log_follows_from_the_peaks(connection: Connection) -> None:
    for _ in range(11):
        append(connection)
    leaves = [
        row[0] for row in connection.execute("SELECT leaf_hash FROM audit_events ORDER BY position")
    ]
    peaks = merkle.peaks(leaves)
    folded = peaks[-1]
    for peak in reversed(peaks[:-1]):
        folded = merkle.root([peak, folded])
    assert folded == merkle.root(leaves)


def test_a_tampered_row_is_noticed(connection: Connection) -> None:
    for _ in range(3):
        append(connection)
    connection.execute("SET session_replication_role = replica")
    connection.execute("UPDATE audit_events SET actor = 'someone else' WHERE position = 1")
    with pytest.raises(AssertionError):
        check_tree(connection)
