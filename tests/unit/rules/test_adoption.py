"""The rules about adopting accounts from before the registry, and about required decisions."""

import datetime as dt
import uuid
from typing import Any

import pytest

from projections import accounts
from registry import values
from registry.errors import InvalidInput
from registry.events.accounts import AccountCreated
from registry.rules.adoption.accounts import LegacyAccount, adopt_account
from registry.rules.adoption.rows import (
    LEAVE_OUT,
    LISTED,
    Decision,
    Judge,
    Note,
    Problem,
    told_columns,
)

ID = str(uuid.UUID(int=0x12345678_0000_0000_0000_000000000000))
MOMENT = dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.UTC)


def decided(problem: str, decision: str, value: Any = None) -> Judge:
    """A judge who knows one decision about the row."""
    return Judge(decisions={("accounts", ID, problem): Decision(decision, value)})


def undecided(judge: Judge) -> list[tuple[str, str, str]]:
    return [(one.problem, one.text, str(one.proposal)) for one in judge.undecided]


# Decisions and notes


def problem(number: int = 1) -> Problem:
    return Problem(
        table="accounts",
        id=str(number),
        of="'bot'",
        problem="name",
        text="it is blank",
        choices=("rename", LEAVE_OUT),
        proposal=Decision("rename", "x"),
    )


def test_a_decision_prints_with_its_value_if_it_has_one() -> None:
    assert [str(Decision("rename", "x")), str(Decision("wrap"))] == ["rename: x", "wrap"]


def test_a_problem_without_a_decision_is_kept_for_whoever_decides() -> None:
    judge = Judge()
    assert judge.decide(problem()) is None
    assert (judge.undecided, judge.decided) == ([problem()], [])


def test_a_decision_is_about_one_problem_of_one_row() -> None:
    made = Decision(LEAVE_OUT)
    judge = Judge(decisions={problem(1).key: made})
    assert judge.decide(problem(1)) == made
    assert judge.decide(problem(2)) is None
    assert judge.decided == [(problem(1), made)]
    assert judge.undecided == [problem(2)]


def test_proposals_are_accepted_where_nothing_else_is_decided() -> None:
    made = Decision(LEAVE_OUT)
    judge = Judge(decisions={problem(1).key: made}, accept_proposals=True)
    assert [judge.decide(problem(1)), judge.decide(problem(2))] == [made, Decision("rename", "x")]
    assert judge.undecided == []


def test_a_decision_that_solves_nothing_is_refused_with_those_that_do() -> None:
    judge = Judge(decisions={problem().key: Decision("guess")})
    with pytest.raises(InvalidInput) as refused:
        judge.decide(problem())
    assert refused.value.message == "'guess' is no decision about name of accounts 1"
    assert refused.value.hint == "It is one of: rename, leave-out."
    assert judge.decided == []


def test_decisions_about_what_is_no_problem_are_told() -> None:
    used, spare = problem(1).key, problem(2).key
    judge = Judge(decisions={used: Decision(LEAVE_OUT), spare: Decision(LEAVE_OUT)})
    judge.decide(problem(1))
    assert judge.unused() == [spare]


def test_of_many_notes_the_first_are_listed_and_all_are_counted() -> None:
    judge = Judge()
    for number in range(LISTED + 5):
        judge.note(Note("accounts", str(number), "'bot'", "wallet", "odd"))
    judge.note(Note("accounts", "1", "'bot'", "inactive", "unknown"))
    assert len(judge.notes) == LISTED
    assert judge.notes[-1].id == str(LISTED - 1)
    assert judge.note_counts == {"wallet": LISTED + 5, "inactive": 1}


# Accounts


def account(**columns: Any) -> LegacyAccount:
    """A row that fits, but for what is said."""
    fitting: dict[str, Any] = {
        "id": ID,
        "name": "bot",
        "nth": 1,
        "is_active": True,
    }
    told = dict.fromkeys(told_columns(accounts.TABLE)) | columns
    own: dict[str, Any] = {name: told.pop(name, value) for name, value in fitting.items()}
    return LegacyAccount(**own, told=told)


def adopted(judge: Judge, *, taken: tuple[str, ...] = (), **columns: Any) -> AccountCreated | None:
    return adopt_account(account(**columns), judge, lambda name: name not in taken)


def test_an_account_that_fits_is_taken_as_it_is_and_says_where_it_comes_from() -> None:
    judge = Judge()
    event = adopted(
        judge,
        wallet_address="0xA",
        description=" as it stood ",
        is_active=False,
        created_at="2024-02-29 12:30:00",
        updated_at="2024-03-01T00:00:00",
        metadata='{"max_positions": 3}',
    )
    assert event == AccountCreated(
        account_name="bot",
        wallet_address="0xA",
        description=" as it stood ",
        metadata={"max_positions": 3},
        is_active=False,
        created_at=MOMENT,
        updated_at=dt.datetime(2024, 3, 1, tzinfo=dt.UTC),
        origin="legacy",
    )
    assert (judge.undecided, judge.notes) == ([], [])


def test_what_an_account_does_not_have_is_not_told() -> None:
    event = adopted(Judge())
    assert event is not None
    assert event.to_json() == (
        '{"account_name":"bot","metadata":{},"is_active":true,"origin":"legacy"}'
    )


def test_an_unknown_activity_is_inactivity_as_it_was_for_bots() -> None:
    judge = Judge()
    event = adopted(judge, is_active=None)
    assert event is not None
    assert event.is_active is False
    text = "is_active was unknown (NULL); bots took that for inactive, and so it is"
    assert judge.notes == [Note("accounts", ID, "'bot'", "inactive", text)]


def test_an_odd_wallet_address_is_kept_and_noted() -> None:
    judge = Judge()
    event = adopted(judge, wallet_address="your_wallet_here")
    assert event is not None
    assert event.wallet_address == "your_wallet_here"
    text = "'your_wallet_here' is a placeholder, not a wallet address"
    assert judge.notes == [Note("accounts", ID, "'bot'", "wallet", text)]


@pytest.mark.parametrize(
    ("name", "nth", "why", "proposed"),
    [
        (" bot ", 1, "cannot start or end with a space", "bot"),
        ("bot", 2, "1 other account(s) have this name", "bot"),
        ("bot", 3, "2 other account(s) have this name", "bot"),
        ("a\u200bb\tc", 1, "invisible character", "a b c"),
        ("", 1, "cannot be blank", "account-12345678"),
        ("\u200b", 1, "invisible character", "account-12345678"),
        ("e\u0301", 1, "composed form", "\u00e9"),
        ("x" * 300, 1, "255 characters at most", "x" * (values.MAX_NAME - 10)),
    ],
)
def test_a_name_that_breaks_a_rule_needs_another_and_one_is_proposed(
    name: str, nth: int, why: str, proposed: str
) -> None:
    judge = Judge()
    assert adopted(judge, name=name, nth=nth) is None
    ((kind, text, proposal),) = undecided(judge)
    assert (kind, proposal) == ("name", f"rename: {proposed}")
    assert why in text
    event = adopted(Judge(accept_proposals=True), name=name, nth=nth)
    assert event is not None
    assert event.account_name == proposed


def test_a_name_that_is_taken_is_proposed_with_a_number() -> None:
    judge = Judge()
    names = ("bot", "bot-2", "bot-3")
    for taken in (names[:1], names[:2], names):
        adopted(judge, taken=taken, nth=2)
    assert [str(one.proposal) for one in judge.undecided] == [
        "rename: bot-2",
        "rename: bot-3",
        "rename: bot-4",
    ]


def test_a_name_that_was_decided_must_be_one() -> None:
    event = adopted(decided("name", "rename", "other"), nth=2)
    assert event is not None
    assert event.account_name == "other"
    for bad in (None, "", " other"):
        with pytest.raises(InvalidInput):
            adopted(decided("name", "rename", bad), nth=2)


@pytest.mark.parametrize(
    ("found", "why", "wrapped"),
    [
        ("[1, 2]", "must be a JSON object, not an array", {"legacy": [1, 2]}),
        ('"text"', "must be a JSON object, not a string", {"legacy": "text"}),
        ("1e999", "a number that JSON cannot carry exactly", {"legacy": "1e999"}),
        ('{"max_positions": -1}', "0 or more", {"legacy": {"max_positions": -1}}),
    ],
)
def test_metadata_that_is_no_object_is_wrapped_or_set(
    found: str, why: str, wrapped: dict[str, Any]
) -> None:
    judge = Judge()
    assert adopted(judge, metadata=found) is None
    assert judge.undecided[0].choices == ("wrap", "set")
    assert str(judge.undecided[0].proposal) == "wrap"
    assert why in judge.undecided[0].text
    event = adopted(Judge(accept_proposals=True), metadata=found)
    assert event is not None
    assert event.metadata == wrapped
    event = adopted(decided("metadata", "set", {"a": 1}), metadata=found)
    assert event is not None
    assert event.metadata == {"a": 1}
    with pytest.raises(InvalidInput):
        adopted(decided("metadata", "set", [1]), metadata=found)


def test_a_key_that_looks_like_a_limit_is_kept_and_named() -> None:
    judge = Judge()
    event = adopted(judge, metadata='{"maxPositions": 3, "max_positions": 4, "risk": "low"}')
    assert event is not None
    assert event.metadata == {"maxPositions": 3, "max_positions": 4, "risk": "low"}
    (note,) = judge.notes
    assert "'maxPositions' is kept, and is not the limit max_positions" in note.text


@pytest.mark.parametrize("column", ["created_at", "updated_at"])
def test_a_moment_that_no_calendar_has_is_forgotten_if_it_is_told(column: str) -> None:
    judge = Judge()
    columns: dict[str, Any] = {column: "infinity"}
    assert adopted(judge, **columns) is None
    ((kind, text, proposal),) = undecided(judge)
    assert (kind, proposal) == (column.replace("_", "-"), "forget")
    assert text == f"{column} is infinity, which no calendar has"
    event = adopted(Judge(accept_proposals=True), **columns)
    assert event is not None
    assert column not in event.to_json()


def test_all_that_is_wrong_with_an_account_is_told_at_once_and_nothing_is_noted_yet() -> None:
    judge = Judge()
    columns: dict[str, Any] = {
        "name": "",
        "metadata": "[]",
        "created_at": "infinity",
        "is_active": None,
    }
    assert adopted(judge, **columns) is None
    assert [one.problem for one in judge.undecided] == ["name", "metadata", "created-at"]
    assert [(one.table, one.id, one.of) for one in judge.undecided] == [("accounts", ID, "''")] * 3
    assert judge.notes == []
