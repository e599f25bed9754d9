"""From a committed change to what a program under `run --watch` sees of it.

    scripts/benchmark restart [--changes 40] [--rounds 12] [--json]

The signal: one supervisor with `--on-change HUP`, and changes after random pauses. The restart: a
new supervisor for each change, as restarts that follow each other closely are put off. Both have no
quiet time, whose default of two seconds is added to each figure. The program is a shell, so that
no start of a program is measured but that of the credentials. All with a bot's own login.
"""

import contextlib
import os
import random
import signal
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Final

from harness import Limit, options, own_server, report
from support.bots import login_role
from support.world import World

from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring, generate_master_key

ACCOUNT: Final = "bot"
PROGRAM: Final = "trap 'echo told' HUP; trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done"


def main() -> None:
    """Measures and prints."""
    chosen = options("From a change to a program under run --watch.", changes=40, rounds=12)
    key = generate_master_key()
    with own_server() as address, login_role(address) as login:
        world = World(SingleConnection(Target(address)), MasterKeyring([key]))
        world.account(ACCOUNT, "aster")
        world.access.grant(ACCOUNT, login.name)
        environment = {
            **os.environ,
            "DATABASE_URL": login.address,
            "CREDENTIAL_ENCRYPTION_KEY": key.reveal(),
        }
        measured = {
            "run, from its start to the program's": [
                _until_up(environment, "--quiet", "0s") for _ in range(chosen.rounds)
            ],
            "signal after a change": list(_signals(world, environment, chosen.changes)),
            "restart after a change": [_restart(world, environment) for _ in range(chosen.rounds)],
        }
    signals = sorted(measured["signal after a change"])
    limits = [
        Limit("p50 of the signal, s", round(statistics.median(signals), 3), 0.2),
        Limit("p99 of the signal, s", round(statistics.quantiles(signals, n=100)[98], 3), 2.0),
    ]
    report("restart", "s", measured, [], as_json=chosen.json, limits=limits)


@contextlib.contextmanager
def _running(environment: dict[str, str], *options: str) -> "Iterator[Callable[[str], None]]":
    """A program under supervision; yields what waits until it says a word."""
    command = [sys.executable, "-m", "registry.commands", "run", "--watch", "--account", ACCOUNT]
    process = subprocess.Popen(
        [*command, *options, "--", "sh", "-c", PROGRAM],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None  # noqa: S101
    lines = process.stdout

    def wait_for(word: str) -> None:
        while (line := lines.readline().strip()) != word:
            if not line:
                raise SystemExit(f"the program ended before it said {word}")

    try:
        yield wait_for
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
        lines.close()


def _until_up(environment: dict[str, str], *options: str) -> float:
    began = time.perf_counter()
    with _running(environment, *options) as wait_for:
        wait_for("up")
        return time.perf_counter() - began


def _changed(world: World) -> float:
    """Replaces the key; returns the moment at which that was committed."""
    key, secret = f"key-{uuid.uuid4()}", f"secret-{uuid.uuid4()}"
    world.credential(ACCOUNT, "aster", replace=True, api_key=key, secret_key=secret)
    return time.perf_counter()


def _signals(world: World, environment: dict[str, str], changes: int) -> Iterator[float]:
    with _running(environment, "--quiet", "0s", "--on-change", "HUP") as wait_for:
        wait_for("up")
        for _ in range(changes):
            time.sleep(random.uniform(0.2, 1))  # noqa: S311 - spreads
            began = _changed(world)
            wait_for("told")
            yield time.perf_counter() - began


def _restart(world: World, environment: dict[str, str]) -> float:
    with _running(environment, "--quiet", "0s") as wait_for:
        wait_for("up")
        time.sleep(0.3)
        began = _changed(world)
        wait_for("up")
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
