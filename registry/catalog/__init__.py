"""The fields of each exchange's credential, and the check of given values.

The built-in exchanges are data, in `exchanges.toml`; users add more exchanges by the command
`add-exchange`, as events.
"""
