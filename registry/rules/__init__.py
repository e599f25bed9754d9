"""The rules: what a command means in a state. Pure functions, no I/O, no clock.

House rules: a rule takes a state and what a command says and gives events, or raises a typed
error that names what is in the way. What takes power away (deactivate, remove, delete) is
possible on an inactive account; everything else is not.
"""
