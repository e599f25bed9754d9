"""The database accepts exactly the events that fit the program's models."""

import json
import runpy
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import ValidationError

from projections.projector import HANDLERS, UNPROJECTED
from registry.database.migration_files import load_migrations
from registry.events.codec import EVENT_TYPES
from registry.events.upcasting import CURRENT_VERSIONS

Connection = psycopg.Connection[Any]

PROJECT = Path(__file__).parents[2]
SAMPLES = PROJECT / "tests" / "samples"
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


def accepted(event_type: str, data: object) -> bool:
    """Whether the program itself would read it."""
    try:
        EVENT_TYPES[event_type].model_validate_json(json.dumps(data), strict=True)
    except ValidationError:
        return False
    return True


@every_type
def test_what_the_program_writes_is_let_in_in_its_own_stream_only(
    connection: Connection, event_type: str
) -> None:
    own = EVENT_TYPES[event_type].stream_type
    for data in samples(event_type):
        for stream in ("account", "exchange", "release", "registry", "other"):
            assert let_in(connection, stream, event_type, data) is (stream == own)


@every_type
def test_what_lacks_a_field_or_holds_something_else_in_it_is_not(
    connection: Connection, event_type: str
) -> None:
    stream = EVENT_TYPES[event_type].stream_type
    required = {
        name for name, field in EVENT_TYPES[event_type].model_fields.items() if field.is_required()
    }
    for data in samples(event_type):
        for name in required:
            lacking = {key: value for key, value in data.items() if key != name}
            assert not let_in(connection, stream, event_type, lacking), name
            others: tuple[Any, ...] = ([[]], {"a": [1]}, -1, "\u0007", True)
            for other in others:
                changed = {**data, name: other}
                if not isinstance(other, type(data[name])) and not accepted(event_type, changed):
                    assert not let_in(connection, stream, event_type, changed), name


@every_type
def test_what_holds_a_field_that_the_event_does_not_have_is_not(
    connection: Connection, event_type: str
) -> None:
    for data in samples(event_type):
        assert not let_in(
            connection, EVENT_TYPES[event_type].stream_type, event_type, {**data, "more": None}
        )


@pytest.mark.parametrize(
    ("event_type", "field", "values"),
    [
        ("CredentialAdded", "exchange_id", [0, 1.5, 2**31, "1", [1], None]),
        ("CredentialAdded", "subaccount_index", [-1, 1.5, 2**31, [None], [0]]),
        ("CredentialAdded", "version", [0, 1.5, 101, [1]]),
        ("CredentialAdded", "credential_id", ["0198D0A2-1111-7ABC-9DEF-0123456789AB", "x", None]),
        ("CredentialAdded", "tokens", [{"a": 5}, [], {"a": None}]),
        ("CredentialAdded", "origin", ["other", ["legacy"], 5]),
        ("CredentialAdded", "ip_allow_list", [[5], {}, "x"]),
        ("CredentialAdded", "label", [5, ["x"], {}]),
        ("CredentialReleased", "lender_id", ["x", ["x"]]),
        ("PositionsLinked", "positions", [[5], [None], {}]),
        ("SharingGranted", "sharing_type", ["other", ["full"], None]),
    ],
)
def test_values_beyond_what_a_field_can_hold_are_not(
    connection: Connection, event_type: str, field: str, values: list[Any]
) -> None:
    (data, *_) = samples(event_type)
    stream = EVENT_TYPES[event_type].stream_type
    assert let_in(connection, stream, event_type, data)
    for value in values:
        assert not let_in(connection, stream, event_type, {**data, field: value}), value


def test_the_newest_definition_is_the_one_that_follows_from_the_models() -> None:
    generated = runpy.run_path(str(PROJECT / "scripts/event_checks.py"))["function"]()
    defining = [
        migration.up_sql
        for migration in load_migrations()
        if "FUNCTION public.event_is_well_formed(" in migration.up_sql
    ]
    assert generated in defining[-1], (
        "put what scripts/generate-event-checks prints into a new migration"
    )


@pytest.mark.parametrize("data", [[], None, "text", 5, {}])
def test_what_no_program_writes_is_not(connection: Connection, data: object) -> None:
    assert not let_in(connection, "account", "SomethingNew", data)


def test_every_type_changes_a_table_or_is_known_not_to() -> None:
    assert HANDLERS.keys() | UNPROJECTED == EVENT_TYPES.keys()
    assert not HANDLERS.keys() & UNPROJECTED


def test_the_database_knows_the_versions_that_the_program_writes() -> None:
    """`append_event` takes version 1 of all; a migration that adds another says so there."""
    assert CURRENT_VERSIONS == {}
