"""Projections: the tables that follow from the log, and the functions that derive them.

House rules: a projector is a pure function from one event to its row changes, at most one for
each table. Every value in a row comes from an event, timestamps included, so that a rebuilt table
has the same bytes. Nothing in here ever writes an event.
"""

from projections.projector import TABLES, project
from projections.rows import Delete, Insert, Patch, PatchAll, Put, RowChange, Table

__all__ = [
    "TABLES",
    "Delete",
    "Insert",
    "Patch",
    "PatchAll",
    "Put",
    "RowChange",
    "Table",
    "project",
]
