"""Projectors are pure, and the memory sink applies their changes."""

import copy
import datetime as dt
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from support.states import ACCOUNT_ID, history
from support.stories import Access, Credential, Loan, created

from projections import access, accounts, credentials, positions, project, sharing
from projections.memory_sink import Rows, apply_to_memory
from projections.rows import Delete, Insert, Patch, PatchAll, Put, RowChange, Table
from registry.events.accounts import (
    AccountDeactivated,
    AccountDeleted,
    AccountReactivated,
    AccountRenamed,
    AccountRestored,
    AccountUpdated,
)
from registry.events.base import EventModel
from registry.events.positions import PositionsLinked, PositionsUnlinked
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
    for change in project(event):
        if isinstance(change, Insert | Put):
            assert set(change.values) == set(change.table.columns)
        if not isinstance(change, Delete):
            assert set(change.values) <= set(change.table.columns)


ACCOUNT = str(ACCOUNT_ID)
TIME = "2030-01-02 00:00:00.000000"
KEY, LOAN, ROLE = Credential(1, subaccount=3), Loan(uuid.UUID(int=0xB)), Access()
KEY_ID, LOAN_ID, ROLE_ID = str(KEY.id), str(LOAN.id), str(ROLE.id)
MOMENT = dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.UTC)
POSITIONS = [uuid.UUID(int=number) for number in (1, 2)]
NEW_ACCOUNT: dict[str, Any] = {
    "id": ACCOUNT,
    "account_name": "bot",
    "wallet_address": None,
    "description": None,
    "is_active": True,
    "created_at": TIME,
    "updated_at": TIME,
    "metadata": {},
}
NEW_CREDENTIAL = {
    "id": KEY_ID,
    "account_id": ACCOUNT,
    "exchange_id": 2,
    "api_key_encrypted": "api_key 1.1",
    "secret_key_encrypted": "secret_key 1.1",
    "additional_credentials_encrypted": {"passphrase": "passphrase 1.1"},
    "exchange_account_id": None,
    "subaccount_index": 3,
    "is_active": True,
    "last_used": None,
    "created_at": TIME,
    "updated_at": TIME,
    "permission": "full",
    "version": 1,
    "data_key_id": str(KEY.key(1)),
    "label": None,
    "expires_at": None,
    "ip_allow_list": None,
}
NEW_SHARE = {
    "id": LOAN_ID,
    "primary_account_id": ACCOUNT,
    "shared_account_id": str(LOAN.lender_id),
    "exchange_id": 2,
    "sharing_type": "read_only",
    "created_at": TIME,
    "updated_at": TIME,
}
SECRETS = {
    "version": 2,
    "data_key_id": str(KEY.key(2)),
    "api_key_encrypted": "api_key 1.2",
    "secret_key_encrypted": "secret_key 1.2",
    "additional_credentials_encrypted": {"passphrase": "passphrase 1.2"},
}
TOLD: Any = {"created_at": MOMENT, "updated_at": MOMENT}
TOLD_TIMES = {"created_at": "2024-02-29 12:30:00", "updated_at": "2024-02-29 12:30:00"}
DETAILS: Any = {"label": "x", "ip_allow_list": ["192.0.2.1"], "exchange_account_id": "a-7"}
OF_ACCOUNT: Any = {"wallet_address": "0xA", "description": "d", "metadata": {"a": 1}}


@pytest.mark.parametrize(
    ("event", "change"),
    [
        (created(), Insert(accounts.TABLE, ACCOUNT, NEW_ACCOUNT)),
        (
            created(is_active=False, **OF_ACCOUNT, **TOLD),
            Insert(
                accounts.TABLE,
                ACCOUNT,
                {**NEW_ACCOUNT, "is_active": False, **OF_ACCOUNT, **TOLD_TIMES},
            ),
        ),
        (
            AccountRestored(account_name="bot", is_active=False, created_at=MOMENT),
            Insert(
                accounts.TABLE,
                ACCOUNT,
                {**NEW_ACCOUNT, "is_active": False, "created_at": TOLD_TIMES["created_at"]},
            ),
        ),
        (
            AccountRestored(account_name="bot", is_active=True, created_at=MOMENT, **OF_ACCOUNT),
            Insert(
                accounts.TABLE,
                ACCOUNT,
                {**NEW_ACCOUNT, **OF_ACCOUNT, "created_at": TOLD_TIMES["created_at"]},
            ),
        ),
        (AccountUpdated(), Patch(accounts.TABLE, ACCOUNT, {"updated_at": TIME})),
        (
            AccountUpdated(**OF_ACCOUNT),
            Patch(accounts.TABLE, ACCOUNT, {**OF_ACCOUNT, "updated_at": TIME}),
        ),
        (
            AccountRenamed(account_name="x", previous_name="bot"),
            Patch(accounts.TABLE, ACCOUNT, {"account_name": "x", "updated_at": TIME}),
        ),
        (
            AccountDeactivated(),
            Patch(accounts.TABLE, ACCOUNT, {"is_active": False, "updated_at": TIME}),
        ),
        (
            AccountReactivated(),
            Patch(accounts.TABLE, ACCOUNT, {"is_active": True, "updated_at": TIME}),
        ),
        (AccountDeleted(account_name="bot"), Delete(accounts.TABLE, ACCOUNT)),
        (KEY.added(), Insert(credentials.TABLE, KEY_ID, NEW_CREDENTIAL)),
        (
            KEY.added(is_active=False, last_used=MOMENT, expires_at=MOMENT, **DETAILS, **TOLD),
            Insert(
                credentials.TABLE,
                KEY_ID,
                {
                    **NEW_CREDENTIAL,
                    "is_active": False,
                    "last_used": TOLD_TIMES["created_at"],
                    "expires_at": TOLD_TIMES["created_at"],
                    **DETAILS,
                    **TOLD_TIMES,
                },
            ),
        ),
        (
            KEY.replaced(),
            Patch(credentials.TABLE, KEY_ID, {"updated_at": TIME, **SECRETS}),
        ),
        (
            KEY.replaced(expires_at=MOMENT, **DETAILS),
            Patch(
                credentials.TABLE,
                KEY_ID,
                {
                    "updated_at": TIME,
                    **SECRETS,
                    "expires_at": TOLD_TIMES["created_at"],
                    **DETAILS,
                },
            ),
        ),
        (
            KEY.updated(label="x", expires_at=None),
            Patch(
                credentials.TABLE,
                KEY_ID,
                {"updated_at": TIME, "label": "x", "expires_at": None},
            ),
        ),
        (
            KEY.deactivated(),
            Patch(credentials.TABLE, KEY_ID, {"is_active": False, "updated_at": TIME}),
        ),
        (
            KEY.reactivated(),
            Patch(credentials.TABLE, KEY_ID, {"is_active": True, "updated_at": TIME}),
        ),
        (KEY.removed(), Delete(credentials.TABLE, KEY_ID)),
        (LOAN.granted("read_only"), Insert(sharing.TABLE, LOAN_ID, NEW_SHARE)),
        (
            LOAN.granted("read_only").model_copy(update=TOLD),
            Insert(sharing.TABLE, LOAN_ID, {**NEW_SHARE, **TOLD_TIMES}),
        ),
        (
            LOAN.changed("full"),
            Patch(sharing.TABLE, LOAN_ID, {"sharing_type": "full", "updated_at": TIME}),
        ),
        (LOAN.revoked(), Delete(sharing.TABLE, LOAN_ID)),
        (
            ROLE.granted(),
            Insert(
                access.TABLE,
                ROLE_ID,
                {
                    "id": ROLE_ID,
                    "account_id": ACCOUNT,
                    "role_name": "bot_role",
                    "granted_at": TIME,
                },
            ),
        ),
        (ROLE.revoked(), Delete(access.TABLE, ROLE_ID)),
        (
            PositionsLinked(positions=POSITIONS),
            PatchAll(positions.TABLE, tuple(map(str, POSITIONS)), {"account_id": ACCOUNT}),
        ),
        (
            PositionsUnlinked(positions=POSITIONS),
            PatchAll(positions.TABLE, tuple(map(str, POSITIONS)), {"account_id": None}),
        ),
        (KEY.destroyed(1), None),
    ],
)
def test_an_event_means_exactly_this_for_a_row(event: EventModel, change: RowChange | None) -> None:
    (stored,) = history(event)
    assert project(stored)[:1] == (() if change is None else (change,))


def test_a_release_is_the_last_use_of_a_credential() -> None:
    stored = StoredEvent("s", 1, "CredentialReleased", 1, TIME, {"credential_id": KEY_ID})
    assert project(stored) == (Patch(credentials.TABLE, KEY_ID, {"last_used": TIME}),)


def test_fields_with_a_column_of_their_own_leave_the_json_column_empty() -> None:
    for names in (["api_key"], ["secret_key"], ["api_key", "secret_key"]):
        tokens = dict.fromkeys(names, "t")
        (stored,) = history(KEY.added().model_copy(update={"tokens": tokens}))
        change, _ = project(stored)
        assert isinstance(change, Insert)
        own = {name: change.values[column] for name, column in credentials.OWN_COLUMNS.items()}
        assert {name: value for name, value in own.items() if value} == tokens
        assert change.values["additional_credentials_encrypted"] is None


def test_positions_that_are_no_list_are_an_error() -> None:
    for kind in ("PositionsLinked", "PositionsUnlinked"):
        with pytest.raises(TypeError):
            project(StoredEvent("s", 1, kind, 1, TIME, {"positions": "text"}))


# The memory sink

OWNED = Table("t", {"id": "uuid", "account_id": "uuid", "a": "text"})
PARTIAL = Table("p", {"id": "uuid", "account_id": "uuid"}, partial=True)


def test_a_row_that_is_there_is_not_made_again() -> None:
    rows: Rows = {}
    apply_to_memory(rows, Insert(TABLE, "1", {"id": "1", "a": "x"}))
    with pytest.raises(KeyError):
        apply_to_memory(rows, Insert(TABLE, "1", {"id": "1", "a": "y"}))
    assert rows["t"]["1"]["a"] == "x"


@pytest.mark.parametrize("change", [Patch(OWNED, "1", {"a": "y"}), Delete(OWNED, "1")])
def test_a_row_of_another_account_is_not_changed(change: Patch | Delete) -> None:
    rows: Rows = {"t": {"1": {"id": "1", "account_id": "ann", "a": "x"}}}
    before = copy.deepcopy(rows)
    with pytest.raises(KeyError):
        apply_to_memory(rows, change, "ben")
    assert rows == before
    apply_to_memory(rows, change, "ann")
    assert rows != before


def test_rows_of_another_programs_table_are_known_by_what_events_say_of_them() -> None:
    rows: Rows = {}
    apply_to_memory(rows, PatchAll(PARTIAL, ("1", "2"), {"account_id": "ann"}))
    apply_to_memory(rows, PatchAll(PARTIAL, ("2",), {"account_id": None}))
    assert rows == {"p": {"1": {"account_id": "ann"}, "2": {"account_id": None}}}


def test_several_rows_of_a_table_of_ours_change_together_or_not_at_all() -> None:
    rows: Rows = {"t": {"1": {"a": "x"}, "2": {"a": "x"}}}
    apply_to_memory(rows, PatchAll(OWNED, ("1", "2"), {"a": "y"}))
    assert rows == {"t": {"1": {"a": "y"}, "2": {"a": "y"}}}
    with pytest.raises(KeyError):
        apply_to_memory(rows, PatchAll(OWNED, ("1", "3"), {"a": "z"}))
    assert rows == {"t": {"1": {"a": "y"}, "2": {"a": "y"}}}


def test_a_table_without_its_secrets_has_all_other_columns() -> None:
    seen = credentials.TABLE.without_secrets()
    assert set(credentials.TABLE.columns) - set(seen.columns) == credentials.TABLE.secret
    assert (seen.secret, seen.name, seen.unique) == (
        frozenset(),
        credentials.TABLE.name,
        credentials.TABLE.unique,
    )


def test_an_event_that_changes_no_table_projects_to_nothing() -> None:
    assert project(StoredEvent("s", 1, "SomethingElse", 1, "", {})) == ()


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
