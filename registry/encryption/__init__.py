"""Holds, seals and opens secrets.

A master key wraps one random data key for each version of a credential. Each field is
sealed under a key that is derived from the data key and the field's place. So a token that
is copied to another row or field does not open. A rotation of the master key changes no
token.

House rules: a plain secret is a `Secret`, which cannot print itself; only `reveal()`
returns the text, so that `grep reveal` finds all code that handles one.
"""
