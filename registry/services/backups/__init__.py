"""The restore drill: whether a backup brings everything back."""
