"""The rules about adopting credentials from before the registry: their slots and fields."""

import datetime as dt
import json
import uuid
from typing import Any

import pytest

from projections import credentials
from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.encryption.secret import Secret
from registry.errors import InvalidInput
from registry.rules.adoption.credentials import (
    AdoptedCredential,
    LegacyCredential,
    adopt_credentials,
)
from registry.rules.adoption.rows import CREDENTIALS, LEAVE_OUT, Decision, Judge, Note, told_columns

KEYS = MasterKeyring([generate_master_key()])
STRANGE = MasterKeyring([generate_master_key()]).wrap(uuid.UUID(int=1), bytes(32))
"""A token that none of the keys opens."""


def open_token(token: str) -> Secret | None:
    """Opens what the tests sealed: a text between brackets."""
    return Secret(token[1:-1]) if token.startswith("[") else None


def row(number: int = 1, **columns: Any) -> LegacyCredential:
    """A row that fits, but for what is said."""
    fitting: dict[str, Any] = {
        "id": str(uuid.UUID(int=number)),
        "account_id": str(uuid.UUID(int=0xA)),
        "account": "bot",
        "exchange_id": 2,
        "exchange": "aster",
        "api_key": "[key7]",
        "secret_key": "[sec]",
        "additional": None,
        "subaccount_index": None,
        "permission": "full",
        "is_active": True,
    }
    told = dict.fromkeys(told_columns(credentials.TABLE)) | columns
    own: dict[str, Any] = {name: told.pop(name, value) for name, value in fitting.items()}
    return LegacyCredential(**own, told=told)


def adopt(*rows: LegacyCredential, judge: Judge | None = None) -> list[AdoptedCredential]:
    return adopt_credentials(rows, judge or Judge(), open_token)


def places(adopted: list[AdoptedCredential]) -> list[tuple[int | None, bool]]:
    """Where they lie, and whether they are active."""
    return [(one.slot.subaccount_index, one.is_active) for one in adopted]


def plain(adopted: list[AdoptedCredential]) -> list[dict[str, str]]:
    return [{n: secret.reveal() for n, secret in one.fields.items()} for one in adopted]


def deciding(problem: str, decision: str, value: Any = None, number: int = 1) -> Judge:
    """A judge who knows one decision."""
    key = (CREDENTIALS, str(uuid.UUID(int=number)), problem)
    return Judge(decisions={key: Decision(decision, value)})


def note(kind: str, text: str) -> Note:
    return Note(CREDENTIALS, str(uuid.UUID(int=1)), "'bot' aster", kind, text)


def told(judge: Judge) -> list[tuple[str, str, str]]:
    return [(one.problem, one.text, str(one.proposal)) for one in judge.undecided]


def test_a_credential_that_fits_is_taken_with_its_fields_open() -> None:
    judge = Judge()
    (one,) = adopt(
        row(
            subaccount_index=3,
            additional='{"passphrase": "[words]"}',
            created_at="2024-02-29 12:30:00",
            last_used="2024-03-01 00:00:00",
        ),
        judge=judge,
    )
    assert plain([one]) == [{"api_key": "key7", "secret_key": "sec", "passphrase": "words"}]
    assert (one.slot.subaccount_index, one.slot.permission, one.is_active) == (3, "full", True)
    assert one.told == {
        "created_at": dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.UTC),
        "last_used": dt.datetime(2024, 3, 1, tzinfo=dt.UTC),
    }
    assert (judge.undecided, judge.notes) == ([], [])


@pytest.mark.parametrize(("column", "gone"), [("account", "account"), ("exchange", "exchange")])
def test_a_credential_of_nobody_or_nowhere_can_only_be_left_out(column: str, gone: str) -> None:
    judge = Judge()
    columns: dict[str, Any] = {column: None}
    assert adopt(row(**columns), judge=judge) == []
    assert told(judge) == [("orphan", f"its {gone} does not exist", LEAVE_OUT)]
    assert judge.undecided[0].choices == (LEAVE_OUT,)


def test_an_unknown_activity_is_inactivity_as_it_was_for_bots() -> None:
    judge = Judge()
    assert places(adopt(row(is_active=False), judge=judge)) == [(None, False)]
    assert judge.notes == []
    assert places(adopt(row(is_active=None), judge=judge)) == [(None, False)]
    text = "is_active was unknown (NULL); bots took that for inactive, and so it is"
    assert judge.notes == [note("inactive", text)]


def test_a_moment_that_no_calendar_has_waits_for_a_decision() -> None:
    judge = Judge()
    assert adopt(row(last_used="infinity"), judge=judge) == []
    assert told(judge) == [("last-used", "last_used is infinity, which no calendar has", "forget")]
    assert judge.undecided[0].key == (CREDENTIALS, row().id, "last-used")
    assert adopt(row(last_used="infinity"), judge=Judge(accept_proposals=True))[0].told == {}


# Slots


def test_other_subaccounts_permissions_and_exchanges_are_other_slots() -> None:
    rows = [
        row(1),
        row(2, subaccount_index=0),
        row(3, permission="read_only"),
        row(4, exchange_id=3, exchange="backpack"),
    ]
    judge = Judge()
    assert places(adopt(*rows, judge=judge)) == [
        (None, True),
        (0, True),
        (None, True),
        (None, True),
    ]
    assert judge.undecided == []


def test_of_several_rows_for_a_slot_the_first_keeps_it_and_the_next_are_set_aside() -> None:
    rows = [row(1), row(2), row(3), row(4, subaccount_index=0)]
    judge = Judge()
    assert places(adopt(*rows, judge=judge)) == [(None, True), (0, True)]
    assert {(one.id, one.problem) for one in judge.undecided} == {
        (rows[1].id, "same-slot"),
        (rows[2].id, "same-slot"),
    }
    text = "another row is for the same account, exchange and subaccount"
    assert told(judge) == [("same-slot", text, "set-aside: 1")] * 2
    accepted = adopt(*rows, judge=Judge(accept_proposals=True))
    assert places(accepted) == [(None, True), (1, False), (2, False), (0, True)]


def test_a_second_row_of_a_slot_is_renumbered_and_stays_active_if_it_is_told() -> None:
    judge = deciding("same-slot", "renumber", 7, number=2)
    assert places(adopt(row(1), row(2), judge=judge)) == [(None, True), (7, True)]
    judge = deciding("same-slot", LEAVE_OUT, number=2)
    assert places(adopt(row(1), row(2), judge=judge)) == [(None, True)]
    assert judge.undecided == []


def test_a_subaccount_below_zero_gets_the_slot_without_one_if_that_is_free() -> None:
    judge = Judge()
    assert adopt(row(subaccount_index=-1), judge=judge) == []
    assert told(judge) == [
        ("subaccount", "its subaccount is -1, and they are numbered from 0", "renumber")
    ]
    accepted = adopt(row(subaccount_index=-1), judge=Judge(accept_proposals=True))
    assert places(accepted) == [(None, True)]


@pytest.mark.parametrize("order", [(1, 2), (2, 1)], ids=["after", "before"])
def test_a_subaccount_below_zero_gets_a_number_where_another_row_has_the_slot_without(
    order: tuple[int, int],
) -> None:
    rows = {1: row(1), 2: row(2, subaccount_index=-5)}
    adopted = adopt(*[rows[number] for number in order], judge=Judge(accept_proposals=True))
    assert {one.row.id: one.slot.subaccount_index for one in adopted} == {
        rows[1].id: None,
        rows[2].id: 0,
    }


def test_a_slot_of_another_exchange_or_permission_claims_nothing() -> None:
    rows = [
        row(1, exchange_id=3, exchange="backpack"),
        row(2, permission="read_only"),
        row(3, subaccount_index=-1),
    ]
    assert places(adopt(*rows, judge=Judge(accept_proposals=True)))[-1] == (None, True)


@pytest.mark.parametrize("number", [0, 4, None], ids=str)
def test_a_number_that_another_row_has_or_claims_is_refused_with_one_that_is_free(
    number: int | None,
) -> None:
    rows = [row(1), row(2, subaccount_index=0), row(3, subaccount_index=0)]
    later = row(4, subaccount_index=4)
    with pytest.raises(InvalidInput) as refused:
        adopt(*rows, later, judge=deciding("same-slot", "renumber", number, number=3))
    assert refused.value.message == f"the subaccount {number} of 'bot' aster subaccount 0 is taken"
    assert refused.value.hint == "Free is 1."


@pytest.mark.parametrize("number", ["1", 1.0, True, -1, 2**31])
def test_what_is_no_subaccount_is_refused(number: Any) -> None:
    with pytest.raises(InvalidInput, match="a subaccount is "):
        adopt(row(subaccount_index=-1), judge=deciding("subaccount", "renumber", number))


def test_several_active_subaccounts_of_an_exchange_are_noted_once() -> None:
    judge = Judge()
    rows = [
        row(1),
        row(2, subaccount_index=1),
        row(3, exchange_id=3, exchange="backpack", is_active=False),
        row(4, exchange_id=3, exchange="backpack", subaccount_index=1),
    ]
    assert len(adopt(*rows, judge=judge)) == 4
    text = "several active subaccounts: bots must say which (they were given any of them)"
    assert judge.notes == [note("several", text)]


# Fields


@pytest.mark.parametrize(
    ("columns", "fields", "note"),
    [
        ({"api_key": "open", "secret_key": "[s]"}, {"api_key": "open", "secret_key": "s"}, "plain"),
        ({"api_key": "", "secret_key": "[s]"}, {"secret_key": "s"}, "empty"),
        ({"api_key": None, "secret_key": "[s]"}, {"secret_key": "s"}, None),
        ({"additional": '{"index": 7}'}, {"index": "7"}, "plain"),
        ({"additional": '{"a": {"b": [1]}}'}, {"a": '{"b": [1]}'}, "plain"),
        ({"additional": '{"a": null}'}, {}, None),
        ({"additional": '" {\\"a\\": \\"[words]\\"}"'}, {"a": "words"}, None),
        ({"additional": "[]"}, {}, None),
        ({"additional": "0"}, {}, None),
        ({"additional": "null"}, {}, None),
    ],
    ids=[
        "plain text",
        "an empty field",
        "no field",
        "a number",
        "an object",
        "null",
        "encoded twice",
        "an empty array",
        "zero",
        "JSON's null",
    ],
)
def test_what_bots_could_read_is_taken_as_they_read_it(
    columns: dict[str, Any], fields: dict[str, str], note: str | None
) -> None:
    judge = Judge()
    (found,) = plain(adopt(row(**columns), judge=judge))
    usual = {} if "api_key" in columns else {"api_key": "key7", "secret_key": "sec"}
    assert found == {**usual, **fields}
    assert judge.undecided == []
    assert [one.note.split("-")[0] for one in judge.notes] == ([note] if note else [])


def test_notes_name_the_fields_and_show_no_value() -> None:
    judge = Judge()
    adopt(row(api_key="open1", secret_key="open2", additional='{"x": ""}'), judge=judge)
    plain_text = "stood in plain text, and is sealed now: api_key, secret_key"
    empty = "empty, and left out (bots were given None, or nothing): x"
    assert judge.notes == [note("plain-text", plain_text), note("empty", empty)]


def test_a_token_that_no_key_opens_can_only_be_left_out() -> None:
    judge = Judge()
    assert adopt(row(api_key=STRANGE), judge=judge) == []
    ((kind, text, proposal),) = told(judge)
    assert (kind, proposal) == ("unknown-key", LEAVE_OUT)
    assert text.endswith("(give it by --legacy-key-env): api_key")
    assert judge.undecided[0].choices == (LEAVE_OUT,)
    accepting = Judge(accept_proposals=True)
    assert adopt(row(api_key=STRANGE), judge=accepting) == []


@pytest.mark.parametrize("value", ["[your_key_here]", "your_key_here"])
def test_a_placeholder_is_left_out_or_kept_as_it_is_told(value: str) -> None:
    judge = Judge()
    assert adopt(row(api_key=value), judge=judge) == []
    assert told(judge) == [
        ("placeholder", "a template's placeholder, not a real value: api_key", LEAVE_OUT)
    ]
    (kept,) = plain(adopt(row(api_key=value), judge=deciding("placeholder", "keep")))
    assert kept["api_key"] == "your_key_here"
    assert adopt(row(api_key=value), judge=deciding("placeholder", LEAVE_OUT)) == []


def test_a_row_without_any_field_can_only_be_left_out() -> None:
    judge = Judge()
    assert adopt(row(api_key=None, secret_key=""), judge=judge) == []
    assert told(judge) == [("no-fields", "it holds no field at all", LEAVE_OUT)]


def test_all_that_is_wrong_with_a_row_is_told_at_once() -> None:
    judge = Judge()
    odd = row(api_key=STRANGE, secret_key="xxx", subaccount_index=-1, created_at="infinity")
    assert adopt(odd, judge=judge) == []
    assert [one.problem for one in judge.undecided] == [
        "subaccount",
        "unknown-key",
        "placeholder",
        "created-at",
    ]
    assert {one.of for one in judge.undecided} == {"'bot' aster subaccount -1"}


@pytest.mark.parametrize("found", ["5", "[1]", '"text"', '""', '"[1]"', "true"])
def test_additional_fields_that_are_no_object_are_forgotten_or_the_row_is_left_out(
    found: str,
) -> None:
    judge = Judge()
    assert adopt(row(additional=found), judge=judge) == []
    text = "additional_credentials_encrypted is not a JSON object"
    assert told(judge) == [("additional", text, LEAVE_OUT)]
    assert judge.undecided[0].choices == ("forget", LEAVE_OUT)
    assert adopt(row(additional=found), judge=deciding("additional", LEAVE_OUT)) == []
    (kept,) = plain(adopt(row(additional=found), judge=deciding("additional", "forget")))
    assert kept == {"api_key": "key7", "secret_key": "sec"}


# ---------------------------------------------------------------- one answer for a field


@pytest.mark.parametrize(
    ("own", "field", "kept", "text"),
    [
        (0, "[5]", 0, "name another one than the row, whose own counts from now on"),
        (5, "[5]", 5, "repeat the row's own, which is kept"),
        (None, "[5]", 5, "only the additional fields named it; it is the row's own now"),
        (None, 5, 5, "only the additional fields named it; it is the row's own now"),
        (0, "[]", 0, "name another one than the row, whose own counts from now on"),
        (None, "[main]", None, "name another one than the row, whose own counts from now on"),
        (None, "[7]", None, "name another one than the row, whose own counts from now on"),
    ],
)
def test_the_number_of_a_subaccount_is_the_slots_own(
    own: int | None, field: object, kept: int | None, text: str
) -> None:
    judge = Judge()
    holder = row(subaccount_index=own, additional=json.dumps({"subaccount_index": field}))
    adopted = adopt(holder, row(2, subaccount_index=7), judge=judge)
    assert places(adopted)[0] == (kept, True)
    assert plain(adopted)[0] == {"api_key": "key7", "secret_key": "sec"}
    (told_of_it,) = [one for one in judge.notes if one.note == "subaccount-field"]
    assert text in told_of_it.text


def test_two_rows_do_not_get_one_number_from_their_fields() -> None:
    fields = json.dumps({"subaccount_index": "[5]"})
    rows = row(additional=fields), row(2, exchange_id=2, subaccount_index=1, additional=fields)
    assert [place for place, _ in places(adopt(*rows))] == [5, 1]


def test_a_field_in_a_column_and_among_the_additional_ones_is_noted() -> None:
    judge = Judge()
    adopted = adopt(row(additional='{"api_key": "[another]"}'), judge=judge)
    assert plain(adopted) == [{"api_key": "another", "secret_key": "sec"}]
    text = "in a column and in the additional fields, which count: api_key"
    assert judge.notes == [note("twice", text)]


def test_a_former_name_gives_way_to_the_newer_one() -> None:
    judge = Judge()
    both = '{"public_key": "[new]", "api_key": "[old]"}'
    (one,) = adopt(row(exchange="backpack", api_key=None, additional=both), judge=judge)
    assert plain([one]) == [{"secret_key": "sec", "public_key": "new"}]
    assert [n.text for n in judge.notes] == [
        "left out, since it is a former name of public_key: api_key"
    ]
