"""The schema up and down, and the rehearsal of both."""
