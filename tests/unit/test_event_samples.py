"""Every version of every event ever written can still be read, with the same meaning.

A sample is an event as the log holds it, with the row change that follows from it. Samples are
only ever added: a new version of an event gets a new file.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from projections import Delete, Insert, Patch, PatchAll, Put, RowChange, project
from registry.events.codec import EVENT_TYPES, parse
from registry.events.stored import StoredEvent
from registry.events.upcasting import CURRENT_VERSIONS

FOLDER = Path(__file__).resolve().parents[1] / "samples"
FILES = sorted(FOLDER.glob("*.json"))
SAMPLES = [
    pytest.param(sample, id=f"{file.stem}-{number}")
    for file in FILES
    for number, sample in enumerate(json.loads(file.read_text()))
]


def event_of(sample: dict[str, Any]) -> StoredEvent:
    return StoredEvent(**sample["event"])


def told(change: RowChange) -> dict[str, Any]:
    match change:
        case Insert(table, key, values):
            return {"insert": table.name, "key": key, "values": values}
        case Put(table, key, values):
            return {"put": table.name, "key": key, "values": values}
        case Patch(table, key, values):
            return {"patch": table.name, "key": key, "values": values}
        case PatchAll(table, keys, values):
            return {"patch": table.name, "keys": list(keys), "values": values}
        case Delete(table, key):
            return {"delete": table.name, "key": key}


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_still_parses(sample: dict[str, Any]) -> None:
    event = event_of(sample)
    assert type(parse(event)) is EVENT_TYPES[event.event_type]


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_of_the_current_version_is_written_in_the_same_way(sample: dict[str, Any]) -> None:
    event = event_of(sample)
    if event.schema_version == CURRENT_VERSIONS.get(event.event_type, 1):
        text = json.dumps(event.data, separators=(",", ":"), ensure_ascii=False)
        assert parse(event).to_json() == text


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_still_changes_the_same_rows_in_the_same_way(sample: dict[str, Any]) -> None:
    assert [told(change) for change in project(event_of(sample))] == sample["changes"]


def test_there_is_a_sample_of_every_version_of_every_event() -> None:
    versions = {
        f"{name}.v{version}"
        for name in EVENT_TYPES
        for version in range(1, CURRENT_VERSIONS.get(name, 1) + 1)
    }
    assert {file.stem for file in FILES} == versions


def test_a_sample_stands_in_the_file_that_is_named_after_it() -> None:
    for file in FILES:
        for sample in json.loads(file.read_text()):
            event = event_of(sample)
            assert file.stem == f"{event.event_type}.v{event.schema_version}"
