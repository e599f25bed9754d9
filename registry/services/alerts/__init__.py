"""Alerts: what somebody must hear of, told to webhooks and commands.

House rules: a message names accounts, kinds and positions, and never a value. It is kept in the
state file before it is sent, and until its receiver has taken it: at least once, and its id stays
the same. No receiver keeps another one waiting. What piled up goes out as one digest.
"""
