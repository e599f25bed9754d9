"""Adoption of a row of `accounts`: its name and its metadata."""

import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from projections.accounts import TABLE
from registry import values
from registry.errors import InvalidInput
from registry.events.accounts import AccountCreated
from registry.rules.adoption.rows import ACCOUNTS, Decision, Judge, Note, Problem, RowName, told_of
from registry.rules.limits import check_limits, meant_by
from registry.rules.metadata import check_new
from registry.shapes import refuse_key
from registry.shown import shown


class LegacyAccount(NamedTuple):
    """A row of `accounts` from before the registry."""

    id: str
    name: str
    nth: int
    """Its number among the accounts of this name, from 1."""
    is_active: bool | None
    told: Mapping[str, str | None]
    """The moments and details of the row, as text."""

    @property
    def named(self) -> RowName:
        """The name of the row."""
        return RowName(ACCOUNTS, self.id, repr(self.name))


def adopt_account(
    row: LegacyAccount, judge: Judge, is_free: Callable[[str], bool]
) -> AccountCreated | None:
    """The account as an event, or None while a problem is undecided."""
    name = _account_name(row, judge, is_free)
    metadata = _metadata(row, judge)
    told = told_of(TABLE, row, judge, but=["metadata"])
    if name is None or metadata is None or told is None:
        return None
    _note_account(row, judge)
    if trap := values.shell_trap(name):
        text = f"new names cannot {trap}: quote it in a shell, and put -- before it"
        judge.note(Note(*row.named, "shell", text))
    return AccountCreated(
        account_name=name, metadata=metadata, is_active=bool(row.is_active), **told, origin="legacy"
    )


def _note_account(row: LegacyAccount, judge: Judge) -> None:
    if row.is_active is None:
        text = "is_active was unknown (NULL); bots took that for inactive, and so it is"
        judge.note(Note(*row.named, "inactive", text))
    wallet = row.told["wallet_address"]
    if wallet is not None:
        try:
            values.wallet_address(wallet)
        except InvalidInput as problem:
            judge.note(Note(*row.named, "wallet", problem.message))
    for name in [name for name in TABLE.details if name != "wallet_address"]:
        try:
            refuse_key(row.told[name] or "", f"the {name.replace('_', ' ')}")
        except InvalidInput as problem:
            judge.note(Note(*row.named, "private-key", problem.message))


def _account_name(row: LegacyAccount, judge: Judge, is_free: Callable[[str], bool]) -> str | None:
    try:
        values.account_name(row.name)
        if row.nth == 1:
            return row.name
        text = f"{row.nth - 1} other account(s) have this name, and names are unique"
    except InvalidInput as problem:
        text = problem.message
    proposal = Decision("rename", _free_name(row, is_free))
    decision = judge.decide(Problem(*row.named, "name", text, ("rename",), proposal))
    if decision is None:
        return None
    new_name = str(decision.value or "")
    refuse_key(new_name, "an account name")
    return values.account_name(new_name)


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
    found = row.told["metadata"]
    if found is None:
        return {}
    try:
        metadata = values.parse_metadata(found)
        check_limits(metadata, as_is=True)
    except InvalidInput as problem:
        text = problem.message
    else:
        for key in metadata:
            if meant := meant_by(key):
                text = (
                    f"its metadata's key {shown(repr(key))} is kept, and is not the limit {meant}"
                )
                judge.note(Note(*row.named, "near-limit", text))
        return metadata
    decision = judge.decide(
        Problem(*row.named, "metadata", text, ("wrap", "set"), Decision("wrap"))
    )
    if decision is None:
        return None
    if decision.decision == "set":
        chosen = values.metadata(decision.value)
        check_new({}, chosen)
        return chosen
    return values.metadata(_wrapped(found))


def _wrapped(text: str) -> dict[str, Any]:
    """The former value inside an object; as text if a JSON parser could change it."""
    try:
        return values.metadata({"legacy": values.parse_json(text, "metadata")})
    except InvalidInput:
        return {"legacy": text}
