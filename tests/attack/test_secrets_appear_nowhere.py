"""Threat: Secrets in outputs.

Planted secrets enter in every possible way, and are then searched for everywhere: keys in logs,
first characters of keys in logs, secrets on the command line.
"""

import contextlib
import json
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.cli import CommandLine
from support.terminal import type_into_a_terminal

from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.errors import RegistryError
from registry.loader import CredentialLoader

CANARIES = {
    way: {
        field: f"{way}{letter}canaryZq8x9"
        for field, letter in (("api_key", "K"), ("secret_key", "S"))
    }
    for way in ("prompt", "stdin", "file", "env")
}
ENV_FILE = "ASTER_API_KEY={api_key}\nASTER_SECRET_KEY={secret_key}\n".format(**CANARIES["env"])
SHOWN = 9
"""So many first characters of a secret count as the secret."""


def fragments() -> list[str]:
    return [value[:SHOWN] for fields in CANARIES.values() for value in fields.values()]


def assert_clean(where: str, text: str, *, also: str) -> None:
    for fragment in (*fragments(), also[:SHOWN]):
        assert fragment not in text, f"{fragment} is in {where}"


class Watch(threading.Thread):
    """Looks at every process's command line, and at the server's activity, as often as it can."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self._address = address
        self._end = threading.Event()
        self.seen: set[str] = set()
        self.looks = 0

    def run(self) -> None:
        with psycopg.connect(self._address, autocommit=True) as connection:
            while not self._end.is_set():
                for path in Path("/proc").glob("[0-9]*/cmdline"):
                    with contextlib.suppress(OSError):
                        self.seen.add(
                            path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
                        )
                rows = connection.execute("SELECT query FROM pg_stat_activity").fetchall()
                self.seen.update(row[0] or "" for row in rows)
                self.looks += 1
                time.sleep(0.01)  # leave some of the machine to those who are watched

    def finish(self) -> str:
        """Stops, and gives all that was seen."""
        self._end.set()
        self.join(timeout=10)
        return "\n".join(self.seen)


@pytest.fixture
def watch(database_url: str) -> Iterator[Watch]:
    """A watch that runs during the test."""
    watching = Watch(database_url)
    watching.start()
    yield watching
    watching.finish()


@pytest.fixture
def loud_server(connection: psycopg.Connection[Any]) -> str:
    """Makes the server log every statement of the test's database; gives the log's path."""
    row = connection.execute(
        "SELECT current_database(), current_setting('data_directory')"
    ).fetchone()
    assert row is not None
    name, folder = row
    connection.execute(f"ALTER DATABASE \"{name}\" SET log_statement = 'all'")
    connection.execute(f'ALTER DATABASE "{name}" SET log_min_duration_statement = 0')
    connection.execute(f'ALTER DATABASE "{name}" SET log_parameter_max_length_on_error = -1')
    return folder


def server_log(folder: str) -> str:
    """The log file of the server: beside its data, or in it."""
    for path in (Path(folder) / "log", Path(folder).parent / "log"):
        with contextlib.suppress(OSError):
            return path.read_text(errors="replace")
    pytest.skip("the server's log is not on this machine")


def everything_stored(connection: psycopg.Connection[Any]) -> str:
    tables = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "AND relkind IN ('r', 'v')"
    ).fetchall()
    rows: list[Any] = []
    for (table,) in tables:
        rows += connection.execute(f"SELECT t::text FROM public.{table} t").fetchall()
    return "\n".join(str(row) for row in rows)


class Session:
    """Runs verbs at the loudest, and keeps all that they say."""

    def __init__(self, cli: CommandLine) -> None:
        self.cli = cli
        self.said: list[str] = []
        cli.environment["REGISTRY_LOG_LEVEL"] = "debug"

    def run(self, *arguments: str, stdin: str = "", status: int = 0) -> None:
        """Runs a verb: as a process where it is to succeed, and errors faster."""
        if status == 0:
            done = self.cli.process(*arguments, "--debug", stdin=stdin.encode())
        else:
            done = self.cli(*arguments, "--debug", stdin=stdin)
        self.said.append(done.out + done.err)
        assert done.exit_status == status, done.err

    def replace(self, stdin: str, status: int = 0) -> None:
        """Gives fields to replace-credential on standard input."""
        arguments = ("replace-credential", "bot", "aster", "--from-json", "-")
        self.run(*arguments, stdin=stdin, status=status)

    def put_all_in(self) -> None:
        """Stores a secret by each way in."""
        self.run("create-account", "bot")
        answers = [f"{secret}\n" for secret in CANARIES["prompt"].values()]
        arguments = ["add-credential", "bot", "aster", "--debug"]
        status, shown = type_into_a_terminal(self.cli, arguments, answers)
        self.said.append(shown)
        assert status == 0, shown
        assert "Aster api_key:" in shown
        self.replace(json.dumps(CANARIES["stdin"]))
        path = self.cli.file("fields.json", json.dumps(CANARIES["file"]))
        self.run("replace-credential", "bot", "aster", "--from-json", path, "--json")
        path = self.cli.file("new.env", ENV_FILE)
        self.run("import-env", "new", "--env-file", path, "--create")

    def make_errors(self) -> None:
        """The same ways with something wrong, so that errors and tracebacks are made."""
        fields = CANARIES["stdin"]
        stdin = json.dumps(fields)
        self.replace(json.dumps({**fields, fields["api_key"]: "x"}), status=2)
        self.replace(json.dumps({**fields, "api_key": fields["api_key"] + " "}), status=2)
        self.replace(stdin[:-1], status=2)
        add = ("add-credential", "--from-json", "-")
        self.run(*add, "bot", "backpack", stdin=stdin, status=2)
        self.run(*add, "bot", "aster", stdin=stdin, status=4)
        self.run(*add, "nobody", "aster", stdin=stdin, status=3)
        half = self.cli.file(
            "half.env", ENV_FILE.splitlines()[0] + "\nEDGEX_STARK_PRIVATE_KEY=0x5e\n"
        )
        self.run("import-env", "new", "--env-file", half, "--create", status=2)
        odd = self.cli.file("odd.env", f"{ENV_FILE}{CANARIES['env']['api_key']} is odd\n")
        self.run("import-env", "new", "--env-file", odd, status=2)
        for key in (self.cli.master_key + "x", generate_master_key().reveal()):
            self.cli.environment["CREDENTIAL_ENCRYPTION_KEY"] = key
            self.replace(stdin, status=7)
        self.cli.environment["CREDENTIAL_ENCRYPTION_KEY"] = self.cli.master_key

    def read(self) -> None:
        """Everything that can be shown."""
        for verb in ("list-credentials", "history", "doctor", "list-problems", "metrics"):
            for option in ("--json", "--debug"):
                shown = self.cli(verb, option)
                self.said.append(shown.out + shown.err)


def test_no_secret_appears_anywhere(
    cli: CommandLine, connection: psycopg.Connection[Any], watch: Watch, loud_server: str
) -> None:
    session = Session(cli)
    session.put_all_in()
    session.make_errors()
    session.read()

    said = "".join(session.said)
    assert '"event":"command applied"' in said  # the log was at level debug
    assert 'File "' in said  # tracebacks were made
    seen = watch.finish()
    assert watch.looks > 10
    assert "replace-credential" in seen
    stored = everything_stored(connection)
    assert "CredentialReplaced" in stored
    log = server_log(loud_server)
    assert "append_event" in log
    for where, text in (
        ("what the verbs said", said),
        ("command lines or pg_stat_activity", seen),
        ("the database", stored),
        ("the server's log", log),
    ):
        assert_clean(where, text, also=cli.master_key)


def test_the_canaries_would_be_noticed() -> None:
    with pytest.raises(AssertionError, match="is in a test"):
        assert_clean("a test", f"…{CANARIES['stdin']['api_key']}…", also="x" * 44)


def test_no_verb_takes_a_secret_as_an_argument(cli: CommandLine) -> None:
    for verb in ("add-credential", "replace-credential"):
        text = cli(verb, "--help").out
        for word in ("--api-key", "--secret", "--private-key", "--password"):
            assert word not in text


MISREAD = [
    "postgresql://bot:p%canaryZq8x9@localhost:1/none",
    "postgresql://bot:p@canaryZq8x9@localhost:1/none",
    "postgresql://bot:canaryZq8x9/p@localhost:1/none",
    "postgresql://bot:1/canaryZq8x9@localhost:1/none",
    "postgresql://bot:canaryZq8x9?p@localhost:1/none",
    "postgresql://bot:canaryZq8x9@[::1/none",
]
"""Passwords with characters that are not escaped, so that libpq takes them for something else."""


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://bot:canaryZq8x9@localhost:1/none",
        "postgresql://bot:canaryZq8x9@nowhere.invalid/none",
        "postgresql://bot:canaryZq8x9@localhost:x/none",
        "host=localhost port=1 password=canaryZq8x9",
        "host=localhost port=1 password='canaryZq8x9",
        "canaryZq8x9",
        *MISREAD,
    ],
)
@pytest.mark.parametrize("verb", ["list-accounts", "doctor", "migrate"])
def test_the_databases_password_is_in_no_error(cli: CommandLine, verb: str, address: str) -> None:
    arguments = [verb, "status"] if verb == "migrate" else [verb]
    for form in ("--json", "--debug"):
        shown = cli(*arguments, form, DATABASE_URL=address)
        assert shown.exit_status != 0
        assert "canary" not in shown.out + shown.err


@pytest.mark.parametrize("address", MISREAD)
def test_a_programs_traceback_does_not_quote_the_databases_password(
    address: str, keyring: MasterKeyring
) -> None:
    """A bot logs exceptions whole, with what led to them."""
    with pytest.raises(RegistryError) as refused, CredentialLoader(address, keyring=keyring) as bot:
        bot.load("bot", "aster")
    assert "canary" not in "".join(traceback.format_exception(refused.value))
