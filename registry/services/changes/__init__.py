"""Changes of accounts, credentials, sharing and what belongs to them: one command each."""
