"""Objects of the schema that went missing or were changed are named, and made again."""

from typing import Any

import psycopg
import pytest
from support.bots import login_role
from support.cli import CommandLine
from support.damage import change, drop
from support.legacy import LegacyDatabase, fill_well
from support.registry_tables import add_positions
from support.tables import nothing_written

from registry import Registry
from registry.database.objects import BOTS, Key, differences, made_by_migrations
from registry.database.scratch import fresh_server
from registry.services.schema.mending import Repaired

Connection = psycopg.Connection[Any]

OBJECTS = {
    key: thing
    for key, thing in made_by_migrations().items()
    # A role belongs to the server, which the tests share.
    if (
        key.kind != "role"
        # Columns and keys of the bot's tables are the bot's, but for the owner of a position.
        and (thing.relation not in BOTS or key.kind not in ("relation", "column", "constraint"))
    )
    or ("strategy_positions" in key.name and "account_id" in key.name)
}
FOR_GOOD = ("audit_events", "credential_data_keys", "registry_keys")
"""Tables whose contents follow from nothing."""


@pytest.fixture
def used(cli: CommandLine, connection: Connection) -> CommandLine:
    """A registry with accounts, credentials, a share, an access and a position."""
    position = "00000000-0000-0000-0000-000000000001"
    add_positions(connection, position)
    for name in ("lender", "borrower"):
        assert cli("create-account", name).exit_status == 0
    assert cli.store("lender", "aster").exit_status == 0
    assert cli("share", "borrower", "lender", "aster").exit_status == 0
    assert cli("link-positions", "lender", "--position", position).exit_status == 0
    return cli


def is_lost(key: Key) -> bool:
    """Whether the contents of the object follow from nothing."""
    return key.kind in ("relation", "column") and any(
        key.name == f"public.{name}" or key.name.startswith(f"public.{name}.") for name in FOR_GOOD
    )


def rows(connection: Connection) -> list[Any]:
    """Every row of the tables, whatever the order of its columns."""
    tables = ("accounts", "account_exchange_credentials", "account_exchange_sharing")
    every = [f"SELECT to_jsonb(t) FROM public.{name} AS t" for name in tables]
    every.append("SELECT to_jsonb(t) FROM public.account_access AS t")
    every.append("SELECT to_jsonb(t) FROM public.strategy_positions AS t")
    return sorted(map(str, connection.execute(" UNION ALL ".join(every).encode()).fetchall()))


def damage_and_mend(cli: CommandLine, connection: Connection, key: Key, how: str) -> None:
    """Damages an object, and expects that it is named and made again as it was."""
    before = rows(connection)
    connection.execute(how.encode())
    found = differences(connection)
    named_keys = {d.key for d in found} | {Key("relation", d.wanted.relation) for d in found}
    assert named_keys & {key, key._replace(kind="relation")}, how
    named = next(
        f for f in cli("doctor", "--quick", "--json").data if f["check"] in ("objects", "schema")
        and f["grade"] == "failed"
    )  # fmt: skip
    assert str(found[0]) in named["message"] or "registry_migrations is" in named["message"], how
    assert "account-registry migrate repair" in named["hint"], how
    done = cli("migrate", "repair")
    assert (done.exit_status, done.err) == (0, ""), (how, done.err)
    assert differences(connection) == [], how
    assert cli("rebuild", "--check").exit_status == 0, how
    assert rows(connection) == before, how


@pytest.mark.slow
@pytest.mark.parametrize("damage", [drop, change])
def test_one_object_of_each_kind_is_named_and_made_again(
    used: CommandLine, connection: Connection, damage: Any
) -> None:
    for kind in sorted({key.kind for key in OBJECTS}):
        key = next(key for key in OBJECTS if key.kind == kind)
        damage_and_mend(used, connection, key, damage(key, OBJECTS[key]))


@pytest.mark.slow
@pytest.mark.parametrize("damage", [drop, change])
def test_each_object_of_the_schema_is_named_and_made_again(
    used: CommandLine, connection: Connection, damage: Any
) -> None:
    """One after the other in one database, which is as it was after each."""
    for key, thing in OBJECTS.items():
        if key.kind == "right":
            continue
        if not (is_lost(key) if damage is drop else key.name.endswith("positions.account_id")):
            damage_and_mend(used, connection, key, damage(key, thing))


@pytest.mark.parametrize("damage", [drop, change])
def test_each_right_is_named_and_given_or_taken_again(
    used: CommandLine, connection: Connection, damage: Any
) -> None:
    rights = {key: thing for key, thing in OBJECTS.items() if key.kind == "right"}
    for key, thing in rights.items():
        connection.execute(damage(key, thing).encode())
    assert {d.key for d in differences(connection)} == rights.keys()
    assert "more" in used("doctor").out
    assert used("migrate", "repair").exit_status == 0
    assert differences(connection) == []


def test_a_right_that_no_migration_grants_is_taken_away(
    used: CommandLine, connection: Connection
) -> None:
    """But those of other roles, and those to the bot's tables, are somebody else's business."""
    with login_role(str(connection.info.dsn), "registry_bot") as role:
        connection.execute(f"GRANT SELECT ON public.accounts TO {role.name}")
        connection.execute("GRANT SELECT ON public.dexes TO PUBLIC")
        assert differences(connection) == []
        connection.execute("GRANT EXECUTE ON FUNCTION public.destroy_data_keys TO PUBLIC")
        connection.execute("GRANT UPDATE ON public.accounts TO registry_bot")
        assert [str(d) for d in differences(connection)] == [
            "everybody has EXECUTE on destroy_data_keys, which no migration grants",
            "registry_bot has UPDATE on accounts, which no migration grants",
        ]
        assert used("migrate", "repair").exit_status == 0
        may = f"SELECT has_table_privilege('{role.name}', 'accounts', 'SELECT')"
        assert (differences(connection), connection.execute(may).fetchone()) == ([], (True,))


@pytest.mark.parametrize(
    "how",
    [
        "DROP TABLE accounts, account_exchange_credentials, account_exchange_sharing,"
        " account_access CASCADE",
        "DROP TABLE accounts, account_exchange_credentials, account_exchange_sharing,"
        " account_access, audit_head, registry_migrations CASCADE;"
        " ALTER TABLE strategy_positions DROP COLUMN account_id CASCADE;"
        " DROP VIEW audit_trail CASCADE",
        "ALTER TABLE audit_head DISABLE TRIGGER ALL; UPDATE audit_head SET size = 1, peaks = '{}'",
        "DELETE FROM registry_migrations",
    ],
)
def test_damage_of_many_kinds_at_once_is_mended_by_one_command(
    used: CommandLine, connection: Connection, how: str
) -> None:
    def wrong() -> set[str]:
        told = used("doctor", "--json").data
        # The tests' server does not wait for the disk.
        return {f["check"] for f in told if f["grade"] in ("failed", "damaged")} - {"durability"}

    before = rows(connection)
    connection.execute(how.encode())
    assert wrong()
    done = used("migrate", "repair")
    assert (done.exit_status, done.err) == (0, "")
    assert differences(connection) == []
    assert rows(connection) == before
    assert wrong() == set()
    assert used("create-account", "another").exit_status == 0
    assert used("verify").exit_status == 0


def test_a_head_that_is_behind_is_named_where_it_is_met(
    used: CommandLine, connection: Connection
) -> None:
    connection.execute("ALTER TABLE audit_head DISABLE TRIGGER ALL")
    connection.execute("UPDATE audit_head SET size = 0, peaks = '{}'")
    connection.execute("ALTER TABLE audit_head ENABLE TRIGGER ALL")
    refused = used("create-account", "another")
    assert refused.exit_status == 7
    assert "the head of the log counts fewer events than there are" in refused.err
    assert "account-registry migrate repair" in refused.err
    (log,) = (f for f in used("doctor", "--json").data if f["check"] == "log")
    assert (log["grade"], "account-registry migrate repair" in log["hint"]) == ("failed", True)


@pytest.mark.slow
def test_a_role_that_went_missing_or_may_too_much_is_mended(cli: CommandLine) -> None:
    """On a server of its own, since roles belong to the server."""
    with fresh_server() as address, psycopg.connect(address, autocommit=True) as connection:
        cli.environment["DATABASE_URL"] = address
        assert cli("migrate", "up").exit_status == 0
        connection.execute("DROP OWNED BY registry_auditor; DROP ROLE registry_auditor")
        connection.execute("ALTER ROLE registry_bot BYPASSRLS")
        said = [str(d) for d in differences(connection)]
        assert said == [
            "the role registry_auditor is missing",
            "the role registry_bot is free of row security, not without rights of its own",
        ]
        assert cli("migrate", "repair").exit_status == 0
        assert differences(connection) == []


# ---------------------------------------------------------------- what only a backup brings back


def test_a_lost_log_is_never_made_again(used: CommandLine, connection: Connection) -> None:
    connection.execute("DROP TABLE public.audit_events CASCADE")
    for options in ((), ("--without-rows", "audit_events"), ("--dry-run",)):
        refused = used("migrate", "repair", *options)
        assert (refused.exit_status, "only a backup brings it back" in refused.err) == (5, True)
    assert connection.execute("SELECT to_regclass('public.audit_events')").fetchone() == (None,)


def test_lost_keys_are_made_again_empty_only_if_it_is_meant(
    used: CommandLine, connection: Connection
) -> None:
    connection.execute("DROP TABLE public.credential_data_keys, public.accounts CASCADE")
    refused = used("migrate", "repair")
    assert refused.exit_status == 5
    assert "the table credential_data_keys is missing: no event holds its contents" in refused.err
    assert "account-registry migrate repair --without-rows credential_data_keys" in refused.err
    assert connection.execute("SELECT to_regclass('public.accounts')").fetchone() == (None,)
    assert used("migrate", "repair", "--without-rows", "accounts").exit_status == 2
    assert used("migrate", "repair", "--without-rows", "credential_data_keys").exit_status == 0
    assert differences(connection) == []
    assert connection.execute("SELECT count(*) FROM public.accounts").fetchone() == (2,)


def test_a_lost_column_of_the_log_is_never_made_again(
    used: CommandLine, connection: Connection
) -> None:
    connection.execute("ALTER TABLE public.audit_events DROP COLUMN reason CASCADE")
    refused = used("migrate", "repair")
    assert (refused.exit_status, "the column audit_events.reason" in refused.err) == (5, True)


# ---------------------------------------------------------------- columns of another type


@pytest.mark.parametrize(
    "alter",
    [
        "public.accounts ALTER COLUMN metadata DROP DEFAULT, ALTER COLUMN metadata TYPE text",
        "public.accounts ALTER COLUMN account_name TYPE varchar(300)",
        "public.credential_data_keys ALTER COLUMN master_key_id TYPE varchar",
    ],
)
def test_a_column_of_another_type_is_converted_back(
    used: CommandLine, connection: Connection, alter: str
) -> None:
    connection.execute("ALTER TABLE public.accounts DROP CONSTRAINT accounts_metadata_is_object")
    before = rows(connection)
    connection.execute(f"ALTER TABLE {alter}".encode())
    assert used("migrate", "repair").exit_status == 0
    assert (differences(connection), rows(connection)) == ([], before)
    assert used("verify").exit_status == 0


def test_a_conversion_that_would_lose_something_is_refused(
    used: CommandLine, connection: Connection
) -> None:
    table = "public.registry_keys"
    connection.execute(f"ALTER TABLE {table} ALTER COLUMN created_at TYPE text")
    connection.execute(f"UPDATE {table} SET created_at = '2026-01-01 00:00:00.0000001+00'")
    refused = used("migrate", "repair")
    assert refused.exit_status == 5
    assert "would change values of created_at" in refused.err
    kept = connection.execute(f"SELECT created_at FROM {table}").fetchone()
    assert kept == ("2026-01-01 00:00:00.0000001+00",)


# ---------------------------------------------------------------- nothing by halves


def test_what_stands_in_the_way_is_named_and_nothing_is_changed(
    used: CommandLine, connection: Connection
) -> None:
    connection.execute("DROP VIEW public.former_names; DROP INDEX public.idx_accounts_name")
    connection.execute("CREATE TABLE public.former_names (note text)")
    refused = used("migrate", "repair")
    assert refused.exit_status == 5
    assert "former_names" in refused.err
    assert "idx_accounts_name" not in refused.err
    assert "the index idx_accounts_name is missing" in used("doctor").out


def test_a_dry_run_names_all_and_changes_nothing(
    used: CommandLine, connection: Connection, database_url: str
) -> None:
    connection.execute("DROP TABLE public.account_exchange_sharing CASCADE")
    with nothing_written(database_url):
        shown = used("migrate", "repair", "--dry-run")
    assert "Wrong: the table account_exchange_sharing is missing" in shown.out
    assert shown.exit_status == 0
    assert len(differences(connection)) > 0


def test_objects_of_somebody_else_stay(used: CommandLine, connection: Connection) -> None:
    connection.execute(
        "ALTER TABLE public.accounts ADD COLUMN note text;"
        "CREATE INDEX mine ON public.accounts (note);"
        "CREATE VIEW public.notes AS SELECT account_name, note FROM public.accounts;"
        "SET session_replication_role = replica;"
        "UPDATE public.accounts SET note = 'of ' || account_name;"
        "SET session_replication_role = origin;"
        "DROP TABLE public.account_exchange_sharing CASCADE;"
        "ALTER TABLE public.accounts DROP COLUMN metadata CASCADE;"
    )
    assert used("migrate", "repair").exit_status == 0
    notes = connection.execute("SELECT * FROM public.notes ORDER BY 1").fetchall()
    assert notes == [("borrower", "of borrower"), ("lender", "of lender")]
    index = "SELECT to_regclass('public.mine') IS NOT NULL"
    assert connection.execute(index).fetchone() == (True,)


def test_only_the_owners_login_repairs(
    used: CommandLine, connection: Connection, database_url: str
) -> None:
    connection.execute("DROP INDEX public.idx_accounts_name")
    with login_role(database_url, "registry_operator") as role:
        refused = used("migrate", "repair", DATABASE_URL=role.address)
    assert (refused.exit_status, "registry_owner" in refused.err) == (5, True)


def test_the_front_door_repairs_too(used: CommandLine, connection: Connection) -> None:
    connection.execute("DROP FUNCTION public.session_accounts() CASCADE")
    with Registry.open(str(used.environment["DATABASE_URL"])) as registry:
        done = registry.migrate("repair")
    assert isinstance(done, Repaired)
    assert "the function session_accounts is missing" in done.objects
    assert differences(connection) == []


def test_where_there_is_no_registry_there_is_nothing_to_repair(
    cli: CommandLine, empty_database: str
) -> None:
    refused = cli("migrate", "repair", DATABASE_URL=empty_database)
    assert (refused.exit_status, "has no registry yet" in refused.err) == (7, True)
    assert "account-registry migrate up" in refused.err


# ---------------------------------------------------------------- tables from before the registry


def test_tables_of_a_bot_are_right_as_they_are_and_ours_come_back(
    cli: CommandLine, empty_database: str
) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        bot = LegacyDatabase(connection).make(later=True)
        fill_well(bot)
        cli.environment |= {"DATABASE_URL": empty_database, "CREDENTIAL_ENCRYPTION_KEY": bot.key}
        for verb in (("migrate", "up"), ("adopt",)):
            assert cli(*verb).exit_status == 0
            assert differences(connection) == []
        connection.execute("ALTER TABLE accounts ADD COLUMN note text DEFAULT 'kept'")
        before = rows(connection)
        connection.execute(
            "ALTER TABLE public.strategy_positions DROP COLUMN account_id CASCADE;"
            "DROP VIEW public.credential_overview;"
            "ALTER TABLE public.accounts DROP COLUMN description, ALTER account_name DROP NOT NULL;"
            "DROP INDEX public.idx_account_creds_account;"
            "DROP TRIGGER accounts_only_by_event ON public.accounts"
        )
        columns = (
            "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute "
            "WHERE attrelid = 'public.dexes'::regclass AND attnum > 0"
        )
        own = connection.execute(columns).fetchall()
        assert cli("migrate", "repair").exit_status == 0
        assert (differences(connection), rows(connection)) == ([], before)
        assert connection.execute(columns).fetchall() == own


# ---------------------------------------------------------------- no circle


@pytest.mark.slow
def test_each_command_that_meets_the_damage_names_what_mends_it(
    used: CommandLine, connection: Connection
) -> None:
    for damage in (
        "DROP TABLE public.account_exchange_sharing CASCADE",
        "DROP TABLE public.accounts CASCADE",
        "DROP TABLE public.audit_head CASCADE",
        "DROP TABLE public.registry_migrations",
        "DROP VIEW public.audit_trail",
        "ALTER TABLE public.accounts DROP COLUMN metadata CASCADE",
        "DROP FUNCTION public.append_event",
        "ALTER TABLE public.accounts DROP CONSTRAINT accounts_account_name_is_clean",
    ):
        connection.execute(damage.encode())
        update = ("update-account", "lender", "--set", "a=1")
        for command in (("list-accounts",), ("rebuild",), update, ("migrate", "up")):
            done = used(*command)
            assert done.exit_status == 0 or "migrate repair" in done.err, (damage, command)
        assert used("migrate", "repair").exit_status == 0, damage
        assert used("list-accounts").exit_status == 0, damage
        assert used("rebuild", "--check").exit_status == 0, damage
