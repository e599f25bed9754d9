"""The state of an account, from the events of its own stream.

The state is the projection of the stream. The same projectors make the tables, so that a rule
and a row can never disagree.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from projections import TABLES, accounts, credentials, project, versions
from projections.accounts import AccountRow
from projections.credentials import CredentialRow
from projections.memory_sink import MISFITS, Rows, apply_to_memory
from projections.rows import Delete, RowChange, misfit_of
from projections.versions import VersionRow
from registry.errors import AccountInactive, AccountNotFound, CredentialNotFound, InvalidInput
from registry.events.stored import StoredEvent
from registry.hints import Command, Hint, Option


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot of an account: the place of one credential."""

    exchange_id: int
    exchange: str
    subaccount_index: int | None
    permission: str

    def __str__(self) -> str:
        subaccount = "" if self.subaccount_index is None else f" subaccount {self.subaccount_index}"
        permission = "" if self.permission == "full" else f" ({self.permission})"
        return f"{self.exchange}{subaccount}{permission}"


SlotKey = tuple[int, int | None, str]
"""(exchange id, subaccount, permission)."""


@dataclass(slots=True)
class AccountState:
    """An account at the end of its stream."""

    version: int = 0
    rows: Rows = field(default_factory=dict)
    versions: dict[SlotKey, dict[int, Mapping[str, str]]] = field(default_factory=dict)
    """The fingerprints of each version that a slot ever held."""
    sealed: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Data key id -> data of the newest event that holds the version's tokens."""
    checks: dict[tuple[str, int], str] = field(default_factory=dict)
    """(credential id, version) -> the outcome of its last check."""
    exchange_names: dict[int, str] = field(default_factory=dict)
    """Exchange id -> name, as in the events."""
    checked: bool = False
    """Whether events with values that the tables could not hold are skipped; takes twice as long.

    Needed for reading an account's past; a command meets the tables anyway."""

    @classmethod
    def of(cls, events: Iterable[StoredEvent], *, checked: bool = False) -> "AccountState":
        """The state after these events of one stream."""
        state = cls(checked=checked)
        for event in events:
            state.apply(event)
        return state

    def apply(self, event: StoredEvent) -> None:
        """Applies one event.

        A malformed or unfitting event was appended by hand. It changes no row here, as it
        changed none in the tables, and `verify` reports it. An error here would prevent
        operators from stopping the account.

        Raises:
            SchemaTooNew: the event was written by a newer version of this program.
        """
        with contextlib.suppress(*MISFITS):
            self._take(event)
        self.version = event.stream_version

    def _take(self, event: StoredEvent) -> None:
        changes = project(event)
        data = event.data
        # Read all fields before any change: a later field may be malformed.
        exchanges = {data["exchange_id"]: data["exchange"]} if "exchange_id" in data else {}
        former, sealed, checks = {}, {}, {}
        if "fingerprints" in data:
            slot = (data["exchange_id"], data["subaccount_index"], data["permission"])
            held = self.versions.get(slot, {})
            former[slot] = {**held, int(data["version"]): data["fingerprints"]}
            sealed[data["data_key_id"]] = data
        if event.event_type == "CredentialChecked":
            checks[data["credential_id"], data["version"]] = data["outcome"]
        for change in changes:
            self._check(change)
        for change in changes:
            apply_to_memory(self.rows, change)
        self.exchange_names |= exchanges
        self.versions |= former
        self.sealed |= sealed
        self.checks |= checks

    def _check(self, change: RowChange) -> None:
        if isinstance(change, Delete) and change.table == accounts.TABLE:
            if any(self.rows.get(table.name) for table in TABLES if table.accounts):
                raise ValueError("the account still has something")
        elif self.checked and (misfit := misfit_of(change)):
            raise ValueError(misfit)

    @property
    def exists(self) -> bool:
        """Whether the account was created and not deleted."""
        return bool(self.rows.get(accounts.TABLE.name))

    @property
    def account(self) -> AccountRow:
        """The account's row.

        Raises:
            AccountNotFound: it was never created, or was deleted.
        """
        for row in self.rows.get(accounts.TABLE.name, {}).values():
            return cast("AccountRow", row)
        raise AccountNotFound("the account does not exist")

    @property
    def name(self) -> str:
        """The account's name."""
        return self.account["account_name"]

    def active_account(self) -> AccountRow:
        """The row of an active account.

        Raises:
            AccountNotFound: it was never created, or was deleted.
            AccountInactive: it is deactivated.
        """
        account = self.account
        if not account["is_active"]:
            raise AccountInactive(
                f"account {account['account_name']} is inactive",
                hint=Hint(
                    "Reactivate it first: ", Command("reactivate-account", account["account_name"])
                ),
            )
        return account

    def credentials(self) -> Iterator[CredentialRow]:
        """The credentials that the account holds."""
        for row in self.rows.get(credentials.TABLE.name, {}).values():
            yield cast("CredentialRow", row)

    def fingerprints(self, row: CredentialRow) -> Mapping[str, str]:
        """The fingerprints of a credential's current version."""
        found: Mapping[str, str] = self.sealed[row["data_key_id"]]["fingerprints"]
        return found

    def versions_held(self, credential_id: str) -> Iterator[VersionRow]:
        """The versions that a credential ever had."""
        for row in self.rows.get(versions.TABLE.name, {}).values():
            if row["credential_id"] == credential_id:
                yield cast("VersionRow", row)

    def pending_version(self, row: CredentialRow) -> VersionRow | None:
        """The version that is to replace the current one of a credential, if any."""
        pending = (v for v in self.versions_held(row["id"]) if v["is_pending"])
        return max(pending, key=lambda version: version["version"], default=None)

    def credential_in(self, slot: Slot) -> CredentialRow | None:
        """The credential of a slot, if it holds one."""
        wanted = (slot.exchange_id, slot.subaccount_index, slot.permission)
        return next((c for c in self.credentials() if _slot_key(c) == wanted), None)

    def slot_of(self, row: CredentialRow) -> Slot:
        """The slot that holds a credential."""
        exchange_id, subaccount_index, permission = _slot_key(row)
        name = self.exchange_names[exchange_id]
        return Slot(exchange_id, name, subaccount_index, permission)

    def versions_of(self, slot: Slot) -> Mapping[int, Mapping[str, str]]:
        """The fingerprints of each version that the slot ever held, by number."""
        return self.versions.get((slot.exchange_id, slot.subaccount_index, slot.permission), {})

    def last_version(self, slot: Slot) -> int:
        """The highest version that the slot ever held, 0 if none."""
        # A rollback may bring an older version back; the next version still gets a new number.
        return max(self.versions_of(slot), default=0)

    def find_credential(self, wanted: "SlotQuery") -> tuple[Slot, CredentialRow]:
        """The one credential that matches a possibly incomplete slot.

        Raises:
            CredentialNotFound: there is none.
            InvalidInput: there are several; the message lists them.
        """
        found = [(self.slot_of(row), row) for row in self.credentials() if wanted.matches(row)]
        # A query without a subaccount means the unnumbered slot, even if numbered slots exist.
        exact = [pair for pair in found if pair[0].subaccount_index == wanted.subaccount_index]
        if len(exact) == 1:
            return exact[0]
        if len(found) == 1:
            return found[0]
        if found:
            choices = ", ".join(str(slot) for slot, _ in found)
            options = Hint.joined(" and ", [Option("subaccount", ...), Option("permission", ...)])
            raise InvalidInput(
                f"account {self.name} has several credentials for {wanted.exchange}: {choices}",
                hint=Hint("Say which with ", options, "."),
            )
        others = [
            str(self.slot_of(row))
            for row in self.credentials()
            if row["exchange_id"] == wanted.exchange_id
        ]
        raise CredentialNotFound(
            f"account {self.name} has no credential for {wanted}",
            hint=f"It has: {', '.join(others)}."
            if others
            else Hint("Add one with: ", Command("add-credential", self.name, wanted.exchange)),
        )


@dataclass(frozen=True, slots=True)
class SlotQuery:
    """A slot as a user names it; omitted parts match anything."""

    exchange_id: int
    exchange: str
    subaccount_index: int | None = None
    permission: str | None = None

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Whether the row's slot fits, or that of an event's data."""
        return (
            row["exchange_id"] == self.exchange_id
            and self.subaccount_index in (None, row["subaccount_index"])
            and self.permission in (None, row["permission"])
        )

    def slot(self) -> Slot:
        """The slot for a new credential; an omitted permission is `full`."""
        return Slot(
            self.exchange_id, self.exchange, self.subaccount_index, self.permission or "full"
        )

    def __str__(self) -> str:
        return str(self.slot())


def _slot_key(row: CredentialRow) -> SlotKey:
    return row["exchange_id"], row["subaccount_index"], row["permission"]
