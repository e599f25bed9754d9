"""Rebuilds the tables from the log: replay, comparison, judging and repair.

House rules: the log is only read, except that a repair appends its own event and unrecorded
links. Rows are compared in COPY's text form, and repaired in one short transaction.
"""
