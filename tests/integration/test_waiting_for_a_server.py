"""A full, absent or read-only server is waited for, and connections are given back."""

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from support.bots import LoginRole, login_role
from support.cli import PROJECT, CommandLine
from support.proxy import Proxy
from support.world import World

from registry import Registry
from registry.database.opening import SingleConnection
from registry.database.patience import VARIABLE
from registry.database.pool import PooledDatabase
from registry.database.target import Target
from registry.errors import DatabaseUnavailable
from registry.loader import CredentialLoader
from registry.positions import FundingArbPositionManager

Connection = psycopg.Connection[Any]
Client = Callable[[World, str], object]


@pytest.fixture
def login(world: World, database_url: str) -> Iterator[LoginRole]:
    """Somebody who may run commands and use main_bot."""
    world.account("main_bot", "aster")
    with login_role(database_url, "registry_operator") as role:
        world.access.grant("main_bot", role.name)
        yield role


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    """A way to the database on which connections are counted."""
    proxy = Proxy(database_url)
    yield proxy
    proxy.close()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than any of these takes; what it takes to fail is said by each test."""
    monkeypatch.setenv(VARIABLE, "30")


def load(world: World, address: str) -> object:
    with CredentialLoader(address, keyring=world.keyring) as loader:
        return loader.load("main_bot", "aster")["api_key"]


def command(_: World, address: str) -> object:
    with contextlib.closing(SingleConnection(Target(address))) as database:
        return Registry(database).accounts.create("new").positions


def open_position(_: World, address: str) -> object:
    with contextlib.closing(PooledDatabase(Target(address), keep=60)) as database:
        return FundingArbPositionManager("main_bot", database).create(
            symbol="BTC",
            long_dex="lighter",
            short_dex="backpack",
            size_usd=Decimal(1),
            entry_long_rate=Decimal(0),
            entry_short_rate=Decimal(0),
        )


def read(_: World, address: str) -> object:
    with (
        contextlib.closing(SingleConnection(Target(address))) as database,
        database.connection() as connection,
    ):
        return connection.execute("SELECT 1").fetchone()


CLIENTS: list[Client] = [load, command, open_position, read]
WRITERS: list[Client] = [load, command, open_position]


def sessions(connection: Connection, login: LoginRole) -> int:
    """How many sessions the login has."""
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = %s", [login.name]
    ).fetchone()
    return int(row[0]) if row else 0


def comes_to(count: int, connection: Connection, login: LoginRole) -> bool:
    """Whether the login soon has so many sessions: a server takes a moment to end one."""
    deadline = time.monotonic() + 10
    while sessions(connection, login) != count and time.monotonic() < deadline:
        time.sleep(0.02)
    return sessions(connection, login) == count


@contextlib.contextmanager
def full(login: LoginRole, connection: Connection) -> Iterator[None]:
    """The login has no connection left."""
    assert comes_to(0, connection, login)
    connection.execute(f'ALTER ROLE "{login.name}" CONNECTION LIMIT 1')
    with login.connect():
        yield


@contextlib.contextmanager
def read_only(login: LoginRole, connection: Connection) -> Iterator[None]:
    """Sessions of the login only read, as on a standby."""
    connection.execute(f'ALTER ROLE "{login.name}" SET default_transaction_read_only = on')
    yield
    connection.execute(f'ALTER ROLE "{login.name}" RESET default_transaction_read_only')


@contextlib.contextmanager
def for_a_while(state: contextlib.AbstractContextManager[None]) -> Iterator[None]:
    """The state is entered, and left a moment later while the block is at work."""
    state.__enter__()
    later = threading.Timer(0.7, lambda: state.__exit__(None, None, None))
    later.start()
    yield
    later.join()


@pytest.mark.parametrize("client", CLIENTS)
def test_a_full_server_is_waited_for(
    client: Client, world: World, login: LoginRole, connection: Connection
) -> None:
    with for_a_while(full(login, connection)):
        assert client(world, login.address)


@pytest.mark.parametrize("client", WRITERS)
def test_a_server_that_only_reads_is_waited_for_by_who_writes(
    client: Client, world: World, login: LoginRole, connection: Connection
) -> None:
    """Where the address names several hosts: another may take writes in a moment."""
    host = conninfo_to_dict(login.address)["host"]
    with for_a_while(read_only(login, connection)):
        assert client(world, make_conninfo(login.address, host=f"{host},{host}"))


def test_a_server_that_only_reads_serves_who_reads(
    world: World, login: LoginRole, connection: Connection
) -> None:
    with read_only(login, connection):
        assert read(world, login.address)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_server_that_is_not_there_yet_is_waited_for(
    client: Client, world: World, login: LoginRole, proxy: Proxy, tmp_path: Path
) -> None:
    address = make_conninfo(login.address, host=str(tmp_path), port=5432, sslmode="disable")

    @contextlib.contextmanager
    def away() -> Iterator[None]:
        yield
        there = Path(str(conninfo_to_dict(proxy.address)["host"]))
        (tmp_path / ".s.PGSQL.5432").symlink_to(there / ".s.PGSQL.5432")

    with for_a_while(away()):
        assert client(world, address)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_server_that_hangs_up_at_first_is_tried_again(
    client: Client, world: World, login: LoginRole, proxy: Proxy
) -> None:
    proxy.refusals = 2
    through = {name: conninfo_to_dict(proxy.address)[name] for name in ("host", "port", "sslmode")}
    assert client(world, make_conninfo(login.address, **through))
    assert proxy.connections == 3


@pytest.mark.slow
@pytest.mark.parametrize("client", CLIENTS)
def test_when_the_time_is_up_the_last_cause_is_told(
    client: Client,
    world: World,
    login: LoginRole,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, "1.1")
    with full(login, connection), pytest.raises(DatabaseUnavailable) as raised:
        client(world, login.address)
    assert "too many connections for role" in raised.value.message
    assert raised.value.message.endswith("(tried for 1 s)")
    assert "max_connections" in (raised.value.hint or "")


@pytest.mark.parametrize("client", WRITERS)
def test_the_one_server_that_only_reads_is_named_at_once(
    client: Client, world: World, login: LoginRole, connection: Connection
) -> None:
    started = time.monotonic()
    with read_only(login, connection), pytest.raises(DatabaseUnavailable) as raised:
        client(world, login.address)
    host = str(conninfo_to_dict(login.address)["host"])
    assert f"server at {host} only reads, by default_transaction" in raised.value.message
    assert "takes writes" in (raised.value.hint or "")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("wrong", [{"user": "nobody_at_all"}, {"dbname": "nowhere_at_all"}])
def test_what_only_another_address_helps_against_is_not_tried_again(
    client: Client, world: World, login: LoginRole, proxy: Proxy, wrong: dict[str, str]
) -> None:
    with pytest.raises(DatabaseUnavailable, match="does not exist"):
        client(world, make_conninfo(proxy.address, **wrong))
    assert proxy.connections == 1


def test_a_loader_gives_its_connection_back_after_each_load(
    world: World, login: LoginRole, connection: Connection
) -> None:
    with CredentialLoader(login.address, keyring=world.keyring) as loader:
        for _ in range(2):
            loader.load("main_bot", "aster")
            assert comes_to(0, connection, login)


def test_a_load_is_one_connection(world: World, proxy: Proxy) -> None:
    world.account("main_bot", "aster")
    with CredentialLoader(proxy.address, keyring=world.keyring) as loader:
        loader.load("main_bot", "aster")
    assert proxy.connections == 1


def test_a_position_manager_keeps_a_connection_for_the_next_call_and_then_gives_it_back(
    world: World, login: LoginRole, connection: Connection
) -> None:
    database = PooledDatabase(Target(login.address), keep=0.5)
    manager = FundingArbPositionManager("main_bot", database)
    seen = set()
    for _ in range(3):
        manager.list_open()
        row = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE usename = %s", [login.name]
        ).fetchall()
        seen.update(row)
    assert len(seen) == 1
    assert comes_to(0, connection, login)


def test_a_kept_connection_that_has_ended_is_not_used(
    world: World, login: LoginRole, connection: Connection
) -> None:
    with contextlib.closing(PooledDatabase(Target(login.address), keep=60)) as database:
        manager = FundingArbPositionManager("main_bot", database)
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s",
            [login.name],
        )
        assert manager.list_open() == []
        assert comes_to(1, connection, login)
    assert comes_to(0, connection, login)


def test_many_loaders_of_one_process_do_not_open_many_connections(
    world: World, login: LoginRole, connection: Connection
) -> None:
    connection.execute(f'ALTER ROLE "{login.name}" CONNECTION LIMIT 8')
    loaded: list[object] = []
    bots = [
        threading.Thread(target=lambda: loaded.append(load(world, login.address)))
        for _ in range(30)
    ]
    most = 0
    for bot in bots:
        bot.start()
    while any(bot.is_alive() for bot in bots):
        most = max(most, sessions(connection, login))
    assert loaded == ["main_bot-aster-key"] * 30
    # Beside those that work there may be some that the server is about to end.
    assert 1 <= most <= 8


@pytest.mark.slow
def test_who_waits_at_a_terminal_is_told_and_can_interrupt_at_once(
    cli: CommandLine, tmp_path: Path
) -> None:
    verb = subprocess.Popen(
        [sys.executable, "-m", "registry.commands", "list-accounts"],
        env={
            **cli.environment,
            "DATABASE_URL": f"postgresql:///x?host={tmp_path}",
            VARIABLE: "600",
        },
        cwd=PROJECT,
        stderr=subprocess.PIPE,
        text=True,
    )
    with verb:
        assert verb.stderr is not None
        told = verb.stderr.readline()
        verb.send_signal(signal.SIGINT)
        rest = verb.stderr.read()
    assert told.startswith("Waiting up to 600 s: cannot reach the database: connection to server")
    assert "Traceback" not in rest
    assert verb.returncode == 130


def test_the_command_line_waits_too(
    cli: CommandLine, login: LoginRole, connection: Connection
) -> None:
    as_login = {"DATABASE_URL": login.address, VARIABLE: "30"}
    for arguments in (
        ("list-accounts",),
        ("create-account", "new"),
        ("migrate", "status"),
        ("history",),
    ):
        with for_a_while(full(login, connection)):
            assert cli(*arguments, **as_login).exit_status == 0, arguments


def test_a_program_that_run_starts_is_waited_for(
    cli: CommandLine, database_url: str, connection: Connection
) -> None:
    cli("create-account", "bot")
    cli.store("bot", "aster")
    with login_role(database_url, "registry_operator") as login:
        cli("grant-access", "bot", login.name)
        with for_a_while(full(login, connection)):
            command = ("run", "--account", "bot", "--", "printenv", "ASTER_API_KEY")
            done = cli.process(*command, DATABASE_URL=login.address, REGISTRY_CONNECT_WAIT="30")
    assert done.exit_status == 0, done.err
    assert done.out.strip()


def test_doctor_says_at_once_that_there_is_no_server(cli: CommandLine, tmp_path: Path) -> None:
    address = f"postgresql:///x?host={tmp_path}"
    done = cli("doctor", **{"DATABASE_URL": address, VARIABLE: "600"})
    assert done.exit_status != 0
    assert "cannot reach the database" in done.out + done.err


@pytest.mark.parametrize("value", ["soon", "-1"])
def test_a_setting_that_is_no_number_is_an_error(cli: CommandLine, value: str) -> None:
    done = cli("list-accounts", "--json", **{VARIABLE: value})
    assert (done.exit_status, done.error["code"]) == (2, "invalid_input")
    assert VARIABLE in done.error["message"]


def test_libpq_s_own_variables_and_the_address_come_first(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "7")
    address = make_conninfo(database_url, keepalives_idle=99)
    with contextlib.closing(SingleConnection(Target(address))) as database:
        with database.connection() as connection:
            parameters = connection.info.get_parameters()
    assert parameters["keepalives_idle"] == "99"
    assert parameters["keepalives_interval"] == "5"
    assert parameters["tcp_user_timeout"] == "20000"
    assert parameters["connect_timeout"] == "7"
