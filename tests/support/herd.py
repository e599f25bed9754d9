"""A herd: one bot per account; all start and load at the same moment.

Each bot is a thread with a loader of its own, since a machine cannot run a thousand processes.
"""

import logging
import multiprocessing
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from registry.database import pool
from registry.database.patience import Patience
from registry.encryption.keyring import MasterKeyring
from registry.encryption.secret import Secret
from registry.errors import DatabaseUnavailable, RegistryError
from registry.loader import CredentialLoader

EXCHANGE: Final = "aster"


@dataclass(slots=True)
class Herd:
    """The results of the bots."""

    seconds: list[float] = field(default_factory=list)
    """Each bot's waiting time for its credential."""
    keys: dict[str, str] = field(default_factory=dict)
    """Account -> the key that its bot received."""
    failures: list[str] = field(default_factory=list)
    retries: int = 0


def run_herd(
    address: str,
    accounts: Sequence[str],
    master_key: str,
    processes: int,
    *,
    strangers: bool = False,
) -> Herd:
    """Lets a bot for each account load its credential for `EXCHANGE`, all at once.

    As strangers they do not wait for one another, as if each were a separate process.
    """
    context = multiprocessing.get_context("spawn")
    ready, results = context.Barrier(processes), context.SimpleQueue()
    started = [
        context.Process(
            target=_part,
            args=(address, accounts[n::processes], master_key, ready, results, strangers),
        )
        for n in range(processes)
    ]
    for process in started:
        process.start()
    parts = [results.get() for _ in started]
    for process in started:
        process.join()
    whole = Herd()
    for part in parts:
        whole.seconds += part.seconds
        whole.keys |= part.keys
        whole.failures += part.failures
        whole.retries += part.retries
    return whole


def _part(
    address: str,
    accounts: Sequence[str],
    master_key: str,
    ready: Any,
    results: Any,
    strangers: bool,
) -> None:
    if strangers:
        pool._PLACES = len(accounts)  # type: ignore[misc]
    logging.disable()  # otherwise a thousand notes about waiting for the server
    part = Herd()
    _count_retries(part)
    keyring = MasterKeyring.parse(Secret(master_key))
    begin = threading.Event()
    bots = [
        threading.Thread(target=_bot, args=(address, account, keyring, begin, part))
        for account in accounts
    ]
    for bot in bots:
        bot.start()
    ready.wait()
    begin.set()
    for bot in bots:
        bot.join()
    results.put(part)


def _bot(
    address: str, account: str, keyring: MasterKeyring, begin: threading.Event, part: Herd
) -> None:
    begin.wait()
    started = time.monotonic()
    try:
        with CredentialLoader(address, keyring=keyring, actor="bot@herd") as loader:
            part.keys[account] = loader.load(account, EXCHANGE)["api_key"]
    except RegistryError as error:
        part.failures.append(f"{account}: {error.message}")
    else:
        part.seconds.append(time.monotonic() - started)


def _count_retries(part: Herd) -> None:
    wait = Patience.after

    def counted(patience: Patience, error: DatabaseUnavailable) -> None:
        wait(patience, error)
        part.retries += 1

    Patience.after = counted  # type: ignore[method-assign, assignment]
