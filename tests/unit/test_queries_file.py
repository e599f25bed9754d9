"""Named SQL statements are read from a file next to a package's modules."""

import importlib.resources
import uuid
from pathlib import Path

import pytest

from registry.database.queries import load_queries

FILES = [
    ("registry.database", "queries.sql"),
    ("registry.database", "migrations.sql"),
    ("registry.log", "queries.sql"),
    ("registry.execution", "queries.sql"),
    ("registry.services", "doctor.sql"),
    ("registry.services.problems", "problems.sql"),
]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that holds nothing but a queries file."""
    folder = tmp_path / f"queries_{uuid.uuid4().hex}"  # Python keeps a package it has seen
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_a_statement_is_all_text_up_to_the_next_name(package: Path) -> None:
    (package / "queries.sql").write_text(
        "-- About the file.\n\n-- name: one\n-- Why.\nSELECT 1\nFROM t\n\n"
        "-- name: two_b\nSELECT 'ü'\n"
    )
    assert load_queries(package.name) == {
        "one": b"-- Why.\nSELECT 1\nFROM t",
        "two_b": "SELECT 'ü'".encode(),
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("-- name: one\nSELECT 1\n-- name: one\nSELECT 2\n", "names a statement twice"),
        ("SELECT 1\n-- name: one\nSELECT 2\n", "starts with a statement without a name"),
    ],
)
def test_a_file_that_could_be_misread_is_refused(package: Path, text: str, why: str) -> None:
    (package / "queries.sql").write_text(text)
    with pytest.raises(ValueError, match=why):
        load_queries(package.name)


@pytest.mark.parametrize(("name", "file"), FILES)
def test_the_program_s_own_files_are_readable_and_no_statement_is_empty(
    name: str, file: str
) -> None:
    queries = load_queries(name, file)
    assert queries
    for statement in queries.values():
        lines = [line for line in statement.decode().splitlines() if not line.startswith("--")]
        assert "".join(lines).strip()
        assert ";" not in "".join(lines)


def test_every_sql_file_of_the_program_is_among_those_that_are_checked() -> None:
    root = Path(str(importlib.resources.files("registry")))
    found = {
        (f"registry.{path.parent.relative_to(root)}".replace("/", "."), path.name)
        for path in root.rglob("*.sql")
        if "_migrations" not in path.parts
    }
    assert found >= set(FILES)
