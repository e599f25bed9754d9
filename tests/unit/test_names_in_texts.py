"""The modules, paths and names in pages, docstrings and SQL comments exist."""

import ast
import importlib
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from registry.hints import METHODS

PROJECT = Path(__file__).resolve().parents[2]
PYTHON = sorted(
    path
    for folder in ("registry", "projections", "tests", "scripts")
    for path in PROJECT.glob(f"{folder}/**/*.py")
)
PRODUCT = [
    path for path in PYTHON if path.relative_to(PROJECT).parts[0] not in {"tests", "scripts"}
]
SQL = sorted([*PROJECT.glob("registry/**/*.sql"), *PROJECT.glob("migrations/*.sql")])
PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")])

FOLDERS = "registry|projections|migrations|scripts|tests|docs"
NAMED_PATH = re.compile(rf"(?<![\w/.$~@<-])(?:{FOLDERS})/[\w./*-]*\w")
DOTTED = re.compile(r"(?<![\w/.@-])(?:registry|projections)(?:\.[A-Za-z_]\w*)+")
IN_CODE = re.compile(r"`([a-z]\w*_\w+)(?:\(\))?`")
EXAMPLES = {"migrations/NNN_account_tags.sql", "registry.dump", "registry.example.com"}
"""A file that a reader is to make, one that he has, and an address."""
VALUES = {"bot_011", "bot_012", "main_bot"}
"""Accounts of examples in docstrings."""


def texts_of(path: Path) -> Iterator[str]:
    """The docstrings of a module, the comments of an SQL file, or a page."""
    content = path.read_text(encoding="utf-8")
    if path.suffix == ".sql":
        yield "\n".join(re.findall(r"--.*", content))
    elif path.suffix == ".md":
        yield content
    else:
        for node in ast.walk(ast.parse(content)):
            match node:
                # Behind a value stands its description; the first text of a body is its docstring.
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield text


REFERENCE = (PROJECT / "docs" / "python-api.md").read_text()
CALLS = {f"registry.{method}" for method in METHODS.values()} | set(
    re.findall(r"\b(registry(?:\.\w+)+)\(", REFERENCE)
)
"""What a program calls of a `Registry` that it named so."""


def exists(dotted: str) -> bool:
    """Whether it is a module, or something that is in one."""
    if any(f"{call}.".startswith(f"{dotted}.") for call in CALLS):
        return True
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def unknown_in(text: str) -> list[str]:
    """The paths and modules of a text that are not there."""
    paths = [path for path in NAMED_PATH.findall(text) if not any(PROJECT.glob(path))]
    modules = [name for name in DOTTED.findall(text) if not exists(name)]
    return [name for name in (*paths, *modules) if name not in EXAMPLES]


@cache
def words_of_the_code() -> frozenset[str]:
    """Each name that the product's Python and SQL use outside of comments, and each module."""
    words = {path.stem for path in PRODUCT}
    for path in PRODUCT:
        tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
        words |= {token.string for token in tokens if token.type == tokenize.NAME}
    for path in SQL:
        words |= set(re.findall(r"\w+", re.sub(r"--(?! name:).*", "", path.read_text())))
    return frozenset(words)


def unknown_words_in(text: str) -> list[str]:
    """The names of code in a docstring that the code does not have."""
    return [word for word in IN_CODE.findall(text) if word not in words_of_the_code() | VALUES]


@pytest.mark.parametrize(
    "path", [*PAGES, *PYTHON, *SQL], ids=lambda path: str(path.relative_to(PROJECT))
)
def test_every_module_and_path_that_a_text_names_is_there(path: Path) -> None:
    assert [name for text in texts_of(path) for name in unknown_in(text)] == []


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_name_of_code_in_a_docstring_is_in_the_code(path: Path) -> None:
    assert [word for text in texts_of(path) for word in unknown_words_in(text)] == []


@pytest.mark.parametrize(
    "path",
    [path for path in PRODUCT if path.name == "__init__.py"],
    ids=lambda path: path.parent.name,
)
def test_a_package_lists_modules_that_it_has(path: Path) -> None:
    listed = [
        name for text in texts_of(path) for name in re.findall(r"^- `(\w+)`", text, re.MULTILINE)
    ]
    package = importlib.import_module(".".join(path.relative_to(PROJECT).parts[:-1]))
    there = {other.stem for other in path.parent.iterdir()} | set(getattr(package, "__all__", ()))
    assert set(listed) <= there


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("See `registry.rules.sharing`.", []),
        (
            "See `registry.rules.lending` and registry.rules.sharing.lend.",
            ["registry.rules.lending", "registry.rules.sharing.lend"],
        ),
        ("See registry/rules/sharing.py, `scripts/test` and tests/unit/rules/.", []),
        (
            "See registry/rules/lending.py and `scripts/try`.",
            ["registry/rules/lending.py", "scripts/try"],
        ),
        ("In `docs/decisions/*.md`; not in `docs/thoughts/*.md`.", ["docs/thoughts/*.md"]),
    ],
)
def test_what_is_not_there_is_noticed(text: str, unknown: list[str]) -> None:
    assert unknown_in(text) == unknown


def test_a_name_that_the_code_does_not_have_is_noticed() -> None:
    assert unknown_words_in("Calls `append_event` with `expected_version`.") == []
    assert unknown_words_in("Calls `append_a_wish`.") == ["append_a_wish"]
