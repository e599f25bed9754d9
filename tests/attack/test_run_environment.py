"""Threat: Leaking environment.

The variables that `run` passes to a program in addition to the credentials.
"""

import json
import os
import sys
from typing import Any
from unittest.mock import patch

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cli import CommandLine
from support.running import borrowing_bot, run, show

from registry.catalog.catalog import built_in_exchanges
from registry.services.releases.program_environment import Wanted

ENVS = sorted({f.env for spec in built_in_exchanges().values() for f in spec.fields.values()})


@pytest.fixture
def bot(cli: CommandLine) -> CommandLine:
    return borrowing_bot(cli)


@given(
    st.sampled_from(ENVS),
    st.sampled_from(["", "_MAIN_BOT", "_2", "_OLD", "_PROXY"]),
    st.sampled_from(["", "MAIN_BOT_", "X_", "PYTHON_", "XDG_", "LC_"]),
)
def test_no_variable_of_any_account_passes_unless_it_is_named(
    env: str, suffix: str, prefix: str
) -> None:
    name = prefix + env + suffix
    with patch.dict(os.environ, {name: "value", "PATH": "/bin"}, clear=True):
        for asked in ([], ["*"], [f"{name}*"], ["OTHER"]):
            passed = Wanted.of(asked).pick()
            assert (passed.variables, passed.left_out) == ({"PATH": "/bin"}, [name])
        assert Wanted.of([name]).pick().variables == {"PATH": "/bin", name: "value"}


@given(st.text(st.characters(codec="ascii", categories=("L", "N"), include_characters="_")))
def test_what_is_not_the_systems_passes_only_where_it_is_asked_for(rest: str) -> None:
    name = f"MYBOT_{rest}"
    with patch.dict(os.environ, {name: "value"}, clear=True):
        assert Wanted.of([]).pick().left_out == [name]
        assert Wanted.of(["MYBOT", "MYBOTS*"]).pick().left_out == [name]
        assert Wanted.of([name]).pick().variables == {name: "value"}


PLANTED = {
    "ASTER_API_KEY": "other",
    "ASTER_SECRET_KEY_MAIN_BOT": "other",
    "MAIN_BOT_ASTER_SECRET_KEY": "other",
    "PARADEX_MNEMONIC": "other",
    "API_KEY_PRIVATE_KEY_2": "other",
    "PGPASSWORD": "other",
    "CREDENTIAL_ENCRYPTION_KEY_FILE": "",
    "REGISTRY_LOG_LEVEL": "error",
}
NEVER = {*PLANTED, "CREDENTIAL_ENCRYPTION_KEY", "DATABASE_URL", "REGISTRY_CONFIG_DIR"}


def test_the_program_gets_the_systems_variables_and_no_others(bot: CommandLine) -> None:
    system = {"LC_ALL": "C", "PYTHONPATH": "/x", "https_proxy": "http://p", "TZ": "UTC"}
    others = {"MY_SETTING": "1", "OLD_WALLET": "other"}
    environment, _ = run(bot, *show(), **system, **others, **PLANTED)
    assert environment.items() >= system.items()
    assert {"PATH", "HOME"} <= environment.keys()
    assert environment.keys() & {*others, *NEVER} == set()
    assert bot.master_key not in environment.values()


def test_more_is_passed_on_where_it_is_asked_for_by_name_or_beginning(bot: CommandLine) -> None:
    wanted = ("--pass-env", "DATABASE_URL", "--pass-env", "ASTER_API_KEY", "--pass-env", "MY_*")
    given = {"MY_SETTING": "1", "MY_TOKEN": "2", "MY_ASTER_KEY": "other", "YOUR_SETTING": "3"}
    environment, _ = run(bot, *wanted, *show(), **given, **PLANTED)
    assert environment["DATABASE_URL"] == bot.environment["DATABASE_URL"]
    assert (environment["ASTER_API_KEY"], environment["MY_SETTING"]) == ("other", "1")
    assert environment["MY_TOKEN"] == "2"
    left_out = {"MY_ASTER_KEY", "YOUR_SETTING", *NEVER} - {"DATABASE_URL", "ASTER_API_KEY"}
    assert environment.keys() & left_out == set()


def test_everything_that_is_asked_for_at_once_holds_nobodys_credentials(bot: CommandLine) -> None:
    environment, _ = run(bot, "--pass-env", "*", *show(), MY_SETTING="1", **PLANTED)
    assert environment["MY_SETTING"] == "1"
    assert environment.keys() & NEVER == set()


def test_what_the_user_set_for_the_program_itself_stays(bot: CommandLine) -> None:
    """Whoever starts `run` decides what it and the program load; it is his own process."""
    own = {"PYTHONPATH": "/nowhere/python", "LD_LIBRARY_PATH": "/nowhere", "LANG": "C.UTF-8"}
    environment, _ = run(bot, *show(), **own)
    assert own.items() <= environment.items()


@pytest.mark.parametrize(
    "variable",
    [
        "LD_PRELOAD",
        "LD_AUDIT",
        "DYLD_INSERT_LIBRARIES",
        "PATH",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "BASH_ENV",
        "NODE_OPTIONS",
        "JAVA_TOOL_OPTIONS",
        "GIT_SSH_COMMAND",
        "HTTPS_PROXY",
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "HOME",
        "REGISTRY_ACCOUNT",
        "DATABASE_URL",
        "PGSERVICEFILE",
        "CREDENTIAL_ENCRYPTION_KEY",
        "A=B",
        "A\nLD_PRELOAD",
        "",
        "lower",
    ],
)
def test_a_definition_of_an_exchange_does_not_choose_what_a_program_loads(
    bot: CommandLine, connection: psycopg.Connection[Any], variable: str
) -> None:
    """An operator could define an exchange whose "api key" is the library to load."""
    field = ("--field", f"api_key={variable}")
    assert bot("add-exchange", "evil", *field).exit_status == 2
    # By SQL he can append the definition all the same: then `run` refuses it.
    assert bot("add-exchange", "evil", "--field", "api_key=EVIL_API_KEY").exit_status == 0
    stored = bot("add-credential", "bot", "evil", "--from-json", "-", stdin='{"api_key": "/x.so"}')
    assert stored.exit_status == 0
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(
            "UPDATE audit_events SET data = jsonb_set(data::jsonb, '{fields,0,env}', "
            "to_jsonb(%s::text))::json WHERE event_type = 'ExchangeAdded'",
            [variable],
        )
    for form in ((), ("--env-file",)):
        refused = bot("run", "--account", "bot", *form, "--json", *show())
        assert (refused.exit_status, refused.error["code"]) == (2, "invalid_input")


@pytest.mark.parametrize("command", ["--help", "-c", "--", "A=B", "", ".", "/", "a\nb", "~/x"])
def test_a_command_that_is_no_program_runs_nothing_and_releases_nothing(
    bot: CommandLine, command: str
) -> None:
    refused = bot("run", "--account", "bot", "--json", "--", command)
    assert refused.exit_status in (2, 3), refused.out
    assert bot("history", "--type", "CredentialReleased", "--json").data == []


@pytest.mark.parametrize("account", ["-x", "--yes", "--account=bot", "bot;id", "$(id)", "../bot"])
def test_a_name_of_an_account_is_a_name_and_nothing_else(bot: CommandLine, account: str) -> None:
    assert bot("create-account", "--", account).exit_status == 0
    refused = bot("run", f"--account={account}", "--json", "--", "true")
    assert (refused.exit_status, refused.error["code"]) == (3, "no_credentials")


def test_arguments_reach_the_program_as_they_are_and_no_shell_sees_them(bot: CommandLine) -> None:
    hostile = ["--account", "lender", "; id", "$(id)", "`id`", "*", "", "a\nb", "-"]
    _, arguments = run(bot, *show(*hostile))
    assert arguments == hostile


def test_a_line_end_in_a_value_makes_no_other_variable(bot: CommandLine) -> None:
    value = "first'\nLD_PRELOAD=/x.so\nPATH='/nowhere"
    fields = json.dumps({"private_key": value})
    done = bot("replace-credential", "bot", "lighter", "--from-json", "-", stdin=fields)
    assert done.exit_status == 0, done.err
    environment, _ = run(bot, *show())
    assert environment["API_KEY_PRIVATE_KEY"] == value
    program = "import json, sys, dotenv; print(json.dumps(dotenv.dotenv_values(sys.argv[1])))"
    variables = run(bot, "--env-file", "--", sys.executable, "-c", program, "{env-file}")
    assert variables["API_KEY_PRIVATE_KEY"] == value
    assert variables.keys() & {"LD_PRELOAD", "PATH"} == set()


def test_what_remains_a_secret_under_an_innocent_name_passes_where_its_beginning_is_asked_for(
    bot: CommandLine,
) -> None:
    environment, _ = run(bot, "--pass-env", "MY_*", *show(), MY_NOTES="aster-secret-of-another")
    assert environment["MY_NOTES"] == "aster-secret-of-another"
