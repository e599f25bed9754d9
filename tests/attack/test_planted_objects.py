"""Threat: Planted objects.

A login plants tables, functions, operators and casts, where a careless function or another
session would find them before the registry's.
"""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from support.bots import LoginRole
from support.cli import CommandLine
from support.world import World

Connection = psycopg.Connection[Any]

REQUEST = """SELECT outcome FROM public.request_release(
    %s, NULL, NULL, NULL, NULL, 'a', 'h', 'p')"""

PLANTED = [
    "CREATE TEMPORARY TABLE account_access (account_id uuid, role_name text)",
    "CREATE TEMPORARY VIEW accounts AS SELECT 'x' AS account_name",
    "CREATE TEMPORARY TABLE audit_head (size bigint, peaks bytea[], appended_at timestamptz)",
    "CREATE TEMPORARY TABLE release_collections (release_id uuid, collected_at timestamptz)",
    "CREATE FUNCTION pg_temp.session_may_use(uuid) RETURNS boolean RETURN true",
    "CREATE FUNCTION pg_temp.pg_has_role(name, name, text) RETURNS boolean RETURN true",
    "CREATE FUNCTION pg_temp.clock_timestamp() RETURNS timestamptz RETURN 'epoch'::timestamptz",
    """CREATE FUNCTION pg_temp.same(text, text) RETURNS boolean RETURN true;
       CREATE OPERATOR pg_temp.= (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_temp.same)""",
    """CREATE FUNCTION pg_temp.same(uuid, uuid) RETURNS boolean RETURN true;
       CREATE OPERATOR pg_temp.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = pg_temp.same)""",
    """CREATE FUNCTION pg_temp.same(uuid, uuid) RETURNS boolean RETURN false;
       CREATE OPERATOR pg_temp.<> (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = pg_temp.same)""",
    "CREATE DOMAIN pg_temp.uuid AS text",
    "CREATE TYPE pg_temp.record AS (outcome text)",
]


@pytest.fixture
def mallory(world: World, bot: LoginRole) -> Iterator[Connection]:
    """A bot with its own account, whose schema of temporary objects comes first."""
    world.account("mallory", "backpack")
    world.account("victim", "backpack")
    world.access.grant("mallory", bot.name)
    with bot.connect() as connection:
        connection.execute("SET search_path = pg_temp, pg_catalog, public")
        yield connection


@pytest.mark.parametrize("planted", PLANTED, ids=[one.split("(")[0][7:] for one in PLANTED])
def test_what_a_bot_plants_in_its_session_leads_no_function_astray(
    mallory: Connection, planted: str
) -> None:
    mallory.execute(planted.encode())
    assert mallory.execute(REQUEST, ["victim"]).fetchall() == [("not_permitted",)]
    assert mallory.execute(REQUEST, ["mallory"]).fetchall() == [("ok",)]


def test_a_statement_of_the_session_itself_does_find_what_was_planted(
    mallory: Connection,
) -> None:
    """The planting above is real: without a fixed search_path it takes effect."""
    mallory.execute("CREATE TEMPORARY TABLE dexes AS SELECT 'planted' AS name")
    assert mallory.execute("SELECT name FROM dexes").fetchall() == [("planted",)]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE FUNCTION public.planted() RETURNS integer RETURN 1",
        "CREATE OPERATOR public.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)",
        "CREATE CAST (text AS uuid) WITH INOUT AS IMPLICIT",
        "CREATE SCHEMA planted",
        "CREATE EVENT TRIGGER planted ON ddl_command_start EXECUTE FUNCTION public.f()",
        "CREATE RULE planted AS ON INSERT TO public.strategy_positions DO NOTHING",
        "CREATE POLICY planted ON public.strategy_positions USING (true)",
        "CREATE TRIGGER planted BEFORE INSERT ON public.strategy_positions "
        "FOR EACH ROW EXECUTE FUNCTION public.audit_refuse_change()",
        "CREATE INDEX planted ON public.strategy_positions (id)",
        "CREATE TEMPORARY TABLE planted () INHERITS (public.account_exchange_credentials)",
        "CREATE TEMPORARY TABLE planted (LIKE public.account_exchange_credentials)",
        "CREATE TEMPORARY TABLE planted (id uuid REFERENCES public.accounts (id))",
        "CREATE STATISTICS planted ON id, status FROM public.strategy_positions",
        "CREATE PUBLICATION planted FOR TABLE public.audit_events",
        "CREATE SUBSCRIPTION planted CONNECTION '' PUBLICATION planted",
        "COMMENT ON TABLE public.accounts IS 'planted'",
        "ALTER DEFAULT PRIVILEGES FOR ROLE registry_owner GRANT SELECT ON TABLES TO PUBLIC",
        "ALTER ROLE registry_operator SET search_path = planted",
        "ALTER DATABASE postgres SET session_replication_role = replica",
    ],
)
def test_a_bot_plants_nothing_where_others_would_find_it(
    mallory: Connection, statement: str
) -> None:
    with pytest.raises(psycopg.Error) as refused:
        mallory.execute(statement.encode())
    # Not permitted; or, for a temporary table, not possible for anybody.
    assert refused.value.sqlstate in ("42501", "42P16")


def test_doctor_warns_where_everybody_may_create_functions_beside_ours(
    cli: CommandLine, connection: Connection
) -> None:
    """As in a database from before PostgreSQL 15: a call of ours could find another overload."""
    warning = "REVOKE CREATE ON SCHEMA public FROM PUBLIC"
    assert warning not in cli("doctor").out
    connection.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    assert warning in cli("doctor").out
