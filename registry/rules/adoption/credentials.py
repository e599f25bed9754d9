"""Adoption of the credentials of an account: their slots and their fields."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from projections.credentials import TABLE
from registry import values
from registry.catalog.catalog import built_in_exchanges
from registry.encryption.keyring import looks_like_token
from registry.encryption.secret import Secret
from registry.errors import InvalidInput
from registry.rules.account_state import Slot
from registry.rules.adoption.rows import (
    CREDENTIALS,
    LEAVE_OUT,
    Decision,
    Judge,
    Note,
    Problem,
    RowName,
    told_of,
)


class LegacyCredential(NamedTuple):
    """A row of `account_exchange_credentials` from before the registry."""

    id: str
    account_id: str
    account: str | None
    exchange_id: int
    exchange: str | None
    api_key: str | None
    secret_key: str | None
    additional: str | None
    subaccount_index: int | None
    permission: str
    is_active: bool | None
    told: Mapping[str, str | None]
    """The moments and details of the row, as text."""

    @property
    def named(self) -> RowName:
        """The name of the row."""
        subaccount = "" if self.subaccount_index is None else f" subaccount {self.subaccount_index}"
        return RowName(CREDENTIALS, self.id, f"{self.account!r} {self.exchange}{subaccount}")


_SUBACCOUNT: Final = "subaccount_index"
_OWN_COLUMNS: Final = ("api_key", "secret_key")

Opener = Callable[[str], Secret | None]
"""Opens a token from before the registry; returns None if no key opens it."""


@dataclass(frozen=True, slots=True)
class AdoptedCredential:
    """A credential that fits the rules, with its fields decrypted."""

    row: LegacyCredential
    slot: Slot
    is_active: bool
    fields: Mapping[str, Secret]
    told: Mapping[str, Any]
    """The moments and details in the form of events."""


def adopt_credentials(
    rows: Iterable[LegacyCredential], judge: Judge, open_token: Opener
) -> list[AdoptedCredential]:
    """The credentials of one account that fit the rules, if necessary after decisions.

    Of several rows for one slot, the first keeps the slot.
    """
    adopted: list[AdoptedCredential] = []
    rows = list(rows)
    taken: dict[tuple[int, str], set[int | None]] = {}
    for row in rows:
        credential = _adopt_credential(row, rows, taken, judge, open_token)
        if credential is not None:
            adopted.append(credential)
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
        judge.decide(Problem(*row.named, "orphan", f"its {gone} does not exist"))
        return None
    slots = taken.setdefault((row.exchange_id, row.permission), set())
    place = _place(row, rows, slots, judge)
    fields = _fields(row, judge, open_token)
    told = told_of(TABLE, row, judge)
    if place is None or fields is None or told is None:
        return None
    if row.is_active is None:
        text = "is_active was unknown (NULL); bots took that for inactive, and so it is"
        judge.note(Note(*row.named, "inactive", text))
    subaccount, keeps_active = place

    def is_free(number: int) -> bool:
        return number not in slots and not _claimed(row, rows, number)

    subaccount = _one_number(row, subaccount, fields, judge, is_free)
    _one_name(row, fields, judge)
    slots.add(subaccount)
    slot = Slot(row.exchange_id, row.exchange, subaccount, row.permission)
    return AdoptedCredential(row, slot, bool(row.is_active) and keeps_active, fields, told)


def _place(
    row: LegacyCredential, rows: list[LegacyCredential], slots: set[int | None], judge: Judge
) -> tuple[int | None, bool] | None:
    """The subaccount for the row, and whether the credential may stay active; None: no slot."""
    wanted = row.subaccount_index
    free = _free_subaccount(row, rows, slots)
    if wanted is not None and wanted < 0:
        proposed = free if None in slots or _claimed(row, rows, None) else None
        text = f"its subaccount is {wanted}, and they are numbered from 0"
        proposal = Decision("renumber", proposed)
        problem = Problem(*row.named, "subaccount", text, ("renumber", LEAVE_OUT), proposal)
    elif wanted in slots:
        text = "another row is for the same account, exchange and subaccount"
        choices, proposal = ("set-aside", "renumber", LEAVE_OUT), Decision("set-aside", free)
        problem = Problem(*row.named, "same-slot", text, choices, proposal)
    else:
        return wanted, True
    decision = judge.decide(problem)
    if decision is None or decision.decision == LEAVE_OUT:
        return None
    number = None if decision.value is None else _number(decision.value)
    if number in slots or (number != wanted and _claimed(row, rows, number)):
        raise InvalidInput(
            f"the subaccount {number} of {row.named.of} is taken", hint=f"Free is {free}."
        )
    return number, decision.decision != "set-aside"


def _one_number(
    row: LegacyCredential,
    subaccount: int | None,
    fields: dict[str, Secret],
    judge: Judge,
    is_free: Callable[[int], bool],
) -> int | None:
    """The subaccount, as the slot's own number only; a field of that name gives way to it.

    The bots' own loader gave the field. Everything of the registry gives the slot's number.
    """
    field = fields.pop(_SUBACCOUNT, None)
    if field is None:
        return subaccount
    said = field.reveal()
    number = int(said) if re.fullmatch("[0-9]{1,9}", said) else None
    if number is not None and number == subaccount:
        text = "the additional fields repeat the row's own, which is kept"
    elif number is None or subaccount is not None or not is_free(number):
        text = "the additional fields name another one than the row, whose own counts from now on"
    else:
        text = "only the additional fields named it; it is the row's own now"
        subaccount = number
    judge.note(Note(*row.named, "subaccount-field", f"{_SUBACCOUNT}: {text}"))
    return subaccount


def _one_name(row: LegacyCredential, fields: dict[str, Secret], judge: Judge) -> None:
    """Leaves out a field's former name where the newer one is there too."""
    spec = built_in_exchanges().get(row.exchange or "")
    for field in () if spec is None else spec.fields.values():
        if field.formerly in fields and field.name in fields:
            del fields[field.formerly]
            text = f"left out, since it is a former name of {field.name}: {field.formerly}"
            judge.note(Note(*row.named, "former-name", text))


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
    """The decrypted fields; None if the row is left out, or a problem is undecided."""
    additional = _additional(row, judge)
    if additional is None:
        return None
    found: dict[str, Secret] = {}
    problems: dict[str, list[str]] = {}
    given = {"api_key": row.api_key, "secret_key": row.secret_key, **additional}
    twice = [name for name in _OWN_COLUMNS if getattr(row, name) and additional.get(name)]
    if twice:
        text = f"in a column and in the additional fields, which count: {', '.join(twice)}"
        judge.note(Note(*row.named, "twice", text))
    for name, value in given.items():
        secret, problem = _open(value, open_token)
        if secret is not None:
            found[name] = secret
        # What the field of a subaccount says is no reason to leave a credential out.
        if problem is not None and (name, problem) != (_SUBACCOUNT, "placeholder"):
            problems.setdefault(problem, []).append(name)
    for kind in ("plain-text", "empty"):
        if names := problems.pop(kind, None):
            judge.note(Note(*row.named, kind, _NOTES[kind] + ", ".join(names)))
    fit = [_solved(row, kind, names, judge) for kind, names in problems.items()]
    if not found and not problems:
        fit = [_solved(row, "no-fields", [], judge)]
    return found if all(fit) else None


_NOTES: Final = {
    "plain-text": "stood in plain text, and is sealed now: ",
    "empty": "empty, and left out (bots were given None, or nothing): ",
}


def _open(value: Any, open_token: Opener) -> tuple[Secret | None, str | None]:
    """The intended value of a field, and the kind of its problem or note, if any."""
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
    """Whether the decision keeps the row in spite of the problem."""
    text = {
        "unknown-key": "no key that was given opens it (give it by --legacy-key-env): ",
        "placeholder": "a template's placeholder, not a real value: ",
        "no-fields": "it holds no field at all",
    }[kind]
    choices = ("keep", LEAVE_OUT) if kind == "placeholder" else (LEAVE_OUT,)
    decision = judge.decide(Problem(*row.named, kind, text + ", ".join(names), choices))
    return decision is not None and decision.decision == "keep"


def _additional(row: LegacyCredential, judge: Judge) -> dict[str, Any] | None:
    """The additional fields; None if they are not an object and not to be forgotten."""
    if row.additional is None:
        return {}
    found = json.loads(row.additional)
    if isinstance(found, str):  # an object encoded twice
        found = json.loads(found) if found.lstrip().startswith("{") else found
    if isinstance(found, dict):
        return found
    if not found and not isinstance(found, str):
        return {}
    text = "additional_credentials_encrypted is not a JSON object"
    decision = judge.decide(Problem(*row.named, "additional", text, ("forget", LEAVE_OUT)))
    return {} if decision is not None and decision.decision == "forget" else None


def _note_several(adopted: list[AdoptedCredential], judge: Judge) -> None:
    active = Counter(credential.row.exchange for credential in adopted if credential.is_active)
    for credential in adopted:
        if credential.is_active and active.pop(credential.row.exchange, 1) > 1:
            text = "several active subaccounts: bots must say which (they were given any of them)"
            judge.note(Note(*credential.row.named, "several", text))
