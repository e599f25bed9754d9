"""Who is refused by `allowed_exchanges` is named: at the migration, by `doctor`, by the verbs."""

import json
from typing import Any

import psycopg
import pytest
from support.cli import CommandLine
from support.registry_tables import add_positions

from registry.database.migrator import Migrator

POSITION = "00000000-0000-4000-8000-000000000001"
REFUSED = (
    "bot may not use aster, which its allowed_exchanges do not name: its own key",
    "bot may not use backpack, which its allowed_exchanges do not name: "
    "what it borrows from lender",
    "lender may not use backpack, which its allowed_exchanges do not name: "
    "its own key, what it lends to bot",
)


def add(cli: CommandLine, account: str, exchange: str, *names: str) -> None:
    fields = json.dumps({name: f"{account}-{name}-1" for name in names})
    added = cli("add-credential", account, exchange, "--from-json", "-", stdin=fields)
    assert added.exit_status == 0, added.err


@pytest.fixture
def narrowed(cli: CommandLine) -> CommandLine:
    """Accounts with keys and a share outside their lists."""
    for account in ("bot", "lender", "free"):
        cli("create-account", account)
    add(cli, "bot", "aster", "api_key", "secret_key")
    add(cli, "free", "aster", "api_key", "secret_key")
    add(cli, "lender", "backpack", "public_key", "secret_key")
    assert cli("share", "bot", "lender", "backpack").exit_status == 0
    for account in ("bot", "lender"):
        allow = ("--set", 'allowed_exchanges=["lighter"]', "--cascade")
        assert cli("update-account", account, *allow).exit_status == 0
    return cli


def test_the_migration_names_who_is_refused_from_then_on(
    narrowed: CommandLine, connection: psycopg.Connection[Any]
) -> None:
    Migrator(connection).down(keep=14)
    up = narrowed("migrate", "up")
    assert (up.exit_status, up.out.splitlines()[0]) == (0, "Applied 015_allowed_exchanges.sql")
    assert up.err.splitlines() == [f"Refused from now on: {sentence}" for sentence in REFUSED]
    assert narrowed("migrate", "up").err == ""


def test_doctor_names_who_holds_what_outside_its_list(
    narrowed: CommandLine, connection: psycopg.Connection[Any]
) -> None:
    add_positions(connection, POSITION)
    narrowed("update-account", "free", "--set", "allowed_exchanges=null")
    narrowed("link-positions", "free", "--position", POSITION)
    found = narrowed("doctor", "--json").data
    warnings = [f["message"] for f in found if f["check"] == "allowed exchanges"]
    assert warnings == list(REFUSED)
    narrowed("update-account", "free", "--set", 'allowed_exchanges=["aster"]')
    found = narrowed("doctor", "--json").data
    named = [f["message"] for f in found if f["message"].startswith("free may not use")]
    assert all("open positions (1)" in message for message in named)
    assert len(named) in (1, 2)
    for account in ("bot", "lender", "free"):
        narrowed("update-account", account, "--unset", "allowed_exchanges")
    found = narrowed("doctor", "--json").data
    assert not [f for f in found if f["check"] == "allowed exchanges"]


def test_an_import_for_an_exchange_that_is_not_allowed_writes_nothing(
    narrowed: CommandLine,
) -> None:
    path = narrowed.file("bot.env", "GRVT_API_KEY=x\nASTER_API_KEY=k-12\nASTER_SECRET_KEY=s-12\n")
    imported = narrowed("import-env", "bot", "--env-file", str(path))
    assert imported.exit_status == 5
    assert "bot may not use aster" in imported.err
    assert "account-registry update-account bot --set" in imported.err
