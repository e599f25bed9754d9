"""The verbs `add-bot` and `remove-bot`: logins of bots come and go by one command."""

import contextlib
import os
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import conftest
import psycopg
import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from support.bots import LoginRole, login_role
from support.cli import CommandLine
from support.running import borrowing_bot
from support.servers import running_server
from support.tables import nothing_written

Connection = psycopg.Connection[Any]

OWN = f"_{os.getpid()}"
"""Roles belong to the whole server, on which other processes run these tests too."""
BOT, FLEET, HUMAN = (f"{name}{OWN}" for name in ("bot", "fleet", "human"))


@pytest.fixture
def bot(cli: CommandLine, connection: Connection) -> Iterator[CommandLine]:
    """Accounts `BOT` and `lender`; every login that a test makes is dropped again."""
    made = borrowing_bot(cli)
    assert made("rename-account", "bot", BOT).exit_status == 0
    yield made
    for name in roles(connection):
        connection.execute(f'DROP OWNED BY "{name}"; DROP ROLE "{name}"')


@pytest.fixture
def operator(bot: CommandLine, database_url: str, connection: Connection) -> Iterator[LoginRole]:
    """An operator who may make logins that are bots."""
    with login_role(database_url, "registry_operator") as role:
        connection.execute(f"ALTER ROLE {role.name} CREATEROLE")
        if connection.info.server_version >= 160000:
            option = "ADMIN TRUE, INHERIT FALSE, SET FALSE"
            connection.execute(f"GRANT registry_bot TO {role.name} WITH {option}")
        bot.environment["DATABASE_URL"] = role.address
        yield role


def roles(connection: Connection) -> set[str]:
    """The roles that a test has made."""
    found = connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE %s", [f"%{OWN}"])
    return {name for (name,) in found}


def release(cli: CommandLine, account: str, address: str) -> int:
    """The exit code of `run` as the login of this address."""
    return cli.process("run", "--account", account, "--", "true", DATABASE_URL=address).exit_status


def added(cli: CommandLine, account: str, *options: str) -> Any:
    made = cli("add-bot", account, *options, "--json")
    assert made.exit_status == 0, made.err
    return made.data


def test_a_bot_comes_and_goes_by_one_command(bot: CommandLine, operator: LoginRole) -> None:
    made = added(bot, BOT, "--reason", "new")
    assert [event["type"] for event in made["events"]] == ["AccessGranted"]
    assert made["login"] == BOT
    address = made["database_url"]
    assert conninfo_to_dict(address)["user"] == BOT
    assert (release(bot, BOT, address), release(bot, "lender", address)) == (0, 5)
    (listed,) = bot("list-access", "--json").data
    assert (listed["account"], listed["role"], listed["login"]) == (BOT, BOT, "ok")
    removed = bot("remove-bot", BOT, "--yes")
    assert removed.exit_status == 0, removed.err
    assert removed.out.splitlines()[1:] == [
        f"The login {BOT} is gone.",
        f"It was handed the lighter key of {BOT}, and may know it still; see: "
        f"account-registry blast-radius {BOT} lighter",
        "It was handed the backpack key of lender, and may know it still; see: "
        "account-registry blast-radius lender backpack",
    ]
    assert release(bot, BOT, address) == 7
    assert bot("list-access", "--json").data == []
    assert bot("remove-bot", BOT, "--yes").exit_status == 3
    assert added(bot, BOT)["login"] == BOT


def test_the_secret_goes_into_a_file_of_its_own_that_is_never_overwritten(
    bot: CommandLine, operator: LoginRole, tmp_path: Path, connection: Connection
) -> None:
    out = tmp_path / "bot.env"
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    out.write_text("mine")
    for there in (out, tmp_path / "link", tmp_path / "no" / "folder"):
        assert bot("add-bot", BOT, "--out", str(there)).exit_status in (2, 4)
    assert BOT not in roles(connection)
    assert out.read_text() == "mine"
    out.unlink()
    made = bot("add-bot", BOT, "--out", str(out))
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    settings = dict(re.findall(r"^([A-Z_]+)='?(.*?)'?$", out.read_text(), re.MULTILINE))
    assert release(bot, BOT, settings["DATABASE_URL"]) == 0
    password = conninfo_to_dict(settings["DATABASE_URL"])["password"]
    assert isinstance(password, str)
    assert password not in made.out + made.err
    assert bot.master_key not in out.read_text() + made.out + made.err


@pytest.mark.parametrize("account", ["nobody", "stopped", "lender"])
def test_a_bot_that_cannot_be_made_leaves_no_file_and_no_login(
    bot: CommandLine, operator: LoginRole, tmp_path: Path, connection: Connection, account: str
) -> None:
    bot("create-account", "stopped")
    bot("deactivate-account", "stopped")
    before = roles(connection)
    login = "pg_x" if account == "lender" else BOT
    out = ("--out", str(tmp_path / "out"))
    refused = bot("add-bot", account, "--login", login, *out)
    assert refused.exit_status in (2, 3, 5)
    assert not (tmp_path / "out").exists()
    assert roles(connection) == before


def test_a_dry_run_makes_nothing_and_shows_no_secret(
    bot: CommandLine, database_url: str, connection: Connection, tmp_path: Path
) -> None:
    before = roles(connection)
    with nothing_written(database_url):
        tried = bot("add-bot", BOT, "--dry-run", "--out", str(tmp_path / "out"))
    assert f"Would have made the login {BOT}" in tried.err
    assert tried.out == ""
    assert roles(connection) == before
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("account", "login"),
    [
        ("my bot", None),
        ("bot_ü", None),
        ("a_rather_" + "long_" * 11, None),
        ("7bot", None),
        ("public", None),
        ("lender", "pg_signal"),
        ("lender", 'x"; DROP TABLE accounts; --'),
        ("lender", ""),
    ],
)
def test_a_name_that_would_need_quotes_is_refused_and_another_can_be_named(
    bot: CommandLine, account: str, login: str | None
) -> None:
    bot("create-account", account)
    options = [] if login is None else ["--login", login]
    refused = bot("add-bot", account, *options)
    assert (refused.exit_status, "a login cannot be called" in refused.err) == (2, True)
    assert "add-bot" in refused.err
    assert added(bot, account, "--login", f"plain.bot-1{OWN}")["login"] == f"plain.bot-1{OWN}"


@pytest.mark.parametrize("existing", ["registry_operator", "postgres", "human"])
def test_a_role_that_is_there_is_never_taken_over(
    bot: CommandLine, connection: Connection, existing: str
) -> None:
    connection.execute(f"CREATE ROLE {HUMAN} LOGIN")
    refused = bot("add-bot", BOT, "--login", HUMAN if existing == "human" else existing, "--json")
    assert (refused.exit_status, refused.error["code"]) == (4, "role_exists")
    assert "--login LOGIN" in refused.error["hint"]
    assert bot("list-access", "--json").data == []


def test_access_that_a_dropped_login_left_behind_is_not_inherited_by_a_new_one(
    bot: CommandLine, connection: Connection
) -> None:
    added(bot, BOT, "--login", FLEET)
    bot("grant-access", "lender", "--role", FLEET)
    connection.execute(f"DROP ROLE {FLEET}")
    assert {row["login"] for row in bot("list-access", "--json").data} == {"gone"}
    refused = bot("add-bot", BOT, "--login", FLEET)
    assert refused.exit_status == 4
    assert "may still use lender" in refused.err
    assert bot("remove-bot", FLEET, "--yes").exit_status == 0
    assert added(bot, BOT, "--login", FLEET)["events"][0]["type"] == "AccessGranted"


def test_a_login_that_was_dropped_by_hand_is_made_again_without_an_event(
    bot: CommandLine, connection: Connection
) -> None:
    added(bot, BOT)
    connection.execute(f"DROP ROLE {BOT}")
    made = added(bot, BOT)
    assert made["events"] == []
    assert release(bot, BOT, made["database_url"]) == 0


def test_a_login_and_its_event_are_made_together_or_not_at_all(
    bot: CommandLine, connection: Connection, tmp_path: Path
) -> None:
    connection.execute("ALTER TABLE account_access ADD CONSTRAINT no CHECK (FALSE) NOT VALID")
    before = bot("history", "--json").data
    assert bot("add-bot", BOT, "--out", str(tmp_path / "out")).exit_status == 2
    assert roles(connection) == set()
    assert bot("history", "--json").data == before
    assert not (tmp_path / "out").exists()


def test_the_same_command_sent_again_does_not_pretend_to_know_the_password(
    bot: CommandLine, tmp_path: Path
) -> None:
    again = ("--command-id", "0d7c1de1-7d4f-4c57-9a9c-3f5b1f5f0001")
    assert added(bot, BOT, *again)["database_url"]
    assert added(bot, BOT, *again)["database_url"] is None
    told = bot("add-bot", BOT, *again, "--out", str(tmp_path / "out"))
    assert "shown the first time" in told.err
    assert not (tmp_path / "out").exists()


def test_without_the_right_to_make_logins_it_says_what_an_administrator_can_run(
    bot: CommandLine, database_url: str, connection: Connection
) -> None:
    with login_role(database_url, "registry_operator") as role:
        bot.environment["DATABASE_URL"] = role.address
        refused = bot("add-bot", BOT)
        assert refused.exit_status == 5
        assert f"the login {role.name} may not make logins" in refused.err
        for statement in re.findall(r"(?:ALTER|GRANT|CREATE)[^;]*;", refused.err):
            if BOT not in statement:
                connection.execute(statement)
        assert added(bot, BOT)["login"] == BOT
        assert bot("remove-bot", BOT, "--yes").exit_status == 0


def test_a_new_password_ends_the_old_one_and_is_for_bots_only(
    bot: CommandLine, operator: LoginRole, connection: Connection
) -> None:
    first = added(bot, BOT)["database_url"]
    second = added(bot, BOT, "--new-password")["database_url"]
    assert first != second
    assert release(bot, BOT, second) == 0
    connection.execute(f"CREATE ROLE {HUMAN} LOGIN CREATEDB")
    connection.execute(f"GRANT registry_bot TO {HUMAN}")
    bot("grant-access", "lender", "--role", HUMAN)
    refused = bot("add-bot", "lender", "--new-password")
    assert (refused.exit_status, "CREATEDB" in refused.err) == (4, True)
    assert bot("add-bot", f"nobody{OWN}", "--new-password").exit_status == 3
    for option in (("--no-password",), ("--expected-version", "1")):
        assert bot("add-bot", BOT, "--new-password", *option).exit_status == 2


def test_open_sessions_end_and_what_the_login_owns_is_named(
    bot: CommandLine, operator: LoginRole, connection: Connection
) -> None:
    address = added(bot, BOT)["database_url"]
    with contextlib.closing(psycopg.connect(address, autocommit=True)) as session:
        connection.execute("SELECT lo_from_bytea(4711, 'x')")
        connection.execute(f"ALTER LARGE OBJECT 4711 OWNER TO {BOT}")
        session.execute("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC")
        removed = bot("remove-bot", BOT, "--yes", "--json")
        assert removed.exit_status == 5
        assert removed.data["sessions_ended"] == 1
        assert "it owns large object" in removed.data["kept"]
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    assert release(bot, BOT, address) == 7
    connection.execute(f"REASSIGN OWNED BY {BOT} TO registry_owner")
    gone = bot("remove-bot", BOT, "--yes")
    assert (gone.exit_status, gone.out) == (0, f"The login {BOT} is gone.\n")
    assert BOT not in roles(connection)


def test_what_the_login_has_in_another_database_is_named(
    bot: CommandLine, connection: Connection, another_empty_database: str
) -> None:
    added(bot, BOT)
    with psycopg.connect(another_empty_database, autocommit=True) as other:
        other.execute("CREATE TABLE t ()")
        other.execute(f"GRANT SELECT ON t TO {BOT}")
        kept = bot("remove-bot", BOT, "--yes", "--json").data["kept"]
        assert other.info.dbname in kept
        other.execute(f"DROP OWNED BY {BOT}")
    assert bot("remove-bot", BOT, "--yes").exit_status == 0


def test_a_role_that_is_more_than_a_bot_loses_its_accounts_and_stays(
    bot: CommandLine, connection: Connection
) -> None:
    connection.execute(f"CREATE ROLE {HUMAN} LOGIN")
    connection.execute(f"GRANT registry_auditor TO {HUMAN}")
    bot("grant-access", BOT, "--role", HUMAN)
    removed = bot("remove-bot", BOT, "--yes")
    assert removed.exit_status == 5
    assert "stays, without any account: it is a member of registry_auditor" in removed.out
    assert bot("list-access", "--json").data == []
    assert HUMAN in roles(connection)
    assert bot("remove-bot", "postgres", "--yes").exit_status == 3


def test_an_account_whose_login_means_more_is_not_enough_of_a_name(bot: CommandLine) -> None:
    added(bot, BOT, "--login", FLEET)
    bot("grant-access", "lender", "--role", FLEET)
    refused = bot("remove-bot", "lender", "--yes")
    assert (refused.exit_status, f"uses {BOT} and lender" in refused.err) == (2, True)
    added(bot, "lender", "--login", f"second{OWN}")
    refused = bot("remove-bot", "lender", "--yes")
    assert f"name one of the logins of lender: {FLEET}, second" in refused.err
    asked = bot("remove-bot", FLEET)
    assert (asked.exit_status, asked.out) == (5, "")
    assert len(bot("list-access", "--json").data) == 3
    assert bot("remove-bot", FLEET, "--yes", "--dry-run").exit_status == 0
    assert len(bot("list-access", "--json").data) == 3
    assert bot("remove-bot", FLEET, "--yes").exit_status == 0


def test_the_embedded_database_has_no_logins_to_make(bot: CommandLine) -> None:
    for words in (("add-bot", BOT), ("remove-bot", BOT, "--yes")):
        refused = bot(*words, DATABASE_URL="", REGISTRY_DATA_DIR=str(bot.folder / "data"))
        assert refused.exit_status == 5, refused.err
        assert "the embedded database has one user" in refused.err


def test_a_unit_and_a_service_read_the_address_from_a_file(
    bot: CommandLine, tmp_path: Path
) -> None:
    bot("create-account", "my 100% bot")
    assert bot("add-bot", BOT, "--format", "systemd").exit_status == 2
    name, out = ("my 100% bot", "--login", f"odd{OWN}"), str(tmp_path / "a")
    unit = bot("add-bot", *name, "--format", "systemd", "--out", out)
    assert '--account "my 100%% bot" --' in unit.out
    assert f"LoadCredential=database_url:{out}" in unit.out
    password = conninfo_to_dict(Path(out).read_text().strip())["password"]
    service = bot("add-bot", BOT, "--format", "compose", "--out", str(tmp_path / "b"))
    document = yaml.safe_load(service.out)
    assert document["services"][BOT]["command"][3] == BOT
    assert {secret["target"] for secret in document["services"][BOT]["secrets"]} == {
        "database_url",
        "credential_encryption_key",
    }
    assert isinstance(password, str)
    assert password not in unit.out + unit.err


@pytest.mark.slow
def test_a_bot_logs_in_by_password_with_what_was_printed(cli: CommandLine, tmp_path: Path) -> None:
    with running_server(None, conftest.in_memory()) as socket:
        with psycopg.connect(socket, autocommit=True) as server:
            (file,) = server.execute("SHOW hba_file").fetchone() or ("",)
            Path(file).write_text("local all postgres trust\nlocal all all scram-sha-256\n")
            server.execute("SELECT pg_reload_conf()")
            server.execute("ALTER SYSTEM SET log_statement = 'all'")
            server.execute("CREATE DATABASE registry")
        address = make_conninfo(socket, dbname="registry")
        cli.environment["DATABASE_URL"] = address
        assert cli("migrate", "up").exit_status == 0
        borrowing_bot(cli)
        made = added(cli, "bot")["database_url"]
        assert release(cli, "bot", made) == 0
        wrong = make_conninfo(made, password="wrong")
        assert release(cli, "bot", wrong) == 7
        with psycopg.connect(address) as connection:
            stored = connection.execute(
                "SELECT rolpassword FROM pg_authid WHERE rolname = 'bot'"
            ).fetchone()
        assert stored
        assert stored[0].startswith("SCRAM-SHA-256$")
        log = subprocess.run(
            ["grep", "-r", str(conninfo_to_dict(made)["password"]), str(Path(file).parent)],
            capture_output=True,
            check=False,
        )
        assert log.stdout == b""
        assert cli("remove-bot", "bot", "--yes").exit_status == 0
        assert release(cli, "bot", made) == 7
