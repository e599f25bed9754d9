"""Sixteen processes at once on one registry, and a check of everything afterwards.

    python crowd.py PART ADDRESS FOLDER NUMBER

Seven clients (see load.py) send conflicting commands. Three bots, under login roles of their own,
load credentials and race for the same release. One process damages tables and rebuilds them. One
rotates the master key back and forth. Two follow the history, and two open positions against a
limit. Each notes the promises that it received.
"""

import contextlib
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Final

import psycopg

from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.encryption.secret import Secret
from registry.errors import LimitReached, RegistryError
from registry.execution.executor import Invocation
from registry.loader import CredentialLoader
from registry.positions import FundingArbPositionManager
from registry.rebuild.rebuild import RebuildService
from registry.services.audit.verification import Extent, verify
from registry.services.changes.rotation import rotate
from registry.services.releases.resolution import Wish
from support import load
from support.bots import login_role
from support.promises import applied_commands, broken_promises, read
from support.registry_tables import unguarded
from support.whole_log import check_whole_log
from support.world import BY, World

PROCESSES: Final = 16
LIMIT: Final = 3
"""The account's limit of open positions."""
_PROJECT: Final = Path(__file__).resolve().parents[2]
_LASTING: Final = ("lender", "borrower", "trader")
_PATIENCE: Final = 120.0
_REQUEST: Final = (
    "SELECT release_id, event_position FROM request_release"
    "(%s, ARRAY['aster'], NULL, NULL, NULL, 'racer@host', 'host', 'race')"
)


@dataclass(slots=True)
class Report:
    """Counts of the run, and its problems."""

    processes: int = 0
    seconds: float = 0
    sent: int = 0
    acknowledged: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    releases: int = 0
    raced: int = 0
    """Releases that two connections tried to collect at the same moment."""
    releases_refused: dict[str, int] = field(default_factory=dict)
    rebuilds: int = 0
    rows_repaired: int = 0
    rotations: int = 0
    keys_rewrapped: int = 0
    positions_opened: int = 0
    positions_refused: int = 0
    events: int = 0
    followed: list[int] = field(default_factory=list)
    """The number of events that each follower saw."""
    problems: list[str] = field(default_factory=list)


def crowd(
    address: str, folder: Path, *, seconds: float, seed: int, tell: Callable[[str], object] = print
) -> Report:
    """Runs the processes for so many seconds on an empty registry, and checks the result.

    The address is a superuser's.
    """
    report = Report(processes=PROCESSES)
    started = time.monotonic()
    keys = f"{generate_master_key().reveal()},{generate_master_key().reveal()}"
    database = SingleConnection(Target(address))
    world = World(database, MasterKeyring.parse(Secret(keys)))
    world.account("lender", "aster")
    world.account("borrower")
    world.account("trader", "aster", "backpack", max_positions=LIMIT)
    world.share("borrower", "lender", "aster")
    with (
        login_role(address) as one,
        login_role(address) as two,
        login_role(address, "registry_auditor") as auditor,
    ):
        world.access.grant("borrower", one.name)
        world.access.grant("trader", two.name)
        team = _Team(folder, {"CREDENTIAL_ENCRYPTION_KEY": keys}, seed)
        with team.at_work():
            for number, who in enumerate((address, auditor.address)):
                team.follow(number, who)
            for number in range(7):
                team.start(load.__file__, address, number, str(seed * 1000 + number), *_LASTING)
            for number, who in enumerate((one.address, one.address, two.address)):
                account = "trader" if who == two.address else "borrower"
                team.start(__file__, who, number, account, part="release")
            team.start(__file__, address, 0, part="rebuild")
            team.start(__file__, address, 0, part="rotate")
            for number in range(2):
                team.start(__file__, two.address, number, "trader", part="trade")
            team.await_everybody()
            tell(f"{len(team.processes)} processes are at work")
            team.watch(seconds)
            report.problems += team.end_workers()
            with database.connection() as connection:
                size = connection.execute("SELECT size FROM audit_head").fetchone() or (0,)
            report.problems += team.end_followers(size[0])
        tell("they have ended; checking")
        report.processes = len(team.processes)
        with database.connection() as connection:
            _check(connection, folder, report)
        _check_as_the_program_does(database, address, keys, report)
    database.close()
    report.seconds = round(time.monotonic() - started, 1)
    return report


class _Team:
    """The processes, and the folder for their notes."""

    def __init__(self, folder: Path, variables: dict[str, str], seed: int) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.followers: list[tuple[subprocess.Popen[bytes], Path]] = []
        self._seed = seed
        path = os.pathsep.join([str(_PROJECT), str(_PROJECT / "tests")])
        self._environment = {**os.environ, **variables, "PYTHONPATH": path}

    def start(
        self, file: str, address: str, number: int, *arguments: str, part: str | None = None
    ) -> None:
        """Starts a process; a client's name is a number, every other name also has the part."""
        words = [] if part is None else [part]
        name = str(number) if part is None else f"{part}-{number}"
        command = [sys.executable, file, *words, address, str(self.folder), name, *arguments]
        self.processes.append(subprocess.Popen(command, env=self._environment))

    def follow(self, number: int, address: str) -> None:
        """Starts the program itself, following the history."""
        path = self.folder / f"followed-{number}"
        command = [sys.executable, "-m", "registry.commands", "history"]
        command += ["--follow", "--json", "--limit", "1000"]
        with path.open("wb") as out:
            process = subprocess.Popen(
                command,
                env={**self._environment, "DATABASE_URL": address},
                cwd=_PROJECT,
                stdout=out,
            )
        self.processes.append(process)
        self.followers.append((process, path))

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Ends all processes at exit, in any case."""
        try:
            yield
        finally:
            (self.folder / "stop").touch()
            for process in self.processes:
                if process.poll() is None:
                    process.kill()
                    process.wait()

    def await_everybody(self) -> None:
        """Waits until each process has noted something."""
        workers = len(self.processes) - len(self.followers)
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            written = [path for path in self.folder.glob("*.acknowledged") if path.stat().st_size]
            seen = [path for _, path in self.followers if path.stat().st_size]
            if len(written) == workers and len(seen) == len(self.followers):
                return
            assert all(process.poll() is None for process in self.processes), "one has ended"
            time.sleep(0.05)
        raise AssertionError(f"only {len(written)} of {workers} are at work")

    def watch(self, seconds: float) -> None:
        """Waits for so many seconds, and checks that all processes are running."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert all(process.poll() is None for process in self.processes), "one has ended"
            time.sleep(0.1)

    def end_workers(self) -> list[str]:
        """Ends the workers; returns their problems."""
        (self.folder / "stop").touch()
        following = [process for process, _ in self.followers]
        workers = [process for process in self.processes if process not in following]
        return [
            f"a process ended with status {status}: {process.args!r}"
            for process in workers
            if (status := process.wait(_PATIENCE))
        ]

    def end_followers(self, size: int) -> list[str]:
        """Waits until the followers have seen everything; returns their problems."""
        problems = []
        for process, path in self.followers:
            deadline = time.monotonic() + _PATIENCE
            while path.read_bytes().count(b"\n") < size and time.monotonic() < deadline:
                time.sleep(0.05)
            process.send_signal(2)
            if status := process.wait(_PATIENCE):
                problems.append(f"a follower ended with status {status}")
            seen = [json.loads(line)["position"] for line in path.read_text().splitlines()]
            if seen != list(range(size)):
                problems.append(f"a follower did not see each of {size} events once and in order")
        return problems


def _check(connection: psycopg.Connection[Any], folder: Path, report: Report) -> None:
    """Compares the promises that the processes noted with the log."""
    sent = {one["id"]: one for one in read(folder, "sent")}
    answers = {one["id"]: one for one in read(folder, "acknowledged") if "id" in one}
    notes = [one for one in read(folder, "acknowledged") if "id" not in one]
    promised = [p for answer in answers.values() for p in answer.get("positions", [])]
    report.sent, report.acknowledged = len(sent), sum("positions" in a for a in answers.values())
    report.refused = dict(
        Counter(answer["refused"] for answer in answers.values() if "refused" in answer)
    )
    report.problems += broken_promises(sent, answers, applied_commands(connection))
    _count(notes, report)
    told = Counter(promised + [p for note in notes for p in note.get("at", [])])
    report.problems += [f"position {p} was given out twice" for p, n in told.items() if n > 1]
    rows = connection.execute("SELECT position, event_type, recorded_by, actor FROM audit_events")
    for position, event_type, _, actor in rows:
        # A release that was refused at its collection is in the log nevertheless.
        if position not in told and event_type != "CredentialReleased" and actor != BY.actor:
            report.problems.append(f"nobody was told of {event_type} at {position}")
    collected = Counter(release for note in notes for release in note.get("collected", []))
    report.problems += [f"{one} was collected twice" for one, n in collected.items() if n > 1]
    recorded = {
        str(row[0])
        for row in connection.execute(
            "SELECT event_id FROM audit_events WHERE event_type = 'CredentialReleased'"
        )
    }
    report.problems += [f"{one} is not in the log" for one in collected.keys() - recorded]
    report.followed = [path.read_bytes().count(b"\n") for path in sorted(folder.glob("followed-*"))]
    try:
        report.events = check_whole_log(connection)
    except AssertionError as problem:
        report.problems.append(str(problem))


def _count(notes: list[dict[str, Any]], report: Report) -> None:
    for note in notes:
        match note["what"]:
            case "released":
                report.releases += len(note["collected"])
            case "raced":
                report.raced += 1
                report.releases += len(note["collected"])
            case "release refused":
                refused = report.releases_refused
                refused[note["code"]] = refused.get(note["code"], 0) + 1
            case "rebuilt":
                report.rebuilds += 1
                report.rows_repaired += note["rows"]
            case "rotated":
                report.rotations += 1
                report.keys_rewrapped += note["keys"]
            case "opened":
                report.positions_opened += 1
            case "limit reached":
                report.positions_refused += 1
            case "problem":
                report.problems.append(note["text"])


def _check_as_the_program_does(
    database: SingleConnection, address: str, keys: str, report: Report
) -> None:
    os.environ["CREDENTIAL_ENCRYPTION_KEY"], before = (
        keys,
        os.environ.get("CREDENTIAL_ENCRYPTION_KEY"),
    )
    try:
        verdict = verify(database, Target(address), Extent(processes=1))
    finally:
        if before is None:
            del os.environ["CREDENTIAL_ENCRYPTION_KEY"]
        else:
            os.environ["CREDENTIAL_ENCRYPTION_KEY"] = before
    report.problems += [f"verify: {failure.message}" for failure in verdict.failures]
    if verdict.unopened_data_keys:
        report.problems.append(f"{verdict.unopened_data_keys} data keys do not open")
    differing = RebuildService(database).check().differing
    if differing:
        report.problems.append(f"rebuild --check: {differing} rows differ")


# ------------------------------------------------------- the parts of the processes


class _Worker:
    """Notes events until the stop file exists."""

    def __init__(self, folder: str, name: str, notes: IO[str]) -> None:
        self._stop = Path(folder) / "stop"
        self._notes = notes
        self.by = Invocation(actor=f"{name}@crowd")

    def rounds(self) -> Iterator[int]:
        """Counts rounds until the end."""
        return itertools.takewhile(lambda _: not self._stop.exists(), itertools.count())

    def note(self, what: str, **facts: Any) -> None:
        """Writes a note."""
        print(json.dumps({"what": what, **facts}, default=str), file=self._notes, flush=True)


def release(worker: _Worker, address: str, account: str) -> None:
    """Loads the account's credentials like a bot; every third time, two connections race."""
    with CredentialLoader(address) as loader:
        for number in worker.rounds():
            if number % 3 == 2:
                _race(worker, address, account)
                continue
            try:
                released = loader.release(account, None, Wish())
            except RegistryError as error:
                worker.note("release refused", code=error.code)
                continue
            for problem in released.problems.values():
                worker.note("release refused", code=problem.code)
            for credential in released.credentials.values():
                plain = {name: str(value) for name, value in credential.plain().items()}
                ends = {value.rpartition("-")[2] for value in plain.values()} - {"key", "public"}
                if len(ends - {"secret"}) > 1:
                    worker.note("problem", text=f"fields of two versions at {credential.position}")
                worker.note("released", collected=[credential.release_id], at=[credential.position])
                _collect_again(worker, address, credential.release_id)


def _collect_again(worker: _Worker, address: str, release_id: Any) -> None:
    if _collect(address, release_id):
        worker.note("problem", text=f"{release_id} was collected again")


def _race(worker: _Worker, address: str, account: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        row = connection.execute(_REQUEST, [account]).fetchone()
    if row is None or row[0] is None:
        worker.note("release refused", code="request")
        return
    release_id, position = row
    together, got = threading.Barrier(2), []

    def collect() -> None:
        got.append(_collect(address, release_id, together))

    threads = [threading.Thread(target=collect) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    worker.note("raced", collected=[release_id] * sum(got), at=[position])


def _collect(address: str, release_id: Any, together: threading.Barrier | None = None) -> bool:
    """Collects the release; returns whether the sealed fields were handed out."""
    with psycopg.connect(address, autocommit=True) as connection:
        if together is not None:
            together.wait()
        try:
            rows = connection.execute(
                "SELECT * FROM collect_releases(%s) WHERE outcome = 'ok'", [[release_id]]
            ).fetchall()
            return bool(rows)
        except psycopg.DatabaseError as error:
            if error.sqlstate != "RG021":
                raise
            return False


def rebuild(worker: _Worker, address: str) -> None:
    """Damages some rows as only a superuser can, and repairs them by a rebuild."""
    service = RebuildService(SingleConnection(Target(address)))
    with psycopg.connect(address, autocommit=True) as connection:
        for _ in worker.rounds():
            with unguarded(connection):
                connection.execute(
                    "UPDATE accounts SET wallet_address = 'damaged' WHERE id IN"
                    " (SELECT id FROM accounts ORDER BY random() LIMIT 3)"
                )
            done = service.rebuild(worker.by)
            at = [] if done.position is None else [done.position]
            # The same command records the owners of positions that bots opened.
            at += _events_of_command(connection, done.position)
            worker.note("rebuilt", rows=done.report.differing, at=sorted(set(at)))


def _events_of_command(connection: psycopg.Connection[Any], position: int | None) -> list[int]:
    rows = connection.execute(
        "SELECT e.position FROM audit_events AS e WHERE e.command_id ="
        " (SELECT o.command_id FROM audit_events AS o WHERE o.position = %s)",
        [position],
    )
    return [at for (at,) in rows]


def rotate_keys(worker: _Worker, address: str) -> None:
    """Rewraps all keys with each of two master keys in turn."""
    keys = os.environ["CREDENTIAL_ENCRYPTION_KEY"].split(",")
    database = SingleConnection(Target(address))
    for number in worker.rounds():
        order = keys if number % 2 else reversed(keys)
        ring = MasterKeyring([Secret(key) for key in order])
        done = rotate(database, ring, worker.by, batch=50)
        worker.note("rotated", keys=done.keys, at=list(done.positions))


def trade(worker: _Worker, address: str, account: str) -> None:
    """Opens positions until the limit refuses one, and then closes one."""
    manager = FundingArbPositionManager(account, SingleConnection(Target(address)))
    own = []
    for _ in worker.rounds():
        try:
            own.append(
                manager.create(
                    symbol="BTC",
                    long_dex="lighter",
                    short_dex="backpack",
                    size_usd=Decimal(10),
                    entry_long_rate=Decimal("0.01"),
                    entry_short_rate=Decimal("0.03"),
                )
            )
        except LimitReached:
            worker.note("limit reached")
        else:
            worker.note("opened")
            continue
        if len(manager.list_open()) > LIMIT:
            worker.note("problem", text="there are more positions than the limit")
        if own:
            manager.close(own.pop(0), "DONE")


PARTS: Final[dict[str, Callable[..., None]]] = {
    "release": release,
    "rebuild": rebuild,
    "rotate": rotate_keys,
    "trade": trade,
}


def main(part: str, address: str, folder: str, name: str, *arguments: str) -> None:
    """Runs a part until FOLDER/stop exists."""
    import logging

    logging.getLogger("registry").setLevel(logging.CRITICAL)
    with (Path(folder) / f"{name}.acknowledged").open("a") as notes:
        PARTS[part](_Worker(folder, name, notes), address, *arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
