"""The verbs `history`, `exchanges`, `doctor`, `generate-key` and `embedded`."""

import datetime as dt
import stat
from pathlib import Path
from typing import Any

import psycopg
import pytest
from freezegun import freeze_time
from support.bots import login_role
from support.cli import CommandLine
from support.tables import nothing_written

from registry.encryption.keyring import MasterKeyring
from registry.encryption.secret import Secret


@pytest.fixture
def busy(cli: CommandLine) -> CommandLine:
    """A registry with a history of five days."""
    steps: list[tuple[str, ...]] = [
        ("create-account", "bot", "--actor", "ops", "--reason", "first"),
        ("create-account", "other"),
        ("update-account", "bot", "--description", "x"),
    ]
    for day, step in enumerate(steps, start=1):
        with freeze_time(dt.datetime(2030, 1, day, tzinfo=dt.UTC)):
            assert cli(*step).exit_status == 0
    with freeze_time(dt.datetime(2030, 1, 4, tzinfo=dt.UTC)):
        cli.store("bot", "aster", "--label", "main")
    with freeze_time(dt.datetime(2030, 1, 5, tzinfo=dt.UTC)):
        cli("update-credential", "bot", "aster", "--label", "new")
    return cli


@pytest.mark.parametrize(
    ("options", "positions"),
    [
        ((), [0, 1, 2, 3, 4]),
        (("bot",), [0, 2, 3, 4]),
        (("--exchange", "aster"), [3, 4]),
        (("--exchange", "paradex"), []),
        (("--type", "AccountCreated"), [0, 1]),
        (("--limit", "2"), [3, 4]),
        (("bot", "--limit", "1"), [4]),
    ],
)
def test_the_history_shows_what_was_asked_for(
    busy: CommandLine, options: tuple[str, ...], positions: list[int]
) -> None:
    events = busy("history", *options, "--json").data
    assert [event["position"] for event in events] == positions


def test_since_and_until_go_by_the_clock_of_the_database(busy: CommandLine) -> None:
    recorded = [event["recorded_at"] for event in busy("history", "--json").data]

    def shown(*options: str) -> list[int]:
        return [event["position"] for event in busy("history", *options, "--json").data]

    assert shown("--since", recorded[2]) == [2, 3, 4]
    assert shown("--until", recorded[2]) == [0, 1]
    assert shown("--since", recorded[1], "--until", recorded[3]) == [1, 2]


def test_the_history_says_who_did_what_when_and_why(busy: CommandLine) -> None:
    shown = " ".join(busy("history", COLUMNS="200").out.split())
    for words in (
        "(claimed 2030-01-01 00:00:00Z) ops as postgres bot created account bot first",
        "changed description",
        "added aster version 1: api_key#",
        "changed label of aster",
    ):
        assert words in shown
    first = busy("history", "--json").data[0]
    assert set(first) == {
        "account_name",
        "related_account_name",
        "position",
        "stream_type",
        "stream_id",
        "stream_version",
        "event_type",
        "data",
        "actor",
        "reason",
        "command_id",
        "related_account_id",
        "occurred_at",
        "recorded_at",
        "recorded_by",
    }
    refused = busy("history", "--type", "AcountCreated", "--json")
    assert refused.exit_status == 2
    assert "AccountCreated" in refused.error["hint"]


def test_the_history_never_shows_a_token(busy: CommandLine) -> None:
    assert "gAAAA" not in busy("history", "--json").out
    assert all("tokens" not in event["data"] for event in busy("history", "--json").data)


def test_exchanges_are_listed_with_the_fields_of_their_credentials(busy: CommandLine) -> None:
    listed = {entry["exchange"]: entry for entry in busy("exchanges", "--json").data}
    assert listed["aster"]["credentials"] == 1
    assert listed["lighter"]["fields"][1] == {
        "name": "account_index",
        "env": "LIGHTER_ACCOUNT_INDEX",
        "secret": False,
        "required": False,
        "type": "integer",
        "default": "0",
    }
    assert "PARADEX_L2_PRIVATE_KEY" in busy("exchanges", COLUMNS="200").out


def test_an_exchange_of_one_s_own_is_defined_and_used(
    cli: CommandLine, connection: psycopg.Connection[Any], database_url: str
) -> None:
    options = [
        *("--field", "api_key=KRAKEN_API_KEY", "--field", "uid=KRAKEN_UID:public:integer"),
        *("--field", "note=KRAKEN_NOTE:optional", "--ccxt", "kraken", "--display-name", "Kraken"),
    ]
    with nothing_written(database_url):
        assert cli("add-exchange", "kraken", *options, "--dry-run").exit_status == 0
    defined = cli("add-exchange", "kraken", *options)
    assert defined.out == "Defined exchange kraken (event 0).\n"
    row = connection.execute("SELECT display_name FROM dexes WHERE name = 'kraken'").fetchone()
    assert row == ("Kraken",)
    entry = next(e for e in cli("exchanges", "--json").data if e["exchange"] == "kraken")
    assert (entry["built_in"], entry["ccxt_id"]) == (False, "kraken")
    again = cli("add-exchange", "kraken", *options, "--json")
    assert (again.exit_status, again.error["code"]) == (4, "exchange_exists")
    path = cli.file("k.env", "KRAKEN_API_KEY=k7\nKRAKEN_UID=5\n")
    done = cli("import-env", "bot", "--env-file", path, "--create", "--json")
    assert done.data["found"] == {"kraken": ["api_key", "uid"]}


def test_a_key_is_generated_to_standard_output_or_to_a_new_file(
    cli: CommandLine, tmp_path: Path
) -> None:
    """Pain 5: a key is only ever made on request."""
    printed = cli("generate-key")
    assert printed.err == ""
    MasterKeyring.parse(Secret(printed.out))
    path = tmp_path / "new.key"
    done = cli("generate-key", "--file", str(path), "--json")
    key = path.read_text().strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert done.data == {"key_id": MasterKeyring.parse(Secret(key)).newest_id, "file": str(path)}
    assert key not in done.out + done.err
    again = cli("generate-key", "--file", str(path), "--json")
    assert (again.exit_status, again.error["code"]) == (4, "conflict")
    assert path.read_text().strip() == key


def test_a_saved_key_is_found_by_the_other_verbs(bot: CommandLine) -> None:
    bot.environment["CREDENTIAL_ENCRYPTION_KEY"] = ""
    assert bot("generate-key", "--save").exit_status == 0
    assert bot.store("bot", "aster").exit_status == 0
    assert bot("generate-key", "--save").exit_status == 4


@pytest.mark.parametrize(
    "options", [("--json",), ("--save", "--file", "new.key"), ("--file", "/proc/none/x")]
)
def test_a_key_that_could_not_be_kept_is_not_generated(
    cli: CommandLine, options: tuple[str, ...]
) -> None:
    refused = cli("generate-key", *options)
    assert (refused.exit_status, refused.out) == (2, "")


def findings(cli: CommandLine, **environment: str) -> dict[str, str]:
    found = cli("doctor", "--json", **environment).data
    return {finding["check"]: finding["grade"] for finding in found}


def test_doctor_finds_nothing_wrong_with_a_sound_registry(busy: CommandLine) -> None:
    found = findings(busy)
    # The server of the tests loses nothing that anybody would miss.
    assert {check for check, grade in found.items() if grade != "ok"} <= {"durability"}
    assert set(found) >= {"master key", "database", "clock", "schema", "guards", "data keys", "log"}
    assert busy("doctor").exit_status == busy("doctor", "--json").exit_status


ELSEWHERE = (
    "CREATE TRIGGER audit_events_append_only BEFORE UPDATE ON dexes "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()"
)
"""A trigger of the same name where it guards nothing."""


@pytest.mark.parametrize(
    ("damage", "check"),
    [
        ("ALTER TABLE accounts DISABLE TRIGGER accounts_only_by_event", "guards"),
        ("DROP TRIGGER audit_events_append_only ON audit_events", "guards"),
        (f"DROP TRIGGER audit_events_append_only ON audit_events; {ELSEWHERE}", "guards"),
        (
            "CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS trigger "
            "LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
            "guards",
        ),
        ("DROP FUNCTION session_account_locked(text)", "guards"),
        (
            "CREATE OR REPLACE FUNCTION release_claim(p_text text, p_length integer DEFAULT 255) "
            "RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN 'here'",
            "guards",
        ),
        (
            "CREATE OR REPLACE FUNCTION session_accounts() RETURNS SETOF uuid "
            "LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp "
            "BEGIN ATOMIC SELECT a.id FROM public.accounts AS a; END",
            "guards",
        ),
        ("ALTER FUNCTION audit_refuse_change() RESET search_path", "guards"),
        ("ALTER FUNCTION session_accounts() SECURITY INVOKER", "guards"),
        ("ALTER TABLE strategy_positions DISABLE ROW LEVEL SECURITY", "guards"),
        ("DROP POLICY registry_bots_own ON strategy_positions", "guards"),
        ("UPDATE audit_head SET size = 99", "log"),
        ("UPDATE registry_keys SET wrapped_key = 'damaged'", "data keys"),
        ("UPDATE registry_migrations SET checksum = 'x' WHERE number = 3", "schema"),
        ("UPDATE registry_migrations SET number = 999 WHERE number = 3", "schema"),
    ],
)
def test_doctor_finds_what_is_damaged(
    busy: CommandLine, connection: psycopg.Connection[Any], damage: str, check: str
) -> None:
    connection.execute(damage.encode())
    assert findings(busy)[check] == "failed"
    assert busy("doctor").exit_status == 1


@pytest.mark.parametrize("group", ["registry_operator", "registry_auditor"])
def test_doctor_finds_the_same_functions_for_who_does_not_own_them(
    busy: CommandLine, connection: psycopg.Connection[Any], database_url: str, group: str
) -> None:
    with login_role(database_url, group) as role:
        assert findings(busy, DATABASE_URL=role.address)["guards"] == "ok"
        connection.execute("ALTER FUNCTION session_accounts() SECURITY INVOKER")
        assert findings(busy, DATABASE_URL=role.address)["guards"] == "failed"


def test_doctor_says_that_it_could_not_compare_the_functions(
    busy: CommandLine, connection: psycopg.Connection[Any], database_url: str
) -> None:
    connection.execute(
        psycopg.sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(
            psycopg.sql.Identifier(connection.info.dbname)
        )
    )
    with login_role(database_url, "registry_auditor") as role:
        found = findings(busy, DATABASE_URL=role.address)
    assert (found["guards"], found["functions"]) == ("ok", "warning")


def test_doctor_finds_keys_that_do_not_fit(busy: CommandLine) -> None:
    assert findings(busy, CREDENTIAL_ENCRYPTION_KEY="")["master key"] == "failed"
    assert findings(busy, CREDENTIAL_ENCRYPTION_KEY="x")["master key"] == "failed"
    other = "A" * 43 + "="
    assert findings(busy, CREDENTIAL_ENCRYPTION_KEY=other)["data keys"] == "failed"


def test_doctor_says_that_the_database_is_down(cli: CommandLine, tmp_path: Path) -> None:
    found = findings(cli, DATABASE_URL=f"postgresql:///x?host={tmp_path}")
    assert found == {"master key": "ok", "database": "failed"}
