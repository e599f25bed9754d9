"""The migration files that come with the program.

`NNN_name.sql` goes up and `NNN_name.down.sql` goes down. No other file in the folder is
ever taken for a migration, so no undo file can run on the way up.
"""

import functools
import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

LAST_KEPT: Final = 5
"""The number at which going down stops by default: the log, the keys and the roles stay."""

_UP = re.compile(r"^(\d{3})_([a-z0-9_]+)\.sql$")
_UNDO = ("_rollback", "_down", "_undo", "_revert")


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema, in both directions."""

    number: int
    name: str
    up_sql: str
    down_sql: str

    @property
    def file_name(self) -> str:
        """The name of the file that goes up."""
        return f"{self.number:03}_{self.name}.sql"

    @property
    def checksum(self) -> str:
        """SHA-256 of the up file, to detect a change of an applied file."""
        return hashlib.sha256(self.up_sql.encode()).hexdigest()


def folder() -> Traversable:
    """The folder of the files: inside an installed package, or in the checkout."""
    packaged = files("registry") / "_migrations"
    if packaged.is_dir():
        return packaged
    return Path(__file__).resolve().parents[2] / "migrations"


@functools.cache
def known_numbers() -> tuple[int, ...]:
    """The numbers of the migrations that this program knows, oldest first."""
    return tuple(sorted(number for number, _ in _names()))


@functools.cache
def load_migrations() -> tuple[Migration, ...]:
    """All migrations, oldest first.

    Raises:
        FileNotFoundError: one has no file that goes down.
        ValueError: two have the same number.
    """
    found = sorted(_names())
    numbers = [number for number, _ in found]
    if len(set(numbers)) != len(numbers):
        raise ValueError("two migrations have the same number")
    return tuple(_load(number, name) for number, name in found)


def _names() -> list[tuple[int, str]]:
    matches = (_UP.match(entry.name) for entry in folder().iterdir())
    # An undo file is no migration, whatever its name.
    return [(int(m[1]), m[2]) for m in matches if m and not m[2].endswith(_UNDO)]


def _load(number: int, name: str) -> Migration:
    stem = f"{number:03}_{name}"
    return Migration(
        number,
        name,
        folder().joinpath(f"{stem}.sql").read_text(encoding="utf-8"),
        folder().joinpath(f"{stem}.down.sql").read_text(encoding="utf-8"),
    )
