"""Making the tables again from the log: replaying, comparing, judging, repairing.

House rules: the log is only read here, except for the one event that records a repair. Rows are
compared as COPY writes them, and repaired in one short transaction.
"""
