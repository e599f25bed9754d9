"""What can happen. One frozen model per kind of event; no I/O, no dependencies inside.

House rules: names are in the past tense. A field is only ever added, last and with a
default; anything else needs a new `schema_version` and an upcaster. No field can hold a
plain secret: credentials appear as Fernet tokens and keyed fingerprints only.
"""
