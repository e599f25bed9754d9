"""Threat: Left behind.

A plain login makes objects that stay in the database, so that a dump does not restore, or that
others meet them.
"""

import subprocess
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from support.bots import LoginRole, login_role
from support.cli import CommandLine
from support.world import World

from registry.database.programs import programs_for
from registry.database.target import Target
from registry.services.backups.drill import RestorePlan, RestoreStep, rehearse_restore

Connection = psycopg.Connection[Any]

TABLE = "public.strategy_positions"
TRIED = {
    "ALTER AGGREGATE": "ALTER AGGREGATE public.a(integer) RENAME TO b",
    "ALTER COLLATION": 'ALTER COLLATION "C" RENAME TO b',
    "ALTER CONVERSION": "ALTER CONVERSION pg_catalog.iso8859_1_to_utf8 RENAME TO b",
    "ALTER DATABASE": "ALTER DATABASE {database} SET search_path = pg_temp",
    "ALTER DEFAULT PRIVILEGES": "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
    "ALTER DOMAIN": "ALTER DOMAIN information_schema.cardinal_number DROP NOT NULL",
    "ALTER EVENT TRIGGER": "ALTER EVENT TRIGGER e DISABLE",
    "ALTER EXTENSION": "ALTER EXTENSION plpgsql UPDATE",
    "ALTER FOREIGN DATA WRAPPER": "ALTER FOREIGN DATA WRAPPER w NO HANDLER",
    "ALTER FOREIGN TABLE": f"ALTER FOREIGN TABLE {TABLE} ADD x integer",
    "ALTER FUNCTION": "ALTER FUNCTION public.session_is_bot() RESET ALL",
    "ALTER GROUP": "ALTER GROUP registry_operator ADD USER {role}",
    "ALTER INDEX": "ALTER INDEX public.symbols_pkey RENAME TO b",
    "ALTER LANGUAGE": "ALTER LANGUAGE plpgsql RENAME TO b",
    "ALTER LARGE OBJECT": "ALTER LARGE OBJECT 4711 OWNER TO {role}",
    "ALTER MATERIALIZED VIEW": "ALTER MATERIALIZED VIEW public.m RENAME TO b",
    "ALTER OPERATOR": "ALTER OPERATOR + (integer, integer) OWNER TO {role}",
    "ALTER OPERATOR CLASS": "ALTER OPERATOR CLASS int4_ops USING btree RENAME TO b",
    "ALTER OPERATOR FAMILY": "ALTER OPERATOR FAMILY integer_ops USING btree RENAME TO b",
    "ALTER POLICY": f"ALTER POLICY registry_bots_own ON {TABLE} RENAME TO b",
    "ALTER PROCEDURE": "ALTER PROCEDURE public.p() RENAME TO b",
    "ALTER PUBLICATION": "ALTER PUBLICATION p RENAME TO b",
    "ALTER ROLE": "ALTER ROLE {role} SUPERUSER",
    "ALTER ROUTINE": "ALTER ROUTINE public.session_is_bot() RENAME TO b",
    "ALTER RULE": 'ALTER RULE "_RETURN" ON public.audit_trail RENAME TO b',
    "ALTER SCHEMA": "ALTER SCHEMA public RENAME TO b",
    "ALTER SEQUENCE": "ALTER SEQUENCE public.symbols_id_seq RESTART",
    "ALTER SERVER": "ALTER SERVER s OPTIONS (x 'y')",
    "ALTER STATISTICS": "ALTER STATISTICS s RENAME TO b",
    "ALTER SUBSCRIPTION": "ALTER SUBSCRIPTION s DISABLE",
    "ALTER SYSTEM": "ALTER SYSTEM SET work_mem = '1MB'",
    "ALTER TABLE": f"ALTER TABLE {TABLE} ADD x integer",
    "ALTER TABLESPACE": "ALTER TABLESPACE pg_default RENAME TO b",
    "ALTER TEXT SEARCH CONFIGURATION": "ALTER TEXT SEARCH CONFIGURATION simple RENAME TO b",
    "ALTER TEXT SEARCH DICTIONARY": "ALTER TEXT SEARCH DICTIONARY simple RENAME TO b",
    "ALTER TEXT SEARCH PARSER": 'ALTER TEXT SEARCH PARSER "default" RENAME TO b',
    "ALTER TEXT SEARCH TEMPLATE": "ALTER TEXT SEARCH TEMPLATE simple RENAME TO b",
    "ALTER TRIGGER": "ALTER TRIGGER accounts_only_by_event ON public.accounts RENAME TO b",
    "ALTER TYPE": "ALTER TYPE information_schema.yes_or_no OWNER TO {role}",
    "ALTER USER": "ALTER USER {role} BYPASSRLS",
    "ALTER USER MAPPING": "ALTER USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (x 'y')",
    "ALTER VIEW": "ALTER VIEW public.audit_trail RENAME TO b",
    "COMMENT": "COMMENT ON DATABASE {database} IS 'x'",
    "CREATE ACCESS METHOD": "CREATE ACCESS METHOD m TYPE TABLE HANDLER heap_tableam_handler",
    "CREATE AGGREGATE": "CREATE AGGREGATE public.a(integer) (SFUNC = int4pl, STYPE = integer)",
    "CREATE CAST": "CREATE CAST (integer AS text) WITH INOUT",
    "CREATE COLLATION": 'CREATE COLLATION public.c FROM "C"',
    "CREATE CONVERSION": "CREATE CONVERSION public.c FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
    "CREATE DATABASE": "CREATE DATABASE {role}",
    "CREATE DOMAIN": "CREATE DOMAIN public.d AS integer",
    "CREATE EVENT TRIGGER": "CREATE EVENT TRIGGER e ON ddl_command_start "
    "EXECUTE FUNCTION public.session_is_bot()",
    "CREATE EXTENSION": "CREATE EXTENSION plpgsql",
    "CREATE FOREIGN DATA WRAPPER": "CREATE FOREIGN DATA WRAPPER w",
    "CREATE FOREIGN TABLE": "CREATE FOREIGN TABLE public.f (x integer) SERVER s",
    "CREATE FUNCTION": "CREATE FUNCTION public.f() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE GROUP": "CREATE GROUP registry_group",
    "CREATE INDEX": "CREATE INDEX ON public.symbols (symbol)",
    "CREATE LANGUAGE": "CREATE LANGUAGE l HANDLER plpgsql_call_handler",
    "CREATE MATERIALIZED VIEW": "CREATE MATERIALIZED VIEW public.m AS SELECT 1",
    "CREATE OPERATOR": "CREATE OPERATOR public.+ "
    "(FUNCTION = int4pl, LEFTARG = integer, RIGHTARG = integer)",
    "CREATE OPERATOR CLASS": "CREATE OPERATOR CLASS public.o FOR TYPE integer USING btree "
    "AS OPERATOR 1 <",
    "CREATE OPERATOR FAMILY": "CREATE OPERATOR FAMILY public.o USING btree",
    "CREATE POLICY": f"CREATE POLICY p ON {TABLE} USING (TRUE)",
    "CREATE PROCEDURE": "CREATE PROCEDURE public.p() LANGUAGE sql AS 'SELECT 1'",
    "CREATE PUBLICATION": "CREATE PUBLICATION p",
    "CREATE ROLE": "CREATE ROLE registry_role",
    "CREATE RULE": f"CREATE RULE r AS ON INSERT TO {TABLE} DO INSTEAD NOTHING",
    "CREATE SCHEMA": "CREATE SCHEMA mine",
    "CREATE SEQUENCE": "CREATE SEQUENCE public.s",
    "CREATE SERVER": "CREATE SERVER s FOREIGN DATA WRAPPER w",
    "CREATE STATISTICS": f"CREATE STATISTICS public.s ON status, size_usd FROM {TABLE}",
    "CREATE SUBSCRIPTION": "CREATE SUBSCRIPTION s CONNECTION 'host=/nowhere' PUBLICATION p "
    "WITH (connect = false)",
    "CREATE TABLE": "CREATE TABLE public.t (x integer)",
    "CREATE TABLE AS": "CREATE TABLE public.t AS SELECT 1 AS x",
    "CREATE TABLESPACE": "CREATE TABLESPACE t LOCATION '/tmp'",
    "CREATE TEXT SEARCH CONFIGURATION": "CREATE TEXT SEARCH CONFIGURATION public.c (COPY = simple)",
    "CREATE TEXT SEARCH DICTIONARY": "CREATE TEXT SEARCH DICTIONARY public.d (TEMPLATE = simple)",
    "CREATE TEXT SEARCH PARSER": "CREATE TEXT SEARCH PARSER public.p (START = prsd_start, "
    "GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype)",
    "CREATE TEXT SEARCH TEMPLATE": "CREATE TEXT SEARCH TEMPLATE public.t (LEXIZE = dsimple_lexize)",
    "CREATE TRANSFORM": "CREATE TRANSFORM FOR integer LANGUAGE plpgsql "
    "(FROM SQL WITH FUNCTION prsd_lextype(internal))",
    "CREATE TRIGGER": f"CREATE TRIGGER t BEFORE INSERT ON {TABLE} FOR EACH ROW "
    "EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE TYPE": "CREATE TYPE public.t AS ENUM ('a')",
    "CREATE USER": "CREATE USER registry_user",
    "CREATE USER MAPPING": "CREATE USER MAPPING FOR CURRENT_USER SERVER s",
    "CREATE VIEW": "CREATE VIEW public.v AS SELECT 1",
    "GRANT": f"GRANT SELECT ON {TABLE} TO PUBLIC",
    "IMPORT FOREIGN SCHEMA": "IMPORT FOREIGN SCHEMA f FROM SERVER s INTO public",
    "REASSIGN OWNED": "REASSIGN OWNED BY registry_owner TO {role}",
    "REVOKE": f"REVOKE SELECT ON {TABLE} FROM registry_operator",
    "SECURITY LABEL": "SECURITY LABEL ON TABLE public.accounts IS 'x'",
    "SELECT INTO": "SELECT 1 AS x INTO public.t",
}
"""Each kind of command of PostgreSQL that makes or changes what stays, and one that tries it."""
OTHER_WAYS = [
    "SELECT lo_creat(-1)",
    "SELECT lo_create(4711)",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT lo_import('/etc/hostname')",
    "SELECT pg_create_physical_replication_slot('x')",
    "SELECT pg_create_logical_replication_slot('x', 'pgoutput')",
    "SELECT pg_replication_origin_create('x')",
    "SELECT pg_create_restore_point('x')",
    "SELECT pg_import_system_collations('public')",
    "COPY (SELECT 1) TO '/tmp/x'",
    "COPY (SELECT 1) TO PROGRAM 'id'",
]
GIVES_WARNINGS = {"GRANT", "REVOKE"}
OWN = {"ALTER DEFAULT PRIVILEGES"}
"""What nobody can be forbidden."""
ROLES = ["registry_bot", "registry_operator", "registry_auditor"]


@pytest.fixture(params=[*ROLES, None])
def plain(request: pytest.FixtureRequest, database_url: str, world: World) -> Iterator[LoginRole]:
    """A login of each role, and one of none."""
    with login_role(database_url, *([request.param] if request.param else [])) as role:
        yield role


def commands_of_the_server(connection: Connection, address: str) -> set[str]:
    """All kinds of commands that PostgreSQL's own program knows."""
    programs = programs_for(connection.info.server_version // 10_000)
    listed = subprocess.run(
        [programs.folder / "psql", "-X", "-P", "pager=off", "-d", address, "-c", "\\h"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    # Two columns, the first of which is as wide as its longest name.
    return {name.strip() for line in listed.splitlines()[1:] for name in (line[:34], line[34:])}


def test_each_kind_of_command_that_leaves_something_behind_is_tried(
    connection: Connection, database_url: str
) -> None:
    """A later PostgreSQL may know more kinds."""
    known = commands_of_the_server(connection, database_url)
    assert len(known) > 150
    leaving = {name for name in known if name.startswith(("CREATE ", "ALTER "))}
    assert leaving - TRIED.keys() == set()


def owned(connection: Connection, role: str) -> set[tuple[str, str]]:
    """What in this database belongs to the role, names it, or is granted to it."""
    rows = connection.execute(
        "SELECT classid::regclass::text, deptype::text FROM pg_shdepend WHERE refobjid = "
        "(SELECT oid FROM pg_roles WHERE rolname = %s) AND dbid IN (0, "
        "(SELECT oid FROM pg_database WHERE datname = current_database()))",
        [role],
    )
    return set(rows.fetchall())


def test_a_plain_login_leaves_default_rights_behind_and_nothing_else(
    plain: LoginRole, connection: Connection
) -> None:
    names = {"role": plain.name, "database": connection.info.dbname}
    allowed = set()
    before = connection.execute("SELECT oid, relacl FROM pg_class ORDER BY 1").fetchall()
    with plain.connect() as session:
        for kind, statement in TRIED.items():
            try:
                session.execute(statement.format_map(names).encode())
                allowed.add(kind)
            except psycopg.Error:
                continue
        for statement in OTHER_WAYS:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(statement.encode())
    assert allowed - GIVES_WARNINGS == OWN
    assert owned(connection, plain.name) == {("pg_default_acl", "o")}
    assert connection.execute("SELECT oid, relacl FROM pg_class ORDER BY 1").fetchall() == before


def test_what_a_login_may_set_for_itself_is_in_no_dump_of_the_database(
    plain: LoginRole, connection: Connection, database_url: str
) -> None:
    with plain.connect() as session:
        for setting in ("search_path = pg_temp", "lock_timeout = 0", "role = 'none'"):
            session.execute(f"ALTER ROLE {plain.name} SET {setting}".encode())
    programs = programs_for(connection.info.server_version // 10_000)
    text = programs.run("pg_dump", "--schema-only", address=database_url)
    assert plain.name not in text


def made_earlier(connection: Connection, role: str) -> None:
    """As if a bot had made them before it was forbidden."""
    with psycopg.connect(connection.info.dsn, autocommit=True) as superuser:
        made = superuser.execute("SELECT lo_from_bytea(0, 'x'), lo_from_bytea(0, 'y')").fetchone()
        assert made is not None
        owner = sql.Identifier(role)
        for oid in map(sql.Literal, made):
            superuser.execute(sql.SQL("ALTER LARGE OBJECT {} OWNER TO {}").format(oid, owner))
        superuser.execute(
            sql.SQL("COMMENT ON LARGE OBJECT {} IS 'x; DROP TABLE accounts'").format(made[0])
        )
        superuser.execute(
            sql.SQL("GRANT SELECT ON LARGE OBJECT {} TO registry_bot").format(made[0])
        )
        for what in ("SELECT ON TABLES TO PUBLIC", "EXECUTE ON FUNCTIONS TO registry_auditor"):
            superuser.execute(
                sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} GRANT {}").format(
                    owner, sql.SQL(what)
                )
            )


@pytest.mark.slow
def test_the_drill_passes_and_doctor_names_what_a_login_left(
    cli: CommandLine, connection: Connection, database_url: str
) -> None:
    cli("create-account", "bot")
    with login_role(database_url, "registry_bot") as bot:
        made_earlier(connection, bot.name)
        told = [f["message"] for f in cli("doctor", "--json").data if f["check"] == "logins"]
        steps: list[RestoreStep] = []
        assert rehearse_restore(Target(database_url), RestorePlan(), steps.append), steps
    assert told == [
        f"{bot.name} made 2 default rights: part of each dump",
        f"{bot.name} made 2 large objects: part of each dump",
    ]


OF_ONE_SESSION = [
    "CREATE TYPE pg_temp.t AS ENUM ('a')",
    "CREATE CAST (pg_temp.t AS integer) WITH INOUT",
    "COMMENT ON CAST (pg_temp.t AS integer) IS 'x'",
    """CREATE TYPE pg_temp."x\ny) AS (" AS ENUM ('a')""",
    """CREATE CAST (pg_temp."x\ny) AS (" AS integer) WITH INOUT""",
    "CREATE FUNCTION pg_temp.f(integer) RETURNS pg_temp.t LANGUAGE sql AS 'SELECT NULL::pg_temp.t'",
    "CREATE CAST (integer AS pg_temp.t) WITH FUNCTION pg_temp.f(integer)",
    "CREATE TEMP TABLE a (row public.accounts)",
    "CREATE TEMP VIEW v AS SELECT account_id FROM public.strategy_positions",
    "CREATE FUNCTION pg_temp.g() RETURNS bigint LANGUAGE sql "
    "BEGIN ATOMIC SELECT count(*) FROM public.accounts; END",
]
"""What ends with the session, but is there while a dump is made or the tables are taken down."""


@pytest.mark.slow
def test_what_a_session_made_for_itself_stops_no_backup_and_is_named(
    cli: CommandLine, plain: LoginRole, connection: Connection, database_url: str
) -> None:
    cli("create-account", "bot")
    purge = ["migrate", "down", "--purge", "--confirm", connection.info.dbname]
    with plain.connect() as session:
        for statement in OF_ONE_SESSION:
            session.execute(statement.encode())
        told = [f["message"] for f in cli("doctor", "--json").data if f["check"] == "logins"]
        assert told == [f"{plain.name} made 3 temporary casts: part of each dump"]
        steps: list[RestoreStep] = []
        assert rehearse_restore(Target(database_url), RestorePlan(), steps.append), steps
        for words in (["migrate", "down", "--yes"], purge):
            refused = cli(*words)
            assert refused.exit_status == 5, refused.err
            assert "view pg_temp_" in refused.err
            assert "ends with it" in refused.err
        assert cli("rebuild", "--check").exit_status == 0
    assert cli("migrate", "down", "--yes").exit_status == 0
    assert cli("migrate", "up").exit_status == 0


@pytest.mark.slow
@pytest.mark.parametrize("lock", ["LOCK TABLE {table}", "SELECT pg_advisory_lock(7234117001)"])
def test_no_backup_and_no_migration_waits_for_a_login_without_end(
    cli: CommandLine, database_url: str, lock: str
) -> None:
    with login_role(database_url, "registry_bot") as bot, bot.connect() as session:
        session.execute("BEGIN")
        session.execute(lock.format(table=TABLE).encode())
        for words in (["migrate", "down", "--yes"], ["restore-drill", "--without-keys"]):
            waited = cli(*words, PGOPTIONS="-c lock_timeout=2s")
            if "TABLE" in lock or "migrate" in words:
                assert waited.exit_status in (1, 7)
                assert f"of {bot.name}" in waited.err


def test_a_database_that_uses_large_objects_may_go_on(empty_database: str, world: World) -> None:
    """The registry shares the database with programs that were there before."""
    from registry.database.migrator import Migrator

    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("SELECT lo_from_bytea(0, 'x')")
        Migrator(connection).up()
        with login_role(empty_database) as role, role.connect() as session:
            session.execute("SELECT lo_from_bytea(0, 'y')")
