"""The rules about adopting shares and owners of positions from before the registry."""

import datetime as dt
import uuid
from typing import Any

import pytest

from registry.events.sharing import SharingGranted
from registry.rules.adoption.rows import LEAVE_OUT, Decision, Judge, Note
from registry.rules.adoption.sharing import LegacyShare, adopt_share, unlinked

ID = str(uuid.UUID(int=3))
MOMENT = dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.UTC)


def undecided(judge: Judge) -> list[tuple[str, str, str]]:
    return [(one.problem, one.text, str(one.proposal)) for one in judge.undecided]


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
        "told": {"created_at": "2024-02-29 12:30:00", "updated_at": None},
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
    assert found.of == share(**columns).named.of
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
    key = ("account_exchange_sharing", ID, "sharing-type")
    event = adopt_share(odd, Judge(decisions={key: Decision("as-full")}))
    assert event is not None
    assert event.sharing_type == "full"
    judge = Judge(decisions={key: Decision(LEAVE_OUT)})
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
    assert adopt_share(share(told={"created_at": "-infinity"}), judge) is None
    (found,) = judge.undecided
    assert found.key == ("account_exchange_sharing", ID, "created-at")
    assert found.of == "'bot' borrows backpack from 'lender'"
    event = adopt_share(share(told={"created_at": "-infinity"}), Judge(accept_proposals=True))
    assert event is not None
    assert event.created_at is None


def test_a_position_of_an_account_that_is_not_there_gets_none_if_it_is_told() -> None:
    judge = Judge()
    assert not unlinked("p", "nobody", judge)
    assert undecided(judge) == [("owner", "its account nobody does not exist", "unlink")]
    assert judge.undecided[0].key == ("strategy_positions", "p", "owner")
    assert judge.undecided[0].of == "p"
    assert unlinked("p", "nobody", Judge(accept_proposals=True))
