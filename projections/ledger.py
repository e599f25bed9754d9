"""Rows as the tables would hold them, reduced to what the tables' rules are about.

It takes the changes of events one by one, and says why the tables would refuse one. The
rules are those of the tables themselves (migrations 006, 008 and 011); a test compares them.
"""

import datetime as dt
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from projections import access, accounts, credentials, positions, sharing
from projections.rows import Delete, Insert, Patch, PatchAll, Row, RowChange, Table

Misfit = str
"""Why a change cannot be, in words; empty if it can."""

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?")
_MAX_VARCHAR: Final = 255
_MAX_ROLE: Final = 63
_MAX_INTEGER: Final = 2**31 - 1

REFERENCES: Final = {
    credentials.TABLE: ("account_id",),
    sharing.TABLE: ("primary_account_id", "shared_account_id"),
    access.TABLE: ("account_id",),
}
"""The columns that refer to an account."""

_NULLABLE: Final = {
    accounts.TABLE: {"wallet_address", "description"},
    credentials.TABLE: {
        *credentials.TABLE.secret,
        *credentials.DETAILS,
        "subaccount_index",
        "last_used",
    },
    positions.TABLE: {"account_id"},
}


class Ledger:
    """What the tables hold."""

    def __init__(self, exchanges: Iterable[int]) -> None:
        self._exchanges = frozenset(exchanges)
        self._rows: dict[str, dict[str, Row]] = {}
        self._unique: dict[tuple[Any, ...], str] = {}
        self._uses: Counter[str] = Counter()
        """Account -> rows of other tables that refer to it."""
        self._held: Counter[tuple[str, int]] = Counter()
        """Account and exchange -> credentials."""
        self._lent: Counter[tuple[str, int]] = Counter()
        """Lender and exchange -> shares."""
        self._removed: dict[tuple[str, int], int] = {}
        """Account and exchange -> the position of the event that removed the last credential."""

    def take(self, change: RowChange, account_id: str, position: int) -> Misfit:
        """Makes the change of the event at this position, which is one of this account.

        Raises:
            MISFITS: the change is malformed.
        """
        match change:
            case Insert(table, key, values):
                return unfit_change(change) or self.insert(table, key, reduced(table, values))
            case Patch(table, key, values):
                misfit = self._of_another(table, key, account_id)
                return misfit or unfit_change(change) or self._patch(table, key, values)
            case PatchAll():
                return unfit_change(change)
            case Delete(table, key):
                misfit = self._of_another(table, key, account_id)
                return misfit or self._delete(table, key, position)

    def insert(self, table: Table, key: str, row: Row) -> Misfit:
        """A new row, reduced."""
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
        """Positions of events that removed the last credential of those that are lent.

        Only in the end: a command may remove a credential before it ends the shares.
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
            del self._unique[_unique_key(table, row)]
            self._unique[_unique_key(table, new)] = key
        self._rows[table.name][key] = new
        return ""

    def _delete(self, table: Table, key: str, position: int) -> Misfit:
        if table == accounts.TABLE and self._uses[key]:
            return "the account still has credentials, shares or accesses"
        row = self._rows[table.name].pop(key)
        self._count(table, row, -1)
        if table == credentials.TABLE:
            self._removed[row["account_id"], row["exchange_id"]] = position
        return ""

    def _dangling(self, table: Table, row: Row) -> Misfit:
        there = self._rows.get(accounts.TABLE.name, {})
        if any(row[column] not in there for column in REFERENCES.get(table, ())):
            return "there is no such account"
        if "exchange_id" in row and row["exchange_id"] not in self._exchanges:
            return "there is no such exchange"
        return ""

    def _taken(self, table: Table, row: Row) -> Misfit:
        if _unique_key(table, row) not in self._unique:
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
            self._unique[_unique_key(table, row)] = row[table.key]
        else:
            del self._unique[_unique_key(table, row)]
        for column in REFERENCES.get(table, ()):
            self._uses[row[column]] += by
        if table == credentials.TABLE:
            self._held[row["account_id"], row["exchange_id"]] += by
        elif table == sharing.TABLE:
            self._lent[row["shared_account_id"], row["exchange_id"]] += by


def reduced(table: Table, row: Row) -> Row:
    """What the rules between rows are about."""
    kept = {table.key, table.owner, *table.unique, *REFERENCES.get(table, ())}
    return {name: row[name] for name in table.columns if name in kept}


def unfit_change(change: RowChange) -> Misfit:
    """Why the columns of its table cannot hold what the change says."""
    match change:
        case Insert(table, _, values) | Patch(table, _, values):
            return unfit(table, values)
        case PatchAll(_, keys, _) if not all(map(_is_uuid, keys)):
            return "it names what is no id"
        case _:
            return ""


def unfit(table: Table, values: Mapping[str, Any]) -> Misfit:
    """Why the table's columns cannot hold these values, which may be some of a row's."""
    nullable = _NULLABLE.get(table, ())
    for name, value in values.items():
        if value is None:
            if name not in nullable:
                return f"it lacks {name}"
        elif not _FITS[table.columns[name]](value):
            return f"{name} cannot hold what it says"
        elif (rule := _RULES.get(name)) and not rule(value):
            return f"{name} cannot be what it says"
    tokens = [values[name] for name in table.secret if name in values]
    return "it has no field" if tokens and not any(tokens) else ""


def _unique_key(table: Table, row: Row) -> tuple[Any, ...]:
    return (table.name, *[row[column] for column in table.unique])


def _is_uuid(value: Any) -> bool:
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def _is_time(value: Any) -> bool:
    if not isinstance(value, str) or _TIME.fullmatch(value) is None:
        return False
    try:
        dt.datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_clean(name: str) -> bool:
    stripped = name.strip(" ")
    return name == stripped != "" and not any(unicodedata.category(c) == "Cc" for c in name)


_FITS: Final[dict[str, Callable[[Any], bool]]] = {
    "uuid": _is_uuid,
    "timestamp": _is_time,
    "text": lambda value: isinstance(value, str),
    "varchar": lambda value: isinstance(value, str) and len(value) <= _MAX_VARCHAR,
    "boolean": lambda value: isinstance(value, bool),
    "jsonb": lambda value: isinstance(value, dict | list),
    "integer": lambda value: type(value) is int and 0 <= value <= _MAX_INTEGER,
}
_RULES: Final[dict[str, Callable[[Any], bool]]] = {
    "account_name": _is_clean,
    "metadata": lambda value: isinstance(value, dict),
    "additional_credentials_encrypted": lambda value: isinstance(value, dict),
    "ip_allow_list": lambda value: isinstance(value, list),
    "permission": lambda value: value in ("full", "read_only"),
    "version": lambda value: value > 0,
    "sharing_type": lambda value: value in ("full", "read_only", "positions_only"),
    "role_name": lambda value: value != "" and len(value) <= _MAX_ROLE,
}
