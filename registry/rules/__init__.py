"""The rules: pure functions that decide commands, without I/O or a clock.

House rules: a rule takes a state and a command, and returns events. If it cannot, it raises a
typed error that names the obstacle. On an inactive account only commands that take power away
(deactivate, remove, delete) are possible.
"""
