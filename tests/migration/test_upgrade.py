"""Upgrades: a database of an older program, and two versions of the program on one database.

The newer program is this one plus one migration, in a folder of its own.
"""

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from support.cli import PROJECT, CommandLine, Result

from registry import Registry
from registry.database.durability import wait_until_durable
from registry.database.migration_files import known_numbers, load_migrations
from registry.database.migrator import Migrator
from registry.database.objects import FILE as OBJECTS
from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring
from registry.encryption.secret import Secret
from registry.errors import SchemaTooNew
from registry.loader import CredentialLoader

HERE: Final = Path(__file__).parent
SAMPLES: Final = sorted((HERE / "made_by").glob("*.sql"))
NEWEST: Final = known_numbers()[-1]
LOAD: Final = """
import json, sys
from registry.errors import RegistryError
from registry.loader import CredentialLoader
try:
    print(json.dumps(CredentialLoader().load_account_credentials("main_bot")))
except RegistryError as error:
    sys.exit(f"{type(error).__name__}: {error.message} ({error.hint})")
"""


class NewerProgram:
    """The program with another migration, run in a process."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._environment = environment | {"PYTHONPATH": str(folder)}
        ignored = shutil.ignore_patterns("__pycache__")
        for package in ("registry", "projections", "migrations"):
            shutil.copytree(PROJECT / package, folder / package, ignore=ignored)
        for file in (HERE / "later").iterdir():
            shutil.copy(file, folder / "migrations")
        _list_colour(folder / "migrations" / OBJECTS)

    def __call__(self, *arguments: str, stdin: str = "") -> Result:
        return self._python("-m", "registry.commands", *arguments, stdin=stdin)

    def load(self) -> Result:
        return self._python("-c", LOAD)

    def _python(self, *arguments: str, stdin: str = "") -> Result:
        done = subprocess.run(
            [sys.executable, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            env=self._environment,
            cwd=self._folder,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)


def _list_colour(objects: Path) -> None:
    """Adds the rights to the column to the list of objects, as scripts/generate-schema does."""
    listed = json.loads(objects.read_text())
    others = [thing for thing in listed if thing[2] == "public.accounts"]
    listed += [
        [kind, name.replace("description", "colour"), *rest]
        for kind, name, *rest in others
        if kind == "right" and "(description)" in name
    ]
    objects.write_text(json.dumps(listed))


# The quick tests take the newest that is older than this program.
@pytest.fixture(
    params=[
        pytest.param(
            sample, id=sample.stem, marks=() if sample == SAMPLES[-2] else pytest.mark.slow
        )
        for sample in SAMPLES
    ]
)
def made_before(request: pytest.FixtureRequest, empty_database: str, cli: CommandLine) -> str:
    """A database as the program of an older step left it; `cli` has its master key."""
    _, key, rows = request.param.read_text().split("\n", 2)
    steps = [m for m in load_migrations() if m.number <= int(request.param.stem)]
    with psycopg.connect(empty_database, autocommit=True) as connection:
        Migrator(connection, tuple(steps)).up()
        # As a restore does it: no trigger asks for an event of the same transaction.
        connection.execute("SET session_replication_role = replica")
        connection.execute("DELETE FROM dexes; DELETE FROM audit_head")
        connection.execute(rows.encode())
    cli.environment |= {
        "DATABASE_URL": empty_database,
        "CREDENTIAL_ENCRYPTION_KEY": key.removeprefix("-- Master key: "),
    }
    return empty_database


@pytest.fixture
def newer(tmp_path: Path, cli: CommandLine, made_before: str) -> NewerProgram:
    assert made_before
    return NewerProgram(tmp_path / "newer", cli.environment)


@pytest.fixture
def keyring(cli: CommandLine, made_before: str) -> MasterKeyring:
    assert made_before
    return MasterKeyring.parse(Secret(cli.environment["CREDENTIAL_ENCRYPTION_KEY"]))


@pytest.fixture
def loader(made_before: str, keyring: MasterKeyring) -> Iterator[CredentialLoader]:
    with CredentialLoader(made_before, keyring=keyring) as opened:
        yield opened


LOADED: Final = {
    "aster": {"api_key": "sampleKey1a2b3c4d", "secret_key": "sampleSecret2b3c4d5e"},
    "backpack": {"public_key": "samplePublic3c4d", "secret_key": "sampleSecret9c0d1e2f"},
    "kraken": {"api_key": "sampleKey9z8y7x6w"},
}
"""What main_bot gets: its own newest versions, and the read-only key that is lent to it."""


def use(program: Any) -> None:
    """Reads, checks and changes all that the older program made."""
    assert program("migrate", "up").exit_status == 0
    assert program("verify").exit_status == 0
    check = program("rebuild", "--check", "--json")
    assert (check.exit_status, json.loads(check.out)["data"]["differences"]) == (0, [])
    names = [account["account_name"] for account in program("list-accounts", "--json").data]
    assert names == ["lender", "main_bot", "stopped_bot"]
    fields = json.dumps({"api_key": "usedKey1a2b3c4d", "secret_key": "usedSecret1a2b3c4d"})
    for verb, stdin in (
        ("create-account new_bot", ""),
        ("add-credential new_bot aster --from-json -", fields),
        ("replace-credential main_bot aster --from-json -", fields.replace("used", "other")),
        ("share new_bot lender backpack", ""),
        ("rollback --to 12 --account stopped_bot --yes", ""),
        ("rebuild --yes", ""),
        ("verify", ""),
        ("migrate down --yes", ""),
        ("migrate up", ""),
        ("rebuild --check", ""),
    ):
        done = program(*verb.split(), stdin=stdin)
        assert done.exit_status == 0, (verb, done.err)


def test_this_program_uses_what_an_older_one_made(
    cli: CommandLine, made_before: str, keyring: MasterKeyring
) -> None:
    assert cli("migrate", "up").exit_status == 0
    with CredentialLoader(made_before, keyring=keyring) as loader:
        assert loader.load_account_credentials("main_bot") == LOADED
    use(cli)


@pytest.mark.slow
def test_the_next_program_uses_what_this_one_made(newer: NewerProgram) -> None:
    assert newer("migrate", "up").exit_status == 0
    assert json.loads(newer.load().out) == LOADED
    use(newer)


REFUSED: Final = (
    ("create-account", "other"),
    ("list-accounts",),
    ("resolve", "main_bot"),
    ("run", "--account", "main_bot", "--", "true"),
    ("history",),
    ("verify",),
    ("rebuild", "--check"),
    ("rebuild", "--yes"),
    ("migrate", "up"),
    ("migrate", "down", "--yes"),
    ("migrate", "status"),
)


def test_each_verb_of_this_program_says_that_the_schema_is_newer(
    cli: CommandLine, newer: NewerProgram
) -> None:
    assert cli("migrate", "up").exit_status == 0
    assert newer("migrate", "up").exit_status == 0
    for verb in REFUSED:
        refused = cli(verb[0], "--json", *verb[1:])
        assert (refused.exit_status, refused.error["code"]) == (7, "schema_too_new"), verb
        assert "migration 099" in refused.error["message"], verb
        assert refused.error["hint"] == "Update account-registry on this machine.", verb


def test_a_loader_of_this_program_says_that_the_schema_is_newer(
    cli: CommandLine, newer: NewerProgram, loader: CredentialLoader
) -> None:
    assert cli("migrate", "up").exit_status == 0
    assert newer("migrate", "up").exit_status == 0
    with pytest.raises(SchemaTooNew, match=f"at migration 099, and this program knows {NEWEST:03}"):
        loader.load_account_credentials("main_bot")


def test_a_session_from_before_the_upgrade_goes_on(
    cli: CommandLine, newer: NewerProgram, made_before: str, keyring: MasterKeyring
) -> None:
    """Whoever connects after it is told; a bot that is at work is not stopped."""
    assert cli("migrate", "up").exit_status == 0
    with (
        contextlib.closing(SingleConnection(Target(made_before))) as database,
        CredentialLoader(database, keyring=keyring) as loader,
    ):
        assert loader.load_account_credentials("main_bot") == LOADED
        assert newer("migrate", "up").exit_status == 0
        assert loader.load_account_credentials("main_bot") == LOADED
        Registry(database).accounts.create("other")
    assert newer("verify").exit_status == 0
    assert newer("rebuild", "--check").exit_status == 0


OLD_REQUEST: Final = """
    SELECT r.release_id, r.outcome FROM public.request_releases(
        %s, NULL::text[], NULL, NULL, NULL, 'bot@host', 'host', 'load', NULL, NULL) AS r"""
OLD_COLLECT: Final = """
    SELECT r.*, set_config('synchronous_commit', 'off', true)
    FROM public.collect_releases(%s) AS r"""


def test_a_loader_of_the_step_before_025_goes_on_to_load(
    cli: CommandLine, made_before: str, keyring: MasterKeyring
) -> None:
    """It commits the request synchronously, confirms nothing, and may flush and ask again."""
    assert cli("migrate", "up").exit_status == 0
    with (
        psycopg.connect(made_before, autocommit=True) as connection,
        psycopg.connect(made_before, autocommit=True) as busy,
    ):
        for _ in range(3):
            rows = connection.execute(OLD_REQUEST, ["main_bot"]).fetchall()
            assert [outcome for _, outcome in rows] == ["ok"] * len(LOADED)
            releases = [release for release, _ in rows]
            busy.execute("SET synchronous_commit = off")
            busy.execute("CREATE TABLE work AS SELECT 1; DROP TABLE work")
            collected = connection.execute(OLD_COLLECT, [releases]).fetchall()
            if {row[1] for row in collected} == {"not_durable"}:
                assert connection.info.server_version < 170000
                wait_until_durable(connection)
                collected = connection.execute(OLD_COLLECT, [releases]).fetchall()
            assert [row[1] for row in collected] == ["ok"] * len(LOADED)


def test_a_verb_and_a_loader_of_a_newer_program_say_that_a_migration_is_missing(
    cli: CommandLine, newer: NewerProgram
) -> None:
    assert cli("migrate", "up").exit_status == 0
    refused = newer("create-account", "other", "--json")
    assert (refused.exit_status, refused.error["code"]) == (7, "not_migrated")
    assert refused.error["message"] == f"the database is at {NEWEST:03} of 099"
    assert refused.error["hint"] == "Run: account-registry migrate up"
    loaded = newer.load()
    assert loaded.exit_status == 1
    assert loaded.err == (
        f'NotMigrated: the database is at {NEWEST:03} of 099 (Run: registry.migrate("up"))\n'
    )
