"""Applies row changes to dictionaries."""

from projections.rows import Delete, Insert, Patch, Row, RowChange

Rows = dict[str, dict[str, Row]]
"""Table name -> key -> row."""


def apply_to_memory(rows: Rows, change: RowChange) -> None:
    """Makes one change.

    Raises:
        KeyError: a row that is to be changed is not there: the log contradicts itself.
    """
    table = rows.setdefault(change.table.name, {})
    match change:
        case Insert(key=key, values=values):
            table[key] = dict(values)
        case Patch(key=key, values=values):
            table[key].update(values)
        case Delete(key=key):
            del table[key]
