"""Events: one frozen model for each event type, without I/O or internal dependencies.

House rules: names are in the past tense. A field is only ever added last, with a default; any
other change needs a new `schema_version` and an upcaster. No field can hold a plain secret:
credentials appear only as Fernet tokens and keyed fingerprints.
"""
