"""Signed checkpoints and proofs, which are verified without the database.

House rules: nothing here reads the database, the network or the clock, so that a proof
can be verified on a machine that has none of them, with the public key only.
"""
