"""The tables: reading them now or as of a moment, comparing and rebuilding, rolling back."""
