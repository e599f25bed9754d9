"""The restore drill: checks that a backup restores everything."""
