"""One real PostgreSQL for the whole run, and a database of its own for each test.

By default the embedded server in a temporary folder. REGISTRY_TEST_POSTGRESQL selects another
version, of it or of the machine. REGISTRY_TEST_DATABASE_URL (of a superuser) names a running
server, or with `none` there is no server. The migrations run once, into a template; each test's
database is a copy of it, which takes some milliseconds.
"""

import contextlib
import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg.conninfo import make_conninfo
from support.bots import LoginRole, login_role
from support.cli import CommandLine
from support.servers import running_server
from support.world import World

from registry.database.migrator import Migrator
from registry.database.opening import SingleConnection, open_registry
from registry.database.target import Target
from registry.encryption.key_source import FILE_VARIABLE, VARIABLE
from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.execution.executor import Invocation

SERVER = "REGISTRY_TEST_SERVER"
TEMPLATE = "REGISTRY_TEST_TEMPLATE"
_ROOM = 2 * 1024**3

# How much Hypothesis tries: enough in each run; more with HYPOTHESIS_PROFILE=thorough. Its
# examples share a test's fixtures on purpose: each ends as it began, or starts by itself.
_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
settings.register_profile("ci", max_examples=40, deadline=None, suppress_health_check=_SHARED)
settings.register_profile("thorough", settings.get_profile("ci"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


# What random input, many processes and attackers happen to run says nothing about what the
# tests look at; coverage is counted in the others, and these take much less time without it.
_NOT_COUNTED = {"attack", "concurrency", "crash", "property"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Says what is not counted, and lets each of two workers begin with what takes long."""
    for item in items:
        if item.path.parent.name in _NOT_COUNTED:
            item.add_marker(pytest.mark.no_cover)
    long = [item for item in items if item.get_closest_marker("slow")]
    short = [item for item in items if not item.get_closest_marker("slow")]
    # By modules, which may share a long log between their tests.
    modules = list(dict.fromkeys(item.path for item in long))
    first = [item for item in long if modules.index(item.path) % 2 == 0]
    second = [item for item in long if modules.index(item.path) % 2 == 1]
    half = max(0, len(items) // 2 - len(first))
    items[:] = [*first, *short[:half], *second, *short[half:]]


def pytest_configure(config: pytest.Config) -> None:
    """Starts the server, in the process that the workers come from."""
    if hasattr(config, "workerinput"):
        return
    # What a shell runs in its background ignores Ctrl-C; programs that tests interrupt would too.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Not the user's own: files of a test that names no folder go there.
    data = tempfile.mkdtemp(prefix="account-registry-tests-data-")
    os.environ["REGISTRY_DATA_DIR"] = data
    config.add_cleanup(lambda: shutil.rmtree(data, ignore_errors=True))
    external = os.environ.get("REGISTRY_TEST_DATABASE_URL")
    if external == "none":
        return
    if external:
        os.environ[SERVER] = external
    else:
        major = os.environ.get("REGISTRY_TEST_POSTGRESQL")
        kept = contextlib.ExitStack()
        config.add_cleanup(kept.close)
        os.environ[SERVER] = kept.enter_context(
            running_server(int(major) if major else None, in_memory())
        )
        with psycopg.connect(os.environ[SERVER], autocommit=True) as connection:
            # Nothing here outlives the run; crash tests start servers of their own.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("ALTER SYSTEM SET full_page_writes = off")
            connection.execute("SELECT pg_reload_conf()")
    os.environ[TEMPLATE] = f"registry_template_{uuid.uuid4().hex[:12]}"
    create_database(os.environ[TEMPLATE])
    with open_and_migrate(database_address(os.environ[TEMPLATE])):
        pass
    config.add_cleanup(lambda: drop_database(os.environ[TEMPLATE]))


def in_memory() -> str | None:
    """A folder in memory, if there is one with room: every test makes a database."""
    folder = "/dev/shm"  # noqa: S108 - a folder of our own is made in it
    usable = os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > _ROOM
    return folder if usable else None


def database_address(name: str) -> str:
    """The address of a database of the run's server."""
    return make_conninfo(os.environ[SERVER], dbname=name)


def create_database(name: str, template: str = "template0") -> None:
    """Makes a database on the run's server."""
    with psycopg.connect(os.environ[SERVER], autocommit=True) as connection:
        # Copying files instead of logging each page: several times as fast.
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')


def drop_database(name: str) -> None:
    """Drops a database of the run's server, whoever is connected."""
    with (
        contextlib.suppress(psycopg.OperationalError),
        psycopg.connect(os.environ[SERVER], autocommit=True) as connection,
    ):
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def open_and_migrate(address: str) -> psycopg.Connection[Any]:
    """A connection to a database that was migrated if it was not."""
    connection = psycopg.connect(address, autocommit=True)
    Migrator(connection).up()
    return connection


def _fresh_database(template: str) -> Iterator[str]:
    name = f"registry_test_{uuid.uuid4().hex[:12]}"
    create_database(name, template)
    yield database_address(name)
    drop_database(name)


@pytest.fixture(autouse=True)
def signals_stay() -> Iterator[None]:
    """No test leaves a signal changed: with SIGPIPE's default a later one ends without a word."""
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    yield
    assert {number: signal.getsignal(number) for number in signal.valid_signals()} == before


@pytest.fixture
def empty_database() -> Iterator[str]:
    """The address of a database with nothing in it."""
    yield from _fresh_database("template0")


@pytest.fixture
def another_empty_database() -> Iterator[str]:
    """The address of a second database with nothing in it."""
    yield from _fresh_database("template0")


@pytest.fixture
def database_url() -> Iterator[str]:
    """The address of a migrated database."""
    yield from _fresh_database(os.environ[TEMPLATE])


@pytest.fixture(scope="session")
def fresh_database() -> Callable[[], contextlib.AbstractContextManager[str]]:
    """Lends migrated databases, as many as a test wants."""
    return lambda: contextlib.contextmanager(_fresh_database)(os.environ[TEMPLATE])


@pytest.fixture
def database(database_url: str) -> Iterator[SingleConnection]:
    """A migrated database as the services take it."""
    opened = SingleConnection(Target(database_url))
    yield opened
    opened.close()


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A superuser's connection to the test's database."""
    with open_registry(Target(database_url)) as opened:
        yield opened


@pytest.fixture
def keyring() -> MasterKeyring:
    """A ring of one new master key."""
    return MasterKeyring([generate_master_key()])


@pytest.fixture
def no_key_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names no master key, and the configuration folder is an empty one."""
    for name in (VARIABLE, FILE_VARIABLE, f"{VARIABLE}_COMMAND", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REGISTRY_CONFIG_DIR", str(tmp_path / "config"))


@pytest.fixture
def invocation() -> Invocation:
    """Somebody who asks."""
    return Invocation(actor="tester@host")


@pytest.fixture
def cli(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line on the test's database, with a master key of its own."""
    return CommandLine(database_url, tmp_path, monkeypatch)


@pytest.fixture
def world(database: SingleConnection, keyring: MasterKeyring) -> World:
    """An empty registry to fill."""
    return World(database, keyring)


@pytest.fixture
def bot(database_url: str) -> Iterator[LoginRole]:
    """A login role with the rights of a bot, and no account yet."""
    with login_role(database_url, "registry_bot") as role:
        yield role
