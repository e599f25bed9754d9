"""A PgBouncer in front of a test's server."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

Mode = Literal["transaction", "session"]
PROGRAM: Final = "/usr/sbin/pgbouncer"
_ADMINISTRATOR: Final = "pooler"
_PASSWORD: Final = "of-the-pooler"
_CONFIGURATION: Final = """\
[databases]
{database}

[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = {folder}
pool_mode = {mode}
auth_type = {auth_type}
auth_file = {folder}/users
admin_users = {administrator}
logfile = {folder}/log
pidfile = {folder}/pid
{settings}
"""


class Pooler:
    """A running PgBouncer."""

    def __init__(self, folder: Path, server: str, configuration: str) -> None:
        self._folder = folder
        self._server = server
        self._user = _owner_of_socket(server)
        self._process: subprocess.Popen[bytes] | None = None
        folder.joinpath("ini").write_text(configuration)
        folder.joinpath("users").write_text(f'"{_ADMINISTRATOR}" "{_PASSWORD}"\n')
        if self._user is not None:  # PgBouncer refuses to run as root
            for path in (folder, *folder.iterdir()):
                os.chown(path, self._user, -1)

    def address(self, server: str | None = None) -> str:
        """The same database and login as at this address of the server, through the pooler."""
        return make_conninfo(server or self._server, host=str(self._folder), port=6432)

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        command = [PROGRAM, "-q", str(self._folder / "ini")]
        nothing = subprocess.DEVNULL
        self._process = subprocess.Popen(
            command, user=self._user, cwd=self._folder, stdout=nothing, stderr=nothing
        )
        deadline = time.monotonic() + 10
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                self.ask("SHOW VERSION")
                return
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def stop(self) -> None:
        """Stops it at once: every client loses its connection."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait()
            self._process = None

    def ask(self, command: str) -> list[dict[str, Any]]:
        """The answer of its console, for example to SHOW POOLS, PAUSE or RESUME."""
        address = make_conninfo(
            user=_ADMINISTRATOR,
            password=_PASSWORD,
            dbname="pgbouncer",
            host=str(self._folder),
            port=6432,
        )
        # The console knows the simple protocol only.
        with psycopg.connect(address, autocommit=True, cursor_factory=psycopg.ClientCursor) as own:
            cursor = own.execute(command.encode())
            names = [column.name for column in cursor.description or ()]
            rows = cursor.fetchall() if names else []
            return [dict(zip(names, row, strict=True)) for row in rows]

    def log(self) -> str:
        """Its log."""
        log = self._folder / "log"
        return log.read_text() if log.exists() else "(no log)"


@contextlib.contextmanager
def documented_pooler(server: str, configuration: str) -> Iterator[Pooler]:
    """A pooler with the configuration of a page, in front of the server of an address."""
    given = conninfo_to_dict(server)
    with _folder() as folder:
        changed = {
            r"host=\S+ port=\S+": f"host={given['host']} port={given.get('port', 5432)}",
            r"^\S+ = host=(.*) dbname=\S+": rf"{given['dbname']} = host=\1",
            r"^listen_addr = .*": f"listen_addr =\nunix_socket_dir = {folder}",
            r"^auth_file = .*": f"auth_file = {folder}/users\nadmin_users = {_ADMINISTRATOR}",
        }
        for pattern, text in changed.items():
            configuration, count = re.subn(pattern, text, configuration, flags=re.MULTILINE)
            assert count == 1, pattern
        with _running(folder, server, configuration) as running:
            yield running


@contextlib.contextmanager
def _running(folder: Path, server: str, configuration: str) -> Iterator[Pooler]:
    pooler = Pooler(folder, server, configuration)
    try:
        pooler.start()
        yield pooler
    finally:
        pooler.stop()


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    # A short name: sockets have short paths.
    folder = Path(tempfile.mkdtemp(prefix="pooler-", dir="/dev/shm"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def pooler(
    server: str,
    mode: Mode = "transaction",
    *,
    forced_user: str | None = None,
    **settings: int,
) -> Iterator[Pooler]:
    """A pooler in front of the server of an address, for all of its databases and logins."""
    given = conninfo_to_dict(server)
    place = f"host={given['host']} port={given.get('port', 5432)}"
    with _folder() as folder:
        configuration = _CONFIGURATION.format(
            # Of one user for all it asks no client's name; otherwise it looks the name up.
            database=f"* = {place} "
            + (f"user={forced_user}" if forced_user else f"auth_user={given['user']}"),
            folder=folder,
            mode=mode,
            auth_type="any" if forced_user else "trust",
            administrator=_ADMINISTRATOR,
            settings="\n".join(f"{name} = {value}" for name, value in settings.items()),
        )
        with _running(folder, server, configuration) as running:
            yield running


def _owner_of_socket(server: str) -> int | None:
    """The user that may connect to the server's socket, if root runs the tests."""
    if os.getuid() != 0:
        return None
    given = conninfo_to_dict(server)
    socket = Path(str(given["host"])) / f".s.PGSQL.{given.get('port', 5432)}"
    return socket.stat().st_uid if socket.exists() else 65534
