"""Event-sourced registry of trading accounts, exchange credentials and sharing.

Every change is an event in one append-only table; the tables that bots read follow
from it (the package `projections` says how). A bot imports `loader`, `positions` and
`clients`. The folders, from the outside in:

- `commands`    the command line; the only part that knows a terminal
- `services`    what can be asked of the registry; all I/O comes together here
- `rebuild`     making the tables again from the log
- `execution`   carrying a change out: read, decide, write
- `proofs`      checkpoints and proofs, which an auditor checks without the database
- `rules`       pure rules: (state, command) -> events
- `log`         reading and appending events, and the Merkle tree over them
- `catalog`     which fields each exchange's credential has
- `encryption`  master keys, data keys, sealed fields
- `database`    connections, migrations, the embedded server
- `events`      what can happen; everything else depends on it

Modules that all of them use: `errors`, `values` (what is accepted from outside), `shapes` and
`shown` (what could be a secret), `machine` (who runs it, files), `clock`, `plurals`.
"""

__version__ = "0.1.0"
