"""Applies row changes to dictionaries."""

from projections.rows import Delete, Insert, Patch, PatchAll, Row, RowChange

Rows = dict[str, dict[str, Row]]
"""Table name -> key -> row."""


def apply_to_memory(rows: Rows, change: RowChange) -> None:
    """Makes one change.

    Raises:
        KeyError: a row that is to be changed is not there: the log contradicts itself.
    """
    table = rows.get(change.table.name)
    if table is None:
        table = rows[change.table.name] = {}
    # By type and not by pattern: a rebuild does this a million times.
    kind = type(change)
    if kind is Patch:
        table[change.key].update(change.values)  # type: ignore[union-attr]
    elif kind is Insert:
        table[change.key] = dict(change.values)  # type: ignore[union-attr]
    elif kind is Delete:
        del table[change.key]  # type: ignore[union-attr]
    else:
        _patch_all(table, change)  # type: ignore[arg-type]


def _patch_all(table: dict[str, Row], change: PatchAll) -> None:
    for key in change.keys:
        # The rows of another program's table are not made by events.
        row = table.setdefault(key, {}) if change.table.partial else table[key]
        row.update(change.values)
