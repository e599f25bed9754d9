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
    PatchAll,
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
        misfits = (self._misfit(change, account_id) for change in changes)
        if misfit := next(filter(None, misfits), ""):
            return misfit
        for change in changes:
            self._apply(change, position)
        return ""

    def insert(self, table: Table, key: str, row: Row) -> Misfit:
        """Inserts a reduced row."""
        misfit = self._refused(table, key, row)
        if not misfit:
            self._add(table, key, row)
        return misfit

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

    def _misfit(self, change: RowChange, account_id: str) -> Misfit:
        """The reason why the tables would refuse a change."""
        match change:
            case Insert(table, key, values):
                return misfit_of(change) or self._refused(table, key, reduced(table, values))
            case Put(table, key, _):
                held = key in self._rows.get(table.name, {})
                misfit = self._of_another(table, key, account_id) if held else ""
                return misfit or misfit_of(change)
            case Patch(table, key, values):
                misfit = self._of_another(table, key, account_id)
                return misfit or misfit_of(change) or self._moved(table, key, values)
            case PatchAll():
                return misfit_of(change)
            case Delete(table, key):
                misfit = self._of_another(table, key, account_id)
                return misfit or self._in_use(table, key)

    def _apply(self, change: RowChange, position: int) -> None:
        match change:
            case Insert(table, key, values):
                self._add(table, key, reduced(table, values))
            case Put(table, key, values):
                self._rows.setdefault(table.name, {})[key] = reduced(table, values)
            case Patch(table, key, values):
                self._patch(table, key, values)
            case Delete(table, key):
                self._delete(table, key, position)

    def _of_another(self, table: Table, key: str, account_id: str) -> Misfit:
        row = self._rows.get(table.name, {}).get(key)
        if row is None:
            return "it changes a row that no event has made"
        return "" if row[table.owner] == account_id else "it changes a row of another account"

    def _refused(self, table: Table, key: str, row: Row) -> Misfit:
        held = key in self._rows.get(table.name, {})
        misfit = "there is such a row already" if held else self._dangling(table, row)
        misfit = misfit or self._taken(table, row)
        return misfit or (self._chain(row) if table == sharing.TABLE else "")

    def _add(self, table: Table, key: str, row: Row) -> None:
        self._rows.setdefault(table.name, {})[key] = row
        self._count(table, row, 1)

    def _patched(self, table: Table, key: str, values: Row) -> tuple[Row, Row, bool]:
        """The row before and after, and whether its unique values change."""
        row = self._rows[table.name][key]
        new = {**row, **{name: values[name] for name in row if name in values}}
        return row, new, any(new[name] != row[name] for name in table.unique)

    def _moved(self, table: Table, key: str, values: Row) -> Misfit:
        _, new, moves = self._patched(table, key, values)
        return self._taken(table, new) if moves else ""

    def _patch(self, table: Table, key: str, values: Row) -> None:
        row, new, moves = self._patched(table, key, values)
        if moves:
            self._unique.remove(_unique_key(table, row))
            self._unique.add(_unique_key(table, new))
        self._rows[table.name][key] = new

    def _in_use(self, table: Table, key: str) -> Misfit:
        if table == accounts.TABLE and self._uses[key] > 0:
            return "the account still has credentials, shares or accesses"
        return ""

    def _delete(self, table: Table, key: str, position: int) -> None:
        row = self._rows[table.name].pop(key)
        self._count(table, row, -1)
        if table == credentials.TABLE:
            self._removed[row["account_id"], row["exchange_id"]] = position

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
