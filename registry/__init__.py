"""Event-sourced registry of trading accounts, exchange credentials and sharing.

Every change is an event in one append-only table; the tables that bots read follow
from it (the package `projections` says how). What a program may import:

- `Registry`, `AsyncRegistry`  all that the command line can do
- `Secret`                     a text that must not be shown
- `registry.loader`            what a bot gets its credentials with
- `registry.positions`         the positions of one account
- `registry.clients`           clients of the exchanges, with the extra `ccxt`
- `registry.errors`            every error that is raised on purpose

Everything else is internal and may change at any time. The folders, from the outside in:

- `commands`    the command line; the only part that knows a terminal
- `facade`      the parts of a `Registry`
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

Modules that all of them use: `errors`, `hints` (what to do about one), `values` (what is accepted
from outside), `shapes` and `shown` (what could be a secret), `machine` (who runs it, files),
`clock`, `plurals`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from registry.async_registry import AsyncRegistry
    from registry.encryption.secret import Secret
    from registry.registry import Registry

__all__ = ["AsyncRegistry", "Registry", "Secret"]
__version__ = "0.1.0"

_HOMES = {
    "AsyncRegistry": "registry.async_registry",
    "Registry": "registry.registry",
    "Secret": "registry.encryption.secret",
}


def __getattr__(name: str) -> Any:
    # Only when it is asked for: a bot that imports the loader needs nothing else.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
