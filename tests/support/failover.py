"""Clients of all kinds during failovers, and a comparison of what they were told with the log.

    python failover.py PART ADDRESS FOLDER NAME ACCOUNT

Writers and loaders stay; others start anew each time, as commands, bots and `run` do. Followers are
the program itself. None of them repeats what has failed: the program does that for them. Each notes
what it was told, and when.
"""

import contextlib
import itertools
import json
import os
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from registry import Registry
from registry.database.migrator import Migrator
from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.errors import RegistryError
from registry.loader import CredentialLoader
from registry.services.releases.resolution import Wish
from support.promises import read
from support.whole_log import check_whole_log
from support.world import World

_PROJECT: Final = Path(__file__).resolve().parents[2]
_EXCHANGE: Final = "aster"
_AT_WORK: Final = 120.0
"""Seconds after which each client must have succeeded again."""
_PAUSE: Final = 0.05
_SHOW: Final = 'test -n "$ASTER_API_KEY"'

_OPERATORS: Final = ("write", "write", "command")
_BOTS: Final = ("load", "load", "bot", "run")
_FOLLOWERS: Final = 2
_WRITING: Final = ("write", "command")

_Struck = TypeVar("_Struck")


@dataclass(slots=True)
class Disaster:
    """What befell the servers, and what its clients saw from then until all was well."""

    name: str
    began: float
    ended: float = 0
    write_gap: float = 0
    """The longest time without an acknowledged write, of any client."""
    load_gap: float = 0
    written: int = 0
    lost: int = 0
    """Acknowledged writes that are not in the log exactly once."""
    collected: int = 0
    gone: int = 0
    """Collected secrets whose event is not in the log."""
    started: int = 0
    """Commands, bots and `run` that were started."""
    slowest: float = 0
    """The longest that one of these took."""
    failed_writes: int = 0
    failed_loads: int = 0
    events: int = 0
    """The events of that time; each follower saw all of them once and in order."""


@dataclass(slots=True)
class Report:
    """The disasters, and everything that is not as promised."""

    disasters: list[Disaster] = field(default_factory=list)
    events: int = 0
    problems: list[str] = field(default_factory=list)


class Crew:
    """The clients at work, on servers of their own whose address is a superuser's."""

    def __init__(self, address: str, folder: Path) -> None:
        self.report = Report()
        self._address = make_conninfo(address, target_session_attrs="read-write")
        self._folder = folder
        self._clients: dict[str, subprocess.Popen[bytes]] = {}
        self._followers: list[tuple[subprocess.Popen[bytes], Path]] = []
        self._key = generate_master_key()
        self._environment = {
            **os.environ,
            "CREDENTIAL_ENCRYPTION_KEY": self._key.reveal(),
            "PYTHONPATH": os.pathsep.join([str(_PROJECT), str(_PROJECT / "tests")]),
        }

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Sets the registry up, starts the clients, and ends and checks them afterwards."""
        with psycopg.connect(self._address, autocommit=True) as connection:
            Migrator(connection).up()
            for login in ("operator", "auditor", "bot"):
                connection.execute(f"CREATE ROLE {login} LOGIN".encode())
            connection.execute("GRANT registry_operator TO operator")
            connection.execute("GRANT registry_auditor TO auditor")
        with contextlib.closing(SingleConnection(Target(self._address))) as database:
            world = World(database, MasterKeyring([self._key]))
            world.account("bot", _EXCHANGE)
            world.access.grant("bot", "bot")
            try:
                for number in range(_FOLLOWERS):
                    self._follow(number)
                for parts, login in ((_OPERATORS, "operator"), (_BOTS, "bot")):
                    for number, part in enumerate(parts):
                        self._start(world, part, login, f"{part}-{number}")
                self._await_each_since(time.time())
                yield
                self._end_clients()
                self._check()
            finally:
                self._kill_all()

    def survive(
        self, name: str, strike: Callable[[], _Struck], mend: Callable[[_Struck], object]
    ) -> None:
        """Lets a disaster happen, until every client has succeeded after it and all is mended."""
        disaster = Disaster(name, time.time())
        self.report.disasters.append(disaster)
        struck = strike()
        self._await_a_server()
        self._await_each_since(time.time())
        mend(struck)
        self._await_each_since(time.time())
        disaster.ended = time.time()

    def _start(self, world: World, part: str, login: str, name: str) -> None:
        account = "bot" if part in _BOTS else name
        if part not in _BOTS:
            world.account(name)
        address = make_conninfo(self._address, user=login)
        command = [sys.executable, __file__, part, address, str(self._folder), name, account]
        self._clients[name] = subprocess.Popen(command, env=self._environment)

    def _follow(self, number: int) -> None:
        path = self._folder / f"followed-{number}"
        command = [sys.executable, "-m", "registry.commands", "history", "--follow", "--json"]
        with path.open("wb") as out, (self._folder / f"followed-{number}.log").open("wb") as err:
            process = subprocess.Popen(
                [*command, "--limit", "1000"],
                env={
                    **self._environment,
                    "DATABASE_URL": make_conninfo(self._address, user="auditor"),
                },
                cwd=_PROJECT,
                stdout=out,
                stderr=err,
            )
        self._followers.append((process, path))

    def _await_a_server(self) -> None:
        """Waits until a server accepts writes."""
        deadline = time.monotonic() + _AT_WORK
        while time.monotonic() < deadline:
            with contextlib.suppress(psycopg.OperationalError):
                with psycopg.connect(self._address, connect_timeout=2) as connection:
                    connection.execute("SELECT pg_current_xact_id()")
                return
            time.sleep(0.2)
        raise TimeoutError("no server accepts writes")

    def _await_each_since(self, moment: float) -> None:
        """Waits until each client has noted a success after this moment."""
        deadline = time.monotonic() + _AT_WORK
        waiting = set(self._clients)
        while waiting and time.monotonic() < deadline:
            time.sleep(0.2)
            waiting = {name for name in waiting if self._last_success(name) < moment}
            ended = [name for name, one in self._clients.items() if one.poll() is not None]
            if ended:
                raise RuntimeError(f"ended: {', '.join(ended)}")
        if waiting:
            self.report.problems.append(f"not at work again: {', '.join(sorted(waiting))}")

    def _last_success(self, name: str) -> float:
        with contextlib.suppress(OSError, IndexError):
            for line in reversed((self._folder / f"{name}.notes").read_text().splitlines()[-20:]):
                note = json.loads(line)
                if "failed" not in note:
                    return float(note["at"])
        return 0

    def _end_clients(self) -> None:
        (self._folder / "stop").touch()
        for name, process in self._clients.items():
            try:
                status = process.wait(_AT_WORK)
            except subprocess.TimeoutExpired:
                status = -1
            if status:
                self.report.problems.append(f"{name} ended with status {status}")

    def _kill_all(self) -> None:
        (self._folder / "stop").touch()
        for process in (*self._clients.values(), *(process for process, _ in self._followers)):
            if process.poll() is None:
                family = psutil.Process(process.pid).children(recursive=True)
                process.kill()
                process.wait()
                for child in family:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        child.kill()

    # ------------------------------------------------------------ the comparison with the log

    def _check(self) -> None:
        notes = read(self._folder, "notes")
        with psycopg.connect(self._address, autocommit=True) as connection:
            try:
                self.report.events = check_whole_log(connection)
            except AssertionError as problem:
                self.report.problems.append(str(problem))
            rows = connection.execute(
                "SELECT position, event_id::text, command_id::text, reason,"
                " extract(epoch FROM recorded_at)::float8 FROM audit_events ORDER BY position"
            ).fetchall()
        log = _Log(rows)
        for disaster in self.report.disasters:
            within = [n for n in notes if disaster.began <= n["at"] <= disaster.ended]
            _count(disaster, within, log)
        self.report.problems += filter(None, map(log.problem, notes))
        for process, path in self._followers:
            self.report.problems += _follower_problems(process, path, log)


class _Log:
    """The events, by what clients know of them."""

    def __init__(self, rows: Sequence[tuple[int, str, str, str | None, float]]) -> None:
        self.commands = [command for _, _, command, *_ in rows]
        self.moments = [moment for *_, moment in rows]
        self._positions: dict[str, list[int]] = {}
        for position, _, command, *_ in rows:
            self._positions.setdefault(command, []).append(position)
        self._releases = {event_id: position for position, event_id, *_ in rows}
        self._reasons = Counter(reason for _, _, _, reason, _ in rows)

    def problem(self, note: Mapping[str, Any]) -> str | None:
        """What is wrong with the note."""
        if "failed" in note:
            return f"{note['part']} failed: {note['failed']}"
        if "command" in note and self._positions.get(note["command"]) != note["positions"]:
            there = self._positions.get(note["command"])
            return f"{note['command']} was acknowledged at {note['positions']}, and is at {there}"
        if "release" in note and self._releases.get(note["release"]) != note["position"]:
            return f"a secret was collected, and its event {note['position']} is gone"
        if "reason" in note and not self._reasons[note["reason"]]:
            return f"a program had its key, and the event of {note['reason']} is gone"
        return None


def _count(disaster: Disaster, notes: Sequence[Mapping[str, Any]], log: _Log) -> None:
    done = [note for note in notes if "failed" not in note]
    failed = [note for note in notes if "failed" in note]
    writes = [note for note in done if note["part"] in _WRITING]
    loads = [note for note in done if note["part"] in _BOTS]
    disaster.written, disaster.collected = len(writes), len(loads)
    disaster.lost = sum(log.problem(note) is not None for note in writes)
    disaster.gone = sum(log.problem(note) is not None for note in loads)
    disaster.failed_writes = sum(note["part"] in _WRITING for note in failed)
    disaster.failed_loads = sum(note["part"] in _BOTS for note in failed)
    disaster.write_gap = _longest_gap(disaster, writes)
    disaster.load_gap = _longest_gap(disaster, loads)
    starters = [note["seconds"] for note in notes if "seconds" in note]
    disaster.started, disaster.slowest = len(starters), max(starters, default=0)
    disaster.events = sum(disaster.began <= at <= disaster.ended for at in log.moments)


def _longest_gap(disaster: Disaster, notes: Sequence[Mapping[str, Any]]) -> float:
    moments = sorted([disaster.began, *(note["at"] for note in notes), disaster.ended])
    return max(after - before for before, after in itertools.pairwise(moments))


def _follower_problems(process: subprocess.Popen[bytes], path: Path, log: _Log) -> list[str]:
    deadline = time.monotonic() + _AT_WORK
    while path.read_bytes().count(b"\n") < len(log.commands) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(2)
    problems = [f"a follower ended with status {status}"] if (status := process.wait(30)) else []
    seen = [json.loads(line) for line in path.read_text().splitlines()]
    if [event["position"] for event in seen] != list(range(len(log.commands))):
        problems.append(
            f"{path.name} did not see each of {len(log.commands)} events once, in order"
        )
    if [event["command_id"] for event in seen] != log.commands:
        problems.append(f"{path.name} saw other events than the log has")
    return problems


# ------------------------------------------------------------ the parts of the processes


class _Client:
    """Notes what it is told until the stop file exists."""

    def __init__(self, part: str, address: str, folder: str, account: str, notes: IO[str]) -> None:
        self.address = address
        self.account = account
        self._part = part
        self._stop = Path(folder) / "stop"
        self._notes = notes

    def rounds(self) -> Iterator[str]:
        """New ids until the end."""
        while not self._stop.exists():
            yield str(uuid.uuid4())
            time.sleep(_PAUSE)

    def note(self, **facts: Any) -> None:
        """Writes a note."""
        told = {"part": self._part, "at": time.time(), **facts}
        print(json.dumps(told, default=str), file=self._notes, flush=True)

    @contextlib.contextmanager
    def failures(self) -> Iterator[None]:
        """Notes an error."""
        try:
            yield
        except RegistryError as error:
            self.note(failed=f"{error.code}: {error.message}")

    def start(self, *arguments: str) -> tuple[str, float] | None:
        """Runs the program; returns its output and the seconds that it took."""
        return self.run([sys.executable, "-m", "registry.commands", *arguments])

    def run(self, command: Sequence[str]) -> tuple[str, float] | None:
        """Runs a process; a failure is noted."""
        began = time.monotonic()
        done = subprocess.run(
            command,
            env={**os.environ, "DATABASE_URL": self.address},
            cwd=_PROJECT,
            capture_output=True,
            check=False,
        )
        seconds = round(time.monotonic() - began, 2)
        if done.returncode:
            why = done.stderr.decode()[-400:]
            self.note(failed=f"status {done.returncode}: {why}", seconds=seconds)
            return None
        return done.stdout.decode(), seconds


def write(client: _Client) -> None:
    """Changes an account by the library, again and again."""
    with contextlib.closing(SingleConnection(Target(client.address))) as database:
        registry = Registry(database)
        for name in client.rounds():
            with client.failures():
                done = registry.accounts.update(
                    client.account, description=name, command_id=uuid.UUID(name)
                )
                client.note(command=name, positions=done.positions)


def command(client: _Client) -> None:
    """The same by commands."""
    for name in client.rounds():
        options = ("--description", name, "--command-id", name, "--json")
        if (told := client.start("update-account", client.account, *options)) is not None:
            events = json.loads(told[0])["data"]["events"]
            positions = [event["position"] for event in events]
            client.note(command=name, positions=positions, seconds=told[1])


def load(client: _Client) -> None:
    """A bot that loads its key again and again."""
    with CredentialLoader(client.address) as loader:
        for _ in client.rounds():
            with client.failures():
                got = loader.release_one(client.account, _EXCHANGE, Wish())
                client.note(release=got.release_id, position=got.position)


def bot(client: _Client) -> None:
    """Bots that load their key when they start."""
    for _ in client.rounds():
        once = [sys.executable, __file__, "once", client.address, client.account]
        if (told := client.run(once)) is not None:
            client.note(**json.loads(told[0]), seconds=told[1])


def once(address: str, account: str) -> None:
    """The work of such a bot."""
    with CredentialLoader(address) as loader:
        got = loader.release_one(account, _EXCHANGE, Wish())
    json.dump({"release": str(got.release_id), "position": got.position}, sys.stdout)


def run(client: _Client) -> None:
    """Programs that are started with their key."""
    for name in client.rounds():
        options = ("--account", client.account, "--reason", name)
        if (told := client.start("run", *options, "--", "sh", "-c", _SHOW)) is not None:
            client.note(reason=name, seconds=told[1])


_PARTS: Final = {"write": write, "command": command, "load": load, "bot": bot, "run": run}


def main(part: str, address: str, *arguments: str) -> None:
    """Runs a part."""
    if part == "once":
        once(address, *arguments)
        return
    import logging

    logging.getLogger("registry").setLevel(logging.CRITICAL)
    folder, name, account = arguments
    with (Path(folder) / f"{name}.notes").open("a") as notes:
        _PARTS[part](_Client(part, address, folder, account, notes))


if __name__ == "__main__":
    main(*sys.argv[1:])
