"""What becomes of a row of the tables from before the registry.

Each row either fits the rules, or has problems: each of them with the decisions that would
solve it and a proposal. Nothing is dropped, renamed or moved unless somebody decided so.
"""

import datetime as dt
import json
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from registry import values
from registry.encryption.keyring import looks_like_token
from registry.encryption.secret import Secret
from registry.errors import InvalidInput
from registry.events.account import AccountCreated
from registry.events.sharing import SharingGranted

ACCOUNTS: Final = "accounts"
CREDENTIALS: Final = "account_exchange_credentials"
SHARING: Final = "account_exchange_sharing"
POSITIONS: Final = "strategy_positions"

LEAVE_OUT: Final = "leave-out"
LISTED: Final = 1_000


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done, and with which value if it needs one."""

    decision: str
    value: Any = None

    def __str__(self) -> str:
        return self.decision if self.value is None else f"{self.decision}: {self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A rule that a row breaks."""

    table: str
    id: str
    of: str
    """The row in words: the account, the exchange."""
    problem: str
    text: str
    choices: tuple[str, ...]
    proposal: Decision

    @property
    def key(self) -> tuple[str, str, str]:
        """What a decision names."""
        return self.table, self.id, self.problem


@dataclass(frozen=True, slots=True)
class Note:
    """Something about a row that is worth knowing and needs no decision."""

    table: str
    id: str
    of: str
    note: str
    text: str


@dataclass(slots=True)
class Judge:
    """Knows what was decided, and keeps what was not."""

    decisions: Mapping[tuple[str, str, str], Decision] = field(default_factory=dict)
    accept_proposals: bool = False
    undecided: list[Problem] = field(default_factory=list)
    decided: list[tuple[Problem, Decision]] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    """The first of them."""
    note_counts: Counter[str] = field(default_factory=Counter)

    def decide(self, problem: Problem) -> Decision | None:
        """The decision about a problem, or None if there is none yet.

        Raises:
            InvalidInput: the decision is none that solves this problem.
        """
        decision = self.decisions.get(problem.key)
        if decision is None and self.accept_proposals:
            decision = problem.proposal
        if decision is None:
            self.undecided.append(problem)
            return None
        if decision.decision not in problem.choices:
            raise InvalidInput(
                f"{decision.decision!r} is no decision about {problem.problem} "
                f"of {problem.table} {problem.id}",
                hint=f"It is one of: {', '.join(problem.choices)}.",
            )
        self.decided.append((problem, decision))
        return decision

    def note(self, note: Note) -> None:
        """Keeps a note; counts it if there are too many to list."""
        self.note_counts[note.note] += 1
        if len(self.notes) < LISTED:
            self.notes.append(note)

    def unused(self) -> list[tuple[str, str, str]]:
        """Decisions about what is no problem."""
        used = {problem.key for problem, _ in self.decided}
        return [key for key in self.decisions if key not in used]


class LegacyAccount(NamedTuple):
    """A row of `accounts` as it was found; moments and JSON are text."""

    id: str
    name: str
    nth: int
    """Counts the accounts of this name."""
    wallet_address: str | None
    description: str | None
    is_active: bool | None
    created_at: str | None
    updated_at: str | None
    metadata: str | None


class LegacyCredential(NamedTuple):
    """A row of `account_exchange_credentials` as it was found."""

    id: str
    account_id: str
    account: str | None
    exchange_id: int
    exchange: str | None
    api_key: str | None
    secret_key: str | None
    additional: str | None
    exchange_account_id: str | None
    subaccount_index: int | None
    permission: str
    is_active: bool | None
    last_used: str | None
    created_at: str | None
    updated_at: str | None

    @property
    def words(self) -> str:
        """The row as people name it."""
        subaccount = "" if self.subaccount_index is None else f" subaccount {self.subaccount_index}"
        return f"{self.account!r} {self.exchange}{subaccount}"


class LegacyShare(NamedTuple):
    """A row of `account_exchange_sharing` as it was found."""

    id: str
    borrower_id: str
    borrower: str | None
    lender_id: str
    lender: str | None
    lender_is_active: bool | None
    exchange_id: int
    exchange: str | None
    sharing_type: str | None
    created_at: str | None
    updated_at: str | None
    lender_borrows_from: str | None
    lender_has_credential: bool
    nth: int
    """Counts what the borrower borrows for this exchange."""
    borrower_version: int

    @property
    def words(self) -> str:
        """The row as people name it."""
        return f"{self.borrower!r} borrows {self.exchange} from {self.lender!r}"


Opener = Callable[[str], Secret | None]
"""Opens a token from before the registry; None if no key does."""


# ---------------------------------------------------------------- accounts


def adopt_account(
    row: LegacyAccount, judge: Judge, is_free: Callable[[str], bool]
) -> AccountCreated | None:
    """The account as an event, or None as long as something is undecided."""
    name = _account_name(row, judge, is_free)
    metadata = _metadata(row, judge)
    moments = _moments(ACCOUNTS, row.id, repr(row.name), judge, row, ("created_at", "updated_at"))
    if name is None or metadata is None or moments is None:
        return None
    _note_account(row, judge)
    given: dict[str, Any] = {
        "account_name": name,
        "wallet_address": row.wallet_address,
        "description": row.description,
        "metadata": metadata,
        "is_active": bool(row.is_active),
        **moments,
        "origin": "legacy",
    }
    return AccountCreated(**{key: value for key, value in given.items() if value is not None})


def _note_account(row: LegacyAccount, judge: Judge) -> None:
    if row.is_active is None:
        text = "is_active was unknown (NULL); bots took that for inactive, and so it is"
        judge.note(Note(ACCOUNTS, row.id, repr(row.name), "inactive", text))
    if row.wallet_address is not None:
        try:
            values.wallet_address(row.wallet_address)
        except InvalidInput as problem:
            judge.note(Note(ACCOUNTS, row.id, repr(row.name), "wallet", problem.message))


def _account_name(row: LegacyAccount, judge: Judge, is_free: Callable[[str], bool]) -> str | None:
    try:
        values.account_name(row.name)
        if row.nth == 1:
            return row.name
        text = f"{row.nth - 1} other account(s) have this name, and names are unique"
    except InvalidInput as problem:
        text = problem.message
    decision = judge.decide(
        Problem(
            table=ACCOUNTS,
            id=row.id,
            of=repr(row.name),
            problem="name",
            text=text,
            choices=("rename",),
            proposal=Decision("rename", _free_name(row, is_free)),
        )
    )
    return None if decision is None else values.account_name(str(decision.value or ""))


def _free_name(row: LegacyAccount, is_free: Callable[[str], bool]) -> str:
    visible = "".join(
        " " if unicodedata.category(character) in values.INVISIBLE else character
        for character in row.name
    )
    clean = unicodedata.normalize("NFC", " ".join(visible.split()))[: values.MAX_NAME - 10].strip()
    base = clean or f"account-{row.id[:8]}"
    candidate, number = base, 1
    while not is_free(candidate):
        number += 1
        candidate = f"{base}-{number}"
    return candidate


def _metadata(row: LegacyAccount, judge: Judge) -> dict[str, Any] | None:
    if row.metadata is None:
        return {}
    try:
        return values.parse_metadata(row.metadata)
    except InvalidInput as problem:
        text = problem.message
    decision = judge.decide(
        Problem(
            table=ACCOUNTS,
            id=row.id,
            of=repr(row.name),
            problem="metadata",
            text=text,
            choices=("wrap", "set"),
            proposal=Decision("wrap"),
        )
    )
    if decision is None:
        return None
    return values.metadata(decision.value if decision.decision == "set" else _wrapped(row.metadata))


def _wrapped(text: str) -> dict[str, Any]:
    """The former value inside an object; as text if JSON's readers would change it."""
    try:
        return values.metadata({"legacy": values.parse_json(text, "metadata")})
    except InvalidInput:
        return {"legacy": text}


def _moments(
    table: str, row_id: str, of: str, judge: Judge, row: Any, names: Iterable[str]
) -> dict[str, dt.datetime] | None:
    """The moments that a row has; None as long as one that is none is undecided."""
    found = {}
    for name in names:
        text = getattr(row, name)
        if text is None:
            continue
        try:
            found[name] = dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)
        except ValueError:
            decision = judge.decide(
                Problem(
                    table=table,
                    id=row_id,
                    of=of,
                    problem=name.replace("_", "-"),
                    text=f"{name} is {text}, which no calendar has",
                    choices=("forget",),
                    proposal=Decision("forget"),
                )
            )
            if decision is None:
                return None
    return found


# ---------------------------------------------------------------- credentials


@dataclass(frozen=True, slots=True)
class AdoptedCredential:
    """A credential that fits the rules, its fields open."""

    row: LegacyCredential
    subaccount_index: int | None
    permission: str
    is_active: bool
    fields: Mapping[str, Secret]
    moments: Mapping[str, dt.datetime]


def adopt_credentials(
    rows: Iterable[LegacyCredential], judge: Judge, open_token: Opener
) -> list[AdoptedCredential]:
    """The credentials of one account that fit the rules, or were decided to.

    Of several rows for one slot the first keeps it.
    """
    adopted: list[AdoptedCredential] = []
    rows = list(rows)
    taken: dict[tuple[int, str], set[int | None]] = {}
    for row in rows:
        one = _adopt_credential(row, rows, taken, judge, open_token)
        if one is not None:
            adopted.append(one)
    _note_several(adopted, judge)
    return adopted


def _adopt_credential(
    row: LegacyCredential,
    rows: list[LegacyCredential],
    taken: dict[tuple[int, str], set[int | None]],
    judge: Judge,
    open_token: Opener,
) -> AdoptedCredential | None:
    if row.account is None or row.exchange is None:
        gone = "account" if row.account is None else "exchange"
        judge.decide(_of_credential(row, "orphan", f"its {gone} does not exist", (LEAVE_OUT,)))
        return None
    slots = taken.setdefault((row.exchange_id, row.permission), set())
    place = _place(row, rows, slots, judge)
    fields = _fields(row, judge, open_token)
    names = ("last_used", "created_at", "updated_at")
    moments = _moments(CREDENTIALS, row.id, row.words, judge, row, names)
    if place is None or fields is None or moments is None:
        return None
    subaccount, keeps_active = place
    slots.add(subaccount)
    return AdoptedCredential(
        row, subaccount, row.permission, bool(row.is_active) and keeps_active, fields, moments
    )


def _place(
    row: LegacyCredential, rows: list[LegacyCredential], slots: set[int | None], judge: Judge
) -> tuple[int | None, bool] | None:
    """The subaccount that the row gets, and whether it may stay active."""
    wanted = row.subaccount_index
    free = _free_subaccount(row, rows, slots)
    if wanted is not None and wanted < 0:
        proposed = free if None in slots or _claimed(row, rows, None) else None
        problem = _of_credential(
            row,
            "subaccount",
            f"its subaccount is {wanted}, and they are numbered from 0",
            ("renumber", LEAVE_OUT),
            Decision("renumber", proposed),
        )
    elif wanted in slots:
        problem = _of_credential(
            row,
            "same-slot",
            "another row is for the same account, exchange and subaccount",
            ("set-aside", "renumber", LEAVE_OUT),
            Decision("set-aside", free),
        )
    else:
        return wanted, True
    decision = judge.decide(problem)
    if decision is None or decision.decision == LEAVE_OUT:
        return None
    number = None if decision.value is None else _number(decision.value)
    if number in slots or (number != wanted and _claimed(row, rows, number)):
        raise InvalidInput(
            f"the subaccount {number} of {row.words} is taken",
            hint=f"Free is {free}.",
        )
    return number, decision.decision != "set-aside"


def _claimed(row: LegacyCredential, rows: list[LegacyCredential], number: int | None) -> bool:
    return any(
        other.subaccount_index == number
        for other in rows
        if other.exchange_id == row.exchange_id and other.permission == row.permission
    )


def _free_subaccount(
    row: LegacyCredential, rows: list[LegacyCredential], slots: set[int | None]
) -> int:
    number = 0
    while number in slots or _claimed(row, rows, number):
        number += 1
    return number


def _number(value: Any) -> int:
    if type(value) is not int:
        raise InvalidInput("a subaccount is a whole number")
    return values.subaccount_index(value)


def _fields(row: LegacyCredential, judge: Judge, open_token: Opener) -> dict[str, Secret] | None:
    """The open fields; None if the row is left out, or something is undecided."""
    additional = _additional(row, judge)
    if additional is None:
        return None
    found: dict[str, Secret] = {}
    problems: dict[str, list[str]] = {}
    given = {"api_key": row.api_key, "secret_key": row.secret_key, **additional}
    for name, value in given.items():
        secret, problem = _open(value, open_token)
        if secret is not None:
            found[name] = secret
        if problem is not None:
            problems.setdefault(problem, []).append(name)
    for kind in ("plain-text", "empty"):
        if names := problems.pop(kind, None):
            judge.note(Note(CREDENTIALS, row.id, row.words, kind, _NOTES[kind] + ", ".join(names)))
    fit = [_solved(row, kind, names, judge) for kind, names in problems.items()]
    if not found and not problems:
        fit = [_solved(row, "no-fields", [], judge)]
    return found if all(fit) else None


_NOTES: Final = {
    "plain-text": "stood in plain text, and is sealed now: ",
    "empty": "empty, and left out (bots were given None, or nothing): ",
}


def _open(value: Any, open_token: Opener) -> tuple[Secret | None, str | None]:
    """The value of a field as it was meant, and what is odd about it."""
    if value is None or value == "":
        return None, None if value is None else "empty"
    if not isinstance(value, str):
        return Secret(json.dumps(value)), "plain-text"
    opened = open_token(value)
    if opened is None and looks_like_token(value):
        return None, "unknown-key"
    plain = Secret(value) if opened is None else opened
    if values.is_placeholder(plain.reveal()):
        return plain, "placeholder"
    return plain, "plain-text" if opened is None else None


def _solved(row: LegacyCredential, kind: str, names: list[str], judge: Judge) -> bool:
    """Whether the row is to be adopted in spite of this."""
    text = {
        "unknown-key": "no key that was given opens it (give it by --legacy-key-env): ",
        "placeholder": "a template's placeholder, not a real value: ",
        "no-fields": "it holds no field at all",
    }[kind]
    choices = ("keep", LEAVE_OUT) if kind == "placeholder" else (LEAVE_OUT,)
    decision = judge.decide(_of_credential(row, kind, text + ", ".join(names), choices))
    return decision is not None and decision.decision == "keep"


def _additional(row: LegacyCredential, judge: Judge) -> dict[str, Any] | None:
    """The additional fields; None if they are not an object and that is not decided."""
    if row.additional is None:
        return {}
    found = json.loads(row.additional)
    if isinstance(found, str):  # an object that was encoded twice
        found = json.loads(found) if found.lstrip().startswith("{") else found
    if isinstance(found, dict):
        return found
    if not found and not isinstance(found, str):
        return {}
    decision = judge.decide(
        _of_credential(
            row,
            "additional",
            "additional_credentials_encrypted is not a JSON object",
            ("forget", LEAVE_OUT),
        )
    )
    return {} if decision is not None and decision.decision == "forget" else None


def _of_credential(
    row: LegacyCredential,
    kind: str,
    text: str,
    choices: tuple[str, ...],
    proposal: Decision | None = None,
) -> Problem:
    return Problem(
        table=CREDENTIALS,
        id=row.id,
        of=row.words,
        problem=kind,
        text=text,
        choices=choices,
        proposal=proposal or Decision(LEAVE_OUT),
    )


def _note_several(adopted: list[AdoptedCredential], judge: Judge) -> None:
    active = Counter(one.row.exchange for one in adopted if one.is_active)
    for one in adopted:
        if one.is_active and active.pop(one.row.exchange, 1) > 1:
            text = "several active subaccounts: bots must say which (they were given any of them)"
            judge.note(Note(CREDENTIALS, one.row.id, one.row.words, "several", text))


# ---------------------------------------------------------------- shares and positions


def adopt_share(row: LegacyShare, judge: Judge) -> SharingGranted | None:
    """The share as an event; None if it is left out, or something is undecided."""
    broken = _broken_rule(row)
    if broken is not None:
        kind, text = broken
        judge.decide(_of_share(row, kind, text, (LEAVE_OUT,), Decision(LEAVE_OUT)))
        return None
    sharing_type = _sharing_type(row, judge)
    moments = _moments(SHARING, row.id, row.words, judge, row, ("created_at", "updated_at"))
    if sharing_type is None or moments is None:
        return None
    if not row.lender_is_active:
        text = "the lender is inactive: nothing is released until it is active again"
        judge.note(Note(SHARING, row.id, row.words, "inactive-lender", text))
    given: dict[str, Any] = {
        "share_id": row.id,
        "exchange": row.exchange,
        "exchange_id": row.exchange_id,
        "lender_id": row.lender_id,
        "lender": row.lender,
        "sharing_type": sharing_type,
        **moments,
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
    known = ("full", "read_only", "positions_only")
    if row.sharing_type in known:
        return row.sharing_type
    spelled = {"readonly": "read_only", "positionsonly": "positions_only"}.get(found, found)
    # Not known: propose what gives the least away.
    proposed = spelled if spelled in known else "positions_only"
    decision = judge.decide(
        _of_share(
            row,
            "sharing-type",
            f"{row.sharing_type!r} is not a type of sharing",
            (*(f"as-{one}" for one in known), LEAVE_OUT),
            Decision(f"as-{proposed}"),
        )
    )
    if decision is None or decision.decision == LEAVE_OUT:
        return None
    return decision.decision.removeprefix("as-")


def _of_share(
    row: LegacyShare, kind: str, text: str, choices: tuple[str, ...], proposal: Decision
) -> Problem:
    return Problem(
        table=SHARING,
        id=row.id,
        of=row.words,
        problem=kind,
        text=text,
        choices=choices,
        proposal=proposal,
    )


def unlinked(position: str, owner: str, judge: Judge) -> bool:
    """Whether a position whose owner does not exist is to have none."""
    problem = Problem(
        table=POSITIONS,
        id=position,
        of=position,
        problem="owner",
        text=f"its account {owner} does not exist",
        choices=("unlink",),
        proposal=Decision("unlink"),
    )
    return judge.decide(problem) is not None
