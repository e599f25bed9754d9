"""Migration 028 finds the versions of credentials in the log that is there."""

from typing import Any

import psycopg
from support.registry_tables import contents
from support.world import BY, World

from registry.database.migration_files import load_migrations
from registry.database.migrator import Migrator
from registry.database.objects import differences
from registry.services.schema.schema import bring_up, take_down

NUMBER = 28
ROWS = "SELECT t::text FROM account_exchange_credential_versions AS t ORDER BY t.id"


def key(number: int) -> dict[str, str]:
    return {"api_key": f"key-{number}", "secret_key": f"secret-{number}"}


def filled(world: World) -> World:
    """Versions in each state, of credentials that are there and of some that are gone."""
    for name in ("bot", "gone"):
        world.account(name)
        world.credentials.add(name, "aster", key(1), allow_shared_secret=True)
        how: Any = {"check": False, "allow_shared_secret": True}
        world.credentials.rotate(name, "aster", key(2), grace="0h", **how)
        world.credentials.rotate(name, "aster", key(3), **how)
        world.credentials.rotate(name, "aster", key(4), prepare=True, allow_shared_secret=True)
        world.credentials.rotate(name, "aster", abandon=True)
        world.credentials.rotate(name, "aster", key(5), prepare=True, allow_shared_secret=True)
    world.credentials.remove("gone", "aster")
    world.accounts.delete("gone")
    world.account("first", "backpack")
    world.credentials.remove("first", "backpack")
    world.rollback(world.history("first")[-1]["position"] - 1, account="first")
    return world


def test_an_older_log_gets_the_rows_of_all_of_its_versions(
    world: World, connection: psycopg.Connection[Any]
) -> None:
    filled(world)
    before = connection.execute(ROWS).fetchall()
    assert len(before) == 11
    migration = next(m for m in load_migrations() if m.number == NUMBER)
    connection.execute(migration.down_sql.encode())
    connection.execute("DELETE FROM registry_migrations WHERE number >= %s", [NUMBER])
    assert NUMBER in [m.number for m in Migrator(connection).up()]
    assert connection.execute(ROWS).fetchall() == before
    assert world.rebuild(check=True).report.differing == 0
    assert differences(connection) == []


def test_tables_that_come_back_have_each_version_once(
    world: World, connection: psycopg.Connection[Any]
) -> None:
    filled(world)
    before = connection.execute(ROWS).fetchall(), contents(connection)
    take_down(connection, BY)
    bring_up(connection, lambda: BY)
    assert (connection.execute(ROWS).fetchall(), contents(connection)) == before
