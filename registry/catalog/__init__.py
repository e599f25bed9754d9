"""What the credential of each exchange consists of, and whether given fields are one.

The built-in exchanges are data, in `exchanges.toml`; users add others by the command
`add-exchange`, as events.
"""
