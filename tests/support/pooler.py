"""A PgBouncer in front of a test's server."""

import contextlib
import os
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
# The form that docs/deploying.md shows, with the places of a test.
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
        folder.joinpath("users").write_text(f'"{_ADMINISTRATOR}" ""\n')
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
            "", host=str(self._folder), port=6432, user=_ADMINISTRATOR, dbname="pgbouncer"
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
def pooler(
    server: str,
    mode: Mode = "transaction",
    *,
    forced_user: str | None = None,
    **settings: int,
) -> Iterator[Pooler]:
    """A pooler in front of the server of an address, for all of its databases and logins."""
    given = conninfo_to_dict(server)
    # A short name: sockets have short paths.
    folder = Path(tempfile.mkdtemp(prefix="pooler-", dir="/dev/shm"))
    place = f"host={given['host']} port={given.get('port', 5432)}"
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
    running = Pooler(folder, server, configuration)
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder)


def _owner_of_socket(server: str) -> int | None:
    """The user that may connect to the server's socket, if root runs the tests."""
    if os.getuid() != 0:
        return None
    given = conninfo_to_dict(server)
    socket = Path(str(given["host"])) / f".s.PGSQL.{given.get('port', 5432)}"
    return socket.stat().st_uid if socket.exists() else 65534
