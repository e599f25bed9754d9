"""What becomes of the rows of tables that are older than the registry."""
