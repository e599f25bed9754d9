"""Adopting a row of `accounts`: its name and its metadata."""

import unicodedata
from collections.abc import Callable
from typing import Any, NamedTuple

from registry import values
from registry.errors import InvalidInput
from registry.events.accounts import AccountCreated
from registry.rules.adoption.rows import (
    ACCOUNTS,
    Decision,
    Judge,
    Note,
    Problem,
    RowName,
    moments_of,
)
from registry.shapes import refuse_key, refuse_keys_within


class LegacyAccount(NamedTuple):
    """A row of `accounts` as it was found; moments and JSON are text."""

    id: str
    name: str
    nth: int
    """Which of the accounts of this name it is, from 1."""
    wallet_address: str | None
    description: str | None
    is_active: bool | None
    created_at: str | None
    updated_at: str | None
    metadata: str | None

    @property
    def named(self) -> RowName:
        """Which row it is."""
        return RowName(ACCOUNTS, self.id, repr(self.name))


def adopt_account(
    row: LegacyAccount, judge: Judge, is_free: Callable[[str], bool]
) -> AccountCreated | None:
    """The account as an event, or None as long as something is undecided."""
    name = _account_name(row, judge, is_free)
    metadata = _metadata(row, judge)
    moments = moments_of(row, judge, ("created_at", "updated_at"))
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
        judge.note(Note(*row.named, "inactive", text))
    if row.wallet_address is not None:
        try:
            values.wallet_address(row.wallet_address)
        except InvalidInput as problem:
            judge.note(Note(*row.named, "wallet", problem.message))
    texts = {"the description": row.description, "the metadata": row.metadata}
    for what, plain in texts.items():
        try:
            refuse_key(plain or "", what)
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
    if row.metadata is None:
        return {}
    try:
        return values.parse_metadata(row.metadata)
    except InvalidInput as problem:
        text = problem.message
    decision = judge.decide(
        Problem(*row.named, "metadata", text, ("wrap", "set"), Decision("wrap"))
    )
    if decision is None:
        return None
    if decision.decision == "set":
        refuse_keys_within(decision.value, "metadata")
        return values.metadata(decision.value)
    return values.metadata(_wrapped(row.metadata))


def _wrapped(text: str) -> dict[str, Any]:
    """The former value inside an object; as a text where a reader of JSON could change it."""
    try:
        return values.metadata({"legacy": values.parse_json(text, "metadata")})
    except InvalidInput:
        return {"legacy": text}
