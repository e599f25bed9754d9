"""`rotate-credential`, as it is typed: its steps, what the exchange says, and the exit codes."""

import json
import os
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest
from support.cli import CommandLine, Result
from support.exchange_server import Answer, Reply, Request, serving
from support.key_answers import KEYS, answering

pytest.importorskip("ccxt")

OLD = {**KEYS["okx"], "api_key": "okx-key1"}


@pytest.fixture
def okx(bot: CommandLine) -> CommandLine:
    """An account whose key is to be rotated."""
    stored = bot("add-credential", "bot", "okx", "--from-json", "-", stdin=json.dumps(OLD))
    assert stored.exit_status == 0, stored.err
    return bot


def rotate(bot: CommandLine, *options: str, answer: Answer | None = None) -> Result:
    """A rotation to the key that the exchange knows; a step of one if there are options."""
    new = () if options and "--prepare" not in options else ("--from-json", "-")
    with serving("okx", answer or answering("okx")) as server:
        server.trading = True
        file = bot.file("clients.json", json.dumps({"okx": server.config()}))
        given = ("rotate-credential", "bot", "okx", *new, *options, "--client-config", file)
        return bot(*given, stdin=json.dumps(KEYS["okx"]))


def states(bot: CommandLine) -> dict[int, str]:
    listed = bot("list-credentials", "bot", "--versions", "--json").data
    return {version["version"]: version["state"] for version in listed}


def revealed(bot: CommandLine, *options: str) -> str:
    return bot("reveal-credential", "bot", "okx", "--field", "api_key", *options).out.strip()


def test_in_one_go_the_new_key_is_checked_and_in_use_and_what_that_means_is_said(
    okx: CommandLine,
) -> None:
    result = rotate(okx)
    assert result.exit_status == 0, result.err
    assert result.out.startswith(
        "The exchange accepts the key. Version 2 of bot for okx is in use from now on "
        "(events 3, 4, 5, 6). "
    )
    assert "The former one can be asked for until 2" in result.out
    assert (
        "at okx nothing has changed: the former key works there until you delete it" in result.err
    )
    assert states(okx) == {2: "current", 1: "grace"}
    assert (revealed(okx), revealed(okx, "--version", "1")) == (KEYS["okx"]["api_key"], "okx-key1")
    told = okx("history", "bot").out
    assert "prepared okx version 2" in told
    assert "checked okx version 2: valid" in told
    assert "kept okx version 1 until 2" in told


@pytest.mark.parametrize(
    ("reply", "exit_status", "says", "left"),
    [
        (
            Reply(401, {"code": "50113", "msg": "Invalid Sign"}),
            5,
            "does not work, wrong key",
            {2: "retired", 1: "current"},
        ),
        (
            Reply(503, "<html>"),
            7,
            "was not checked, server error",
            {2: "pending", 1: "current"},
        ),
    ],
)
def test_a_dead_key_is_given_up_and_one_that_could_not_be_asked_about_stays_pending(
    okx: CommandLine, reply: Reply, exit_status: int, says: str, left: dict[int, str]
) -> None:
    result = rotate(okx, answer=lambda _: reply)
    assert (result.exit_status, states(okx)) == (exit_status, left)
    assert says in result.err
    assert "version 1 stays in use" in result.err
    assert len(result.err.splitlines()) == 2
    assert revealed(okx) == "okx-key1"


def test_the_steps_one_by_one(okx: CommandLine) -> None:
    assert "is pending, and nobody uses it (event 3)" in rotate(okx, "--prepare").out
    assert rotate(okx, "--check", answer=lambda _: Reply(502, "<html>")).exit_status == 7
    dead = rotate(okx, "--activate", answer=lambda _: Reply(401, {"code": "50111", "msg": "x"}))
    assert (dead.exit_status, states(okx)[2]) == (5, "pending")
    assert "rotate-credential bot okx --abandon" in dead.err
    checked = rotate(okx, "--check", "--json")
    assert (checked.data["state"], checked.data["checked"]) == ("pending", "valid")
    assert rotate(okx, "--activate", "--grace", "2h").exit_status == 0
    assert states(okx) == {2: "current", 1: "grace"}
    assert rotate(okx, "--retire").out.startswith("Version 1 of bot for okx is retired (event ")
    assert rotate(okx, "--retire").exit_status == 3


def test_without_a_check_nobody_is_asked(okx: CommandLine) -> None:
    asked: list[Request] = []
    result = rotate(okx, "--prepare", "--activate", "--no-check", answer=_asking(asked))
    assert (result.exit_status, asked, states(okx)[2]) == (0, [], "current")


def _asking(asked: list[Request]) -> Answer:
    def answer(request: Request) -> Any:
        asked.append(request)
        return Reply(500, "")

    return answer


def test_a_key_without_a_client_stays_pending_and_can_go_on_unchecked(bot: CommandLine) -> None:
    bot.store("bot", "edgex")
    fields = {"account_id": "543210987654321", "stark_private_key": "0x0feedface0feedf00"}
    given = ("rotate-credential", "bot", "edgex")
    result = bot(*given, "--from-json", "-", stdin=json.dumps(fields))
    assert result.exit_status == 5
    assert "was not checked, not checkable: there is no ccxt client for edgex" in result.err
    assert "account-registry rotate-credential bot edgex --activate; without asking, add " in (
        result.err
    )
    assert bot(*given, "--activate", "--no-check").exit_status == 0


def test_who_holds_the_former_key_is_listed_and_hinders_its_end(okx: CommandLine) -> None:
    assert revealed(okx) == "okx-key1"
    rotate(okx)
    listed = okx("list-credentials", "--held").out.splitlines()
    assert [line.split("\t")[4:7] for line in listed[1:]] == [["1", "grace", "bot"]]
    refused = rotate(okx, "--retire")
    assert refused.exit_status == 5
    assert "bot may still hold version 1: it received it as " in refused.err
    assert "account-registry list-credentials --held" in refused.err
    assert rotate(okx, "--retire", "--although-held").exit_status == 0
    (found,) = okx("list-credentials", "bot", "--held", "--json").data
    assert (found["state"], found["held_by"]) == ("retired", "bot")


@pytest.mark.parametrize(
    "words",
    [
        ("--activate", "--from-json", "-"),
        ("--activate", "--retire"),
        ("--activate", "--label", "x"),
        ("--retire", "--version", "0"),
        ("--prepare", "--grace", "soon", "--from-json", "-"),
    ],
)
def test_what_does_not_fit_together_is_said_and_changes_nothing(
    okx: CommandLine, words: tuple[str, ...]
) -> None:
    result = okx("rotate-credential", "bot", "okx", *words, stdin=json.dumps(KEYS["okx"]))
    assert result.exit_status == 2, result
    assert states(okx) == {1: "current"}


def test_a_dry_run_changes_nothing(okx: CommandLine) -> None:
    result = rotate(okx, "--prepare", "--activate", "--dry-run")
    assert result.out == (
        "Would have changed version 2 of bot for okx (dry run, nothing was changed): "
        "CredentialPrepared.\n"
    )
    assert states(okx) == {1: "current"}


@pytest.mark.slow
def test_killed_while_the_exchange_is_asked_it_goes_on_from_there(okx: CommandLine) -> None:
    asked, ended = threading.Event(), threading.Event()

    def silent(_: Request) -> Any:
        asked.set()
        ended.wait(30)
        return Reply(500, "")

    with serving("okx", silent) as server:
        server.trading = True
        file = okx.file("clients.json", json.dumps({"okx": server.config()}))
        keys = okx.file("new.json", json.dumps(KEYS["okx"]))
        given = ("rotate-credential", "bot", "okx", "--from-json", keys, "--client-config", file)
        process = subprocess.Popen(
            [sys.executable, "-m", "registry.commands", *given],
            env={**os.environ, **okx.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert asked.wait(60)
        process.send_signal(signal.SIGKILL)
        process.wait()
        ended.set()
    assert states(okx) == {2: "pending", 1: "current"}
    assert okx("rebuild", "--check").exit_status == 0
    assert rotate(okx).exit_status == 0  # the same key again
    assert states(okx) == {2: "current", 1: "grace"}
    assert okx("rebuild", "--check").exit_status == 0
