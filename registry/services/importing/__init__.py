"""Credentials from files: env files, folders of them, configurations of other programs."""
