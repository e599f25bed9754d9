"""Carrying a change out: reading, deciding, and writing in one transaction.

`executor` runs a task, `account_tasks` is what tasks about one account share, `vault` seals
credentials, `lookup` finds ids by names. House rule: nothing here decides; the rules do.
"""
