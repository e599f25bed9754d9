"""Threat: Owner of other tables.

The bot's own tables (`strategy_positions`, `symbols`, `dexes`) existed before the registry and
keep their owner. A trigger of that owner runs with the rights of the role that writes the table.
"""

import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from support.bots import login_role
from support.registry_tables import add_positions
from support.world import World

from registry import Registry
from registry.database.opening import SingleConnection
from registry.database.target import Target

Connection = psycopg.Connection[Any]

# Notes whom it runs as, and whether this role may read tokens.
TRIGGER = """
CREATE TABLE noted (who text, reads_tokens boolean);
GRANT INSERT ON noted TO PUBLIC;
CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {schema}.noted SELECT current_user, has_column_privilege(
        'public.account_exchange_credentials', 'secret_key_encrypted', 'SELECT');
    RETURN NEW;
END $$;
GRANT USAGE ON SCHEMA {schema} TO PUBLIC;
CREATE TRIGGER spy BEFORE UPDATE ON public.strategy_positions
    FOR EACH ROW EXECUTE FUNCTION spy();
"""


@pytest.fixture
def owner(database_url: str, connection: Connection, world: World) -> Iterator[Connection]:
    """A login role that owns the positions and nothing else, with a trigger on them."""
    world.account("bot", "backpack")
    with login_role(database_url) as role:
        name = sql.Identifier(role.name)
        connection.execute(sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(name, name))
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(name))
        connection.execute(
            sql.SQL("ALTER TABLE public.strategy_positions OWNER TO {}").format(name)
        )
        with role.connect() as session:
            session.execute(sql.SQL("SET search_path = {}").format(name))
            session.execute(sql.SQL(TRIGGER).format(schema=name))
            yield session
        connection.execute("ALTER TABLE public.strategy_positions OWNER TO CURRENT_USER")
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(name))


def test_the_owner_himself_has_no_rights_over_the_registry(owner: Connection) -> None:
    for table in ("accounts", "account_exchange_credentials", "audit_events", "account_access"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute(f"SELECT * FROM public.{table}".encode())


def test_what_remains_his_trigger_runs_as_the_operator_who_links_positions(
    owner: Connection, connection: Connection, database_url: str
) -> None:
    """So whoever owns these tables must be trusted as operators are."""
    position = uuid.uuid4()
    add_positions(connection, str(position))
    connection.execute(
        "GRANT SELECT ON public.strategy_positions TO registry_operator; "
        "GRANT UPDATE (account_id) ON public.strategy_positions TO registry_operator"
    )
    with login_role(database_url, "registry_operator") as operator:
        database = SingleConnection(Target(operator.address))
        Registry(database).positions.link("bot", [position])
        database.close()
        assert owner.execute("SELECT * FROM noted").fetchall() == [(operator.name, True)]


def test_a_function_of_the_owners_is_not_run_by_those_who_only_read(
    owner: Connection, connection: Connection
) -> None:
    add_positions(connection, str(uuid.uuid4()))
    connection.execute("SELECT count(*) FROM public.strategy_positions")
    assert owner.execute("SELECT count(*) FROM noted").fetchone() == (0,)
