"""Threat: Exceeding a role.

The rights of each role: operator, auditor, bot, and all other roles.
"""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from support.cli import CommandLine
from support.credentials import ENV_FILE

Connection = psycopg.Connection[Any]
Login = Callable[..., str]

TABLES = (
    "accounts",
    "account_exchange_credentials",
    "account_exchange_sharing",
    "account_exchange_credential_versions",
    "audit_events",
    "audit_head",
    "audit_trail",
    "credential_data_keys",
    "credential_overview",
    "registry_keys",
    "dexes",
    "symbols",
    "strategy_positions",
)
TOKENS = ("api_key_encrypted", "secret_key_encrypted", "additional_credentials_encrypted")


@pytest.fixture
def login(database_url: str) -> Iterator[Login]:
    """Makes login roles that are members of others; gives the address to log in with."""
    made = []

    def make(*roles: str) -> str:
        name, password = f"test_{secrets.token_hex(6)}", secrets.token_hex(16)
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                    sql.Identifier(name), sql.Literal(password)
                )
            )
            for role in roles:
                connection.execute(f"GRANT {role} TO {name}")
        made.append(name)
        return make_conninfo(database_url, user=name, password=password)

    yield make
    with psycopg.connect(database_url, autocommit=True) as connection:
        for name in made:
            connection.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.fixture
def filled(cli: CommandLine) -> CommandLine:
    """The command line on a database with an account and its credentials."""
    cli("create-account", "first")
    cli("rename-account", "first", "second")
    cli("import-env", "bot", "--env-file", cli.file("bot.env", ENV_FILE), "--create")
    return cli


READING = [
    ("list-accounts",),
    ("show-account", "bot"),
    ("list-credentials",),
    ("list-credentials", "bot", "--exchange", "paradex"),
    ("history",),
    ("history", "bot"),
    ("history", "first"),
    ("history", "--exchange", "paradex"),
    ("exchanges",),
    ("resolve", "bot"),
    ("show-account", "bot", "--as-of", "4"),
    ("list-accounts", "--as-of", "4"),
    ("rebuild", "--check"),
    ("rebuild", "--check", "--workers", "2"),
]


def allowed(address: str, privileges: tuple[str, ...]) -> set[str]:
    """Which tables the login may use in one of these ways."""
    with psycopg.connect(address, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT t FROM unnest(%s::text[]) AS t WHERE has_table_privilege('public.' || t, %s)",
            [list(TABLES), ",".join(privileges)],
        )
        return {row[0] for row in rows}


SHARED = "--allow-shared-secret"


def test_an_operator_can_run_every_command(filled: CommandLine, login: Login) -> None:
    address = login("registry_operator")
    steps = [
        ("create-account", "new"),
        ("update-account", "new", "--description", "x"),
        ("import-env", "new", "--env-file", filled.file("new.env", ENV_FILE), SHARED),
        ("update-credential", "new", "paradex", "--label", "x"),
        ("deactivate-credential", "new", "paradex"),
        ("reactivate-credential", "new", "paradex"),
        ("remove-credential", "new", "paradex", "--yes"),
        ("rename-account", "new", "newer"),
        ("deactivate-account", "newer"),
        ("reactivate-account", "newer"),
        ("delete-account", "newer", "--yes"),
        ("add-exchange", "kraken", "--field", "api_key=KRAKEN_API_KEY"),
        *READING,
    ]
    for step in steps:
        done = filled(*step, DATABASE_URL=address)
        assert done.exit_status == 0, (step, done.err)


def test_the_log_keeps_the_login_that_wrote(
    filled: CommandLine, login: Login, connection: Connection
) -> None:
    address = login("registry_operator")
    filled("create-account", "new", DATABASE_URL=address)
    row = connection.execute(
        "SELECT recorded_by FROM audit_events ORDER BY position DESC LIMIT 1"
    ).fetchone()
    assert row is not None
    assert f"user={row[0]}" in address


def test_an_operator_appends_through_the_function_and_no_other_way(
    filled: CommandLine, login: Login
) -> None:
    assert filled.environment
    address = login("registry_operator")
    with psycopg.connect(address, autocommit=True) as connection:
        for statement in (
            "INSERT INTO audit_events SELECT * FROM audit_events",
            "UPDATE audit_events SET actor = 'x'",
            "DELETE FROM audit_events",
            "TRUNCATE audit_events",
            "UPDATE audit_head SET size = 0",
            "SELECT audit_write(0, '{}', NULL, gen_random_uuid(), 'account', gen_random_uuid(), 1, "
            "'X', 1, '{}', 'a', NULL, gen_random_uuid(), 0, sha256(''), NULL, now())",
            "DELETE FROM credential_data_keys",
            "UPDATE credential_data_keys SET wrapped_key = 'x'",
            "DELETE FROM registry_keys",
            "UPDATE registry_migrations SET checksum = 'x'",
            "CREATE TABLE public.mine ()",
            "SET ROLE registry_owner",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_an_operator_fills_no_column_that_is_not_the_registry_s(
    filled: CommandLine, login: Login, connection: Connection
) -> None:
    """A bot's own column of a table that it had before."""
    connection.execute("ALTER TABLE accounts ADD COLUMN owner_name text")
    address = login("registry_operator")
    assert filled("create-account", "new", DATABASE_URL=address).exit_status == 0
    with (
        psycopg.connect(address) as operator,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        operator.execute("UPDATE accounts SET owner_name = 'x'")


def test_an_auditor_can_run_every_verb_that_reads(filled: CommandLine, login: Login) -> None:
    address = login("registry_auditor")
    for step in READING:
        done = filled(*step, DATABASE_URL=address)
        assert done.exit_status == 0, (step, done.err)
    assert filled("show-account", "first", DATABASE_URL=address).exit_status == 3
    assert filled("history", "nobody", DATABASE_URL=address).exit_status == 3


def test_an_auditor_sees_the_past_as_an_operator_does(filled: CommandLine, login: Login) -> None:
    address = login("registry_auditor")
    for verb in (("show-account", "bot"), ("list-accounts",)):
        past = (*verb, "--as-of", "5", "--json")
        assert filled(*past, DATABASE_URL=address).data == filled(*past).data
    shown = filled("show-account", "bot", "--as-of", "5", "--json", DATABASE_URL=address).data
    assert [len(c["fields"]) for c in shown["credentials"]] == [2, 3, 3]


def test_an_auditor_compares_all_but_the_tokens_and_repairs_nothing(
    filled: CommandLine, login: Login, connection: Connection
) -> None:
    address = login("registry_auditor")
    check = ("rebuild", "--check", "--json")
    connection.execute("ALTER TABLE account_exchange_credentials DISABLE TRIGGER USER")
    connection.execute("UPDATE account_exchange_credentials SET secret_key_encrypted = 'x'")
    seen = filled(*check, DATABASE_URL=address)
    assert (seen.exit_status, seen.data["encrypted_fields_compared"]) == (0, False)
    assert filled(*check).exit_status == 6
    assert "not compared" in filled("rebuild", "--check", DATABASE_URL=address).out
    connection.execute(
        "UPDATE account_exchange_credentials SET label = 'forged' "
        "WHERE exchange_id = (SELECT id FROM dexes WHERE name = 'lighter')"
    )
    seen = filled(*check, DATABASE_URL=address)
    assert seen.exit_status == 6
    (row,) = seen.data["differences"]
    assert row["columns"] == {"label": ["forged", None]}
    refused = filled("rebuild", "--yes", DATABASE_URL=address)
    assert refused.exit_status == 5
    assert "rebuild --check" in refused.err


def test_an_auditor_can_change_nothing(filled: CommandLine, login: Login) -> None:
    address = login("registry_auditor")
    refused = filled("create-account", "new", "--json", DATABASE_URL=address)
    assert (refused.exit_status, refused.error["code"]) == (5, "permission_denied")
    assert "registry_operator" in refused.error["hint"]
    assert allowed(address, ("INSERT", "UPDATE", "DELETE", "TRUNCATE")) == set()


def test_an_auditor_reads_no_token_and_no_wrapped_key(filled: CommandLine, login: Login) -> None:
    assert filled.environment
    with psycopg.connect(login("registry_auditor"), autocommit=True) as connection:
        for statement in (
            *(f"SELECT {column} FROM account_exchange_credentials" for column in TOKENS),
            "SELECT * FROM account_exchange_credentials",
            "SELECT c FROM account_exchange_credentials c",
            "SELECT wrapped_key FROM credential_data_keys",
            "SELECT wrapped_key FROM registry_keys",
            "SELECT data FROM audit_events",
            "SELECT position FROM audit_events",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
        seen = connection.execute("SELECT t::text FROM audit_trail t").fetchall()
        seen += connection.execute("SELECT t::text FROM credential_overview t").fetchall()
        assert seen
        assert "gAAAA" not in str(seen)


def test_everybody_else_can_do_nothing(filled: CommandLine, login: Login) -> None:
    address = login()
    assert allowed(address, ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")) == set()
    for step in (("create-account", "new"), ("list-accounts",), ("history",)):
        refused = filled(*step, "--json", DATABASE_URL=address)
        assert (refused.exit_status, refused.error["code"]) == (5, "permission_denied")
    with psycopg.connect(address, autocommit=True) as connection:
        columns = connection.execute(
            "SELECT count(*) FROM unnest(%s::text[]) AS t "
            "WHERE has_any_column_privilege('public.' || t, 'SELECT, INSERT, UPDATE')",
            [list(TABLES)],
        ).fetchone()
        assert columns == (0,)


def test_nobody_logs_in_as_one_of_the_registry_s_roles(connection: Connection) -> None:
    rows = connection.execute(
        "SELECT rolname, rolcanlogin, rolsuper, rolcreaterole, rolbypassrls FROM pg_roles "
        "WHERE rolname LIKE 'registry_%' ORDER BY 1"
    ).fetchall()
    names = ["registry_auditor", "registry_bot", "registry_operator", "registry_owner"]
    assert [row for row in rows if row[0] in names] == [
        (name, False, False, False, False) for name in names
    ]


def test_functions_that_run_with_the_owner_s_rights_fix_their_search_path(
    connection: Connection,
) -> None:
    rows = connection.execute(
        "SELECT proname, proconfig, prosecdef FROM pg_proc p JOIN pg_namespace n "
        "ON n.oid = p.pronamespace WHERE n.nspname = 'public' AND p.prosecdef"
    ).fetchall()
    assert {row[0] for row in rows} >= {"append_event", "projection_refuse_direct_write"}
    for name, configuration, _ in rows:
        assert "search_path=pg_catalog, pg_temp" in (configuration or []), name


EVERYBODY = {"session_accounts()", "session_is_bot()"}
"""For the policy on positions, which every role's query evaluates."""
BOT = {
    "account_digests(text,text[],jsonb,text,text,text)",
    "account_info(text,uuid)",
    "collect_releases(uuid[])",
    "collect_version(uuid)",
    "confirm_releases()",
    "exchange_definition(text)",
    "record_fallback(text,text,text,text,text,text,text)",
    "request_release(text,text[],integer,text,text,text,text,text,text)",
    "request_releases(text,text[],jsonb,text,text,text,text,text,text,text[])",
    "request_version(text,text,integer,jsonb,text,text,text,text,text,text,text[])",
    "session_account(text)",
}
AUDITOR = {
    "account_allows(uuid,integer)",
    "exchanges_of(uuid)",
    "log_holders()",
    "newest_releases(bigint)",
    "pick_credential(uuid,integer,integer,text)",
    "resolve_credential(uuid,integer,integer,text,text)",
    "share_allows(text,text,boolean)",
    "wanted_subaccount(jsonb,text)",
    "stop_includes(jsonb,uuid,integer,uuid,integer,text)",
    "stop_of(uuid,integer,uuid,integer,text)",
    "versions_held(uuid)",
}
OPERATOR = {
    "append_event(uuid,text,uuid,integer,text,integer,json,text,text,uuid,integer,bytea,uuid,"
    "timestamp with time zone)",
    "destroy_data_keys(uuid)",
    "end_log_holder(integer,timestamp with time zone)",
    "holders_of_secrets(uuid,text,jsonb,jsonb,boolean)",
    "require_allowed(uuid,integer)",
    "require_definition(uuid,integer)",
    "require_fields(integer,text[])",
    "require_not_held(uuid,integer[],boolean)",
    "rewrap_data_keys(uuid,uuid[],text[],text[],text)",
    "rewrap_registry_key(uuid,text,text,text,text)",
}


@pytest.mark.parametrize(
    ("role", "functions"),
    [
        ((), EVERYBODY),
        (("registry_bot",), EVERYBODY | BOT),
        (("registry_auditor",), EVERYBODY | AUDITOR),
        (("registry_operator",), EVERYBODY | BOT | AUDITOR | OPERATOR),
    ],
    ids=["everybody", "bot", "auditor", "operator"],
)
def test_a_login_may_call_the_functions_of_its_role_and_no_other_one(
    login: Login, role: tuple[str, ...], functions: set[str]
) -> None:
    """A migration that forgets to revoke a new function from PUBLIC fails here."""
    with psycopg.connect(login(*role), autocommit=True) as connection:
        # Without a schema that is searched, each signature is told in full.
        connection.execute("SET search_path = ''")
        rows = connection.execute(
            "SELECT p.oid::regprocedure::text FROM pg_proc AS p "
            "WHERE p.pronamespace = 'public'::regnamespace "
            "AND has_function_privilege(p.oid, 'EXECUTE')"
        ).fetchall()
    assert {signature.removeprefix("public.") for (signature,) in rows} == functions


def test_every_function_belongs_to_the_registry_s_owner(connection: Connection) -> None:
    rows = connection.execute(
        "SELECT p.oid::regprocedure::text FROM pg_proc AS p "
        "WHERE p.pronamespace = 'public'::regnamespace "
        "AND p.proowner <> 'registry_owner'::regrole"
    ).fetchall()
    assert rows == []
