"""Commands that texts tell people to run: hints of errors, SQL functions and the pages."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.commands._app import VERBS, build

PROJECT = Path(__file__).resolve().parents[2]
SOURCES = [
    *PROJECT.glob("registry/**/*.py"),
    *PROJECT.glob("projections/*.py"),
    *PROJECT.glob("registry/**/*.sql"),
    *PROJECT.glob("migrations/*.sql"),
    *PROJECT.glob("*.md"),
    *PROJECT.glob("docs/**/*.md"),
]
COMMAND = re.compile(r"account-registry ([a-z]+(?:-[a-z]+)*)([^`\n;)]*)")
NO_VERBS = {"on", "proof"}
"""Words behind the program's name where it is no command: "Update account-registry on …"."""
OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


def texts_of(path: Path) -> Iterator[str]:
    """The texts of a Python file with X for what is filled in; other files as they are."""
    content = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield content.replace("\\\n", " ")
        return
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def options_of(verb: str) -> set[str]:
    parameters = build().commands[verb].params
    return {"--help"}.union(*(p.opts + p.secondary_opts for p in parameters))


def unknown_in(text: str) -> list[str]:
    """The commands of a text that cannot be run as they stand there."""
    unknown = []
    for verb, rest in COMMAND.findall(text):
        if verb in NO_VERBS:
            continue
        if verb not in VERBS:
            unknown.append(f"{verb}{rest}")
            continue
        own = re.split(" -- | [|] ", rest)[0]  # behind it stands another program's command
        unknown += [
            f"{verb} … {option}" for option in OPTION.findall(own) if option not in options_of(verb)
        ]
    return unknown


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_command_in_a_text_has_a_verb_and_options_that_exist(path: Path) -> None:
    assert [found for text in texts_of(path) for found in unknown_in(text)] == []


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("Run: account-registry show-acount X", ["show-acount X"]),
        ("Run: account-registry add-exchange X --ccxt-id ID", ["add-exchange … --ccxt-id"]),
        ("Run: account-registry run --account X -- python bot.py --live", []),
    ],
)
def test_a_command_that_cannot_be_run_is_noticed(text: str, unknown: list[str]) -> None:
    assert unknown_in(text) == unknown
