"""The testing checklist of the migration guide, item by item."""

from typing import Any

import psycopg
import pytest
from freezegun import freeze_time
from support.appending import append
from support.cli import CommandLine

from registry.database.migrator import Migrator
from registry.plain import to_json

Connection = psycopg.Connection[Any]

# Newer servers tell RESTRICT apart from other foreign keys.
REFERENCED = (psycopg.errors.ForeignKeyViolation, psycopg.errors.RestrictViolation)

NEW_TABLES = ("accounts", "account_exchange_credentials", "account_exchange_sharing")

# Table -> column -> type, as the guide shows them.
COLUMNS = {
    "accounts": {
        "id": "uuid",
        "account_name": "character varying(255)",
        "wallet_address": "character varying(255)",
        "description": "text",
        "is_active": "boolean",
        "created_at": "timestamp without time zone",
        "updated_at": "timestamp without time zone",
        "metadata": "jsonb",
    },
    "account_exchange_credentials": {
        "id": "uuid",
        "account_id": "uuid",
        "exchange_id": "integer",
        "api_key_encrypted": "text",
        "secret_key_encrypted": "text",
        "additional_credentials_encrypted": "jsonb",
        "exchange_account_id": "character varying(255)",
        "subaccount_index": "integer",
        "is_active": "boolean",
        "last_used": "timestamp without time zone",
        "created_at": "timestamp without time zone",
        "updated_at": "timestamp without time zone",
    },
    "account_exchange_sharing": {
        "id": "uuid",
        "primary_account_id": "uuid",
        "shared_account_id": "uuid",
        "exchange_id": "integer",
        "sharing_type": "character varying(50)",
        "created_at": "timestamp without time zone",
        "updated_at": "timestamp without time zone",
    },
}
KEYS = {
    ("accounts", "p", ("id",), None),
    ("accounts", "u", ("account_name",), None),
    ("account_exchange_credentials", "p", ("id",), None),
    ("account_exchange_credentials", "f", ("account_id",), "accounts"),
    ("account_exchange_credentials", "f", ("exchange_id",), "dexes"),
    ("account_exchange_sharing", "p", ("id",), None),
    ("account_exchange_sharing", "u", ("primary_account_id", "exchange_id"), None),
    ("account_exchange_sharing", "f", ("primary_account_id",), "accounts"),
    ("account_exchange_sharing", "f", ("shared_account_id",), "accounts"),
    ("account_exchange_sharing", "f", ("exchange_id",), "dexes"),
    ("strategy_positions", "f", ("account_id",), "accounts"),
}
INDEXES = {
    "accounts": {"idx_accounts_name", "idx_accounts_active"},
    "account_exchange_credentials": {
        "idx_account_creds_account",
        "idx_account_creds_exchange",
        "idx_account_creds_active",
        "idx_account_creds_composite",
    },
    "account_exchange_sharing": {
        "idx_account_sharing_primary",
        "idx_account_sharing_shared",
        "idx_account_sharing_exchange",
    },
    "strategy_positions": {"idx_positions_account", "idx_positions_account_status"},
}

SHARE = """
    INSERT INTO account_exchange_sharing
    SELECT gen_random_uuid(), b.id, l.id, d.id, {sharing_type}, now(), now()
    FROM accounts b, accounts l, dexes d
    WHERE (b.account_name, l.account_name, d.name) = ('{borrower}', '{lender}', 'backpack')
"""


def share(borrower: str, lender: str, sharing_type: str = "'full'") -> str:
    return SHARE.format(borrower=borrower, lender=lender, sharing_type=sharing_type)


def with_an_event(connection: Connection, statement: str) -> int:
    """Runs a statement as a projector would: in the transaction of an append."""
    with connection.transaction():
        append(connection)
        return connection.execute(statement.encode()).rowcount


@pytest.fixture
def two_accounts(cli: CommandLine) -> CommandLine:
    """The accounts of the guide's example, with a credential each."""
    for name in ("main_bot", "shared_backpack"):
        cli("create-account", name)
        fields = to_json({"public_key": f"{name}7", "secret_key": f"{name}8"})
        stored = cli("add-credential", name, "backpack", "--from-json", "-", stdin=fields)
        assert stored.exit_status == 0
    return cli


def test_migration_runs_without_errors(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        assert Migrator(connection).up()


def test_all_3_new_tables_created_successfully(connection: Connection) -> None:
    rows = connection.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'account%' "
        "AND table_type = 'BASE TABLE'"
    )
    assert {row[0] for row in rows} >= set(NEW_TABLES)


@pytest.mark.parametrize("table", COLUMNS)
def test_every_column_of_the_guide_exists_with_its_type(connection: Connection, table: str) -> None:
    rows = connection.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0",
        [table],
    )
    actual = dict(rows.fetchall())
    assert {column: actual.get(column) for column in COLUMNS[table]} == COLUMNS[table]


def test_every_key_of_the_guide_exists(connection: Connection) -> None:
    rows = connection.execute(
        "SELECT c.conrelid::regclass::text, c.contype::text, "
        "ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY AS k (n, place) "
        "JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.n ORDER BY place), "
        "nullif(c.confrelid, 0)::regclass::text FROM pg_constraint c "
        "WHERE c.connamespace = 'public'::regnamespace"
    )
    assert {(row[0], row[1], tuple(row[2]), row[3]) for row in rows} >= KEYS


def test_the_slot_is_unique_with_its_subaccount_and_permission(connection: Connection) -> None:
    row = connection.execute(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conname = 'account_exchange_credentials_slot'"
    ).fetchone()
    assert row == (
        "UNIQUE NULLS NOT DISTINCT (account_id, exchange_id, subaccount_index, permission)",
    )


def test_strategy_positions_account_id_column_exists(connection: Connection) -> None:
    row = connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns "
        "WHERE table_name = 'strategy_positions' AND column_name = 'account_id'"
    ).fetchone()
    assert row == ("account_id", "uuid")


def test_all_indexes_created_properly(connection: Connection) -> None:
    rows = connection.execute(
        "SELECT tablename, indexname FROM pg_indexes WHERE schemaname = 'public'"
    )
    found = {(table, index) for table, index in rows}
    assert found >= {(table, index) for table, names in INDEXES.items() for index in names}
    assert connection.execute(
        "SELECT count(*) FROM pg_index i WHERE NOT i.indisvalid"
    ).fetchone() == (0,)


def test_triggers_are_working_updated_at_auto_updates(
    cli: CommandLine, connection: Connection
) -> None:
    """`updated_at` follows every change: by the event's time, not by a trigger.

    Pain 15: a trigger on a table without that column must not break its updates.
    """
    with freeze_time("2030-01-01"):
        cli("create-account", "main_bot")
    with freeze_time("2030-01-02"):
        cli("update-account", "main_bot", "--description", "changed")
    row = connection.execute("SELECT created_at::date::text, updated_at::date::text FROM accounts")
    assert row.fetchone() == ("2030-01-01", "2030-01-02")
    connection.execute("UPDATE symbols SET category = 'x'")
    connection.execute("UPDATE dexes SET is_active = true")


def test_the_guards_of_the_tables_are_working(connection: Connection) -> None:
    rows = connection.execute(
        "SELECT tgrelid::regclass::text FROM pg_trigger "
        "WHERE NOT tgisinternal AND tgenabled = 'O' AND tgname LIKE '%_only_by_event'"
    )
    assert {row[0] for row in rows} >= set(NEW_TABLES)


def test_can_create_test_account(cli: CommandLine) -> None:
    created = cli(
        "create-account",
        "test_bot",
        "--description",
        "Testing account with limited exposure",
        "--metadata",
        '{"max_positions": 5, "max_exposure_usd": 10000, "risk_level": "low", '
        '"allowed_exchanges": ["lighter", "aster"]}',
    )
    assert created.exit_status == 0
    shown = cli("show-account", "test_bot", "--json").data
    assert shown["metadata"]["allowed_exchanges"] == ["lighter", "aster"]


def test_foreign_key_constraints_work_deleting_an_account_cascades_properly(
    two_accounts: CommandLine, connection: Connection
) -> None:
    deleted = two_accounts("delete-account", "main_bot", "--yes", "--json")
    assert [event["type"] for event in deleted.data["events"]] == [
        "CredentialRemoved",
        "AccountDeleted",
    ]
    names = connection.execute(
        "SELECT a.account_name FROM account_exchange_credentials c "
        "JOIN accounts a ON a.id = c.account_id"
    ).fetchall()
    assert names == [("shared_backpack",)]


def test_the_foreign_keys_themselves_cascade_or_refuse(
    two_accounts: CommandLine, connection: Connection
) -> None:
    assert two_accounts.environment
    with_an_event(connection, share("main_bot", "shared_backpack"))
    with pytest.raises(REFERENCED):
        with_an_event(connection, "DELETE FROM accounts WHERE account_name = 'shared_backpack'")
    with pytest.raises(REFERENCED):
        connection.execute("DELETE FROM dexes WHERE name = 'backpack'")
    assert with_an_event(connection, "DELETE FROM accounts WHERE account_name = 'main_bot'") == 1
    assert connection.execute("SELECT count(*) FROM account_exchange_sharing").fetchone() == (0,)
    assert connection.execute("SELECT count(*) FROM account_exchange_credentials").fetchone() == (
        1,
    )


def test_an_account_with_a_position_is_not_deleted(
    two_accounts: CommandLine, connection: Connection
) -> None:
    """Pain 10: deleting an account must not leave a position without an owner."""
    connection.execute(
        "INSERT INTO symbols (symbol) VALUES ('BTC');"
        "INSERT INTO strategy_positions (id, strategy_name, symbol_id, long_dex_id, short_dex_id, "
        "size_usd, entry_long_rate, entry_short_rate, entry_divergence, opened_at, account_id) "
        "SELECT gen_random_uuid(), 's', 1, 1, 2, 1, 1, 1, 1, now(), a.id FROM accounts a "
        "WHERE a.account_name = 'main_bot'"
    )
    refused = two_accounts("delete-account", "main_bot", "--yes", "--json")
    assert (refused.exit_status, refused.error["code"]) == (5, "account_in_use")
    assert refused.error["message"] == "account main_bot has 1 open position"
    with pytest.raises(REFERENCED):
        with_an_event(connection, "DELETE FROM accounts WHERE account_name = 'main_bot'")


def test_unique_constraints_work_a_duplicate_account_name_fails(
    two_accounts: CommandLine, connection: Connection
) -> None:
    refused = two_accounts("create-account", "main_bot", "--json")
    assert (refused.exit_status, refused.error["code"]) == (4, "account_exists")
    with pytest.raises(psycopg.errors.UniqueViolation):
        with_an_event(
            connection,
            "INSERT INTO accounts (id, account_name, created_at, updated_at) "
            "VALUES (gen_random_uuid(), 'main_bot', now(), now())",
        )


def test_unique_constraints_treat_two_rows_without_a_subaccount_as_the_same_slot(
    two_accounts: CommandLine, connection: Connection
) -> None:
    """Pain 7: two rows with NULL as their subaccount must not be accepted."""
    assert two_accounts.environment
    copy = (
        "INSERT INTO account_exchange_credentials "
        "SELECT gen_random_uuid(), account_id, exchange_id, api_key_encrypted, "
        "secret_key_encrypted, additional_credentials_encrypted, exchange_account_id, "
        "{subaccount}, is_active, last_used, created_at, updated_at, "
        "{permission}, version, data_key_id FROM account_exchange_credentials LIMIT 1"
    )
    for subaccount, permission, error in (
        ("NULL", "permission", psycopg.errors.UniqueViolation),
        ("-1", "permission", psycopg.errors.CheckViolation),
        ("5", "'other'", psycopg.errors.CheckViolation),
    ):
        with pytest.raises(error):
            with_an_event(connection, copy.format(subaccount=subaccount, permission=permission))
    assert with_an_event(connection, copy.format(subaccount=5, permission="permission")) == 1


def test_unique_constraints_give_a_borrower_one_lender_per_exchange(
    two_accounts: CommandLine, connection: Connection
) -> None:
    assert two_accounts.environment
    with_an_event(connection, share("main_bot", "shared_backpack"))
    with pytest.raises(psycopg.errors.UniqueViolation):
        with_an_event(connection, share("main_bot", "shared_backpack", "'read_only'"))


def test_check_constraint_works_sharing_an_account_with_itself_fails(
    two_accounts: CommandLine, connection: Connection
) -> None:
    assert two_accounts.environment
    with pytest.raises(psycopg.errors.CheckViolation, match="not_with_itself"):
        with_an_event(connection, share("main_bot", "main_bot"))


@pytest.mark.parametrize("sharing_type", ["'everything'", "''", "'FULL'"])
def test_check_constraint_works_an_unknown_sharing_type_fails(
    two_accounts: CommandLine, connection: Connection, sharing_type: str
) -> None:
    assert two_accounts.environment
    with pytest.raises(psycopg.errors.CheckViolation, match="type_check"):
        with_an_event(connection, share("main_bot", "shared_backpack", sharing_type))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("account_name", "''"),
        ("account_name", "' padded'"),
        ("account_name", "E'line\\nend'"),
        ("metadata", "'[]'"),
        ("metadata", "'\"text\"'"),
        ("metadata", "NULL"),
    ],
)
def test_check_constraints_refuse_what_no_command_would_write(
    two_accounts: CommandLine, connection: Connection, column: str, value: str
) -> None:
    """Pain 8: blank and padded names, and metadata that is no object, must not be accepted."""
    assert two_accounts.environment
    with pytest.raises((psycopg.errors.CheckViolation, psycopg.errors.NotNullViolation)):
        with_an_event(connection, f"UPDATE accounts SET {column} = {value}")


def test_rollback_migration_works(two_accounts: CommandLine, connection: Connection) -> None:
    """Pain 14: the rollback takes the tables, and the log keeps every account and credential."""
    assert two_accounts("migrate", "down", "--yes").exit_status == 0
    for table in NEW_TABLES:
        assert connection.execute("SELECT to_regclass(%s)", [table]).fetchone() == (None,)
    # Four events of commands, and one that says that the tables were taken down.
    assert connection.execute("SELECT count(*) FROM audit_events").fetchone() == (5,)
    assert connection.execute("SELECT count(*) FROM credential_data_keys").fetchone() == (2,)
