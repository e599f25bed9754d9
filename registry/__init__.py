"""Event-sourced registry of trading accounts, exchange credentials and sharing.

Every change is an event in one append-only table; the tables that bots read follow
from it. The folders, from the outside in:

- `commands`    the command line; the only part that knows a terminal
- `services`    what can be asked of the registry; all I/O comes together here
- `decisions`   pure rules: (state, command) -> events
- `log`         reading and appending events
- `encryption`  master keys, data keys, sealed fields
- `catalog`     which fields each exchange's credential has
- `database`    connections, migrations, the embedded server
- `events`      what can happen; everything else depends on it
"""

__version__ = "0.1.0"
