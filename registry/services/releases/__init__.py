"""Releases of secrets: resolution, recording, and ways to hand a secret to a program."""
