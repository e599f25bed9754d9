"""What is only read: accounts now or as of a moment, the history, who could use a credential."""
