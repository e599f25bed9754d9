"""A migration that a database may have applied never changes."""

import hashlib
from pathlib import Path
from typing import Final

MIGRATIONS: Final = Path(__file__).resolve().parents[2] / "migrations"
FROZEN: Final = {
    name: digest
    for digest, name in (
        line.split() for line in (MIGRATIONS / "frozen.sha256").read_text().splitlines()
    )
}


def test_no_frozen_migration_changes() -> None:
    changed = [
        name
        for name, digest in FROZEN.items()
        if not (MIGRATIONS / name).is_file()
        or hashlib.sha256((MIGRATIONS / name).read_bytes()).hexdigest() != digest
    ]
    assert not changed, f"restore {changed}, and put the change into a migration of a new number"


def test_nothing_is_added_among_frozen_migrations() -> None:
    newest = max(FROZEN)
    files = {file.name for file in MIGRATIONS.glob("[0-9]*.sql") if file.name <= newest}
    assert files == FROZEN.keys()


def test_each_step_that_is_frozen_has_a_database_to_upgrade() -> None:
    """The newest step, whose program is the step before of the next."""
    sample = Path(__file__).parent / "made_by" / f"{max(FROZEN)[:3]}.sql"
    assert sample.is_file(), "run scripts/make-upgrade-sample"
