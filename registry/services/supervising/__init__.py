"""Supervising a program: it is started again when what it was given changes.

The supervisor is a process that starts others, waits, and passes signals on. It has one thread,
and holds no credential: whatever needs a secret or a connection happens in a process that it forks.

- `signals`     signals wait until the supervisor takes them, and are told apart by their sender
- `processes`   forked processes that end with the supervisor, and the channel to each
- `candidate`   a process that loads credentials, waits until it may, and becomes the program
- `follower`    a process that follows what the account may use, and says when that changes
- `pace`        when to act: a quiet time, and pauses that grow
- `supervisor`  what happens when: the only part that decides

House rules: nothing here knows the database. What loads, and what follows, is given as a function.
"""
