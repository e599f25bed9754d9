"""Down and up: every row, every owner of a position and every reference is as before."""

import json
import uuid
from typing import Any

import psycopg
import pytest
from support.cli import CommandLine
from support.registry_tables import add_positions, contents, unguarded

Connection = psycopg.Connection[Any]

BOT = """
CREATE SCHEMA "Bot x";
CREATE TABLE "Bot x".settings (
    account_id uuid CONSTRAINT "its account" REFERENCES public.accounts ON DELETE CASCADE,
    note text);
CREATE TABLE public.trades (
    id int, credential uuid REFERENCES public.account_exchange_credentials ON UPDATE CASCADE);
INSERT INTO "Bot x".settings SELECT id, account_name FROM public.accounts;
INSERT INTO public.trades SELECT 1, id FROM public.account_exchange_credentials;
"""


@pytest.fixture
def used(cli: CommandLine, connection: Connection) -> CommandLine:
    """A registry in use by a bot with tables of its own."""
    add_positions(connection, *(str(uuid.UUID(int=number)) for number in range(1, 6)))
    for name in ("alpha", "beta", "tab\\t"):
        assert cli("create-account", name, "--metadata", '{"a": 1.50, "ü": [null, true]}').err == ""
        fields = json.dumps({"api_key": f"key {name}", "secret_key": f"s {name}"})
        added = cli("add-credential", name, "aster", "--from-json", "-", stdin=fields)
        assert added.exit_status == 0, added.err
    cli("link-positions", "alpha", "--position", str(uuid.UUID(int=1)))
    cli("link-positions", "beta", "--position", str(uuid.UUID(int=2)))
    connection.execute(BOT)
    return cli


def references(connection: Connection) -> list[Any]:
    return connection.execute(
        "SELECT conrelid::regclass::text, conname, convalidated, pg_get_constraintdef(oid) "
        "FROM pg_constraint WHERE contype = 'f' AND confrelid = ANY(ARRAY[to_regclass("
        "'public.accounts'), to_regclass('public.account_exchange_credentials')]) ORDER BY 1, 2"
    ).fetchall()


def test_everything_comes_back_byte_for_byte(used: CommandLine, connection: Connection) -> None:
    before, keys = contents(connection), references(connection)
    down = used("migrate", "down", "--yes")
    assert down.exit_status == 0, down.err
    assert "accounts (3 rows)" in down.err
    assert '"Bot x".settings."its account"' in down.err or "its account" in down.err
    assert connection.execute("SELECT to_regclass('public.accounts')").fetchone() == (None,)
    listed = used("list-accounts")
    assert (listed.exit_status, "rebuild" in listed.err or "migrate up" in listed.err) == (7, True)
    up = used("migrate", "up", "--json")
    assert up.exit_status == 0, up.err
    assert (contents(connection), references(connection)) == (before, keys)
    assert len(up.data["references"]) == 2
    assert used("rebuild", "--check").exit_status == 0
    assert used("migrate", "down", "--yes").exit_status == 0
    assert used("migrate", "up").exit_status == 0
    assert (contents(connection), references(connection)) == (before, keys)


OWN_TRIGGER = """
CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN NEW.updated_at := clock_timestamp(); RETURN NEW; END';
CREATE TRIGGER update_positions_updated_at BEFORE UPDATE ON public.strategy_positions
    FOR EACH ROW EXECUTE FUNCTION public.touch();
"""


def test_a_bots_own_trigger_does_not_take_owners_for_updates(
    used: CommandLine, connection: Connection
) -> None:
    connection.execute(OWN_TRIGGER)
    positions = "SELECT p::text FROM public.strategy_positions AS p ORDER BY id"
    before = connection.execute(positions).fetchall()
    for verb in (("migrate", "down", "--yes"), ("migrate", "up")):
        assert used(*verb).exit_status == 0
    moment = "SELECT updated_at FROM public.strategy_positions WHERE id = %s"
    first = [uuid.UUID(int=1)]
    assert connection.execute(positions).fetchall() == before
    old = connection.execute(moment, first).fetchone()
    connection.execute("UPDATE public.strategy_positions SET exit_reason = 'x'")
    assert connection.execute(moment, first).fetchone() != old


def test_owners_that_the_log_did_not_know_are_recorded_first(
    used: CommandLine, connection: Connection
) -> None:
    name = "SELECT id FROM public.accounts WHERE account_name = 'beta'"
    connection.execute(
        "UPDATE public.strategy_positions SET account_id = CASE id WHEN %(two)s THEN NULL "
        f"ELSE ({name}) END WHERE id = ANY(%(all)s)",
        {"two": uuid.UUID(int=2), "all": [uuid.UUID(int=number) for number in (1, 2, 3)]},
    )
    before = contents(connection)
    down = used("migrate", "down", "--yes")
    assert "Recorded first: the owners of 4 positions" in down.out
    used("migrate", "up")
    assert contents(connection) == before


def test_rows_that_the_log_does_not_know_are_refused_by_name(
    used: CommandLine, connection: Connection
) -> None:
    with unguarded(connection):
        connection.execute(
            "INSERT INTO public.accounts VALUES "
            "(gen_random_uuid(), 'ghost', NULL, NULL, TRUE, now(), now())"
        )
    before = contents(connection)
    down = used("migrate", "down", "--yes", "--json")
    assert (down.exit_status, down.error["code"]) == (5, "tables_differ")
    assert "extra accounts ghost" in down.error["message"]
    assert contents(connection) == before


@pytest.mark.parametrize(
    "kind", ["VIEW bots AS", "MATERIALIZED VIEW bots AS", "FUNCTION bots() RETURNS text RETURN"]
)
def test_what_of_the_bot_depends_on_the_tables_is_refused_by_name(
    used: CommandLine, connection: Connection, kind: str
) -> None:
    query = "SELECT account_name::text FROM public.accounts"
    query = f"({query} LIMIT 1)" if "RETURN" in kind else query
    connection.execute(f"CREATE {kind} {query}".encode())
    down = used("migrate", "down", "--yes")
    assert (down.exit_status, "bots" in down.err, "account" in down.err) == (5, True, True)
    assert "CASCADE" not in down.err
    assert used("list-accounts").exit_status == 0


def test_what_changed_while_the_tables_were_down_is_said(
    used: CommandLine, connection: Connection
) -> None:
    used("migrate", "down", "--yes")
    connection.execute("DROP TABLE public.trades")
    connection.execute("""INSERT INTO "Bot x".settings VALUES (gen_random_uuid())""")
    up = used("migrate", "up")
    assert up.exit_status == 0, up.err
    assert "public.trades" in up.err
    assert "hold for new rows" in up.err or "holds for new rows" in up.err


def test_going_down_asks_first_and_is_not_done_twice(
    used: CommandLine, connection: Connection
) -> None:
    before = contents(connection)
    assert used("migrate", "down").exit_status == 5
    assert contents(connection) == before
    used("migrate", "down", "--yes")
    assert "down already" in used("migrate", "down", "--yes").out


def test_a_rehearsal_compares_a_copy_and_changes_nothing(
    used: CommandLine, connection: Connection
) -> None:
    before = contents(connection)
    size = connection.execute("SELECT size FROM public.audit_head").fetchone()
    result = used("migrate", "down", "--rehearse", "--json")
    assert result.exit_status == 0, result.err
    assert result.data["differences"] == []
    assert result.data["rows"]["accounts"] == 3
    assert result.data["rows"]["strategy_positions"] == 5
    assert contents(connection) == before
    assert connection.execute("SELECT size FROM public.audit_head").fetchone() == size
    left = "SELECT count(*) FROM pg_database WHERE datname LIKE 'registry_rehearsal_%'"
    assert connection.execute(left).fetchone() == (0,)


def test_only_the_typed_name_of_the_database_purges_it(
    used: CommandLine, connection: Connection
) -> None:
    connection.execute("""DROP SCHEMA "Bot x" CASCADE; DROP TABLE public.trades""")
    before = contents(connection)
    assert used("migrate", "down", "--purge", "--yes").exit_status == 5
    assert used("migrate", "down", "--purge", "--confirm", "other").exit_status == 5
    assert contents(connection) == before
    (name,) = connection.execute("SELECT current_database()").fetchone() or ("",)
    purged = used("migrate", "down", "--purge", "--confirm", name)
    assert purged.exit_status == 0, purged.err
    gone = "SELECT to_regclass('public.audit_events'), to_regclass('public.credential_data_keys')"
    assert connection.execute(gone).fetchone() == (None, None)
    assert connection.execute("SELECT count(*) FROM public.strategy_positions").fetchone() == (5,)
    assert used("migrate", "up").exit_status == 0
    assert used("create-account", "alpha").exit_status == 0
