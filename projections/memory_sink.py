"""Applies row changes to dictionaries."""

from typing import Final

from projections.rows import Delete, Insert, Patch, PatchAll, Put, Row, RowChange

Rows = dict[str, dict[str, Row]]
"""Table name -> key -> row."""

MISFITS: Final = (KeyError, TypeError, ValueError, AttributeError)
"""Errors raised for an event that is malformed or does not fit the rows.

A login that may append by SQL can append events that no rule would make. Such an event
changes no row, here as in the tables; see `registry.rebuild.judging`.
"""


def apply_to_memory(rows: Rows, change: RowChange, account_id: str | None = None) -> None:
    """Applies one change, or nothing if the change does not fit the rows.

    `account_id`, if given, is the account whose rows the event may change.

    Raises:
        KeyError: the row to change is missing or belongs to another account, or the row to
            insert exists already.
    """
    table = rows.get(change.table.name)
    if table is None:
        table = rows[change.table.name] = {}
    # By type and not by pattern matching: a rebuild does this a million times.
    kind = type(change)
    if kind is Patch:
        row = table[change.key]  # type: ignore[union-attr]
        if account_id is not None and row[change.table.owner] != account_id:
            raise KeyError(account_id)
        row.update(change.values)  # type: ignore[union-attr]
    elif kind is Insert:
        row = dict(change.values)  # type: ignore[union-attr]
        if table.setdefault(change.key, row) is not row:  # type: ignore[union-attr]
            raise KeyError(change.key)  # type: ignore[union-attr]
    elif kind is Put:
        former = table.get(change.key)  # type: ignore[union-attr]
        if (
            account_id is not None
            and former is not None
            and former[change.table.owner] != account_id
        ):
            raise KeyError(account_id)
        table[change.key] = change.values.copy()  # type: ignore[union-attr]
    elif kind is Delete:
        if account_id is not None and table[change.key][change.table.owner] != account_id:  # type: ignore[union-attr]
            raise KeyError(account_id)
        del table[change.key]  # type: ignore[union-attr]
    else:
        _patch_all(table, change)  # type: ignore[arg-type]


def _patch_all(table: dict[str, Row], change: PatchAll) -> None:
    if not change.table.partial and not table.keys() >= set(change.keys):
        raise KeyError(change.keys)
    for key in change.keys:
        # Events do not insert the rows of another program's table.
        table.setdefault(key, {}).update(change.values)
