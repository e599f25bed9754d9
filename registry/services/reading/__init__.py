"""Reads: accounts now or as of a moment, the history, and the exposure of a credential."""
