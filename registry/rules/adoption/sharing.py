"""Adoption of shares and of the owners of positions."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, get_args

from projections.sharing import TABLE
from registry.events.permissions import SharingType
from registry.events.sharing import SharingGranted
from registry.rules.adoption.rows import (
    LEAVE_OUT,
    POSITIONS,
    SHARING,
    Decision,
    Judge,
    Note,
    Problem,
    RowName,
    told_of,
)


class LegacyShare(NamedTuple):
    """A row of `account_exchange_sharing` from before the registry."""

    id: str
    borrower_id: str
    borrower: str | None
    lender_id: str
    lender: str | None
    lender_is_active: bool | None
    exchange_id: int
    exchange: str | None
    sharing_type: str | None
    told: Mapping[str, str | None]
    """The moments of the row, as text."""
    lender_borrows_from: str | None
    lender_has_credential: bool
    nth: int
    """Its number among the borrower's shares for this exchange, from 1."""
    borrower_version: int

    @property
    def named(self) -> RowName:
        """The name of the row."""
        words = f"{self.borrower!r} borrows {self.exchange} from {self.lender!r}"
        return RowName(SHARING, self.id, words)


def adopt_share(row: LegacyShare, judge: Judge) -> SharingGranted | None:
    """The share as an event; None if it is left out, or a problem is undecided."""
    broken = _broken_rule(row)
    if broken is not None:
        kind, text = broken
        judge.decide(Problem(*row.named, kind, text))
        return None
    sharing_type = _sharing_type(row, judge)
    told = told_of(TABLE, row, judge)
    if sharing_type is None or told is None:
        return None
    if not row.lender_is_active:
        text = "the lender is inactive: nothing is released until it is active again"
        judge.note(Note(*row.named, "inactive-lender", text))
    given: dict[str, Any] = {
        "share_id": row.id,
        "exchange": row.exchange,
        "exchange_id": row.exchange_id,
        "lender_id": row.lender_id,
        "lender": row.lender,
        "sharing_type": sharing_type,
        **told,
        "origin": "legacy",
    }
    return SharingGranted(**given)


def _broken_rule(row: LegacyShare) -> tuple[str, str] | None:
    if None in (row.borrower, row.lender, row.exchange):
        return "orphan", "its account or exchange does not exist"
    if row.borrower_id == row.lender_id:
        return "own-lender", "nobody borrows from itself"
    if row.nth > 1:
        return "second-lender", "the borrower has another lender for this exchange"
    if row.lender_borrows_from is not None:
        text = (
            f"{row.lender!r} borrows it from {row.lender_borrows_from!r} itself, and what is "
            "borrowed cannot be lent on (share it from there afterwards)"
        )
        return "chain", text
    if not row.lender_has_credential:
        return "nothing-to-lend", "the lender has no credential for this exchange"
    return None


def _sharing_type(row: LegacyShare, judge: Judge) -> Any:
    found = (row.sharing_type or "").strip().lower().replace("-", "_").replace(" ", "_")
    known = get_args(SharingType)
    if row.sharing_type in known:
        return row.sharing_type
    spelled = {"readonly": "read_only", "positionsonly": "positions_only"}.get(found, found)
    # An unknown type: propose the one with the fewest rights.
    proposed = spelled if spelled in known else "positions_only"
    text = f"{row.sharing_type!r} is not a type of sharing"
    choices = (*(f"as-{kind}" for kind in known), LEAVE_OUT)
    proposal = Decision(f"as-{proposed}")
    decision = judge.decide(Problem(*row.named, "sharing-type", text, choices, proposal))
    if decision is None or decision.decision == LEAVE_OUT:
        return None
    return decision.decision.removeprefix("as-")


class ShareAtWork(NamedTuple):
    """An adopted share, and what the registry gives by it."""

    id: str
    borrower: str
    lender: str
    exchange: str
    sharing_type: str
    source: str
    """What is used if no lender is named: `own` or `shared`."""
    plain: str
    """The outcome if no lender is named."""
    outcome: str
    permission: str | None

    def note(self, judge: Judge) -> None:
        """Notes a key that bots get by it, as they did not before, or why it gives none."""
        words = f"{self.borrower!r} borrows {self.exchange} from {self.lender!r}"
        named = RowName(SHARING, self.id, words)
        if self.outcome in ("ok", "several_credentials"):
            key = "keys" if self.permission is None else f"{self.permission} key"
            if self.source == "shared" and self.plain == self.outcome:
                text = f"bots of {self.borrower} get the {key} of {self.lender} from now on"
                judge.note(Note(*named, "key-by-share", text))
        elif self.outcome != "lender_inactive":  # which is noted for each such row
            self._note_nothing(named, judge)

    def _note_nothing(self, named: RowName, judge: Judge) -> None:
        why = _NOTHING_GIVEN.get(self.outcome, self.outcome.replace("_", " "))
        text = f"nothing is given by it: {why.format(share=self)}"
        judge.note(Note(*named, self.outcome.replace("_", "-"), text))


_NOTHING_GIVEN: Final = {
    "needs_other_permission": "{share.lender} has a full key only, which no {share.sharing_type} "
    "share gives (add a read-only one)",
    "credential_inactive": "the lender's credential is inactive",
    "exchange_not_allowed": "allowed_exchanges of {share.borrower} or {share.lender} do not name "
    "{share.exchange}",
    "no_credential": "the lender has no credential for it",
}


def unlinked(position: str, owner: str, judge: Judge) -> bool:
    """Whether to clear the owner of a position, since that account does not exist."""
    text = f"its account {owner} does not exist"
    row = RowName(POSITIONS, position, position)
    return judge.decide(Problem(*row, "owner", text, ("unlink",), Decision("unlink"))) is not None
