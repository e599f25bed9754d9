"""The verbs `grant-access`, `revoke-access` and `list-access`."""

from typing import Any

import psycopg
import pytest
from support.bots import login_role
from support.cli import CommandLine
from support.running import borrowing_bot


@pytest.fixture
def bot(cli: CommandLine) -> CommandLine:
    return borrowing_bot(cli)


def test_a_bots_role_runs_with_its_account_only(bot: CommandLine, database_url: str) -> None:
    with login_role(database_url) as role:
        granted = bot("grant-access", "bot", "--role", role.name, "--json")
        assert granted.data["events"][0]["type"] == "AccessGranted"
        assert not bot("grant-access", "bot", "--role", role.name, "--json").data["changed"]
        as_bot: dict[str, Any] = {"DATABASE_URL": role.address}
        for account, status in (("bot", 0), ("lender", 5)):
            result = bot.process("run", "--account", account, "--", "true", **as_bot)
            assert result.exit_status == status, result.err
        assert bot("list-access", "--json").data[0]["role"] == role.name
        assert role.name in bot("list-access", "bot").out
        assert bot("revoke-access", "bot", "--role", role.name).exit_status == 0
        assert bot("revoke-access", "bot", "--role", role.name).exit_status == 3
        assert bot.process("run", "--account", "bot", "--", "true", **as_bot).exit_status == 5
        assert bot("list-access").err == "There are no grants.\n"


def test_granting_access_again_repairs_a_role_that_is_no_bot_any_more(
    bot: CommandLine, database_url: str, connection: psycopg.Connection[Any]
) -> None:
    with login_role(database_url) as role:
        grant = ("grant-access", "bot", "--role", role.name)
        bot(*grant)
        connection.execute(f"REVOKE registry_bot FROM {role.name}")
        as_bot: dict[str, Any] = {"DATABASE_URL": role.address}
        assert bot.process("run", "--account", "bot", "--", "true", **as_bot).exit_status != 0
        tried = bot(*grant, "--dry-run")
        assert "Would have let the role" in tried.out
        assert bot.process("run", "--account", "bot", "--", "true", **as_bot).exit_status != 0
        repaired = bot(*grant)
        assert "(no event: the log has it already)" in repaired.out
        assert f"Note: {role.name} was no member of registry_bot any more" in repaired.err
        assert bot.process("run", "--account", "bot", "--", "true", **as_bot).exit_status == 0
        assert not bot(*grant, "--json").data["changed"]


def test_access_needs_a_login_role(bot: CommandLine) -> None:
    for role in ("no_such_role", "registry_auditor"):
        result = bot("grant-access", "bot", "--role", role, "--json")
        assert (result.exit_status, result.error["code"]) == (3, "role_not_found")


def test_deleting_an_account_takes_it_from_its_roles(bot: CommandLine, database_url: str) -> None:
    with login_role(database_url) as role:
        bot("create-account", "gone")
        bot("grant-access", "gone", "--role", role.name)
        deleted = bot("delete-account", "gone", "--yes", "--json").data
        assert [e["type"] for e in deleted["events"]] == ["AccessRevoked", "AccountDeleted"]
