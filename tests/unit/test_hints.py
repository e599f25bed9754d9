"""Hints name commands as data: each command can be run, and each call can be made."""

import ast
import inspect
import pickle
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from registry.commands._app import VERBS, build
from registry.errors import AccountInUse, AccountNotFound, together
from registry.hints import METHODS, OPTIONS, OTHERS, Blank, Command, Hint, Option, commands_of

PROJECT = Path(__file__).resolve().parents[2]
REFERENCE = runpy.run_path(str(PROJECT / "scripts/python_reference.py"))

NO_METHOD = {
    "run": "the program takes the place of the process",
    "generate-key": "a key is made once for a machine, before anything is opened",
    "generate-checkpoint-key": "likewise",
    "runbot": "run, for a program with a name of its own",
    "schema-down": "migrate, in one direction",
    "alerts": "it has two, run_alerts and test_alerts",
    "embedded": "the server of a machine, whatever a program does",
    "serve": "a page for people; a program has registry.views",
    "monitor": "a screen for people; a program has registry.views",
}
"""Verbs that a program has no method for, and why."""


@pytest.mark.parametrize(
    ("hint", "commands", "calls"),
    [
        (
            Hint("Reactivate it first: ", Command("reactivate-account", "main_bot")),
            "Reactivate it first: account-registry reactivate-account main_bot",
            'Reactivate it first: registry.accounts.reactivate("main_bot")',
        ),
        (
            Hint(Command("add-credential", "my bot", "aster", permission="read_only")),
            "account-registry add-credential 'my bot' aster --permission read_only",
            'registry.credentials.add("my bot", "aster", permission="read_only")',
        ),
        (Hint("Add ", Option("cascade"), "."), "Add --cascade.", "Add cascade=True."),
        (
            Hint(Command("share", "a", "b", "aster", sharing_type="full"), Option("subaccount", 3)),
            "account-registry share a b aster --type full--subaccount 3",
            'registry.shares.grant("a", "b", "aster", sharing_type="full")subaccount=3',
        ),
        (
            Hint(Command("grant-access", "a", role=Blank("ROLE"))),
            "account-registry grant-access a --role ROLE",
            'registry.access.grant("a", role=ROLE)',
        ),
        (
            Hint(Command("generate-key", save=True)),
            "account-registry generate-key --save",
            "account-registry generate-key --save",
        ),
        (
            Hint(Command("list-credentials", "a", held=True), Option("check", False)),
            "account-registry list-credentials a --held--no-check",
            'registry.credentials.held("a")check=False',
        ),
        (
            Hint(Command("resolve", "a", access=None)),
            "account-registry resolve a",
            'registry.credentials.resolve("a")',
        ),
    ],
)
def test_a_hint_is_commands_or_calls(hint: Hint, commands: str, calls: str) -> None:
    assert (hint.commands(), hint) == (commands, calls)
    assert commands_of(hint) == commands
    assert pickle.loads(pickle.dumps(hint)).commands() == commands  # noqa: S301 - our own


def test_a_template_is_filled_in_as_data() -> None:
    template = Hint("See {name}: ", Command("history", "{name}", exchange=Blank("EXCHANGE")))
    filled = template.filled(name="my bot")
    assert filled == 'See my bot: registry.history("my bot", exchange=EXCHANGE)'
    assert filled.commands() == (
        "See my bot: account-registry history 'my bot' --exchange EXCHANGE"
    )


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("Use: account-registry link-positions", "Use: registry.positions.link()"),
        (
            "add --allow-shared-secret. Or: account-registry share b a aster",
            'add allow_shared_secret=True. Or: registry.shares.grant("b", "a", "aster")',
        ),
        (
            "with: account-registry update-account bot --set max_positions=NUMBER",
            'with: registry.accounts.update("bot", set={"max_positions": NUMBER})',
        ),
        ('see "account-registry rollback --help".', 'see "registry.rollback()".'),
        ("Commit first: no commit, no secret.", "Commit first: no commit, no secret."),
    ],
)
def test_what_the_database_says_is_read_as_data(text: str, calls: str) -> None:
    assert Hint.parse(text) == calls
    assert Hint.parse(text).commands() == text


def test_hints_of_several_errors_stay_data() -> None:
    problems = [
        AccountInUse("one", hint=Hint("Add ", Option("cascade"))),
        AccountNotFound("two", hint=Hint("See: ", Command("list-accounts"))),
        AccountInUse("three", hint="Wait."),
    ]
    hint = together(problems).hint
    assert hint == "Add cascade=True. See: registry.accounts.list(). Wait."
    assert commands_of(hint) == "Add --cascade. See: account-registry list-accounts. Wait."


def test_a_traceback_shows_the_hint() -> None:
    error = AccountInUse("it is lent", hint=Hint("Add ", Option("cascade"), "."))
    assert error.__notes__ == ["Add cascade=True."]
    assert str(error) == "it is lent"


# ---------------------------------------------------------------- one table for all


def test_every_verb_has_a_method_or_a_reason_to_have_none() -> None:
    assert set(METHODS) | set(NO_METHOD) == set(VERBS)
    assert not set(METHODS) & set(NO_METHOD)
    for path in METHODS.values():
        assert inspect.isfunction(REFERENCE["method_of"](path))


def named_commands() -> Iterator[tuple[str, list[Any], list[str]]]:
    """The commands of the hints in the program: verb, arguments that are counted, options."""
    for path in [*PROJECT.glob("registry/**/*.py"), *PROJECT.glob("projections/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(getattr(node, "func", None), "id", None)
            if isinstance(node, ast.Call) and name == "Command" and path.stem != "hints":
                verb, *arguments = node.args
                assert isinstance(verb, ast.Constant), path
                plain = [
                    argument for argument in arguments if not isinstance(argument, ast.Starred)
                ]
                yield (
                    str(verb.value),
                    plain,
                    [keyword.arg for keyword in node.keywords if keyword.arg],
                )


def test_every_command_in_a_hint_can_be_run_and_its_call_can_be_made() -> None:
    found = list(named_commands())
    assert len(found) > 50
    verbs = build().commands
    for verb, arguments, options in found:
        parameters = verbs[verb].params
        known = {option for parameter in parameters for option in parameter.opts}
        for option in options:
            assert f"--{OPTIONS.get(option, option).replace('_', '-')}" in known, (verb, option)
        if verb in METHODS:
            other = next((o for o in options if (verb, o) in OTHERS), "")
            method = REFERENCE["method_of"](OTHERS.get((verb, other), METHODS[verb]))
            given = [option for option in options if option != other]
            values = dict.fromkeys(given)
            inspect.signature(method).bind_partial(None, *arguments, **values)
            named = set(inspect.signature(method).parameters) | set(REFERENCE["options"](method))
            assert set(given) <= named, (verb, options)


def named_options() -> set[str]:
    found = set()
    for path in PROJECT.glob("registry/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(getattr(node, "func", None), "id", None)
            if isinstance(node, ast.Call) and name == "Option" and path.stem != "hints":
                option = node.args[0]
                if isinstance(option, ast.Constant):
                    found.add(str(option.value))
    return found


def test_every_option_in_a_hint_is_one_of_a_verb_and_of_a_method() -> None:
    verbs = build().commands
    known = {o for verb in VERBS for param in verbs[verb].params for o in param.opts}
    parameters: set[str] = {"exchange"}
    for path in METHODS.values():
        method = REFERENCE["method_of"](path)
        parameters |= set(inspect.signature(method).parameters) | set(REFERENCE["options"](method))
    named = named_options()
    assert named >= {"cascade", "subaccount", "move"}
    for option in named:
        assert f"--{OPTIONS.get(option, option).replace('_', '-')}" in known, option
        assert option in parameters, option


FACES = {"commands", "page", "terminal"}
"""What only people look at, who began it by a command."""
KNOW_A_TERMINAL = {
    "hints.py",  # the words themselves
    "client_making.py",  # pip's options
    "errors.py",  # likewise, in the one text that it has
    "database/programs.py",  # those of PostgreSQL's programs
    "database/schema_dump.py",  # likewise, and the head of a file for people
    "catalog/elsewhere.py",  # of the programs that decrypt a file
    "services/backups/drill.py",  # of PostgreSQL's programs
    "services/importing/elsewhere.py",  # of the programs that decrypt a file
    "services/releases/program_environment.py",  # of the verb run, which programs do not have
    "rules/adoption/credentials.py",  # a problem that people decide about
}


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in PROJECT.glob("registry/**/*.py")
        if not FACES & set(path.relative_to(PROJECT).parts)
        and str(path.relative_to(PROJECT / "registry")) not in KNOW_A_TERMINAL
    ],
    ids=lambda path: str(path.relative_to(PROJECT)),
)
def test_no_text_below_the_command_line_speaks_its_words(path: Path) -> None:
    """They would be shown to programs as they stand."""
    tree = ast.parse(path.read_text())
    words = {id(one.value) for node in ast.walk(tree) for one in documentation(node)}
    told = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in words
        if any(speaks(part) for part in Hint.parse(node.value).parts)
    ]
    assert told == []


def speaks(part: object) -> bool:
    """Whether it is a command that there is, or an option."""
    return part.verb in VERBS if isinstance(part, Command) else isinstance(part, Option)


def documentation(node: ast.AST) -> list[ast.Expr]:
    """The docstrings in a module, class or function."""
    body = getattr(node, "body", None)
    return [one for one in body if isinstance(one, ast.Expr)] if isinstance(body, list) else []
