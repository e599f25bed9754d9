"""Event-sourced registry of trading accounts, exchange credentials and sharing.

Every change is an event in one append-only table; the tables that bots read follow
from it (see the package `projections`). The public names:

- `Registry`, `AsyncRegistry`  everything that the command line can do
- `Secret`                     a text that must not be shown
- `registry.loader`            the credentials of a bot
- `registry.positions`         the positions of one account
- `registry.clients`           clients of the exchanges, with the extra `ccxt`
- `registry.errors`            every error that is raised on purpose

Everything else is internal and may change at any time. The folders, from the outside in:

- `commands`    the command line; the only part that knows a terminal
- `facade`      the parts of a `Registry`
- `services`    the operations of the registry; all I/O comes together here
- `rebuild`     the rebuild of the tables from the log
- `execution`   the execution of a change: read, decide, write
- `proofs`      checkpoints and proofs, which an auditor checks without the database
- `rules`       pure rules: (state, command) -> events
- `log`         reading and appending events, and the Merkle tree over them
- `catalog`     the fields of each exchange's credential
- `encryption`  master keys, data keys, sealed fields
- `database`    connections, migrations, the embedded server
- `events`      the types of events; everything else depends on them

Modules that all of them use: `errors`, `hints` (advice with an error), `values` (checks of input),
`shapes` and `shown` (detection of secrets), `machine` (user, host, files), `clock`, `plurals`.
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
    # Imports on first use: a bot that imports the loader needs nothing else.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
