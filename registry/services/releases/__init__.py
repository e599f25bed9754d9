"""Secrets that leave the registry: which credential, why, to whom, and how they get there."""
