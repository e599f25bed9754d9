"""Appends very many events at once: one lock, leaves and tree in Python, one binary COPY.

The rows equal the rows of consecutive calls of `append_event` at one moment. Since the
database does not compute them, only an owner of the log may do this. All other roles append
by `registry.log.append`.
"""

import datetime as dt
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from registry.database.connection import Connection
from registry.database.queries import load_queries, one_row
from registry.errors import CommandApplied, CommandIdReused, StaleVersion
from registry.log.append import CommandRecord, NewEvent
from registry.log.leaf import Given, encode, encode_recorded, sized
from registry.log.merkle import grow, leaf_hash
from registry.log.reading import send_versions, versions_of

_QUERIES = load_queries("registry.log", "bulk.sql")

# https://www.postgresql.org/docs/current/sql-copy.html (binary format)
_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COLUMNS: Final = struct.pack(">h", 19)
_END: Final = struct.pack(">h", -1)
_BYTEA: Final = 17
_BLOCK: Final = 256 * 1024
_EPOCH: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)

_array = struct.Struct(">iiiii").pack


@dataclass(frozen=True, slots=True)
class Append:
    """One event and the command that it comes from."""

    command: CommandRecord
    index: int
    """The index of the event among those of the command, from 0."""
    event: NewEvent


def append_in_bulk(connection: Connection, appends: Sequence[Append]) -> range:
    """Appends all events in this order, or none, and returns their positions.

    Runs within the caller's transaction if there is one. The caller must also update the
    tables, in the same transaction or by a rebuild.

    Raises:
        StaleVersion: an event is not the next one of its stream.
        CommandApplied: the log holds one of the commands already.
        CommandIdReused: a command id belongs to a command with other content.
        psycopg.errors.InsufficientPrivilege: the login is not a member of registry_owner.
    """
    with connection.transaction(), connection.cursor() as cursor:
        size, peaks, appended_at = one_row(cursor.execute(_QUERIES["lock_head"]))
        _check_versions(connection, appends)
        _check_commands(connection, appends)
        now_and_user = cursor.execute(_QUERIES["now_and_user"], {"appended_at": appended_at})
        recorded_at, recorded_by = one_row(now_and_user)
        recorded = encode_recorded(recorded_at, recorded_by)
        with cursor.copy(_QUERIES["copy"]) as copy:
            block = bytearray(_HEADER)
            for position, append in enumerate(appends, start=size):
                leaf = encode(given(position, append)) + recorded
                digest = leaf_hash(leaf)
                roots = grow(peaks, position, digest)
                block += b"".join((_COLUMNS, leaf, sized(digest), sized(_array_of(roots))))
                if len(block) > _BLOCK:
                    copy.write(block)
                    block = bytearray()
            copy.write(block + _END)
        end: int = size + len(appends)
        cursor.execute(
            _QUERIES["move_head"], {"size": end, "peaks": peaks, "recorded_at": recorded_at}
        )
    return range(size, end)


def _check_versions(connection: Connection, appends: Sequence[Append]) -> None:
    streams = list(dict.fromkeys(append.event.stream for append in appends))
    versions = versions_of(send_versions(connection, streams))
    for append in appends:
        stream, version = append.event.stream, append.event.version
        if version != versions[stream] + 1:
            raise StaleVersion(
                f"{stream} is at version {versions[stream]}, not {version - 1}",
                hint="Read the stream again and decide again.",
            )
        versions[stream] = version


def _check_commands(connection: Connection, appends: Sequence[Append]) -> None:
    digests = {append.command.command_id: append.command.digest for append in appends}
    rows = connection.execute(_QUERIES["known_commands"], {"command_ids": list(digests)})
    for command_id, digest in rows:
        if digest == digests[command_id]:
            raise CommandApplied(f"command {command_id} was applied already")
        raise CommandIdReused(
            f"command id {command_id} belongs to another command",
            hint="Give every command an id of its own.",
        )


def given(position: int, append: Append) -> Given:
    """The columns that do not come from the database."""
    command, new = append.command, append.event
    return (
        position,
        new.id,
        new.stream.type,
        new.stream.id,
        new.version,
        new.event.event_type,
        new.event.schema_version,
        new.event.to_json(),
        command.actor,
        command.reason,
        command.command_id,
        append.index,
        command.digest,
        new.related_account_id,
        command.occurred_at,
    )


def _array_of(hashes: list[bytes]) -> bytes:
    # One dimension from index 1, no NULLs; an empty array has no dimension.
    if not hashes:
        return _array(0, 0, _BYTEA, 0, 0)[:12]
    return _array(1, 0, _BYTEA, len(hashes), 1) + b"".join(map(sized, hashes))
