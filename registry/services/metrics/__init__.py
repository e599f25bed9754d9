"""The registry as figures for Prometheus.

House rules: a label is the name of an account, an exchange, a kind or a file, never a value or a
text. The number of series is bounded, and what is left out is counted. A database that is away
is `account_registry_up 0` and no error. Names: https://prometheus.io/docs/practices/naming/
"""
