"""Decisions about the rows of tables that are older than the registry."""
