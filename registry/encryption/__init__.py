"""How secrets are held, sealed and opened.

A master key wraps one random data key for each version of a credential; each field is
sealed under a key that is derived from the data key and bound to the field's place. So a
token that is copied to another row or field does not open, and rotating the master key
touches no token.

House rules: a plain secret is a `Secret`, which cannot print itself; only `reveal()`
gives the text, so that `grep reveal` finds every place that handles one.
"""
