"""Three servers under Patroni and etcd on this machine, each on a port of its own.

Everything is in a temporary folder and runs as a user who is not root. Commits wait for a
synchronous standby. https://patroni.readthedocs.io/en/latest/replication_modes.html
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

_NODES: Final = 3
_USER: Final = "postgres"
"""Who runs the servers if the drill runs as root."""
_CLUSTER: Final = "drill"
_SETTINGS: Final = {
    "ttl": 20,  # the least that Patroni accepts
    "loop_wait": 5,
    "retry_timeout": 5,
    "synchronous_mode": True,
    "postgresql": {
        "use_pg_rewind": True,
        "parameters": {"wal_log_hints": "on", "max_connections": 100},
    },
}
_PATIENCE: Final = 180.0
NEEDED: Final = {"patroni": "patroni", "patronictl": "patroni", "etcd": "etcd-server"}
"""Program -> its package in Debian."""


def programs_of_postgresql() -> Path | None:
    """The folder of the machine's newest PostgreSQL."""
    found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    versions = sorted((int(path.parts[-3]), path.parent) for path in found)
    return versions[-1][1] if versions else None


def missing() -> list[str]:
    """The packages that the machine lacks."""
    lacking = {package for program, package in NEEDED.items() if shutil.which(program) is None}
    return sorted(lacking | (set() if programs_of_postgresql() else {"postgresql"}))


class Node:
    """A server and its Patroni."""

    def __init__(self, cluster: "Patroni", number: int) -> None:
        self.name = f"node{number}"
        self.port, self._api = _free_port(), _free_port()
        self._cluster = cluster
        self.folder = cluster.folder / self.name
        self.configuration = cluster.folder / f"{self.name}.yml"
        cluster.make_folder(self.folder)
        self.configuration.write_text(json.dumps(self._settings()))  # JSON is YAML too
        self._patroni: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts Patroni, which starts the server."""
        self._patroni = self._cluster.start("patroni", "patroni", str(self.configuration))

    def processes(self) -> list[psutil.Process]:
        """Patroni, and the server's processes."""
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            if self._patroni is not None:
                found = [psutil.Process(self._patroni.pid)]
        with contextlib.suppress(OSError, ValueError, psutil.NoSuchProcess):
            lock = self.folder / "data" / "postmaster.pid"
            postmaster = psutil.Process(int(lock.read_text().split("\n", 1)[0]))
            if self.name in " ".join(postmaster.cmdline()):
                found += [postmaster, *postmaster.children(recursive=True)]
        return found

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to all of them."""
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def kill(self) -> None:
        """Ends all of them at once, as the end of the machine would."""
        self.send(signal.SIGKILL)
        if self._patroni is not None:
            self._patroni.wait()

    def _settings(self) -> dict[str, Any]:
        logins = {"superuser": "postgres", "replication": "replicator", "rewind": "rewinder"}
        hba = ["local all all trust", "host all all 127.0.0.1/32 trust"]
        hba.append("host replication all 127.0.0.1/32 trust")
        at = f"127.0.0.1:{self.port}"
        return {
            "scope": _CLUSTER,
            "name": self.name,
            "restapi": {
                "listen": f"127.0.0.1:{self._api}",
                "connect_address": f"127.0.0.1:{self._api}",
            },
            "etcd3": {"host": self._cluster.etcd},
            "bootstrap": {
                "dcs": _SETTINGS,
                "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "data-checksums"],
            },
            "postgresql": {
                "listen": at,
                "connect_address": at,
                "data_dir": str(self.folder / "data"),
                "bin_dir": str(programs_of_postgresql()),
                "pgpass": str(self.folder / "pgpass"),
                "pg_hba": hba,
                "authentication": {
                    what: {"username": name, "password": name} for what, name in logins.items()
                },
                "parameters": {"unix_socket_directories": str(self.folder)},
            },
        }


class Patroni:
    """The servers, and the etcd that decides which of them is the primary."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._user = _USER if os.geteuid() == 0 else None
        self._etcd: subprocess.Popen[bytes] | None = None
        client, peer = (f"127.0.0.1:{_free_port()}" for _ in range(2))
        self.etcd = client
        self._etcd_options = {
            "data-dir": str(folder / "etcd"),
            "listen-client-urls": f"http://{client}",
            "advertise-client-urls": f"http://{client}",
            "listen-peer-urls": f"http://{peer}",
            "initial-advertise-peer-urls": f"http://{peer}",
            "initial-cluster": f"default=http://{peer}",
        }
        self.make_folder(folder / "etcd")
        self.nodes = [Node(self, number) for number in range(1, _NODES + 1)]

    def make_folder(self, folder: Path) -> None:
        """Makes a folder for the user who runs the servers."""
        folder.mkdir(mode=0o700)
        if self._user is not None:
            shutil.chown(folder, self._user)

    def start(self, log: str, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Starts a program as the user who runs the servers."""
        options: dict[str, Any] = {}
        if self._user is not None:
            options = {"user": self._user, "group": self._user, "extra_groups": []}
        environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        with (self.folder / f"{log}.log").open("ab") as out:
            return subprocess.Popen(
                [shutil.which(program) or program, *arguments],
                env={**environment, "HOME": str(self.folder)},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,  # Ctrl-C is for the drill, which ends all of them in order
                **options,
            )

    def begin(self) -> None:
        """Starts everything, and waits until all servers are there."""
        options = [f"--{name}={value}" for name, value in self._etcd_options.items()]
        self._etcd = self.start("etcd", "etcd", *options)
        for node in self.nodes:
            node.start()
        self.await_all()

    def stop(self) -> None:
        """Ends everything."""
        for node in self.nodes:
            node.send(signal.SIGCONT)
            node.kill()
        if self._etcd is not None:
            self._etcd.kill()
            self._etcd.wait()

    def ensure_running(self) -> str:
        """The address of all servers for a client, which uses the one that accepts writes."""
        return self.address("postgres")

    def address(self, database: str) -> str:
        """The address of all servers, of a superuser."""
        ports = ",".join(str(node.port) for node in self.nodes)
        hosts = ",".join("127.0.0.1" for _ in self.nodes)
        return make_conninfo("", host=hosts, port=ports, user="postgres", dbname=database)

    def members(self) -> list[dict[str, str]]:
        """The servers as Patroni sees them."""
        told = self.control("list", "--format", "json")
        rows: list[dict[str, str]] = json.loads(told or "[]")
        return rows

    def control(self, *arguments: str) -> str:
        """What patronictl answers; nothing if it fails."""
        command = ["patronictl", "-c", str(self.nodes[0].configuration), *arguments]
        done = subprocess.run(command, capture_output=True, check=False, timeout=120)
        return done.stdout.decode() if not done.returncode else ""

    def primary(self) -> Node:
        """The node whose server accepts writes."""
        roles = {row["Member"]: row["Role"] for row in self.members()}
        return next(node for node in self.nodes if roles.get(node.name) == "Leader")

    def await_all(self) -> None:
        """Waits until there is a primary, and all others follow it, one of them synchronously."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            rows = self.members()
            roles = sorted(row["Role"] for row in rows)
            at_work = all(row["State"] in ("running", "streaming") for row in rows)
            if at_work and roles == ["Leader", "Replica", "Sync Standby"]:
                with contextlib.suppress(psycopg.OperationalError):
                    psycopg.connect(self.writable()).close()
                    return
            time.sleep(0.5)
        raise TimeoutError(f"the servers are not all there: {rows}; see {self.folder}")

    def writable(self) -> str:
        """The address for a client that writes."""
        return make_conninfo(self.ensure_running(), target_session_attrs="read-write")

    # ------------------------------------------------------------ what befalls them

    def kill_primary(self) -> Node:
        """Kills the primary and its Patroni."""
        node = self.primary()
        node.kill()
        return node

    def freeze_primary(self) -> Node:
        """Stops the primary and its Patroni without ending them: no connection is closed."""
        node = self.primary()
        node.send(signal.SIGSTOP)
        return node

    def switch_over(self) -> Node:
        """Makes the synchronous standby the primary, as for maintenance."""
        node = self.primary()
        self.control("switchover", _CLUSTER, "--leader", node.name, "--force")
        return node


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextlib.contextmanager
def patroni() -> Iterator[Patroni]:
    """The servers, in a temporary folder that is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="account-registry-failover-"))
    folder.chmod(0o711)
    cluster = Patroni(folder)
    try:
        cluster.begin()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
