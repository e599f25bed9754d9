"""The tables' rows in memory, reduced to the columns that the rules between rows need.

A ledger applies row changes one by one, or returns the reason why the tables would refuse one.
Column types, unique columns and references come from the declarations of the tables; the rules
between rows are written here. A test compares all of them with the database.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from projections import accounts, credentials, sharing
from projections.columns import Misfit
from projections.rows import (
    Delete,
    Insert,
    Patch,
    Put,
    Row,
    RowChange,
    Table,
    misfit_of,
)


class Ledger:
    """The reduced rows of the tables, with counters for the rules."""

    def __init__(self, exchanges: Iterable[int]) -> None:
        self._exchanges = frozenset(exchanges)
        self._rows: dict[str, dict[str, Row]] = {}
        self._unique: set[tuple[Any, ...]] = set()
        self._uses: Counter[str] = Counter()
        """Account -> number of rows in other tables that refer to it."""
        self._held: Counter[tuple[str, int]] = Counter()
        """(account, exchange) -> number of credentials."""
        self._lent: Counter[tuple[str, int]] = Counter()
        """(lender, exchange) -> number of shares."""
        self._removed: dict[tuple[str, int], int] = {}
        """(account, exchange) -> position of the event that last removed a credential."""

    def take(self, changes: Sequence[RowChange], account_id: str, position: int) -> Misfit:
        """Applies the row changes of an event, all or none.

        `position` and `account_id` are those of the event.

        Raises:
            MISFITS: a change is malformed.
        """
        for change in changes:
            if misfit := misfit_of(change) or self._unfitting(change, account_id):
                return misfit
        # Only the first can meet another row: those after it are of the table of versions.
        for change in changes:
            if misfit := self._apply(change, position):
                return misfit
        return ""

    def _unfitting(self, change: RowChange, account_id: str) -> Misfit:
        match change:
            case Patch(table, key, _) | Delete(table, key):
                return self._of_another(table, key, account_id)
            case Insert(table, key, _) if key in self._rows.get(table.name, {}):
                return "there is such a row already"
            case Put(table, key, _) if key in self._rows.get(table.name, {}):
                return self._of_another(table, key, account_id)
        return ""

    def _apply(self, change: RowChange, position: int) -> Misfit:
        match change:
            case Insert(table, key, values):
                return self.insert(table, key, reduced(table, values))
            case Put(table, key, values):
                self._rows.setdefault(table.name, {})[key] = reduced(table, values)
            case Patch(table, key, values):
                return self._patch(table, key, values)
            case Delete(table, key):
                return self._delete(table, key, position)
        return ""

    def insert(self, table: Table, key: str, row: Row) -> Misfit:
        """Inserts a reduced row."""
        there = self._rows.setdefault(table.name, {})
        misfit = (
            "there is such a row already" if key in there else self._dangling(table, row)
        ) or self._taken(table, row)
        if not misfit and table == sharing.TABLE:
            misfit = self._chain(row)
        if misfit:
            return misfit
        there[key] = row
        self._count(table, row, 1)
        return ""

    @property
    def removed_while_lent(self) -> list[int]:
        """Positions of events that removed a lender's last credential while it was lent.

        Only valid at the end: a command may remove a credential before it ends the shares.
        """
        return sorted(
            self._removed.get(lent, -1)
            for lent, shares in self._lent.items()
            if shares > 0 and self._held[lent] <= 0
        )

    def _of_another(self, table: Table, key: str, account_id: str) -> Misfit:
        row = self._rows.get(table.name, {}).get(key)
        if row is None:
            return "it changes a row that no event has made"
        return "" if row[table.owner] == account_id else "it changes a row of another account"

    def _patch(self, table: Table, key: str, values: Row) -> Misfit:
        row = self._rows[table.name][key]
        new = {**row, **{name: values[name] for name in row if name in values}}
        if any(new[name] != row[name] for name in table.unique):
            if misfit := self._taken(table, new):
                return misfit
            self._unique.remove(_unique_key(table, row))
            self._unique.add(_unique_key(table, new))
        self._rows[table.name][key] = new
        return ""

    def _delete(self, table: Table, key: str, position: int) -> Misfit:
        if table == accounts.TABLE and self._uses[key] > 0:
            return "the account still has credentials, shares or accesses"
        row = self._rows[table.name].pop(key)
        self._count(table, row, -1)
        if table == credentials.TABLE:
            self._removed[row["account_id"], row["exchange_id"]] = position
        return ""

    def _dangling(self, table: Table, row: Row) -> Misfit:
        there = self._rows.get(accounts.TABLE.name, {})
        if any(row[column] not in there for column in table.accounts):
            return "there is no such account"
        if "exchange_id" in row and row["exchange_id"] not in self._exchanges:
            return "there is no such exchange"
        return ""

    def _taken(self, table: Table, row: Row) -> Misfit:
        if not table.unique or _unique_key(table, row) not in self._unique:
            return ""
        what = {accounts.TABLE: "name", credentials.TABLE: "slot"}.get(table, "place")
        return f"another row has its {what}"

    def _chain(self, row: Row) -> Misfit:
        borrower, lender = row["primary_account_id"], row["shared_account_id"]
        exchange = row["exchange_id"]
        if borrower == lender:
            return "an account does not borrow from itself"
        if (sharing.TABLE.name, lender, exchange) in self._unique:
            return "what is borrowed cannot be lent on"
        if self._lent[borrower, exchange]:
            return "who lends cannot borrow for the same exchange"
        return "" if self._held[lender, exchange] else "the lender has no credential to lend"

    def _count(self, table: Table, row: Row, by: int) -> None:
        if by > 0:
            self._unique.add(_unique_key(table, row))
        else:
            self._unique.discard(_unique_key(table, row))
        for column in table.accounts:
            self._uses[row[column]] += by
        if table == credentials.TABLE:
            self._held[row["account_id"], row["exchange_id"]] += by
        elif table == sharing.TABLE:
            self._lent[row["shared_account_id"], row["exchange_id"]] += by


def reduced(table: Table, row: Row) -> Row:
    """The columns of a row that the rules between rows need."""
    kept = {table.key, table.owner, *table.unique, *table.accounts}
    return {name: row[name] for name in table.columns if name in kept}


def _unique_key(table: Table, row: Row) -> tuple[Any, ...]:
    return (table.name, *[row[column] for column in table.unique])
