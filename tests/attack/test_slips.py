"""Threat: Slips.

A person gives a secret as a name, a path or an option's value, and the program's message ends
up in a log. Each parameter of each verb, from the program's own list, gets secrets of all
forms. So does each variable that the program reads.
"""

import json
import re
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from support.cli import PROJECT, CommandLine
from support.credentials import FIELDS

from registry.commands._app import VERBS, build
from registry.encryption.keyring import MasterKeyring
from registry.errors import RegistryError
from registry.loader import CredentialLoader

HEX = "9b2f4c81d07e53aa6f1c0e9d8b7a69584736251403f2e1d0cfbeadbc9a8b7c6d"
PLAIN = "q9ZtL3xW7vB1nK5yRc8"
LINE = "MHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY/PuoAoGCCqGSM49"
MNEMONIC = "zebra wisdom violin tornado sunset rocket quantum pyramid nectar mammal jungle gym"
MASTER_KEY = "h3Jk9_Qm2Zx-7LpTs5VwYb8NcRd4FgXaUe6MiKo1Eq0="
BASE64 = "q9Zt/L3xW7+vB1nK5yRc8HsDf2GjPm4TaEuXoQiYw6VbN=="
SECRETS = {
    MASTER_KEY: MASTER_KEY,
    HEX: HEX,
    f"0x{HEX}": HEX,
    BASE64: BASE64,
    f'{{"api_key": "{PLAIN}"}}': PLAIN,
    f"ASTER_SECRET_KEY={PLAIN}": PLAIN,
    f"-----BEGIN EC PRIVATE KEY-----\n{LINE}\n-----END EC PRIVATE KEY-----": LINE,
    MNEMONIC: MNEMONIC,
}
"""What was given -> the secret in it."""
STRETCH = 8
HOW_IT_IS_TOLD = [(), ("--json",), ("--debug",), ("--json", "--debug")]
VALUES = {
    "account": "bot",
    "borrower": "bot",
    "lender": "other",
    "exchange": "aster",
    "new_name": "new",
    "what": "0",
    "stop": "0",
    "file": "nothing.json",
    "role": "nobody",
    "to": "0",
    "direction": "status",
    "action": "status",
    "command": "true",
    "run: account": "nobody",  # else it would take this process's place
    "runbot: account": "nobody",  # likewise
    "name": "bot",
    "view": "accounts",
    "create-account: account": "new",
    "add-exchange: exchange": "new",
    "whose-key: source": "-",
}
ALSO = {
    "import-env": ["--env-file", "nothing.env"],
    "add-credential": ["--from-json", "-"],
    "replace-credential": ["--from-json", "-"],
    "add-exchange": ["--field", "key=NEW_KEY"],
    "serve": ["--token-file", "/"],  # else it would serve without end
}


def leaked(given: str, text: str) -> list[str]:
    """The stretches of the secret in what was given that are in the text."""
    secret = SECRETS[given]
    starts = range(max(1, len(secret) - STRETCH + 1))
    return [part for i in starts if (part := secret[i : i + STRETCH]) in text]


def slips(verb: str, secret: str) -> Iterator[list[str]]:
    """The verb's command lines with the secret in one wrong place each."""
    parameters = build().commands[verb].params
    positional = [parameter for parameter in parameters if parameter.param_type_name == "argument"]
    valued = [
        parameter
        for parameter in parameters
        if parameter not in positional and not parameter.is_flag
    ]
    flags = [
        parameter.opts[0]
        for parameter in parameters
        if parameter not in positional and parameter.is_flag
    ]

    def line(put: Any = None, *more: str) -> list[str]:
        words = [verb, *ALSO.get(verb, []), *(["--dry-run"] if "--dry-run" in flags else [])]
        for one in valued:
            if one is put or one.required:
                words += [one.opts[0], secret if one is put else _value(verb, one)]
        given = [secret if one is put else _value(verb, one) for one in positional]
        return [*words, *more, *(["--"] if verb in {"run", "runbot"} else []), *given]

    yield from (line(one) for one in (*positional, *valued))
    yield [*line(), secret]
    yield line(None, f"--api-key={secret}")
    yield line(None, "--api-key", secret)
    yield line(None, f"--{secret}")
    yield line(None, f"--json={secret}")


def _value(verb: str, parameter: Any) -> str:
    return VALUES.get(f"{verb}: {parameter.name}") or VALUES[parameter.name]


def test_the_leaks_would_be_noticed() -> None:
    assert leaked(HEX, f"there is no account {HEX[20:28]}…")
    assert not leaked(HEX, "there is no account")
    assert len(list(slips("add-credential", HEX))) > 15


each_secret_somewhere_or_everywhere = pytest.mark.parametrize(
    "everywhere", [False, pytest.param(True, marks=pytest.mark.slow)]
)


def is_tried(secret: int, place: int, *, everywhere: bool) -> bool:
    """In turn each place gets a secret of another form; or else each gets all."""
    return everywhere or place % len(SECRETS) == secret


@each_secret_somewhere_or_everywhere
@pytest.mark.parametrize(
    "verb", [pytest.param(v, marks=pytest.mark.slow) if v == "restore-drill" else v for v in VERBS]
)
def test_no_verb_repeats_a_secret(
    cli: CommandLine, connection: psycopg.Connection[Any], verb: str, everywhere: bool
) -> None:
    cli("create-account", "bot")
    cli.store("bot", "aster")
    cli.environment["REGISTRY_LOG_LEVEL"] = "debug"
    stdin = json.dumps(FIELDS["aster"])
    for number, secret in enumerate(SECRETS):
        how = HOW_IT_IS_TOLD[number % len(HOW_IT_IS_TOLD)]
        for place, words in enumerate(slips(verb, secret)):
            if is_tried(number, place, everywhere=everywhere):
                told = cli(words[0], *how, *words[1:], stdin=stdin)
                assert not leaked(secret, told.out + told.err), (words, told)
    stored = connection.execute("SELECT string_agg(e::text, E'\\n') FROM audit_events e").fetchone()
    for secret in SECRETS:
        assert not leaked(secret, str(stored))


def variables() -> list[str]:
    """The variables that the page about the configuration lists."""
    page = (PROJECT / "docs" / "configuration.md").read_text()
    return re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE)


READERS = [
    ("update-account", "bot", "--description", "x"),
    ("add-credential", "bot", "aster", "--from-json", "-"),
    ("doctor",),
    ("checkpoint",),
    ("generate-checkpoint-key",),
    ("generate-key", "--save"),
    ("embedded",),
]
"""Verbs that read all variables between them."""


@each_secret_somewhere_or_everywhere
@pytest.mark.parametrize("variable", variables())
def test_no_variables_value_is_repeated(cli: CommandLine, variable: str, everywhere: bool) -> None:
    cli("create-account", "bot")
    for number, secret in enumerate(SECRETS):
        how = HOW_IT_IS_TOLD[number % len(HOW_IT_IS_TOLD)]
        for place, words in enumerate(READERS, start=variables().index(variable)):
            if is_tried(number, place, everywhere=everywhere):
                changed = {"CREDENTIAL_ENCRYPTION_KEY": "", variable: secret}
                told = cli(*words, *how, stdin="{}", **changed)
                assert not leaked(secret, told.out + told.err), (words, told)


def test_a_program_that_is_run_is_not_told_what_was_meant_to_be_a_name(cli: CommandLine) -> None:
    cli("create-account", "bot")
    cli.store("bot", "aster")
    asked = ("run", "--account", "bot", "--pass-env", HEX, "--env-file", "--", "true", HEX)
    told = cli.process(*asked)
    assert told.exit_status == 0
    assert "Warning: not in the environment: (not shown" in told.err
    assert not leaked(HEX, told.out + told.err + cli("history").out)


LOADS: list[Callable[[CredentialLoader, str], Any]] = [
    lambda loader, secret: loader.load_account_credentials(secret),
    lambda loader, secret: loader.load(secret, "aster"),
    lambda loader, secret: loader.load("bot", secret),
    lambda loader, secret: loader.load("bot", "aster", lender=secret),
    lambda loader, secret: loader.load("bot", "aster", access=secret),  # type: ignore[arg-type]
    lambda loader, secret: loader.specification(secret),
    lambda loader, secret: loader.load_account_id(secret),
    lambda loader, secret: loader.list_account_exchanges(secret),
    lambda loader, secret: loader.get_account_info(secret),
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_bots_log_does_not_get_it_either(
    cli: CommandLine,
    database_url: str,
    keyring: MasterKeyring,
    monkeypatch: pytest.MonkeyPatch,
    secret: str,
) -> None:
    cli("create-account", "bot")
    for load in LOADS:
        with CredentialLoader(database_url, keyring=keyring) as loader:
            with pytest.raises(RegistryError) as refused:
                load(loader, secret)
        assert not leaked(secret, f"{refused.value.message} {refused.value.hint}")
    monkeypatch.setenv("CREDENTIAL_ENCRYPTION_KEY_FILE", secret)
    monkeypatch.delenv("CREDENTIAL_ENCRYPTION_KEY", raising=False)
    with pytest.raises(RegistryError) as refused:
        CredentialLoader(database_url)
    assert not leaked(secret, "".join(traceback.format_exception(refused.value)))


@pytest.mark.parametrize("words", [(HEX,), (f"--json={HEX}",), ("--against", HEX), ("--into", HEX)])
def test_the_restore_drill_does_not_repeat_it(cli: CommandLine, words: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "registry.commands", "restore-drill", "--without-keys", *words],
        env=cli.environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert not leaked(HEX, done.stdout + done.stderr)
