"""Projectors are pure, and the memory sink applies what they say."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from projections import accounts, credentials, project, sharing
from projections.memory_sink import Rows, apply_to_memory
from projections.rows import Delete, Insert, Patch, Table
from registry.events.stored import StoredEvent

TABLE = Table("t", {"id": "uuid", "a": "text"})
FOLDER = Path(__file__).resolve().parents[1] / "samples"
EVENTS = [
    StoredEvent(**sample["event"])
    for file in sorted(FOLDER.glob("*.json"))
    for sample in json.loads(file.read_text())
]


def test_an_insert_a_patch_and_a_delete_make_a_row_change_it_and_end_it() -> None:
    rows: Rows = {}
    apply_to_memory(rows, Insert(TABLE, "1", {"id": "1", "a": "x"}))
    apply_to_memory(rows, Insert(TABLE, "2", {"id": "2", "a": "x"}))
    apply_to_memory(rows, Patch(TABLE, "1", {"a": "y"}))
    assert rows == {"t": {"1": {"id": "1", "a": "y"}, "2": {"id": "2", "a": "x"}}}
    apply_to_memory(rows, Delete(TABLE, "1"))
    assert rows == {"t": {"2": {"id": "2", "a": "x"}}}


@pytest.mark.parametrize("change", [Patch(TABLE, "1", {"a": "y"}), Delete(TABLE, "1")])
def test_a_change_of_a_row_that_is_not_there_is_an_error(change: Patch | Delete) -> None:
    with pytest.raises(KeyError):
        apply_to_memory({}, change)


def test_the_sink_keeps_no_hold_of_the_event_s_values() -> None:
    values: dict[str, Any] = {"id": "1", "a": "x"}
    rows: Rows = {}
    apply_to_memory(rows, Insert(TABLE, "1", values))
    values["a"] = "changed later"
    assert rows["t"]["1"]["a"] == "x"


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.event_type)
def test_a_projector_says_the_same_again_and_leaves_the_event_alone(event: StoredEvent) -> None:
    before = copy.deepcopy(event)
    assert project(event) == project(event)
    assert event == before


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.event_type)
def test_a_projector_names_only_columns_that_the_table_has(event: StoredEvent) -> None:
    change = project(event)
    if isinstance(change, Insert):
        assert set(change.values) == set(change.table.columns)
    if isinstance(change, Patch):
        assert set(change.values) <= set(change.table.columns)
        # A release is a use of the credential and no change of it.
        column = "last_used" if event.event_type == "CredentialReleased" else "updated_at"
        assert change.values[column] == event.occurred_at


def test_an_event_that_changes_no_table_projects_to_nothing() -> None:
    assert project(StoredEvent("s", 1, "SomethingElse", 1, "", {})) is None


def test_the_projected_tables_are_the_three_of_the_migration() -> None:
    assert [t.name for t in (accounts.TABLE, credentials.TABLE, sharing.TABLE)] == [
        "accounts",
        "account_exchange_credentials",
        "account_exchange_sharing",
    ]


def test_tokens_come_in_the_order_that_bots_expect() -> None:
    row: Any = {
        "api_key_encrypted": "a",
        "secret_key_encrypted": "s",
        "additional_credentials_encrypted": {"uid": "u"},
    }
    assert list(credentials.tokens_of(row)) == ["api_key", "secret_key", "uid"]
    row["api_key_encrypted"] = row["additional_credentials_encrypted"] = None
    assert credentials.tokens_of(row) == {"secret_key": "s"}
