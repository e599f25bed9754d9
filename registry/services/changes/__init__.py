"""Changes of accounts, credentials, sharing, positions and exchanges: one command each."""
