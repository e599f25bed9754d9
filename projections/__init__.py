"""The tables that follow from the log, and how each of them does.

House rules: a projector is a pure function from one event to row changes; every value in
a row comes from an event, the timestamps too, so that building a table again gives the
same bytes. Nothing in here ever writes an event.
"""

from projections.projector import TABLES, project
from projections.rows import Delete, Insert, Patch, PatchAll, RowChange, Table

__all__ = ["TABLES", "Delete", "Insert", "Patch", "PatchAll", "RowChange", "Table", "project"]
