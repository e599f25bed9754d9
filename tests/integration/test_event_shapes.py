"""What the database lets into the log is what the program's events hold."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from projections.projector import HANDLERS, UNPROJECTED
from registry.events.codec import EVENT_TYPES
from registry.events.upcasting import CURRENT_VERSIONS

Connection = psycopg.Connection[Any]

SAMPLES = Path(__file__).parents[1] / "samples"
STREAMS = {
    "ExchangeAdded": "exchange",
    "MasterKeyRotated": "registry",
    "LegacyAdopted": "registry",
    "ProjectionsRebuilt": "registry",
    "SchemaTakenDown": "registry",
    "SessionEnded": "registry",
    "CredentialReleased": "release",
    "EnvironmentFallbackUsed": "release",
}
"""The type of the stream, where it is not an account's own."""

MAY_LACK = {
    # Written by the database's functions only, which do not look at themselves.
    "CredentialReleased": {
        *("client_address", "subaccount_index", "permission", "source", "access", "lender_id"),
        *("lender", "share_id", "sharing_type"),
    },
    "EnvironmentFallbackUsed": {"client_address", "origin"},
}

every_type = pytest.mark.parametrize("event_type", EVENT_TYPES)


def samples(event_type: str) -> list[dict[str, Any]]:
    """The data of the type's samples of the newest version."""
    version = CURRENT_VERSIONS.get(event_type, 1)
    stored = json.loads((SAMPLES / f"{event_type}.v{version}.json").read_text())
    return [one["event"]["data"] for one in stored]


def let_in(connection: Connection, stream: str, event_type: str, data: object) -> bool:
    row = connection.execute(
        "SELECT event_is_well_formed(%s, 100, %s, %s::jsonb)",
        [stream, event_type, json.dumps(data)],
    ).fetchone()
    assert row is not None
    return row[0] is True


@every_type
def test_what_the_program_writes_is_let_in_in_its_own_stream_only(
    connection: Connection, event_type: str
) -> None:
    own = STREAMS.get(event_type, "account")
    for data in samples(event_type):
        for stream in ("account", "exchange", "release", "registry", "other"):
            assert let_in(connection, stream, event_type, data) is (stream == own)


@every_type
def test_what_lacks_a_field_or_holds_something_else_in_it_is_not(
    connection: Connection, event_type: str
) -> None:
    stream = STREAMS.get(event_type, "account")
    required = {
        name for name, field in EVENT_TYPES[event_type].model_fields.items() if field.is_required()
    }
    for data in samples(event_type):
        for name in required - MAY_LACK.get(event_type, set()):
            lacking = {key: value for key, value in data.items() if key != name}
            assert not let_in(connection, stream, event_type, lacking), name
            others: tuple[Any, ...] = ([[]], {"a": [1]}, -1, "\u0007", True)
            for other in others:
                if not isinstance(other, type(data[name])):
                    assert not let_in(connection, stream, event_type, {**data, name: other}), name


@pytest.mark.parametrize("data", [[], None, "text", 5, {}])
def test_what_no_program_writes_is_not(connection: Connection, data: object) -> None:
    assert not let_in(connection, "account", "SomethingNew", data)


def test_every_type_changes_a_table_or_is_known_not_to() -> None:
    assert HANDLERS.keys() | UNPROJECTED == EVENT_TYPES.keys()
    assert not HANDLERS.keys() & UNPROJECTED


def test_the_database_knows_the_versions_that_the_program_writes() -> None:
    """`append_event` takes version 1 of all; a migration that adds another says so there."""
    assert CURRENT_VERSIONS == {}
