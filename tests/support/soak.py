"""Kills a PostgreSQL server under load again and again, and checks its promises.

The server is a separate one in a temporary folder, with fsync on. In each round the clients send
commands. At a random moment the server is killed (`kill -9` of the postmaster and all its
processes), or stopped without a shutdown (`pg_ctl -m immediate`). Then it is started again while
the clients continue. At the end:

- every acknowledged command is in the log, at the positions that were acknowledged;
- no command is there twice or in part, and sending each again gives its first result;
- positions and versions have no gap, leaf hashes, subtree roots and the head are right;
- the tables are a replay of the log.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import psutil
import psycopg

from registry.database.embedded import EmbeddedServer
from registry.database.migrator import Migrator
from registry.encryption.keyring import generate_master_key
from support.load import Client, Command
from support.promises import applied_commands, broken_promises, lines, read
from support.whole_log import check_whole_log

_LOAD: Final = Path(__file__).with_name("load.py")
_PROJECT: Final = Path(__file__).resolve().parents[2]
_RESENT: Final = 400
"""The number of commands sent again, in addition to all unanswered ones."""


class Server(Protocol):
    """A server that clients connect to."""

    def ensure_running(self) -> str:
        """Starts it if necessary; returns its address."""


@dataclass(slots=True)
class Report:
    """Counts of the run, and its problems."""

    rounds: int = 0
    killed: int = 0
    stopped: int = 0
    sent: int = 0
    acknowledged: int = 0
    refused: int = 0
    unanswered: int = 0
    sent_again: int = 0
    events: int = 0
    seconds: float = 0
    problems: list[str] = field(default_factory=list)


def soak(
    *, rounds: int, clients: int, seconds: float, seed: int, tell: Any = lambda _: None
) -> Report:
    """Kills the server so many times under load, and checks everything."""
    chance = random.Random(seed)  # noqa: S311 - the same moments each time
    report = Report()
    started = time.monotonic()
    with (
        own_server() as server,
        load_clients(server, server.pgdata.parent, clients, seed, report) as folder,
    ):
        for number in range(rounds):
            await_answers(folder, clients)
            time.sleep(chance.uniform(0, seconds))
            if chance.random() < 0.5:
                kill(server)
                report.killed += 1
            else:
                stop_at_once(server)
                report.stopped += 1
            server.ensure_running()
            report.rounds += 1
            tell(f"round {number + 1} of {rounds}: {lines(folder, 'acknowledged')} answers so far")
        await_answers(folder, clients)
        _stop_clients(folder)
        check(server, folder, report)
    report.seconds = round(time.monotonic() - started, 1)
    return report


def kill(server: EmbeddedServer) -> None:
    """Kills the server's processes, as the end of its machine would."""
    postmaster = psutil.Process(_postmaster(server))
    family = postmaster.children(recursive=True)
    os.kill(postmaster.pid, signal.SIGKILL)
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    # The next server does not start while one of them holds the shared memory.
    psutil.wait_procs([postmaster, *family], timeout=10)


def stop_at_once(server: EmbeddedServer) -> None:
    """Stops the server without a shutdown: data that is not on disk is lost."""
    postmaster = psutil.Process(_postmaster(server))
    family = postmaster.children(recursive=True)
    # https://www.postgresql.org/docs/current/server-shutdown.html (immediate shutdown)
    os.kill(postmaster.pid, signal.SIGQUIT)
    psutil.wait_procs([postmaster, *family], timeout=10)


def _postmaster(server: EmbeddedServer) -> int:
    return int((server.pgdata / "postmaster.pid").read_text().splitlines()[0])


@contextlib.contextmanager
def own_server() -> Iterator[EmbeddedServer]:
    """A migrated server in a temporary folder, with fsync on."""
    folder = Path(tempfile.mkdtemp(prefix="account-registry-soak-"))
    server = EmbeddedServer(folder)
    try:
        with psycopg.connect(server.ensure_running(), autocommit=True) as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
            # Before recovery a server syncs every file of its folder, most of them unchanged. One
            # syncfs call for all of them is as good, and leaves time for more rounds.
            connection.execute("ALTER SYSTEM SET recovery_init_sync_method = 'syncfs'")
            connection.execute("SELECT pg_reload_conf()")
            Migrator(connection).up()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def load_clients(
    server: Server, parent: Path, clients: int, seed: int, report: Report
) -> Iterator[Path]:
    """Clients that send commands until a file `stop` is in their folder."""
    folder = parent / "clients"
    folder.mkdir()
    environment = {
        **os.environ,
        "CREDENTIAL_ENCRYPTION_KEY": generate_master_key().reveal(),
        "PYTHONPATH": os.pathsep.join([str(_PROJECT), str(_PROJECT / "tests")]),
    }
    (folder / "key").write_text(environment["CREDENTIAL_ENCRYPTION_KEY"])
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                str(_LOAD),
                server.ensure_running(),
                str(folder),
                str(number),
                str(seed * 1000 + number),
            ],
            env=environment,
        )
        for number in range(clients)
    ]
    try:
        yield folder
    finally:
        (folder / "stop").touch()
        for process in processes:
            try:
                if process.wait(timeout=60):
                    report.problems.append(f"a client ended with status {process.returncode}")
            except subprocess.TimeoutExpired:
                process.kill()
                report.problems.append("a client did not end")


def await_answers(folder: Path, more: int) -> None:
    """Waits for more answers, so that each crash hits a server that has answered."""
    wanted = lines(folder, "acknowledged") + more
    deadline = time.monotonic() + 60
    while lines(folder, "acknowledged") < wanted and time.monotonic() < deadline:
        time.sleep(0.02)


def _stop_clients(folder: Path) -> None:
    (folder / "stop").touch()
    time.sleep(0.2)


def check(server: Server, folder: Path, report: Report) -> None:
    """Compares the log with the answers that clients received, and reports deviations."""
    sent: dict[str, Command] = {one["id"]: one for one in read(folder, "sent")}
    answers = {one["id"]: one for one in read(folder, "acknowledged")}
    promised = {key: one["positions"] for key, one in answers.items() if "positions" in one}
    report.sent, report.acknowledged = len(sent), len(promised)
    report.refused = len(answers) - len(promised)
    report.unanswered = len(sent) - len(answers)
    with psycopg.connect(server.ensure_running(), autocommit=True) as connection:
        applied = applied_commands(connection)
        report.problems += broken_promises(sent, answers, applied)
        report.problems += [f"{key} was never sent" for key in applied.keys() - sent.keys()]
        _send_again(server, folder, sent, answers, applied, report)
        try:
            report.events = check_whole_log(connection)
        except AssertionError as problem:
            report.problems.append(str(problem))


def _send_again(
    server: Server,
    folder: Path,
    sent: dict[str, Command],
    answers: dict[str, Any],
    applied: dict[str, list[int]],
    report: Report,
) -> None:
    """Checks that commands in the log give their first result again."""
    unheard = [key for key in applied if key not in answers]
    heard = [key for key in applied if key in answers]
    client = Client(server.ensure_running(), (folder / "key").read_text(), actor="again@load")
    for key in (unheard + heard[:: max(1, len(heard) // _RESENT)])[: _RESENT + len(unheard)]:
        outcome = client.send(sent[key])
        report.sent_again += 1
        if not outcome.replayed or list(outcome.positions) != applied[key]:
            report.problems.append(f"{key} was applied again, at {outcome.positions}")
    client.close()
