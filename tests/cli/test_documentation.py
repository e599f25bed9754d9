"""The documentation shows the program's real output, and names only existing things."""

import functools
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cli import PROJECT

from registry.commands._app import VERBS, build

PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")])
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
PROGRAM = r"(?:account-registry|python -m registry\.commands)"


@pytest.mark.slow
def test_the_examples_print_what_the_pages_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PROJECT / "scripts/examples"))
    examples = importlib.import_module("pages")
    with examples.desk() as desk:
        for page in examples.pages():
            said = page.read_text()
            today = examples.refreshed(said, desk)
            assert examples.normalised(today) == examples.normalised(said), (
                f"run scripts/refresh-docs {page.relative_to(PROJECT)}"
            )


def blocks(page: str, *kinds: str) -> Iterator[str]:
    for kind, text in re.findall(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        if kind in kinds:
            yield text


def command_lines(page: str) -> Iterator[list[str]]:
    """The words behind the program's name, in each command that a page's blocks show."""
    examples = "\n".join(blocks(page, "console"))
    shown = [*re.findall(r"^\$ (.*)", examples, re.MULTILINE), *blocks(page, "sh", "bash")]
    for text in shown:
        yield from (shlex.split(inner) for inner in re.findall(rf"\$\({PROGRAM} ([^)]*)\)", text))
        lexer = shlex.shlex(text.replace("\\\n", " "), posix=True, punctuation_chars="\n;|&>")
        lexer.whitespace = " \t"
        lexer.whitespace_split = True
        words: list[str] | None = None
        for token in [*lexer, "\n"]:
            if token == "account-registry":
                words = []
            elif words is not None and set(token) <= set("\n;|&>"):
                yield words
                words = None
            elif words is not None:
                words.append(token)


@each_page
def test_each_command_line_that_a_page_shows_can_be_parsed(page: Path) -> None:
    for verb, *words in command_lines(page.read_text()):
        with build().commands[verb].make_context(verb, words, resilient_parsing="--help" in words):
            pass


def test_command_lines_are_found_in_the_pages() -> None:
    found = {
        str(page.relative_to(PROJECT)): [words[0] for words in command_lines(page.read_text())]
        for page in PAGES
    }
    assert found["README.md"][:4] == [
        "generate-key",
        "create-account",
        "create-account",
        "import-env",
    ]
    assert found["README.md"].count("embedded") == 2
    assert found["docs/operations.md"][-2:] == ["verify", "rebuild"]


def named(words: list[str]) -> set[str]:
    """The options among words, without what may follow them."""
    return {found[0] for word in words if (found := re.match("--[a-z][a-z-]*[a-z]", word))}


@functools.cache
def options_of(verb: str) -> set[str]:
    parameters = build().commands[verb].params
    return {"--help"}.union(
        *((*parameter.opts, *parameter.secondary_opts) for parameter in parameters)
    )


@each_page
def test_each_option_that_a_page_names_beside_a_verb_exists(page: Path) -> None:
    for span in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", page.read_text()):
        verb, *words = re.sub(rf"^{PROGRAM} ", "", span).split()
        if verb in VERBS:
            assert named(words) <= options_of(verb), span


@each_page
def test_each_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not target.startswith(("https://", "http://")):
            place, _, anchor = target.partition("#")
            linked = (page.parent / place).resolve() if place else page
            assert linked.exists(), target
            assert not anchor or anchor in anchors(linked.read_text()), target


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
