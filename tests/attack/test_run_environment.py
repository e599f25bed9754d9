"""Threat: Leaking environment.

The variables that `run` passes to a program in addition to the credentials.
"""

import json
import os
import re
import sys
from typing import Any
from unittest.mock import patch

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from support.bots import login_role
from support.cli import CommandLine, Result
from support.running import borrowing_bot, run, show
from support.world import World

from registry.catalog.catalog import built_in_exchanges
from registry.catalog.variables import FORM, can_carry_a_credential
from registry.database.migration_files import load_migrations
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


STEERING = """
    LD_PRELOAD LD_AUDIT LD_LIBRARY_PATH LD_DEBUG_OUTPUT DYLD_INSERT_LIBRARIES GCONV_PATH
    PATH HOME IFS ENV SHELL TMPDIR EDITOR PAGER PS4 PROMPT_COMMAND BASH_ENV CDPATH LESSOPEN
    PYTHONPATH PYTHONSTARTUP PYTHONHOME PYTHONBREAKPOINT PYTHONWARNINGS PYTHON_GIL VIRTUAL_ENV
    UV_PYTHON UV_INDEX UV_INDEX_URL UV_DEFAULT_INDEX UV_PROJECT_ENVIRONMENT UV_ENV_FILE
    PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_USER PIP_CONFIG_FILE PIP_TARGET NPM_CONFIG_KEY NPM_TOKEN
    NODE_OPTIONS NODE_ENV JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS PERL5OPT RUBYOPT RUSTUP_TOOLCHAIN
    GIT_SSH_COMMAND GIT_CONFIG_KEY_0 GIT_CONFIG_COUNT GIT_EXEC_PATH SSH_ASKPASS SSH_AUTH_SOCK
    DBUS_SESSION_BUS_ADDRESS XDG_SESSION_ID XDG_CONFIG_HOME SUDO_USER SUDO_UID WATCHDOG_PID
    PGHOST PGSERVICEFILE PGPASSFILE PGPASSWORD PGOPTIONS PGSSLMODE DATABASE_URL DATABASE_API_URL
    HTTPS_PROXY ALL_PROXY http_proxy NO_PROXY SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE
    SSLKEYLOGFILE OPENSSL_CONF OPENSSL_MODULES CURL_CA_BUNDLE LC_ALL LC_ADDRESS LOCALE_KEY
    REGISTRY_ACCOUNT REGISTRY_CHECKPOINT_KEY_FILE REGISTRY_KEY CREDENTIAL_ENCRYPTION_KEY
    CREDENTIAL_ENCRYPTION_KEY_FILE FLASK_ENV DJANGO_SECRET_KEY
""".split()  # noqa: SIM905 - readable as text
ODD = [
    "A=B",
    "A\nLD_PRELOAD",
    "EVIL_KEY\n",
    "EVIL_KEY\nLD_PRELOAD",
    "",
    "_",
    "EVIL_",
    "EVIL_api_KEY",
]
SENSIBLE = {
    "kraken": ("KRAKEN_API_KEY", "KRAKEN_PRIVATE_KEY", "KRAKEN_UID", "KRAKEN_OTP_SECRET"),
    "Gate.io": ("GATE_API_KEY", "GATEIO_SECRET_KEY", "GATE_IO_API_SECRET"),
    "okx": ("OKX_PASSPHRASE", "OKX_API_SECRET_KEY", "OKX_MAIN_BOT_API_KEY"),
    "1inch": ("INCH_API_TOKEN",),
    "dydx v4": ("DYDX_MNEMONIC", "DYDX_ADDRESS", "DYDX_V4_ENVIRONMENT", "DYDX_SUBACCOUNT_INDEX"),
    "own-dex": ("OWN_ACCOUNT_ID", "OWN_BASE_URL", "OWNDEX_WS_URL", "OWN_DEX_WALLET"),
}


def names_for(variable: str) -> list[str]:
    """What an exchange could be called for the variable to begin with its name."""
    words = variable.lower().split("_")
    return ["evil", *(sign.join(words[:n]) for n in range(1, len(words) + 1) for sign in "_ ")]


def test_no_variable_that_steers_a_program_has_the_form_whatever_the_exchange_is_called(
    connection: psycopg.Connection[Any], world: World
) -> None:
    """Two say so, the program and the database, and they agree."""
    cases = [(name, variable) for variable in STEERING + ODD for name in names_for(variable)]
    sensible = [(name, variable) for name, variables in SENSIBLE.items() for variable in variables]
    for tried, wanted in ((cases, False), (sensible, True)):
        assert [case for case in tried if can_carry_a_credential(*case) is not wanted] == []
        names, variables = map(list, zip(*tried, strict=True))
        wrong = connection.execute(
            "SELECT * FROM unnest(%s::text[], %s::text[]) AS t(name, variable) "
            "WHERE can_carry_a_credential(name, variable) <> %s",
            [names, variables, wanted],
        )
        assert wrong.fetchall() == []


def test_the_program_and_the_database_have_the_same_form() -> None:
    (migration,) = (m for m in load_migrations() if "can_carry_a_credential(" in m.up_sql)
    assert FORM in migration.up_sql.replace("'\n            '", "")


def test_every_variable_of_the_catalog_has_the_form_of_one() -> None:
    """The catalog's own pass in any case; a user's exchange needs a name of three letters."""
    assert {env[:3] for env in ENVS if not re.fullmatch(FORM, env)} <= {"XT_"}


def test_a_definition_of_an_exchange_does_not_choose_what_a_program_loads(
    bot: CommandLine,
) -> None:
    """An operator could define an exchange whose "api key" is the library to load."""
    for variable in STEERING + ODD:
        refused = bot("add-exchange", names_for(variable)[-1] or "x", "--field", f"key={variable}")
        assert refused.exit_status in (2, 5), variable
        assert len(refused.err.splitlines()) <= 2
    assert bot("history", "--type", "ExchangeAdded", "--json").data == []


@pytest.mark.parametrize("variable", ["UV_PYTHON", "LD_PRELOAD", "ASTER_API_KEY", None, 1, [], {}])
def test_the_database_refuses_such_a_definition_by_hand(
    world: World, database_url: str, variable: object
) -> None:
    field = {"name": "key", "env": variable}
    data = {"exchange": "evil", "exchange_id": 9, "display_name": "Evil", "fields": [field]}
    with login_role(database_url, "registry_operator") as role, role.connect() as session:
        with pytest.raises(psycopg.errors.CheckViolation):
            session.execute(
                "SELECT append_event(gen_random_uuid(), 'exchange', gen_random_uuid(), 0, "
                "'ExchangeAdded', 1, %s, 'm', NULL, gen_random_uuid(), 0, sha256(''), NULL, now())",
                [json.dumps(data)],
            )


@pytest.mark.parametrize("variable", ["UV_PYTHON", "LD_PRELOAD", "ASTER_API_KEY", "A=B", ""])
def test_a_definition_from_before_passes_nothing_and_that_is_said(
    bot: CommandLine, connection: psycopg.Connection[Any], variable: str
) -> None:
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
    environment, _ = run(bot, *show())
    assert environment.get(variable) != "/x.so"
    assert "/x.so" not in environment.values()
    said = bot.process("run", "--account", "bot", "--env-file", "--", "cat", "{env-file}")
    assert "/x.so" not in said.out
    assert "not passed on: api_key of evil" in " ".join(said.err.split())
    # Nor does an import take the value of such a variable for a key.
    file = bot.file("any", f"{variable or 'X'}=/usr/bin/python3\nBACKPACK_PUBLIC_KEY=x\n")
    imported = bot("import-env", "other", "--create", "--env-file", file, "--exchange", "evil")
    assert imported.exit_status in (2, 3)


@pytest.mark.parametrize("command", ["--help", "-c", "--", "A=B", "", ".", "/", "a\nb", "~/x"])
def test_a_command_that_is_no_program_runs_nothing_and_releases_nothing(
    bot: CommandLine, command: str
) -> None:
    refused = bot("run", "--account", "bot", "--json", "--", command)
    assert refused.exit_status in (2, 3), refused.out
    assert bot("history", "--type", "CredentialReleased", "--json").data == []


@pytest.mark.parametrize("account", ["-x", "--yes", "--account=bot", "bot;id", "$(id)", "../bot"])
def test_a_name_of_an_account_is_a_name_and_nothing_else(bot: CommandLine, account: str) -> None:
    assert bot("create-account", "--", account).exit_status == (0 if account == "../bot" else 2)
    refused = bot("run", f"--account={account}", "--json", "--", "true")
    assert refused.exit_status == 3
    assert refused.error["code"] in ("no_credentials", "account_not_found")


def test_arguments_reach_the_program_as_they_are_and_no_shell_sees_them(bot: CommandLine) -> None:
    hostile = ["--account", "lender", "; id", "$(id)", "`id`", "*", "", "a\nb", "-"]
    _, arguments = run(bot, *show(*hostile))
    assert arguments == hostile


def test_a_line_end_in_a_value_makes_no_other_variable(bot: CommandLine) -> None:
    def stored(secret: str) -> Result:
        fields = json.dumps({"api_key": "a-key-of-binance", "secret_key": secret})
        return bot("add-credential", "bot", "binance", "--from-json", "-", stdin=fields)

    wrapped = stored("first'\nLD_PRELOAD=/x.so\nPATH='/nowhere")
    assert (wrapped.exit_status, "wrapped over several lines" in wrapped.err) == (2, True)
    value = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    pem = value.decode().strip()
    assert stored(pem).exit_status == 0
    environment, _ = run(bot, *show())
    assert environment["BINANCE_SECRET_KEY"] == pem
    program = "import json, sys, dotenv; print(json.dumps(dotenv.dotenv_values(sys.argv[1])))"
    variables = run(bot, "--env-file", "--", sys.executable, "-c", program, "{env-file}")
    assert variables["BINANCE_SECRET_KEY"] == pem
    assert variables.keys() & {"LD_PRELOAD", "PATH"} == set()


def test_what_remains_a_secret_under_an_innocent_name_passes_where_its_beginning_is_asked_for(
    bot: CommandLine,
) -> None:
    environment, _ = run(bot, "--pass-env", "MY_*", *show(), MY_NOTES="aster-secret-of-another")
    assert environment["MY_NOTES"] == "aster-secret-of-another"
