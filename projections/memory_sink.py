"""Applies row changes to dictionaries."""

from typing import Final

from projections.rows import Delete, Insert, Patch, PatchAll, Row, RowChange

Rows = dict[str, dict[str, Row]]
"""Table name -> key -> row."""

MISFITS: Final = (KeyError, TypeError, ValueError, AttributeError)
"""What projecting and applying an event raise if it is malformed or fits nothing.

Whoever may append by SQL can append what no decision of ours would give. Such an event
changes nothing, here as in the tables; see `registry.rebuild.judging`.
"""


def apply_to_memory(rows: Rows, change: RowChange, account_id: str | None = None) -> None:
    """Makes one change, or none if it does not fit the rows.

    `account_id`, if given, is the account whose rows the event may change.

    Raises:
        KeyError: a row that is to be changed is not there, or is another account's; or one
            that is to be new is there already.
    """
    table = rows.get(change.table.name)
    if table is None:
        table = rows[change.table.name] = {}
    # By type and not by pattern: a rebuild does this a million times.
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
        # The rows of another program's table are not made by events.
        row = table.setdefault(key, {}) if change.table.partial else table[key]
        row.update(change.values)
