"""Execution of changes: reading, deciding, and writing in one transaction.

`executor` runs a task, `account_tasks` has base classes of tasks, `vault` seals credentials,
`lookup` finds ids by names. House rule: nothing here decides; the rules do.
"""
