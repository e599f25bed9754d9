"""Help, versions, colours and tracebacks: the common behaviour of all verbs."""

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.cli import CommandLine
from support.terminal import shown_on_a_terminal

from registry.commands._app import GROUPS, VERBS, build

SEVERAL = {"adopt", "end-session", "migrate", "rebuild", "schema-down"}
"""Verbs whose change is no command about one stream, so that none of these options would fit."""
COLOUR = "\x1b["
PROJECT = Path(__file__).resolve().parents[2]


def changing() -> set[str]:
    """The verbs that say who asks for a change, also through a function of their module."""
    return {
        verb
        for verb, module in VERBS.items()
        if _makes_an_invocation(module, build().commands[verb].callback.__name__)
    }


def _makes_an_invocation(module: str, verb: str) -> bool:
    source = (PROJECT / "registry" / "commands" / f"{module}.py").read_text()
    own = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    seen, open_ones = set[str](), {verb}
    while open_ones:
        name = open_ones.pop()
        seen.add(name)
        for node in ast.walk(own[name]):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in (
                "run.by",
                "run.invocation",
            ):
                return True
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                open_ones |= {node.func.id} & own.keys() - seen
    return False


def test_the_help_lists_every_verb_and_the_exit_codes(cli: CommandLine) -> None:
    shown = cli("--help")
    assert shown.exit_status == 0
    for verb in VERBS:
        assert f" {verb} " in shown.out
    assert "7 database or key unavailable" in " ".join(shown.out.split())


def test_each_verb_has_its_whole_summary_in_one_line_of_its_group(cli: CommandLine) -> None:
    lines = shown_on_a_terminal(cli, "--help")
    for title, verbs in GROUPS.items():
        first = lines.index(f"{title}:") + 1
        told = lines[first : first + len(verbs)]
        assert [line.split()[0] for line in told] == list(verbs)
        assert all(line.endswith(".") and not line.endswith("..") for line in told)
        assert lines[first + len(verbs)] == ""
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(("typed", "meant"), [("lst-accounts", "list-accounts"), ("shre", "share")])
def test_a_mistyped_verb_is_answered_with_the_one_that_was_meant(
    cli: CommandLine, typed: str, meant: str
) -> None:
    shown = cli(typed)
    assert (shown.exit_status, f"Did you mean '{meant}'" in shown.err) == (2, True)


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_mentions_all_its_options(cli: CommandLine, verb: str) -> None:
    shown = cli(verb, "--help")
    assert (shown.exit_status, shown.err) == (0, "")
    for parameter in build().commands[verb].params:
        for option in parameter.opts if parameter.param_type_name == "option" else ():
            assert re.search(rf"{option}\b", shown.out), option
    for option in ("--json", "--actor", "--reason", "--debug"):
        assert option in shown.out
    assert shown.out == cli(verb, "-h").out


def test_each_verb_that_changes_something_can_be_tried_named_and_guarded() -> None:
    wanted = {"--dry-run", "--command-id", "--expected-version"}
    commands = build().commands
    guarded = {
        verb
        for verb in VERBS
        if wanted <= {o for parameter in commands[verb].params for o in parameter.opts}
    }
    assert guarded == changing() - SEVERAL


def test_without_a_verb_the_help_is_shown(cli: CommandLine) -> None:
    shown = cli()
    assert "create-account" in shown.out + shown.err


def test_the_version(cli: CommandLine) -> None:
    installed = importlib.metadata.version("account-registry")
    assert re.fullmatch(r"\d+\.\d+\.\d+", installed)
    assert cli("--version").out == f"account-registry {installed}\n"


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_there_is_no_colour_where_no_terminal_is(
    cli: CommandLine, variables: dict[str, str]
) -> None:
    cli("create-account", "bot")
    for arguments in (("list-accounts",), ("show-account", "nobody"), ("--help",)):
        shown = cli(*arguments, **variables)
        assert COLOUR not in shown.out + shown.err


def test_no_color_is_respected_on_a_terminal(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from registry.commands._output import _styled

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert COLOUR in _styled("31", "Error", _Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert _styled("31", "Error", _Terminal()) == "Error"
    assert cli.environment


class _Terminal:
    def isatty(self) -> bool:
        return True


def test_debug_shows_places_and_no_values(cli: CommandLine) -> None:
    plain = cli("show-account", "canary7")
    shown = cli("show-account", "canary7", "--debug")
    assert "Traceback" not in plain.err
    assert 'File "' not in plain.err
    trace = shown.err.removeprefix(plain.err)
    assert 'File "' in trace
    assert trace.endswith("AccountNotFound\n")
    assert "canary7" not in trace
    assert cli("show-account", "canary7", REGISTRY_DEBUG="1").err == shown.err


def test_an_unforeseen_error_says_its_type_and_nothing_else(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = "canary7"

    def fails(*_: object) -> None:
        raise ArithmeticError(value)  # a traceback shows this line

    monkeypatch.setattr("registry.services.reading.accounts.list_accounts", fails)
    for option in ("--json", "--debug"):
        shown = cli("list-accounts", option)
        assert shown.exit_status == 1
        assert "unexpected ArithmeticError" in shown.err
        assert "canary7" not in shown.err


def test_a_reader_that_has_gone_is_no_error(cli: CommandLine) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "registry.commands", "exchanges", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=cli.environment,
        cwd=PROJECT,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(timeout=30)
    assert err == b""


def test_a_full_disk_is_said_and_is_no_defect(cli: CommandLine) -> None:
    with Path("/dev/full").open("wb") as full:
        process = subprocess.run(
            [sys.executable, "-m", "registry.commands", "exchanges"],
            stdout=full,
            stderr=subprocess.PIPE,
            env=cli.environment,
            cwd=PROJECT,
            check=False,
        )
    assert process.returncode == 1
    assert process.stderr.decode().splitlines() == [
        "Error: the output cannot be written: No space left on device",
        "  What the command changes may be changed all the same: see account-registry history.",
    ]


def test_closed_streams_are_no_defect(cli: CommandLine) -> None:
    call = f"{sys.executable} -m registry.commands show-account nobody 0<&- 1>&-"
    shown = subprocess.run(
        ["sh", "-c", call],
        stderr=subprocess.PIPE,
        env=cli.environment,
        cwd=PROJECT,
        check=False,
    )
    assert shown.returncode == 3
    assert shown.stderr.startswith(b"Error: there is no account nobody\n")
    assert (
        subprocess.run(
            ["sh", "-c", f"{call} 2>&-"], env=cli.environment, cwd=PROJECT, check=False
        ).returncode
        == 3
    )


@pytest.mark.parametrize(
    ("verb", "words", "message"),
    [
        ("create-account", ["create-account"], "Missing argument 'NAME'."),
        ("history", ["history", "--limit", "0"], "Invalid value for '--limit'"),
        ("", ["no-such-verb"], "No such command 'no-such-verb'."),
    ],
)
def test_a_wrong_command_line_is_told_as_json_where_json_is_wanted(
    cli: CommandLine, verb: str, words: list[str], message: str
) -> None:
    shown = cli(*words, "--json")
    assert (shown.exit_status, shown.out) == (2, "")
    assert shown.error["message"].startswith(message)
    assert shown.error["exit_status"] == 2
    assert json.loads(shown.err)["verb"] == verb
    assert cli(*words).err.splitlines()[1:] == [f"  {shown.error['hint']}"]


def test_with_json_too_help_is_help_and_a_program_keeps_its_words(cli: CommandLine) -> None:
    shown = cli("list-accounts", "--json", "--help")
    assert (shown.exit_status, shown.err) == (0, "")
    assert shown.out == cli("list-accounts", "--help").out
    assert cli("no-such-verb", "--", "--json").err.startswith("Error: ")
