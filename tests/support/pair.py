"""A primary and a synchronous standby: the servers of a failover, by Patroni or by hand."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from registry.database.embedded import EmbeddedServer
from registry.database.migrator import Migrator
from registry.database.passage import reachable_programs
from registry.database.programs import embedded_programs
from support.soak import kill

_STANDBY: Final = "standby"


class Pair:
    """Two servers; each commit on the first waits until the second has it too."""

    def __init__(self, folder: Path) -> None:
        self.primary = EmbeddedServer(folder / "primary")
        self.folder = folder
        self._pgdata = folder / _STANDBY
        self._first = conninfo_to_dict(self.primary.ensure_running())
        with psycopg.connect(self.primary.ensure_running(), autocommit=True) as connection:
            Migrator(connection).up()
            self._make_standby()
            connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{_STANDBY}'")
            connection.execute("SELECT pg_reload_conf()")

    def ensure_running(self) -> str:
        """The address of both servers for a client, which uses the one that accepts writes."""
        hosts = f"{self._pgdata},{self._first['host']}"
        return make_conninfo("", **{**self._first, "host": hosts})

    @property
    def standby(self) -> str:
        """The address of the standby alone."""
        return make_conninfo("", **{**self._first, "host": str(self._pgdata)})

    def fail_over(self) -> None:
        """Kills the primary with all its processes, and promotes the standby."""
        kill(self.primary)
        self.promote()

    def promote(self) -> None:
        """Makes the standby take writes."""
        self._run("pg_ctl", "promote", "-w", "-D", str(self._pgdata))

    def stop_standby(self) -> None:
        """Stops the standby, so that synchronous commits wait."""
        self._run("pg_ctl", "stop", "-w", "-m", "fast", "-D", str(self._pgdata))

    def start_standby(self) -> None:
        """Starts the standby, which catches up."""
        arguments = ["-w", "-o", f"-h '' -k {self._pgdata}", "-l", str(self._pgdata / "log")]
        self._run("pg_ctl", "start", *arguments, "-D", str(self._pgdata))

    def stop(self) -> None:
        """Stops both servers, if they run."""
        self.primary.stop()
        with contextlib.suppress(subprocess.CalledProcessError):
            self.stop_standby()

    def _make_standby(self) -> None:
        # https://www.postgresql.org/docs/current/app-pgbasebackup.html
        self._pgdata.mkdir(mode=0o700)
        owner = self.primary.pgdata.stat()
        os.chown(self._pgdata, owner.st_uid, owner.st_gid)
        source = make_conninfo(
            "", host=self._first["host"], user=self._first["user"], application_name=_STANDBY
        )
        target = ["-D", str(self._pgdata), "--write-recovery-conf", "--checkpoint=fast"]
        self._run("pg_basebackup", "-d", source, *target)
        # The primary's socket is in its data folder, so the socket's lock file was copied too.
        (self._pgdata / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
        self.start_standby()

    def _run(self, program: str, *arguments: str) -> None:
        owner = self.primary.pgdata.stat().st_uid
        subprocess.run(
            [reachable_programs(max(embedded_programs().items())[1]) / program, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=pwd.getpwuid(owner).pw_name if os.geteuid() == 0 else None,
        )


@contextlib.contextmanager
def pair() -> Iterator[Pair]:
    """A pair in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="account-registry-pair-"))
    folder.chmod(0o711)  # root's servers run as another user, who has to pass
    servers = Pair(folder)
    try:
        yield servers
    finally:
        servers.stop()
        shutil.rmtree(folder, ignore_errors=True)
