"""Decisions about going back: what must be appended so that accounts are as they were.

Nothing is taken out of the log. Ordinary events undo what came after a position; what
cannot come back is named, and only left out if the caller says so.
"""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from projections import positions, sharing
from projections.accounts import TABLE as ACCOUNTS
from projections.credentials import TABLE as CREDENTIALS
from projections.credentials import CredentialRow, tokens_of
from projections.rows import Row
from registry.events.accounts import (
    AccountDeactivated,
    AccountDeleted,
    AccountReactivated,
    AccountRenamed,
    AccountRestored,
    AccountUpdated,
)
from registry.events.base import EventModel
from registry.events.codec import EVENT_TYPES
from registry.events.credentials import (
    CredentialAdded,
    CredentialDeactivated,
    CredentialReactivated,
    CredentialRemoved,
    CredentialReplaced,
    CredentialUpdated,
)
from registry.events.positions import PositionsLinked, PositionsUnlinked
from registry.plurals import counted
from registry.rules.account_state import AccountState
from registry.rules.credentials import identity
from registry.rules.details import differences
from registry.rules.positions import parts

Sign = Literal["+", "-", "~"]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the rollback must know beside the accounts' own events."""

    data_keys: frozenset[str] = frozenset()
    """Ids of the data keys that exist; a version whose key is gone cannot be read again."""
    owners: Mapping[str, str | None] = field(default_factory=dict)
    """The owner, in the table, of each position that exists and matters here."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Account id -> name, of all accounts that exist."""
    shares: Mapping[str, tuple[str, str, int]] = field(default_factory=dict)
    """Share id -> (borrower, lender, exchange id), of all shares that exist."""
    roles: frozenset[str] = frozenset()
    """Login roles that exist and matter here."""
    lenders: frozenset[tuple[str, int]] = frozenset()
    """Account and exchange id of each active credential of an active account that matters here."""


@dataclass(frozen=True, slots=True)
class Line:
    """One difference that the rollback makes, as in a diff."""

    account: str
    sign: Sign
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """One event of the plan."""

    account_id: uuid.UUID
    event: EventModel
    related_account_id: uuid.UUID | None = None


@dataclass(slots=True)
class Plan:
    """What a rollback would do."""

    steps: list[Step] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """What cannot come back, by name."""


@dataclass(frozen=True, slots=True)
class Histories:
    """An account at the position to go back to, and now."""

    account_id: str
    then: AccountState
    now: AccountState

    @property
    def name(self) -> str:
        """The account's name: of today, or of then if it does not exist today."""
        return self.now.name if self.now.exists else self.then.name


def plan(accounts: Iterable[Histories], world: World) -> Plan:
    """The plan that brings these accounts back, in an order that the tables accept."""
    existing = [account for account in accounts if account.now.exists or account.then.exists]
    return _Planner(existing, world).plan()


class _Planner:
    """Works in phases over all accounts: what is in the way goes before what comes back."""

    def __init__(self, accounts: list[Histories], world: World) -> None:
        self._accounts = accounts
        self._world = world
        self._plan = Plan()
        # Who has which name and position while the plan goes on.
        self._names = dict(world.names)
        self._owners = dict(world.owners)
        self._shares = dict(world.shares)

    def plan(self) -> Plan:
        kept = [account for account in self._accounts if account.now.exists]
        for clear in (
            self._access_ends,
            self._shares_end,
            self._positions_go,
            self._credentials_go,
        ):
            for account in kept:
                clear(account)
        for account in kept:
            if not account.then.exists:
                self._delete(account)
        self._rename([account for account in kept if account.then.exists])
        for account in self._accounts:
            if not account.now.exists:
                self._restore(account)
        back = [
            account
            for account in self._accounts
            if account.then.exists and account.account_id in self._names
        ]
        for bring in (
            self._details,
            self._credentials_come,
            self._positions_come,
            self._shares_come,
            self._access_comes,
        ):
            for account in back:
                bring(account)
        return self._plan

    def _append(
        self,
        account: Histories,
        event: EventModel,
        sign: Sign,
        text: str,
        lender: str | None = None,
    ) -> None:
        related = None if lender is None else uuid.UUID(lender)
        self._plan.steps.append(Step(uuid.UUID(account.account_id), event, related))
        if text:
            self._plan.lines.append(Line(account.name, sign, text))

    # What is in the way

    def _access_ends(self, account: Histories) -> None:
        then = _accesses(account.then)
        for key, row in _accesses(account.now).items():
            if key not in then:
                self._access(account, "AccessRevoked", row, "-")

    def _shares_end(self, account: Histories) -> None:
        then = _shares(account.then)
        for key, row in _shares(account.now).items():
            if key not in then or _lender(row) != _lender(then[key]):
                lender = self._world.names.get(_lender(row), _lender(row))
                self._share(account, account.now, "SharingRevoked", row, "-", f"share of {lender}")
                self._shares.pop(key, None)

    def _positions_go(self, account: Histories) -> None:
        wanted = _links(account.then) if account.then.exists else set()
        gone = sorted(_links(account.now) - wanted)
        for ids in parts([uuid.UUID(position) for position in gone]):
            self._append(
                account, PositionsUnlinked(positions=ids), "-", counted(len(ids), "position")
            )
        for position in gone:
            if self._owners.get(position) == account.account_id:
                self._owners[position] = None

    def _credentials_go(self, account: Histories) -> None:
        wanted = _credentials(account.then)
        for key, row in _credentials(account.now).items():
            exchange = row["exchange_id"]
            if key in wanted:
                continue
            if all(one["exchange_id"] != exchange for one in wanted.values()) and (
                borrowers := self._borrowers(account, exchange)
            ):
                what = _credential(account.now, row)
                self._lose(f"{what} of {account.name} is lent to {borrowers}, and cannot go")
                continue
            event = CredentialRemoved(**identity(account.now, row))
            self._append(account, event, "-", _credential(account.now, row))

    def _borrowers(self, account: Histories, exchange_id: int | None = None) -> str:
        """Who borrows from the account, in words; empty if nobody does."""
        found = {
            self._world.names.get(borrower, borrower)
            for borrower, lender, exchange in self._shares.values()
            if lender == account.account_id and exchange_id in (None, exchange)
        }
        return ", ".join(sorted(found))

    def _delete(self, account: Histories) -> None:
        in_use = [p for p, owner in self._owners.items() if owner == account.account_id]
        borrowers = self._borrowers(account)
        if in_use:
            self._lose(
                f"account {account.name} owns {counted(len(in_use), 'position')}, "
                "and cannot be deleted"
            )
        elif borrowers:
            self._lose(f"account {account.name} lends to {borrowers}, and cannot be deleted")
        else:
            self._append(account, AccountDeleted(account_name=account.name), "-", "account")
            self._names.pop(account.account_id, None)

    # Accounts

    def _rename(self, accounts: list[Histories]) -> None:
        waiting = [account for account in accounts if account.then.name != account.now.name]
        while waiting:
            free = [account for account in waiting if self._holder(account.then.name) is None]
            if free:
                self._rename_to(free[0], free[0].then.name)
                waiting.remove(free[0])
                continue
            holders = {account.account_id for account in waiting}
            blocked = [a for a in waiting if self._holder(a.then.name) not in holders]
            for account in blocked:
                self._lose_name(account)
                waiting.remove(account)
            if not blocked:
                # They exchanged names: one of them steps aside under its id.
                self._rename_to(waiting[0], waiting[0].account_id, quietly=True)

    def _rename_to(self, account: Histories, name: str, *, quietly: bool = False) -> None:
        previous = self._names[account.account_id]
        text = "" if quietly else f"name: {account.now.name!r} → {name!r}"
        self._append(account, AccountRenamed(account_name=name, previous_name=previous), "~", text)
        self._names[account.account_id] = name

    def _holder(self, name: str) -> str | None:
        return next((key for key, held in self._names.items() if held == name), None)

    def _restore(self, account: Histories) -> None:
        if self._holder(account.then.name) is not None:
            self._lose_name(account)
            return
        then = account.then.account
        given = {name: value for name, value in ACCOUNTS.details_in(then).items() if value}
        event = AccountRestored(
            account_name=then["account_name"],
            is_active=then["is_active"],
            created_at=_moment(then["created_at"]),
            **given,
        )
        self._append(account, event, "+", "account")
        self._names[account.account_id] = then["account_name"]

    def _lose_name(self, account: Histories) -> None:
        self._lose(f"the name {account.then.name} belongs to another account now")

    def _details(self, account: Histories) -> None:
        if not account.now.exists:
            return
        then, now = account.then.account, account.now.account
        current = ACCOUNTS.details_in(now)
        changed = differences(current, ACCOUNTS.details_in(then))
        if changed:
            self._append(account, AccountUpdated(**changed), "~", _shown(current, changed))
        if then["is_active"] != now["is_active"]:
            event = AccountReactivated() if then["is_active"] else AccountDeactivated()
            self._append(account, event, "~", _activity("account", active=then["is_active"]))

    # Credentials

    def _credentials_come(self, account: Histories) -> None:
        present = _credentials(account.now) if account.now.exists else {}
        for key, then in _credentials(account.then).items():
            if key not in present:
                self._credential_back(account, then)
            else:
                self._credential_changes(account, then, present[key])

    def _credential_back(self, account: Histories, then: CredentialRow) -> None:
        if not self._readable(account, then):
            return
        told = CREDENTIALS.details_in(then)
        given = {name: value for name, value in told.items() if value is not None}
        if then["last_used"] is not None:
            given["last_used"] = _moment(then["last_used"])
        created = _moment(then["created_at"])
        event = CredentialAdded(**_sealed(account.then, then), created_at=created, **given)
        self._append(account, event, "+", _credential(account.then, then))
        if not then["is_active"]:
            self._append(account, CredentialDeactivated(**identity(account.then, then)), "~", "")

    def _credential_changes(
        self, account: Histories, then: CredentialRow, now: CredentialRow
    ) -> None:
        name = str(account.then.slot_of(then))
        current = CREDENTIALS.details_in(now)
        changed = differences(current, CREDENTIALS.details_in(then))
        if then["data_key_id"] != now["data_key_id"] and self._readable(account, then):
            text = f"{name}: secrets of version {now['version']} → {then['version']}"
            event = CredentialReplaced(**_sealed(account.then, then), **changed)
            self._append(account, event, "~", text)
        elif changed:
            updated = CredentialUpdated(**identity(account.then, then), **changed)
            self._append(account, updated, "~", f"{name}: {_shown(current, changed)}")
        if then["is_active"] != now["is_active"]:
            kind = CredentialReactivated if then["is_active"] else CredentialDeactivated
            text = _activity(name, active=then["is_active"])
            self._append(account, kind(**identity(account.then, then)), "~", text)

    def _readable(self, account: Histories, row: CredentialRow) -> bool:
        if row["data_key_id"] in self._world.data_keys:
            return True
        slot = account.then.slot_of(row)
        version = row["version"]
        self._lose(f"the secrets of {account.name} for {slot} version {version} were destroyed")
        return False

    # Positions and shares

    def _positions_come(self, account: Histories) -> None:
        wanted = _links(account.then) - (_links(account.now) if account.now.exists else set())
        back = []
        for position in sorted(wanted):
            owner = self._owners.get(position)
            if position not in self._owners:
                self._lose(f"position {position} of {account.name} is gone")
            elif owner not in (None, account.account_id):
                holder = self._names.get(owner, owner)
                self._lose(f"position {position} of {account.name} belongs to {holder} now")
            else:
                back.append(uuid.UUID(position))
        for ids in parts(back):
            self._append(
                account, PositionsLinked(positions=ids), "+", counted(len(ids), "position")
            )

    def _shares_come(self, account: Histories) -> None:
        present = _shares(account.now) if account.now.exists else {}
        for key, then in _shares(account.then).items():
            lender = _lender(then)
            now = present.get(key)
            if now is not None and (_lender(now), now["sharing_type"]) == (
                lender,
                then["sharing_type"],
            ):
                continue
            if lender in self._names and not self._can_lend(lender, then["exchange_id"]):
                name = self._names[lender]
                self._lose(
                    f"a share of {account.name} cannot come back: {name} has nothing to lend"
                )
            elif now is not None and _lender(now) == lender:
                text = f"share: {now['sharing_type']} → {then['sharing_type']}"
                self._share(account, account.then, "SharingChanged", then, "~", text)
            elif lender not in self._names:
                self._lose(f"a share of {account.name} cannot come back: its lender is gone")
            elif chain := self._chain(account.account_id, lender, then["exchange_id"]):
                self._lose(f"a share of {account.name} cannot come back: {chain}")
            else:
                text = f"share of {self._names[lender]}"
                self._share(account, account.then, "SharingGranted", then, "+", text)
                self._shares[key] = account.account_id, lender, then["exchange_id"]

    def _chain(self, borrower: str, lender: str, exchange_id: int) -> str:
        """Why the share would make a chain, in words; empty if it would not."""
        for other_borrower, other_lender, exchange in self._shares.values():
            if exchange != exchange_id:
                continue
            if other_borrower == lender:
                from_whom = self._names.get(other_lender, other_lender)
                return f"{self._names[lender]} borrows from {from_whom} itself"
            if other_lender == borrower:
                return f"it lends to {self._names.get(other_borrower, other_borrower)} itself"
        return ""

    def _can_lend(self, lender: str, exchange_id: int) -> bool:
        """Whether the lender will have an active credential, as a share of just now needs."""
        rolled = next((a for a in self._accounts if a.account_id == lender), None)
        if rolled is None:
            return (lender, exchange_id) in self._world.lenders
        return (
            rolled.then.exists
            and rolled.then.account["is_active"]
            and any(
                row["exchange_id"] == exchange_id and row["is_active"]
                for row in rolled.then.credentials()
                if row["data_key_id"] in self._world.data_keys
            )
        )

    def _share(
        self, account: Histories, state: AccountState, kind: str, row: Row, sign: Sign, text: str
    ) -> None:
        lender = _lender(row)
        given = {
            "share_id": row["id"],
            "exchange": state.exchange_names[row["exchange_id"]],
            "exchange_id": row["exchange_id"],
            "lender_id": lender,
            "lender": self._names.get(lender, lender),
            "sharing_type": row["sharing_type"],
        }
        model = EVENT_TYPES[kind]
        event = model(**{name: given[name] for name in model.model_fields if name in given})
        self._append(account, event, sign, text, lender=lender)

    def _access_comes(self, account: Histories) -> None:
        present = _accesses(account.now) if account.now.exists else {}
        for key, row in _accesses(account.then).items():
            if key in present:
                continue
            if row["role_name"] in self._world.roles:
                self._access(account, "AccessGranted", row, "+")
            else:
                self._lose(
                    f"access of role {row['role_name']} to {account.name} cannot come back: "
                    "there is no such login role"
                )

    def _access(self, account: Histories, kind: str, row: Row, sign: Sign) -> None:
        given = {"access_id": row["id"], "role": row["role_name"]}
        event = EVENT_TYPES[kind](**given)
        self._append(account, event, sign, f"access of role {row['role_name']}")

    def _lose(self, what: str) -> None:
        self._plan.lost.append(what)


def _rows(state: AccountState, table: str) -> dict[str, Row]:
    return state.rows.get(table, {})


def _credentials(state: AccountState) -> dict[str, CredentialRow]:
    return {row["id"]: row for row in state.credentials()}


def _shares(state: AccountState) -> dict[str, Row]:
    return _rows(state, sharing.TABLE.name)


def _accesses(state: AccountState) -> dict[str, Row]:
    return _rows(state, "account_access")


def _links(state: AccountState) -> set[str]:
    rows = _rows(state, positions.TABLE.name)
    return {position for position, row in rows.items() if row["account_id"] is not None}


def _lender(row: Row) -> str:
    return str(row["shared_account_id"])


def _shown(current: Mapping[str, Any], changed: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}: {_text(current[k])} → {_text(changed[k])}" for k in changed)


def _sealed(state: AccountState, row: CredentialRow) -> dict[str, Any]:
    return {
        **identity(state, row),
        "version": row["version"],
        "data_key_id": row["data_key_id"],
        "tokens": tokens_of(row),
        "fingerprints": state.fingerprints[row["id"]],
    }


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def _credential(state: AccountState, row: CredentialRow) -> str:
    return f"credential {state.slot_of(row)} version {row['version']}"


def _activity(what: str, *, active: bool) -> str:
    return f"{what}: {'inactive → active' if active else 'active → inactive'}"


def _text(value: Any) -> str:
    return "nothing" if value is None else repr(value) if isinstance(value, str) else str(value)
