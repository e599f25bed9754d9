"""The state of an account, from the events of its own stream.

The state is the projection of the stream. The same projectors make the tables, so that a rule
and a row can never disagree.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from projections import TABLES, accounts, credentials, project
from projections.accounts import AccountRow
from projections.credentials import CredentialRow
from projections.memory_sink import MISFITS, Rows, apply_to_memory
from projections.rows import Delete, RowChange, misfit_of
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
    fingerprints: dict[str, dict[str, str]] = field(default_factory=dict)
    """Credential id -> fingerprints of its newest version."""
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
        change = project(event)
        data = event.data
        # Read all fields before any change: a later field may be malformed.
        exchanges = {data["exchange_id"]: data["exchange"]} if "exchange_id" in data else {}
        versions, fingerprints = {}, {}
        if "fingerprints" in data:
            slot = (data["exchange_id"], data["subaccount_index"], data["permission"])
            held = self.versions.get(slot, {})
            versions[slot] = {**held, int(data["version"]): data["fingerprints"]}
            fingerprints[data["credential_id"]] = data["fingerprints"]
        if change is not None:
            self._check(change)
            apply_to_memory(self.rows, change)
        self.exchange_names |= exchanges
        self.versions |= versions
        self.fingerprints |= fingerprints

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
