"""The verb `run`: a program with the credentials of an account."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cli import PROJECT, CommandLine
from support.credentials import FIELDS
from support.running import SHOW, borrowing_bot, run, show


@pytest.fixture
def bot(cli: CommandLine) -> CommandLine:
    return borrowing_bot(cli)


def test_the_program_gets_the_variables_that_bots_expect(bot: CommandLine) -> None:
    environment, arguments = run(bot, *show("--flag", "$HOME", "a b"))
    assert environment["BACKPACK_PUBLIC_KEY"] == "pub-1"
    assert environment["BACKPACK_SECRET_KEY"] == "sec-1"
    assert environment["API_KEY_PRIVATE_KEY"] == 'it\'s "$HOME" \\ 1'
    assert environment["LIGHTER_API_KEY_INDEX"] == "0"
    assert environment["REGISTRY_ACCOUNT"] == "bot"
    assert arguments == ["--flag", "$HOME", "a b"]


def test_what_is_left_out_is_said_in_one_line_with_the_way_to_pass_it(bot: CommandLine) -> None:
    many: dict[str, Any] = {f"MY_SETTING_{number}": "value" for number in range(20)}
    result = bot.process("run", "--account", "bot", "--", "true", **many)
    (line,) = [line for line in result.err.splitlines() if "passed on" in line]
    assert line.startswith("Not passed on: 25 variables (CREDENTIAL_ENCRYPTION_KEY, DATABASE_URL")
    assert "--pass-env NAME" in line
    assert "value" not in line
    result = bot.process("run", "--account", "bot", "--pass-env", "MY_SETING", "--", "true")
    assert "Warning: not in the environment: MY_SETING." in result.err


@contextlib.contextmanager
def running(bot: CommandLine) -> Iterator[subprocess.Popen[str]]:
    """A program that was started by `run`, and lives until the end of the block."""
    program = "import time; print('up', flush=True); time.sleep(100)"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "registry.commands", "run", "--account", "bot", "--"),
            *(sys.executable, "-c", program),
        ],
        env=bot.environment,
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "up\n"
        yield process
    finally:
        process.kill()
        process.communicate()


IN_USE = "another process here has this lighter key of bot in use"


def test_a_second_process_with_a_key_that_only_one_may_use_is_warned(bot: CommandLine) -> None:
    with running(bot):
        second = bot.process("run", "--account", "bot", "--", "true")
        assert f"Warning: {IN_USE}" in second.err
        assert "backpack key of" not in second.err
        assert IN_USE not in bot.process("run", "--account", "lender", "--", "true").err
        assert IN_USE not in bot("reveal-credential", "bot", "lighter").err
        elsewhere = str(bot.folder / "another user's")
        assert (
            IN_USE
            not in bot.process(
                "run", "--account", "bot", "--", "true", REGISTRY_DATA_DIR=elsewhere
            ).err
        )
        bot.store("bot", "lighter", verb="replace-credential")
        assert IN_USE not in bot.process("run", "--account", "bot", "--", "true").err


def test_one_key_in_two_accounts_and_notations_is_one_key(cli: CommandLine) -> None:
    digits = "9f3a" * 20
    for name, key in (("bot", f"0x{digits}"), ("twin", digits.upper())):
        assert cli("create-account", name).exit_status == 0
        stored = cli.store(name, "lighter", private_key=key)
        assert stored.exit_status == 0
    assert "twin and bot hold the same private_key for lighter" in stored.err
    fields = json.dumps({**FIELDS["lighter"], "private_key": f"0X{digits}"})
    cli("create-account", "third")
    refused = cli("add-credential", "third", "lighter", "--from-json", "-", stdin=fields)
    assert (refused.exit_status, "hold" in refused.err) == (5, True)
    with running(cli):
        second = cli.process("run", "--account", "twin", "--", "true")
        assert "this lighter key of twin in use" in second.err


def test_who_is_started_again_is_not_warned_of_himself(bot: CommandLine) -> None:
    for _ in range(2):
        with running(bot):
            pass
        assert IN_USE not in bot.process("run", "--account", "bot", "--", "true").err


def test_a_third_process_is_warned_of_the_second_when_the_first_has_gone(bot: CommandLine) -> None:
    with running(bot) as first, running(bot):
        first.kill()
        first.wait()
        assert IN_USE in bot.process("run", "--account", "bot", "--", "true").err


def test_a_folder_that_cannot_be_written_keeps_no_program_from_its_start(bot: CommandLine) -> None:
    place = bot.file("no-folder", "")
    result = bot.process("run", "--account", "bot", "--", "true", REGISTRY_DATA_DIR=place)
    assert (result.exit_status, IN_USE in result.err) == (0, False)


@pytest.mark.parametrize("asked", ["NAME=sec-value", "", "*_KEY", "A*B*"])
def test_what_is_no_name_is_refused_before_anything_is_released(
    bot: CommandLine, asked: str
) -> None:
    result = bot.process("run", "--account", "bot", "--pass-env", asked, "--", "true")
    assert result.exit_status == 2
    assert "sec-value" not in result.err
    assert bot("history", "--type", "CredentialReleased", "--json").data == []


def test_the_file_form_leaves_the_environment_clean_and_can_be_read_again(
    bot: CommandLine,
) -> None:
    program = (
        "import json, os, sys\n"
        "from dotenv import dotenv_values\n"
        "first = dotenv_values(sys.argv[1])\n"
        "second = dotenv_values(os.environ['REGISTRY_ENV_FILE'])\n"
        "print(json.dumps([first, second, dict(os.environ)]))"
    )
    first, second, environment = run(
        bot, "--env-file", "--", sys.executable, "-c", program, "{env-file}"
    )
    assert first == second
    assert first["API_KEY_PRIVATE_KEY"] == 'it\'s "$HOME" \\ 1'
    assert first["BACKPACK_SECRET_KEY"] == "sec-1"
    assert "BACKPACK_SECRET_KEY" not in environment


def test_a_file_has_the_format_of_its_reader(bot: CommandLine) -> None:
    key = 'it\'s "$HOME" \\ 1'
    found = run(bot, "--format", "json", "--", "cat", "{env-file}")
    assert (found["API_KEY_PRIVATE_KEY"], found["BACKPACK_SECRET_KEY"]) == (key, "sec-1")
    read = ("sh", "-c", '. "$1"; printf %s "$API_KEY_PRIVATE_KEY"', "sh", "{env-file}")
    shell = bot.process("run", "--account", "bot", "--format", "shell", "--", *read)
    assert shell.out == key
    docker = bot.process("run", "--account", "bot", "--format", "docker", "--", "cat", "{env-file}")
    assert f"API_KEY_PRIVATE_KEY={key}\n" in docker.out
    environment, _ = run(bot, "--format", "files", *show())
    assert "BACKPACK_SECRET_KEY" not in environment
    cat = ("sh", "-c", 'cat "$API_KEY_PRIVATE_KEY_FILE"')
    assert bot.process("run", "--account", "bot", "--format", "files", "--", *cat).out == key


def test_a_value_that_a_format_cannot_carry_is_refused_by_its_variable(bot: CommandLine) -> None:
    assert bot.store("bot", "aster", secret_key="pass${word}").exit_status == 0
    refused = bot.process("run", "--account", "bot", "--env-file", "--", "true")
    assert refused.exit_status == 2
    assert "a dotenv file cannot carry the value of ASTER_SECRET_KEY" in refused.err
    assert "The format json carries every value" in refused.err
    assert "{word}" not in refused.err
    found = run(bot, "--format", "json", "--", "cat", "{env-file}")
    assert found["ASTER_SECRET_KEY"] == "pass${word}"


@pytest.mark.parametrize("status", [0, 3, 77])
def test_the_exit_code_is_the_programs(bot: CommandLine, status: int) -> None:
    result = bot.process(
        "run", "--account", "bot", "--", sys.executable, "-c", f"import sys; sys.exit({status})"
    )
    assert result.exit_status == status


def test_signals_reach_the_program_since_it_took_our_place(bot: CommandLine) -> None:
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    started = subprocess.Popen(
        [
            *(sys.executable, "-m", "registry.commands", "run", "--account", "bot", "--"),
            *(sys.executable, "-c", program),
        ],
        env=bot.environment,
        cwd=Path(__file__).resolve().parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert started.stdout is not None
    with started.stdout as out:
        assert int(out.readline()) == started.pid
        command = Path(f"/proc/{started.pid}/cmdline")
        if command.exists():
            assert b"sec-1" not in command.read_bytes()
        os.kill(started.pid, signal.SIGTERM)
        assert started.wait(10) == -signal.SIGTERM


def test_a_broken_pipe_kills_the_program_as_it_would_without_us(bot: CommandLine) -> None:
    result = bot.process("run", "--account", "bot", "--", "sh", "-c", "yes | head -1; yes | true")
    assert (result.exit_status, result.out) == (0, "y\n")
    assert "Broken pipe" not in result.err


def test_what_cannot_be_run_releases_nothing(bot: CommandLine) -> None:
    result = bot.process("run", "--account", "bot", "--json", "--", "no-such-program")
    assert (result.exit_status, result.error["code"]) == (3, "command_not_found")
    assert bot("history", "--type", "CredentialReleased", "--json").data == []


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (("--account", "nobody"), 3, "account_not_found"),
        (("--account", "empty"), 3, "no_credentials"),
        (("--account", "stopped"), 5, "account_inactive"),
        (("--account", "bot", "--exchange", "paradex"), 3, "credential_not_found"),
        (("--account", "bot", "--access", "read_only"), 5, "release_refused"),
    ],
)
def test_a_refusal_has_its_exit_code_and_runs_nothing(
    bot: CommandLine, arguments: tuple[str, ...], status: int, code: str
) -> None:
    for account in ("empty", "stopped"):
        bot("create-account", account)
    bot("deactivate-account", "stopped")
    result = bot.process("run", *arguments, "--json", "--", "echo", "ran")
    assert (result.exit_status, result.error["code"], result.out) == (status, code, "")


def test_a_bad_credential_is_said_and_the_others_are_passed(bot: CommandLine) -> None:
    bot("deactivate-credential", "lender", "backpack", "--cascade")
    result = bot.process("run", "--account", "bot", "--", "sh", "-c", "echo $LIGHTER_ACCOUNT_INDEX")
    assert (result.exit_status, result.out) == (0, "1\n")
    assert "no backpack credential: the credential of lender for backpack is inactive" in result.err


def test_one_of_several_subaccounts_can_be_chosen(bot: CommandLine) -> None:
    for number in ("1", "2"):
        fields = f'{{"api_key": "key-{number}", "secret_key": "s"}}'
        add = ("add-credential", "bot", "aster", "--subaccount", number, "--from-json", "-")
        assert bot(*add, stdin=fields).exit_status == 0
    command = ("--exchange", "aster", "--", "sh", "-c", "echo $ASTER_API_KEY")
    refused = bot.process("run", "--account", "bot", *command)
    assert refused.exit_status == 2
    assert "Say which: --subaccount aster=1 or --subaccount aster=2." in refused.err
    assert bot.process("run", "--account", "bot", "--subaccount", "2", *command).out == "key-2\n"


def test_one_run_gives_a_bot_a_choice_for_each_exchange(cli: CommandLine) -> None:
    cli("create-account", "bot")
    for number in ("0", "3"):
        cli.store("bot", "lighter", "--subaccount", number, private_key=f"wallet-{number}")
    cli.store("bot", "aster", api_key="one-key")
    show = ("--", "sh", "-c", "echo $API_KEY_PRIVATE_KEY $ASTER_API_KEY")
    chosen = ("--subaccount", "lighter=3", "--subaccount", "aster=none")
    for choice in (chosen, chosen[:2]):
        assert cli.process("run", "--account", "bot", *choice, *show).out == "wallet-3 one-key\n"
    others = ("--subaccount", "0", "--subaccount", "aster=none")
    assert cli.process("run", "--account", "bot", *others, *show).out == "wallet-0 one-key\n"
    resolved = cli("resolve", "bot", *chosen, "--json").data
    assert [(r["exchange"], r["subaccount_index"]) for r in resolved] == [
        ("aster", None),
        ("lighter", 3),
    ]
    field = ("--field", "private_key")
    assert cli("reveal-credential", "bot", "lighter", *chosen[:2], *field).out == "wallet-3\n"


def test_a_chosen_credential_must_be_there(cli: CommandLine) -> None:
    cli("create-account", "bot")
    for number in ("0", "3"):
        cli.store("bot", "lighter", "--subaccount", number, private_key=f"wallet-{number}")
    cli.store("bot", "aster", api_key="one-key")
    run = ("run", "--account", "bot")
    for choice in ("lighter=7", "lighter=none", "aster=0"):
        refused = cli.process(*run, "--subaccount", choice, "--", "echo", "started")
        assert (refused.exit_status, refused.out) == (3, ""), choice
    # Without a choice the others are passed on, and the way to choose is told.
    without = cli.process(*run, "--", "echo", "started")
    assert without.out == "started\n"
    assert "Say which: --subaccount lighter=0 or --subaccount lighter=3." in without.err


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (
            ("ligther=3",),
            "chosen for ligther, and no credential of it is asked for",
        ),
        (("backpack=1", "paradex=3"), "a subaccount is chosen for paradex"),
        (("lighter=3", "lighter=none"), "two subaccounts are named for lighter"),
        (("3", "none"), "two subaccounts are named for all exchanges"),
        (("lighter=",), "a subaccount is a number, or EXCHANGE=NUMBER"),
        (("=3",), "a subaccount is a number, or EXCHANGE=NUMBER"),
        (("lighter=-1",), "a subaccount is numbered 0 to 2147483647, not -1"),
        (("lighter=2147483648",), "a subaccount is numbered 0 to 2147483647"),
    ],
)
def test_a_choice_that_cannot_be_meant_is_refused_before_anything_is_released(
    bot: CommandLine, choice: tuple[str, ...], said: str
) -> None:
    options = [word for text in choice for word in ("--subaccount", text)]
    for verb in (("run", "--account", "bot", *options, "--", "true"), ("resolve", "bot", *options)):
        result = bot(*verb)
        assert result.exit_status == 2, verb
        assert said in result.err
    assert bot("history", "--type", "CredentialReleased", "--json").data == []


def test_each_start_is_in_the_history_with_its_program(bot: CommandLine) -> None:
    bot.process("run", "--account", "bot", "--reason", "nightly", "--", "true", "sec-argument")
    (lender, own) = bot("history", "--type", "CredentialReleased", "--json").data
    assert (lender["data"]["purpose"], lender["reason"]) == ("run true", "nightly")
    assert (own["data"]["source"], own["data"]["exchange"]) == ("own", "lighter")


def test_a_mistyped_option_is_not_taken_for_the_program(bot: CommandLine) -> None:
    result = bot.process("run", "--account", "bot", "--pass-evn", "X", "--", "true")
    assert result.exit_status == 2
    assert "No such option: --pass-evn" in result.err
    assert run(bot, *show("--pass-evn", "-x"))[1] == ["--pass-evn", "-x"]


def test_runbot_starts_the_entry_point_of_a_bot(bot: CommandLine, tmp_path: Path) -> None:
    entry = tmp_path / "runbot.py"
    entry.write_text(SHOW)
    script = Path(__file__).resolve().parents[2] / "scripts" / "runbot"
    done = subprocess.run(
        [script, "--account", "bot", "--", "--strategy", "funding"],
        env={**bot.environment, "RUNBOT_COMMAND": f"{sys.executable} runbot.py"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    environment, arguments = json.loads(done.stdout)
    assert environment["BACKPACK_SECRET_KEY"] == "sec-1"
    assert arguments == ["--strategy", "funding"]
    assert "UV_CACHE_DIR" not in environment


def test_an_expiry_that_is_near_is_said(bot: CommandLine) -> None:
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    bot("update-credential", "bot", "lighter", "--expires-at", soon)
    assert "expires on" in bot("resolve", "bot").err
    result = bot.process("run", "--account", "bot", "--", "true")
    assert "Warning: the lighter key of bot expires on" in result.err
