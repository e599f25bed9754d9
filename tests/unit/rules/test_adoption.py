"""The rules about adopting accounts, shares and positions from before the registry."""

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from registry import values
from registry.decisions.adoption import LEAVE_OUT, LISTED, Decision, Judge, Note, Problem
from registry.decisions.adoption_accounts import LegacyAccount, adopt_account
from registry.decisions.adoption_sharing import LegacyShare, adopt_share, unlinked
from registry.errors import InvalidInput
from registry.events.account import AccountCreated
from registry.events.sharing import SharingGranted

ID = str(uuid.UUID(int=0x12345678_0000_0000_0000_000000000000))
MOMENT = dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.UTC)


def decided(table: str, problem: str, decision: str, value: Any = None) -> Judge:
    """A judge who knows one decision about the row."""
    return Judge(decisions={(table, ID, problem): Decision(decision, value)})


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
        "wallet_address": None,
        "description": None,
        "is_active": True,
        "created_at": None,
        "updated_at": None,
        "metadata": None,
    }
    return LegacyAccount(**{**fitting, **columns})


def adopted(
    judge: Judge, is_free: Callable[[str], bool] = lambda _: True, **columns: Any
) -> AccountCreated | None:
    return adopt_account(account(**columns), judge, is_free)


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
    for taken in (("bot",), ("bot", "bot-2"), ("bot", "bot-2", "bot-3")):
        adopted(judge, lambda name, taken=taken: name not in taken, nth=2)
    assert [str(one.proposal) for one in judge.undecided] == [
        "rename: bot-2",
        "rename: bot-3",
        "rename: bot-4",
    ]


def test_a_name_that_was_decided_must_be_one() -> None:
    event = adopted(decided("accounts", "name", "rename", "other"), nth=2)
    assert event is not None
    assert event.account_name == "other"
    for bad in (None, "", " other"):
        with pytest.raises(InvalidInput):
            adopted(decided("accounts", "name", "rename", bad), nth=2)


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
    event = adopted(decided("accounts", "metadata", "set", {"a": 1}), metadata=found)
    assert event is not None
    assert event.metadata == {"a": 1}
    with pytest.raises(InvalidInput):
        adopted(decided("accounts", "metadata", "set", [1]), metadata=found)


@pytest.mark.parametrize("column", ["created_at", "updated_at"])
def test_a_moment_that_no_calendar_has_is_forgotten_if_it_is_told(column: str) -> None:
    judge = Judge()
    assert adopted(judge, **{column: "infinity"}) is None
    ((kind, text, proposal),) = undecided(judge)
    assert (kind, proposal) == (column.replace("_", "-"), "forget")
    assert text == f"{column} is infinity, which no calendar has"
    event = adopted(Judge(accept_proposals=True), **{column: "infinity"})
    assert event is not None
    assert column not in event.to_json()


def test_all_that_is_wrong_with_an_account_is_told_at_once_and_nothing_is_noted_yet() -> None:
    judge = Judge()
    columns = {"name": "", "metadata": "[]", "created_at": "infinity", "is_active": None}
    assert adopted(judge, **columns) is None
    assert [one.problem for one in judge.undecided] == ["name", "metadata", "created-at"]
    assert [(one.table, one.id, one.of) for one in judge.undecided] == [("accounts", ID, "''")] * 3
    assert judge.notes == []


# Shares and positions


def share(**columns: Any) -> LegacyShare:
    """A row that fits, but for what is said."""
    fitting: dict[str, Any] = {
        "id": ID,
        "borrower_id": str(uuid.UUID(int=1)),
        "borrower": "bot",
        "lender_id": str(uuid.UUID(int=2)),
        "lender": "lender",
        "lender_is_active": True,
        "exchange_id": 3,
        "exchange": "backpack",
        "sharing_type": "full",
        "created_at": "2024-02-29 12:30:00",
        "updated_at": None,
        "lender_borrows_from": None,
        "lender_has_credential": True,
        "nth": 1,
        "borrower_version": 1,
    }
    return LegacyShare(**{**fitting, **columns})


def test_a_share_that_fits_is_granted_as_it_was() -> None:
    judge = Judge()
    assert adopt_share(share(), judge) == SharingGranted(
        share_id=uuid.UUID(ID),
        exchange="backpack",
        exchange_id=3,
        lender_id=uuid.UUID(int=2),
        lender="lender",
        sharing_type="full",
        created_at=MOMENT,
        origin="legacy",
    )
    assert (judge.undecided, judge.notes) == ([], [])


@pytest.mark.parametrize(
    ("columns", "kind", "why"),
    [
        ({"borrower": None}, "orphan", "does not exist"),
        ({"lender": None}, "orphan", "does not exist"),
        ({"exchange": None}, "orphan", "does not exist"),
        ({"lender_id": str(uuid.UUID(int=1))}, "own-lender", "nobody borrows from itself"),
        ({"nth": 2}, "second-lender", "another lender for this exchange"),
        ({"lender_borrows_from": "x"}, "chain", "'lender' borrows it from 'x' itself"),
        ({"lender_has_credential": False}, "nothing-to-lend", "has no credential"),
    ],
)
def test_a_share_that_breaks_a_rule_can_only_be_left_out(
    columns: dict[str, Any], kind: str, why: str
) -> None:
    judge = Judge()
    assert adopt_share(share(**columns), judge) is None
    (found,) = judge.undecided
    assert (found.problem, found.choices, found.proposal) == (
        kind,
        (LEAVE_OUT,),
        Decision(LEAVE_OUT),
    )
    assert why in found.text
    assert found.of == share(**columns).words
    accepting = Judge(accept_proposals=True)
    assert adopt_share(share(**columns), accepting) is None
    assert accepting.undecided == []


@pytest.mark.parametrize(
    ("found", "proposed"),
    [
        ("Full", "full"),
        (" read-only ", "read_only"),
        ("readonly", "read_only"),
        ("Positions Only", "positions_only"),
        ("positionsonly", "positions_only"),
        ("everything", "positions_only"),
        ("", "positions_only"),
        (None, "positions_only"),
    ],
)
def test_an_unknown_type_of_share_gives_the_least_away_unless_its_spelling_is_told(
    found: str | None, proposed: str
) -> None:
    judge = Judge()
    assert adopt_share(share(sharing_type=found), judge) is None
    ((kind, text, proposal),) = undecided(judge)
    assert (kind, proposal) == ("sharing-type", f"as-{proposed}")
    assert text == f"{found!r} is not a type of sharing"
    event = adopt_share(share(sharing_type=found), Judge(accept_proposals=True))
    assert event is not None
    assert event.sharing_type == proposed


def test_a_type_of_share_can_be_decided_or_left_out() -> None:
    odd = share(sharing_type="everything")
    event = adopt_share(odd, decided("account_exchange_sharing", "sharing-type", "as-full"))
    assert event is not None
    assert event.sharing_type == "full"
    judge = decided("account_exchange_sharing", "sharing-type", LEAVE_OUT)
    assert adopt_share(odd, judge) is None
    assert judge.undecided == []


@pytest.mark.parametrize("active", [False, None])
def test_a_share_of_an_inactive_lender_is_taken_and_noted(active: bool | None) -> None:
    judge = Judge()
    assert adopt_share(share(lender_is_active=active), judge) is not None
    text = "the lender is inactive: nothing is released until it is active again"
    of = "'bot' borrows backpack from 'lender'"
    assert judge.notes == [Note("account_exchange_sharing", ID, of, "inactive-lender", text)]


def test_a_share_with_a_moment_that_no_calendar_has_waits_for_a_decision() -> None:
    judge = Judge()
    assert adopt_share(share(created_at="-infinity"), judge) is None
    (found,) = judge.undecided
    assert found.key == ("account_exchange_sharing", ID, "created-at")
    assert found.of == "'bot' borrows backpack from 'lender'"
    event = adopt_share(share(created_at="-infinity"), Judge(accept_proposals=True))
    assert event is not None
    assert event.created_at is None


def test_a_position_of_an_account_that_is_not_there_gets_none_if_it_is_told() -> None:
    judge = Judge()
    assert not unlinked("p", "nobody", judge)
    assert undecided(judge) == [("owner", "its account nobody does not exist", "unlink")]
    assert judge.undecided[0].key == ("strategy_positions", "p", "owner")
    assert judge.undecided[0].of == "p"
    assert unlinked("p", "nobody", Judge(accept_proposals=True))
