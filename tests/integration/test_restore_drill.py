"""The restore drill: a good backup passes, and any fault of a copy is found."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import conftest
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from support.bots import LoginRole, login_role
from support.cli import PROJECT, CommandLine
from support.credentials import FIELDS
from support.registry_tables import unguarded
from support.tables import nothing_written, snapshot

from registry import Registry
from registry.database.connection import connect
from registry.database.migrator import Migrator
from registry.database.objects import differences, read_schema
from registry.database.opening import SingleConnection
from registry.database.programs import Programs, programs_for
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.encryption.secret import Secret
from registry.errors import DatabaseNotEmpty, MissingProgram, PermissionDenied, ProgramFailed
from registry.services.backups.drill import (
    Copy,
    RestorePlan,
    RestoreStep,
    Steps,
    examine,
    opened,
    rehearse_restore,
)

ALL = ["dump", "restore", "verify", "rebuild --check", "schema", "rows", "keys"]


@pytest.fixture(autouse=True)
def scratch(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Where servers are made that are thrown away: in memory, where that is possible."""
    tmp_path_factory.getbasetemp()  # pytest's own folder outlives this one
    with tempfile.TemporaryDirectory(dir=conftest.in_memory()) as folder:
        Path(folder).chmod(0o711)  # as root the server runs as another user
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


@pytest.fixture
def filled(cli: CommandLine) -> CommandLine:
    """A registry with accounts, credentials in two versions, and a share."""
    for name in ("bot", "other"):
        assert cli("create-account", name).exit_status == 0
    assert cli.store("bot", "aster").exit_status == 0
    assert cli.store("bot", "aster", verb="replace-credential", api_key="k2").exit_status == 0
    assert cli("share", "other", "bot", "aster").exit_status == 0
    return cli


def drill(cli: CommandLine, **plan: Any) -> dict[str, RestoreStep]:
    """The steps of a drill of the test's registry, by name."""
    ring = MasterKeyring.parse(Secret(cli.master_key))
    steps: list[RestoreStep] = []
    source = Target(cli.environment["DATABASE_URL"])
    well = rehearse_restore(source, RestorePlan(**{"keyring": ring, **plan}), steps.append)
    assert well == (not any(step.failures for step in steps))
    return {step.name: step for step in steps}


def failures(steps: dict[str, RestoreStep]) -> dict[str, tuple[str, ...]]:
    return {name: step.failures for name, step in steps.items() if step.failures}


def programs_of(address: str) -> Programs:
    with psycopg.connect(address) as connection:
        return programs_for(connection.info.server_version // 10_000)


def dumped(address: str, folder: Path) -> Path:
    dump = folder / "registry.dump"
    options = ("--format=custom", f"--file={dump}")
    programs_of(address).run("pg_dump", *options, address=address)
    return dump


def restored_copy(address: str, empty: str, folder: Path) -> str:
    """A copy as a dump makes it, to be tampered with."""
    dump = dumped(address, folder)
    programs_of(empty).run("pg_restore", "--exit-on-error", str(dump), address=empty)
    return empty


def examined(cli: CommandLine, copy: str) -> dict[str, RestoreStep]:
    ring = MasterKeyring.parse(Secret(cli.master_key))
    steps: list[RestoreStep] = []
    with opened(Target(cli.environment["DATABASE_URL"])) as original:
        examine(Copy(copy, original), RestorePlan(keyring=ring), Steps(steps.append))
    return {step.name: step for step in steps}


def test_a_backup_restores_into_a_server_of_its_own(filled: CommandLine, database_url: str) -> None:
    with nothing_written(database_url):
        steps = drill(filled)
    assert list(steps) == ALL
    assert failures(steps) == {}
    assert "5 events" in steps["verify"].told
    assert steps["keys"].told == "3 keys and 1 credential opened"


def test_a_busy_registry_compares_equal(
    filled: CommandLine, database_url: str, another_empty_database: str
) -> None:
    stop, written = threading.Event(), [0]

    def write() -> None:
        database = SingleConnection(Target(database_url))
        service = Registry(database).accounts
        while not stop.is_set():
            service.update("other", description=str(written[0]))
            written[0] += 1
        database.close()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        steps = drill(filled, into=another_empty_database)
    finally:
        stop.set()
        thread.join()
    assert written[0] > 10
    assert failures(steps) == {}


def test_a_database_that_was_lent_is_empty_again(
    filled: CommandLine, another_empty_database: str
) -> None:
    for _ in range(2):
        assert failures(drill(filled, into=another_empty_database)) == {}
        assert set(snapshot(another_empty_database).values()) == {None}


def test_a_database_that_holds_something_is_refused_by_name_and_left_alone(
    filled: CommandLine, another_empty_database: str
) -> None:
    with psycopg.connect(another_empty_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE precious AS SELECT 1 AS one")
    with pytest.raises(DatabaseNotEmpty, match="the table precious"):
        drill(filled, into=another_empty_database)
    with psycopg.connect(another_empty_database) as connection:
        assert connection.execute("SELECT one FROM precious").fetchone() == (1,)


@pytest.mark.slow
def test_a_dump_that_was_made_before_is_examined(
    filled: CommandLine, database_url: str, tmp_path: Path
) -> None:
    steps = drill(filled, dump=dumped(database_url, tmp_path))
    assert failures(steps) == {}
    assert list(steps) == [name for name in ALL if name not in ("dump", "rows")]


@pytest.mark.parametrize("part", [0.0, 0.5, 0.98])
def test_a_damaged_dump_is_found(
    filled: CommandLine,
    database_url: str,
    another_empty_database: str,
    tmp_path: Path,
    part: float,
) -> None:
    dump = dumped(database_url, tmp_path)
    raw = bytearray(dump.read_bytes())
    start = int(len(raw) * part)
    raw[start : start + 200] = bytes(byte ^ 0x5A for byte in raw[start : start + 200])
    dump.write_bytes(raw)
    assert failures(drill(filled, dump=dump, into=another_empty_database))


def test_a_dump_that_was_cut_off_is_found(
    filled: CommandLine, database_url: str, another_empty_database: str, tmp_path: Path
) -> None:
    dump = dumped(database_url, tmp_path)
    dump.write_bytes(dump.read_bytes()[:-500])
    assert list(failures(drill(filled, dump=dump, into=another_empty_database))) == ["restore"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE accounts SET description = 'x' WHERE account_name = 'bot'",
         {"rebuild --check", "rows"}),
        ("DELETE FROM account_exchange_sharing", {"rebuild --check", "rows"}),
        ("UPDATE dexes SET maker_fee_percent = 7 WHERE name = 'aster'", {"rows"}),
        ("UPDATE audit_events SET actor = 'x' WHERE position = 1", {"verify", "rows"}),
        ("DELETE FROM audit_events WHERE position = 4", {"verify", "rebuild --check", "rows"}),
        ("DELETE FROM credential_data_keys WHERE credential_version = 2", {"verify", "rows"}),
        ("UPDATE credential_data_keys SET wrapped_key = 'x' WHERE credential_version = 2",
         {"rows", "keys"}),
        ("UPDATE account_exchange_credentials SET api_key_encrypted = secret_key_encrypted",
         {"rebuild --check", "rows", "keys"}),
        ("DROP TRIGGER audit_events_append_only ON audit_events", {"schema"}),
        ("ALTER TABLE accounts DISABLE TRIGGER ALL", {"schema"}),
        ("GRANT SELECT ON credential_data_keys TO registry_bot", {"schema"}),
        ("ALTER FUNCTION append_event OWNER TO CURRENT_USER", {"schema"}),
    ],
    ids=lambda value: value[:44] if isinstance(value, str) else "",
)  # fmt: skip
def test_a_copy_that_was_tampered_with_is_found(
    filled: CommandLine,
    database_url: str,
    another_empty_database: str,
    tmp_path: Path,
    statement: str,
    found: set[str],
) -> None:
    copy = restored_copy(database_url, another_empty_database, tmp_path)
    assert failures(examined(filled, copy)) == {}
    with psycopg.connect(copy, autocommit=True) as connection, unguarded(connection):
        connection.execute(statement.encode())
    steps = examined(filled, copy)
    assert set(failures(steps)) == found
    for secret in ("k2", *FIELDS["aster"].values()):
        assert secret not in str([step.failures for step in steps.values()])


# What is done to a schema, and the line that says so.
TAMPERED = {
    "CREATE OR REPLACE VIEW former_names AS SELECT NULL::text AS former_name, e.position, "
    "e.event_type, e.stream_id, e.actor, e.recorded_at FROM audit_events AS e WHERE FALSE":
        "changed: view public.former_names",
    "CREATE OR REPLACE FUNCTION session_may_use(p_account_id uuid) RETURNS boolean "
    "LANGUAGE plpgsql STABLE AS 'BEGIN RETURN TRUE; END'":
        "changed: function public.session_may_use(p_account_id uuid)",
    "ALTER TABLE account_access DROP CONSTRAINT account_access_role_name_check, "
    "ADD CONSTRAINT account_access_role_name_check CHECK (TRUE)":
        "changed: constraint account_access_role_name_check on public.account_access: "
        "CHECK (true), and not CHECK (((role_name)::text <> ''::text))",
    "ALTER TABLE audit_events DISABLE TRIGGER audit_events_append_only":
        "changed: mode of the trigger audit_events_append_only on public.audit_events: "
        "disabled, and not enabled",
    "CREATE OR REPLACE TRIGGER account_access_only_by_event BEFORE TRUNCATE "
    "ON account_access FOR EACH STATEMENT EXECUTE FUNCTION projection_refuse_direct_write('x')":
        "changed: trigger account_access_only_by_event on public.account_access",
    "ALTER POLICY registry_bots_own ON strategy_positions USING (TRUE)":
        "changed: policy registry_bots_own on public.strategy_positions",
    "ALTER TABLE release_collections SET LOGGED":
        "changed: relation public.release_collections: table, row security off, "
        "and not table, unlogged, row security off",
    "ALTER TABLE account_access ALTER granted_at SET DEFAULT now()":
        "changed: column public.account_access.granted_at: "
        "timestamp without time zone NOT NULL DEFAULT now(), "
        "and not timestamp without time zone NOT NULL",
    "DROP INDEX audit_events_by_actor": "missing: index public.audit_events_by_actor",
    "ALTER VIEW audit_trail SET (security_invoker = true)":
        "changed: relation public.audit_trail: view with security_invoker=true, and not view",
    "REVOKE SELECT ON audit_trail FROM registry_auditor":
        "missing: right SELECT on public.audit_trail to registry_auditor",
    "GRANT SELECT ON account_access TO registry_auditor WITH GRANT OPTION":
        "changed: right SELECT on public.account_access to registry_auditor: "
        "and may be passed on, and not for itself",
}  # fmt: skip
BESIDE = {
    "ALTER TABLE strategy_positions DISABLE ROW LEVEL SECURITY":
        "changed: relation public.strategy_positions: table, row security off, "
        "and not table, row security on",
    "GRANT SELECT (wrapped_key) ON credential_data_keys TO PUBLIC":
        "extra: right SELECT on public.credential_data_keys (wrapped_key) to everybody",
    "CREATE POLICY mine ON accounts USING (TRUE)": "extra: policy mine on public.accounts",
    "CREATE RULE quiet AS ON INSERT TO dexes DO INSTEAD NOTHING":
        "extra: rule quiet on public.dexes",
    "CREATE SEQUENCE beside": "extra: relation public.beside",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC":
        "extra: default right SELECT on what postgres makes (r) to everybody",
}  # fmt: skip


def run(address: str, statements: Iterable[str]) -> None:
    with psycopg.connect(address, autocommit=True) as connection, unguarded(connection):
        for statement in statements:
            connection.execute(statement.encode())


def test_whatever_differs_in_the_schema_is_named(
    filled: CommandLine, database_url: str, another_empty_database: str, tmp_path: Path
) -> None:
    copy = restored_copy(database_url, another_empty_database, tmp_path)
    run(copy, [*TAMPERED, *BESIDE])
    told = set(examined(filled, copy)["schema"].failures)
    told.remove("extra: sequence public.beside")
    assert told == {*TAMPERED.values(), *BESIDE.values()}


@pytest.mark.slow
def test_without_the_source_a_dump_is_compared_with_what_the_migrations_make(
    filled: CommandLine, database_url: str, tmp_path: Path
) -> None:
    run(database_url, [*TAMPERED, *BESIDE])
    found = failures(drill(filled, dump=dumped(database_url, tmp_path)))["schema"]
    with connect(Target(database_url)) as connection:
        assert sorted(found) == sorted(map(str, differences(connection)))
    assert len(found) >= len(TAMPERED)


def test_the_same_in_other_words_is_no_difference(
    filled: CommandLine, database_url: str, another_empty_database: str, tmp_path: Path
) -> None:
    """PostgreSQL prints what it has parsed, and from a dump it parses other words."""
    wanted = "kind IN ('a', 'b')"
    run(
        database_url,
        [
            f'CREATE TABLE "Mine" (kind varchar(9) CONSTRAINT "Few" CHECK ({wanted}))',
            f'CREATE INDEX mine_kind ON "Mine" (kind) WHERE {wanted}',
            f'CREATE VIEW mine_few AS SELECT kind FROM "Mine" WHERE {wanted}',
            f'CREATE MATERIALIZED VIEW mine_kept AS SELECT kind FROM "Mine" WHERE {wanted}',
            f'CREATE POLICY mine_few ON "Mine" USING ({wanted})',
            'CREATE TRIGGER mine_few BEFORE INSERT ON "Mine" FOR EACH ROW '
            f"WHEN (NEW.{wanted}) EXECUTE FUNCTION projection_refuse_direct_write('x')",
            f"CREATE FUNCTION mine(kind varchar) RETURNS boolean RETURN {wanted}",
        ],
    )
    copy = restored_copy(database_url, another_empty_database, tmp_path)
    differing = set()
    with psycopg.connect(database_url) as one, psycopg.connect(copy) as other:
        there = read_schema(other)
        differing = {key.kind for key, thing in read_schema(one).items() if there[key] != thing}
    assert differing >= {"constraint", "index", "view", "materialized view", "policy", "trigger"}
    assert failures(examined(filled, copy)) == {}


def test_a_row_is_named_by_its_key(
    filled: CommandLine, database_url: str, another_empty_database: str, tmp_path: Path
) -> None:
    copy = restored_copy(database_url, another_empty_database, tmp_path)
    with psycopg.connect(copy, autocommit=True) as connection, unguarded(connection):
        connection.execute("DELETE FROM audit_events WHERE position = 0")
        connection.execute("UPDATE audit_events SET actor = 'x' WHERE position = 2")
    steps = examined(filled, copy)
    assert steps["rows"].failures == (
        "public.audit_events: the row 2 is changed",
        "public.audit_events: the row 0 is missing",
    )


def test_a_data_key_that_the_source_lost_is_found(
    filled: CommandLine, connection: psycopg.Connection[Any], another_empty_database: str
) -> None:
    with unguarded(connection):
        connection.execute("DELETE FROM credential_data_keys WHERE credential_version = 1")
    found = failures(drill(filled, into=another_empty_database))
    assert list(found) == ["verify"]
    assert "data key of version 1" in found["verify"][0]


def test_a_master_key_that_opens_nothing_is_found(
    filled: CommandLine, another_empty_database: str
) -> None:
    other = MasterKeyring([generate_master_key()])
    found = failures(drill(filled, into=another_empty_database, keyring=other))
    assert list(found) == ["keys"]
    assert "is sealed with the master key" in found["keys"][0]


def test_a_role_that_may_only_read_can_make_the_backup(
    filled: CommandLine, database_url: str, another_empty_database: str
) -> None:
    with login_role(database_url, "pg_read_all_data") as reader:
        with psycopg.connect(database_url, autocommit=True) as connection:
            # The table of positions has policies for rows, and a backup is of all rows.
            name = sql.Identifier(reader.name)
            connection.execute(sql.SQL("ALTER ROLE {} BYPASSRLS").format(name))
        filled.environment["DATABASE_URL"] = reader.address
        assert failures(drill(filled, into=another_empty_database)) == {}


def test_a_role_that_may_not_read_everything_is_told_so(
    filled: CommandLine, database_url: str, another_empty_database: str
) -> None:
    with login_role(database_url, "registry_operator") as operator:
        filled.environment["DATABASE_URL"] = operator.address
        with pytest.raises(ProgramFailed, match="permission denied for table"):
            drill(filled, into=another_empty_database)


@contextlib.contextmanager
def lent_to(role: LoginRole, *databases: str) -> Iterator[list[str]]:
    """Makes a role the owner of databases for a while; gives their addresses as this role."""

    def give(owner: sql.Composable) -> Iterator[str]:
        with psycopg.connect(os.environ["REGISTRY_TEST_SERVER"], autocommit=True) as server:
            for address in databases:
                name = str(conninfo_to_dict(address)["dbname"])
                statement = sql.SQL("ALTER DATABASE {} OWNER TO {}")
                server.execute(statement.format(sql.Identifier(name), owner))
                yield make_conninfo(role.address, dbname=name)

    try:
        yield list(give(sql.Identifier(role.name)))
    finally:
        _take_back(role, list(give(sql.SQL("CURRENT_USER"))))


def _take_back(role: LoginRole, addresses: list[str]) -> None:
    for address in addresses:
        name = conninfo_to_dict(address)["dbname"]
        server = make_conninfo(os.environ["REGISTRY_TEST_SERVER"], dbname=name)
        with psycopg.connect(server, autocommit=True) as connection:
            drop = sql.SQL("DROP OWNED BY {} CASCADE")
            connection.execute(drop.format(sql.Identifier(role.name)))


def test_an_owner_that_is_no_superuser_can_restore_its_own_registry(
    cli: CommandLine, empty_database: str, another_empty_database: str
) -> None:
    with (
        login_role(empty_database, "registry_owner") as owner,
        lent_to(owner, empty_database, another_empty_database) as (own, into),
    ):
        with psycopg.connect(own, autocommit=True) as connection:
            Migrator(connection).up()
        cli.environment["DATABASE_URL"] = own
        assert cli("create-account", "bot").exit_status == 0
        assert failures(drill(cli, into=into)) == {}


def test_a_database_of_somebody_else_is_refused(
    filled: CommandLine, another_empty_database: str
) -> None:
    with login_role(another_empty_database) as nobody:
        name = conninfo_to_dict(another_empty_database)["dbname"]
        with pytest.raises(PermissionDenied, match="is not this login's own"):
            drill(filled, into=make_conninfo(nobody.address, dbname=name))


@pytest.mark.slow
def test_roles_that_a_server_lacks_are_made_for_the_while_or_named(
    filled: CommandLine, database_url: str, another_empty_database: str, tmp_path: Path
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE test_gone NOLOGIN")
        connection.execute("GRANT SELECT ON accounts TO test_gone")
        dump = dumped(database_url, tmp_path)
        connection.execute("DROP OWNED BY test_gone")
        connection.execute("DROP ROLE test_gone")
        assert failures(drill(filled, dump=dump, into=another_empty_database)) == {}
        assert connection.execute("SELECT to_regrole('test_gone')").fetchone() == (None,)
    with (
        login_role(another_empty_database) as owner,
        lent_to(owner, another_empty_database) as (into,),
        pytest.raises(PermissionDenied, match="test_gone"),
    ):
        drill(filled, dump=dump, into=into)


def test_a_server_newer_than_every_pg_dump_is_a_clear_error() -> None:
    with pytest.raises(MissingProgram, match="PostgreSQL 99, and no pg_dump here is as new") as no:
        programs_for(99)
    assert "postgresql-client-99" in (no.value.hint or "")


def restore_drill(cli: CommandLine, *arguments: str) -> subprocess.Popen[str]:
    environment = {**cli.environment, "TMPDIR": tempfile.gettempdir()}
    command = [sys.executable, "-m", "registry.commands", "restore-drill", *arguments]
    return subprocess.Popen(
        command,
        env=environment,
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_the_verb_says_what_came_out_and_leaves_nothing_behind(
    filled: CommandLine, connection: psycopg.Connection[Any], scratch: Path
) -> None:
    process = restore_drill(filled, "--json")
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    document = json.loads(out)["data"]
    assert document["restores"] is True
    assert [step["name"] for step in document["steps"]] == ALL
    with unguarded(connection):
        connection.execute("UPDATE accounts SET description = 'x'")
    process = restore_drill(filled)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 6
    assert "rebuild --check  FAILED" in out
    assert out.endswith("The backup does NOT restore to what it is of.\n")
    assert list(scratch.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_drill_that_is_stopped_removes_what_it_made(
    filled: CommandLine, scratch: Path, number: signal.Signals
) -> None:
    process = restore_drill(filled)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("dump")
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (130, "Stopped; what was made is removed.\n")
    assert list(scratch.iterdir()) == []


def test_without_a_master_key_the_verb_says_what_to_do(filled: CommandLine) -> None:
    filled.environment["CREDENTIAL_ENCRYPTION_KEY"] = ""
    process = restore_drill(filled)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (7, "")
    assert err.startswith("Error: no master key is configured")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--dump", "/nowhere/registry.dump"], 2, "cannot read /nowhere/registry.dump"),
        (["--into", "postgresql://bot:canary@127.0.0.1:1/x"], 7, "Check --into"),
        (["--into", "canary"], 2, "the place to restore into is not the address"),
    ],
)
def test_what_cannot_be_used_is_named_before_anything_is_made(
    filled: CommandLine, words: list[str], status: int, said: str
) -> None:
    refused = filled("restore-drill", "--without-keys", *words, REGISTRY_CONNECT_WAIT="0")
    assert (refused.exit_status, said in refused.err, refused.out) == (status, True, "")
    assert len(refused.err.splitlines()) <= 2
    assert "canary" not in refused.err
