"""Adoption: a bot's existing tables become the registry's."""
