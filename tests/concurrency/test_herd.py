"""Many more bots than the server has connections start at the same moment."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from support.bots import login_role
from support.herd import EXCHANGE, run_herd
from support.world import World

from registry.database.embedded import EmbeddedServer
from registry.database.migrator import Migrator
from registry.database.opening import SingleConnection
from registry.database.patience import VARIABLE
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring, generate_master_key

pytestmark = pytest.mark.slow

LOADERS, PROCESSES, CONNECTIONS = 300, 8, 20


@pytest.fixture
def small_server() -> Iterator[str]:
    """The address of a migrated database on a server of few connections."""
    folder = Path(tempfile.mkdtemp(prefix="account-registry-herd-"))
    server = EmbeddedServer(folder)
    try:
        with psycopg.connect(server.ensure_running(), autocommit=True) as connection:
            Migrator(connection).up()
            connection.execute(f"ALTER SYSTEM SET max_connections = {CONNECTIONS}")
        server.stop()
        yield server.ensure_running()
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_every_bot_of_a_herd_gets_its_own_credential(
    small_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "300")  # a busy machine is slow, and this measures nothing
    key = generate_master_key()
    names = [f"bot_{number}" for number in range(LOADERS)]
    with contextlib.closing(SingleConnection(Target(small_server))) as database:
        world = World(database, MasterKeyring([key]))
        with login_role(small_server) as login:
            for name in names:
                world.account(name, EXCHANGE)
                world.access.grant(name, login.name)
            herd = run_herd(login.address, names, key.reveal(), PROCESSES)
    assert herd.failures == []
    assert herd.keys == {name: f"{name}-aster-key" for name in names}
    assert herd.retries > 0
