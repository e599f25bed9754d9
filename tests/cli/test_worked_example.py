"""The worked example of CONTRIBUTING, applied to a copy of the project and run there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from support.legacy import LegacyDatabase

from registry.encryption.keyring import generate_master_key

pytestmark = pytest.mark.slow

PROJECT: Final = Path(__file__).resolve().parents[2]
EXAMPLE: Final = re.search(
    r"^```diff\n(.*?)^```", (PROJECT / "CONTRIBUTING.md").read_text(), re.MULTILINE | re.DOTALL
)
COPIED: Final = ("registry", "projections", "migrations", "scripts", "tests", "pyproject.toml")
MOST_PLACES: Final = 10


class Copy:
    """A copy of the project with the example applied, and its command line."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        self.address = address
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": f"{folder}:{folder / 'tests'}",
            "DATABASE_URL": address,
            "CREDENTIAL_ENCRYPTION_KEY": generate_master_key().reveal(),
        }

    def python(self, *arguments: str, **more: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run(self, *arguments: str) -> Any:
        """What a verb says as JSON."""
        return json.loads(self.python("-m", "registry.commands", *arguments, "--json"))["data"]

    def tags(self, *options: str) -> list[str]:
        """Those of the account `bot`."""
        found: list[str] = self.run("show-account", "bot", *options)["tags"]
        return found


@pytest.fixture
def copy(tmp_path: Path, empty_database: str) -> Copy:
    for name in COPIED:
        subprocess.run(["cp", "-r", str(PROJECT / name), str(tmp_path)], check=True)
    assert EXAMPLE is not None
    newest = max(file.name[:3] for file in (tmp_path / "migrations").glob("[0-9]*.sql"))
    patch = EXAMPLE[1].replace("NNN", f"{int(newest) + 1:03}")
    apply = ["git", "apply", "--unsafe-paths", "-"]
    subprocess.run(apply, cwd=tmp_path, input=patch, text=True, check=True)
    copied = Copy(tmp_path, empty_database)
    (migration,) = (tmp_path / "migrations").glob("*_account_tags.sql")
    with migration.open("a") as file:
        file.write(copied.python("scripts/event_checks.py"))
    copied.python("-W", "ignore", "-m", "support.schema_dump", "migrations/schema.sql")
    return copied


def test_a_column_takes_ten_places_by_hand_at_most() -> None:
    assert EXAMPLE is not None
    blocks = re.findall(r"(?:^[+-](?![+-]{2}).*\n)+", EXAMPLE[1], re.MULTILINE)
    assert 0 < len(blocks) <= MOST_PLACES


def test_the_column_is_set_shown_cleared_and_comes_back(copy: Copy) -> None:
    copy.run("migrate", "up")
    copy.run("create-account", "bot", "--tags", "fast", "--tags", "eu")
    assert copy.tags() == ["fast", "eu"]
    copy.run("update-account", "bot", "--tags", "slow")
    copy.run("update-account", "bot", "--clear", "tags")
    assert (copy.tags(), copy.tags("--as-of", "1")) == ([], ["slow"])
    assert "changed tags" in copy.python("-m", "registry.commands", "history", "bot")
    copy.run("rollback", "--to", "0", "--yes")
    assert copy.tags() == ["fast", "eu"]
    copy.run("delete-account", "bot", "--yes")
    copy.run("rollback", "--to", "0", "--yes")
    assert copy.tags() == ["fast", "eu"]
    with psycopg.connect(copy.address) as connection:
        connection.execute("ALTER TABLE accounts DISABLE TRIGGER USER")
        connection.execute("UPDATE accounts SET tags = '[\"wrong\"]'")
        connection.execute("ALTER TABLE accounts ENABLE TRIGGER USER")
    copy.run("rebuild")
    assert copy.tags() == ["fast", "eu"]
    copy.run("verify")


def test_the_column_is_a_parameter_of_the_library(copy: Copy) -> None:
    copy.run("migrate", "up")
    script = (
        "from registry import Registry\n"
        "with Registry.open() as registry:\n"
        "    registry.accounts.create('bot', tags=['eu'])\n"
        "    print(registry.accounts.get('bot')['tags'])"
    )
    assert copy.python("-c", script) == "['eu']\n"


def test_the_column_of_a_table_made_by_hand_is_adopted(copy: Copy) -> None:
    with psycopg.connect(copy.address, autocommit=True) as connection:
        bot = LegacyDatabase(connection).make()
        bot.account("bot")
        connection.execute("ALTER TABLE accounts ADD COLUMN tags JSONB")
        connection.execute("UPDATE accounts SET tags = '[\"mine\"]'")
    copy.run("migrate", "up")
    copy.run("adopt")
    assert copy.tags() == ["mine"]
    copy.run("rebuild", "--check")


def test_the_tests_that_follow_from_the_declarations_hold_in_the_copy(copy: Copy) -> None:
    tests = ("unit/rules/test_rollback.py", "integration/test_declared_columns.py")
    paths = [f"tests/{name}" for name in tests]
    kept = "every_column or all_that or declar"
    copy.python(
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", kept, *paths),
        REGISTRY_TEST_DATABASE_URL=os.environ["REGISTRY_TEST_SERVER"],
    )
