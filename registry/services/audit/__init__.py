"""Audit: verification of the log, signed checkpoints, and proofs of events."""
