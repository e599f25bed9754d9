"""The verb `run --watch`: a program is started again when what it was given changes."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cli import CommandLine
from support.proxy import Proxy
from support.running import borrowing_bot
from support.supervised import eventually, releases, replaced, saying, supervised

slow = pytest.mark.slow
IN_USE = "another process here has this lighter key of bot in use"


@pytest.fixture
def bot(cli: CommandLine) -> CommandLine:
    return borrowing_bot(cli)


def test_a_replaced_key_restarts_the_program_with_the_new_one(bot: CommandLine) -> None:
    with supervised(bot) as watched:
        first = watched.up()
        assert first.keys == ["0", "pub-1"]
        replaced(bot, "lighter", api_key_index="5")
        assert "the lighter credential of bot changed" in watched.wait_for("Restarting")
        watched.wait_for("got SIGTERM")
        second = watched.up()
        assert (second.keys, second.pid == first.pid) == (["5", "pub-1"], False)
        # A lender's replacement is one of the account's own.
        replaced(bot, "backpack", "lender", public_key="pub-2")
        assert watched.up().keys == ["5", "pub-2"]
        assert not any(IN_USE in line for line in watched.said)


@slow
def test_several_changes_in_the_quiet_time_are_one_restart(bot: CommandLine) -> None:
    with supervised(bot, "--quiet", "1s") as watched:
        watched.up()
        for number in ("3", "4", "5"):
            replaced(bot, "lighter", api_key_index=number)
        replaced(bot, "backpack", "lender", public_key="pub-2")
        assert "backpack and lighter credentials" in watched.wait_for("Restarting")
        assert watched.up().keys == ["5", "pub-2"]
        assert not any("Not passed on" in line for line in watched.said[2:]), "said once is enough"
    assert sum("up " in line for line in watched.said) == 2


@slow
def test_what_the_program_was_not_given_restarts_nothing(bot: CommandLine) -> None:
    with supervised(bot, "--exchange", "lighter", "--subaccount", "none") as watched:
        watched.up()
        replaced(bot, "backpack", "lender", public_key="pub-2")
        bot("create-account", "other")
        bot.store("other", "aster")
        bot.store("bot", "lighter", "--subaccount", "3", api_key_index="3")
        bot("update-account", "bot", "--description", "x")
        bot("update-credential", "bot", "lighter", "--subaccount", "3", "--label", "x")
        replaced(bot, "lighter", api_key_index="5")
        assert watched.up().keys == ["5", "-"]
    assert sum("Restarting" in line for line in watched.said) == 1


@slow
def test_a_change_that_is_taken_back_in_the_quiet_time_restarts_nothing(bot: CommandLine) -> None:
    replaced(bot, "lighter", api_key_index="1")
    with supervised(bot, "--exchange", "lighter", "--quiet", "3s") as watched:
        watched.up()
        for number in ("2", "1"):
            replaced(bot, "lighter", api_key_index=number)
        eventually(lambda: len(releases(bot)) == 2, "it was not loaded anew")
        replaced(bot, "lighter", api_key_index="5")
        assert watched.up().keys[0] == "5"
    assert sum("Restarting" in line for line in watched.said) == 1


@slow
def test_the_new_credentials_are_loaded_before_the_old_program_is_stopped(
    bot: CommandLine,
) -> None:
    with supervised(bot, "--grace", "60s", program=saying(ends=False)) as watched:
        first = watched.up()
        replaced(bot, "lighter", api_key_index="5")
        watched.wait_for("got SIGTERM")
        assert releases(bot)[-1]["data"]["credential_version"] == 2
        os.kill(first.pid, signal.SIGKILL)
        assert watched.up().keys[0] == "5"


@slow
def test_a_program_that_does_not_end_in_its_grace_is_killed(bot: CommandLine) -> None:
    with supervised(bot, "--grace", "1s", program=saying(ends=False)) as watched:
        watched.up()
        replaced(bot, "lighter", api_key_index="5")
        watched.wait_for("got SIGTERM")
        watched.wait_for("did not end within 1 s: killing it")
        assert watched.up().keys[0] == "5"


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        (("deactivate-account", "bot"), 5, "account bot is inactive"),
        pytest.param(
            ("stop", "--account", "bot", "--reason", "it leaked", "--yes"), 5, "leaked", marks=slow
        ),
        pytest.param(("rename-account", "bot", "other"), 3, "bot", marks=slow),
    ],
)
def test_a_stop_ends_the_program_and_run_with_the_exit_code_of_a_refusal(
    bot: CommandLine, command: tuple[str, ...], status: int, said: str
) -> None:
    # Without a quiet time: who stops an account does not want to wait.
    with supervised(bot, "--quiet", "60s") as watched:
        watched.up()
        done = bot(*command)
        assert done.exit_status == 0, done.err
        watched.wait_for("Stopping")
        watched.wait_for("got SIGTERM")
        assert watched.end() == status
        assert said in " ".join(watched.said)


@slow
def test_an_exchange_that_is_taken_away_restarts_the_program_without_it(bot: CommandLine) -> None:
    with supervised(bot) as watched:
        watched.up()
        assert bot("unshare", "bot", "backpack").exit_status == 0
        assert watched.up().keys == ["0", "-"]
        assert bot("deactivate-credential", "bot", "lighter").exit_status == 0
        watched.wait_for("Stopping")
        assert watched.end() == 5


@slow
def test_a_key_that_must_be_there_ends_the_program_when_it_is_taken(bot: CommandLine) -> None:
    with supervised(bot, "--exchange", "backpack") as watched:
        watched.up()
        assert bot("unshare", "bot", "backpack").exit_status == 0
        watched.wait_for("Stopping")
        assert watched.end() == 3


@slow
def test_a_signal_is_sent_instead_to_a_program_that_loads_itself(bot: CommandLine) -> None:
    with supervised(bot, "--on-change", "hup") as watched:
        first = watched.up()
        replaced(bot, "lighter", api_key_index="5")
        watched.wait_for("got SIGHUP")
        assert first.pid in watched.children()
        assert len(releases(bot)) == 2
        bot("deactivate-account", "bot")
        watched.wait_for("got SIGTERM")
        assert watched.end() == 5


@pytest.mark.parametrize(
    ("program", "end"),
    [
        pytest.param("exit 0", 0, marks=slow),
        ("exit 77", 77),
        ("kill -TERM $$", -signal.SIGTERM),
        pytest.param("kill -KILL $$", -signal.SIGKILL, marks=slow),
    ],
)
def test_run_ends_as_the_program_by_its_exit_code_or_its_signal(
    bot: CommandLine, program: str, end: int
) -> None:
    with supervised(bot, program=["sh", "-c", program]) as watched:
        assert watched.end() == end


def test_signals_are_passed_on_and_the_end_is_the_programs(bot: CommandLine) -> None:
    with supervised(bot, program=saying(status=7)) as watched:
        watched.up()
        for name in ("HUP", "USR1", "USR2", "WINCH", "INT", "QUIT", "CONT", "TERM"):
            os.kill(watched.process.pid, getattr(signal, f"SIG{name}"))
            watched.wait_for(f"got SIG{name}")
        assert watched.end() == 7
    assert watched.said.count("got SIGTERM") == 1


@slow
def test_a_stopped_program_is_continued_by_who_continues_run(bot: CommandLine) -> None:
    with supervised(bot) as watched:
        first = watched.up()
        os.kill(watched.process.pid, signal.SIGSTOP)
        os.kill(first.pid, signal.SIGSTOP)
        os.kill(watched.process.pid, signal.SIGCONT)
        watched.wait_for("got SIGCONT")


@slow
def test_who_asks_for_the_end_during_a_restart_gets_it(bot: CommandLine) -> None:
    with supervised(bot, "--grace", "60s", program=saying(ends=False)) as watched:
        first = watched.up()
        replaced(bot, "lighter", api_key_index="5")
        watched.wait_for("got SIGTERM")
        os.kill(watched.process.pid, signal.SIGINT)
        watched.wait_for("got SIGINT")
        os.kill(first.pid, signal.SIGKILL)
        assert watched.end() == -signal.SIGKILL


@slow
def test_a_program_that_fails_is_started_again_after_pauses_if_that_is_asked_for(
    bot: CommandLine,
) -> None:
    program = ["sh", "-c", "echo up; exit 3"]
    with supervised(bot, "--restart", "on-failure", program=program) as watched:
        for pause in (1, 2):
            began = time.monotonic()
            watched.wait_for(f"ended with exit code 3; it is started again in {pause} s")
        watched.wait_for("it is started again in 4 s")
        assert time.monotonic() - began > 2
        os.kill(watched.process.pid, signal.SIGTERM)
        assert watched.end() == -signal.SIGTERM


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    proxy = Proxy(database_url)
    yield proxy
    proxy.close()


@slow
def test_a_database_that_is_away_stops_nothing_and_what_changed_meanwhile_is_seen_later(
    bot: CommandLine, proxy: Proxy
) -> None:
    address = proxy.address
    with supervised(bot, DATABASE_URL=address) as watched:
        first = watched.up()
        proxy.refuse_all()
        watched.wait_for("cannot be followed now")
        replaced(bot, "lighter", api_key_index="5")
        assert first.pid in watched.children()
        proxy.serve_again()
        watched.wait_for("are followed again")
        assert watched.up().keys[0] == "5"


@slow
def test_a_load_that_fails_leaves_the_old_program_running_and_is_tried_again(
    bot: CommandLine,
) -> None:
    key, away = Path(bot.file("master.key", bot.master_key)), bot.folder / "away"
    key.chmod(0o600)
    with supervised(
        bot, CREDENTIAL_ENCRYPTION_KEY="", CREDENTIAL_ENCRYPTION_KEY_FILE=str(key)
    ) as watched:
        first = watched.up()
        key.rename(away)
        replaced(bot, "lighter", api_key_index="5")
        assert "goes on with the old ones" in watched.wait_for("cannot be loaded")
        assert first.pid in watched.children()
        away.rename(key)
        assert watched.up().keys[0] == "5"


@slow
def test_a_stop_ends_the_program_also_where_nothing_could_be_loaded(bot: CommandLine) -> None:
    key = Path(bot.file("master.key", bot.master_key))
    key.chmod(0o600)
    with supervised(
        bot, CREDENTIAL_ENCRYPTION_KEY="", CREDENTIAL_ENCRYPTION_KEY_FILE=str(key)
    ) as watched:
        watched.up()
        key.unlink()
        assert bot("deactivate-account", "bot", "--cascade").exit_status == 0
        watched.wait_for("bot may use no credential any more")
        watched.wait_for("got SIGTERM")
        assert watched.end() == 5


@slow
def test_a_mistake_that_leaves_a_choice_open_takes_no_key_from_the_running_program(
    bot: CommandLine,
) -> None:
    with supervised(bot) as watched:
        first = watched.up()
        assert bot.store("bot", "lighter", "--subaccount", "3", api_key_index="3").exit_status == 0
        assert "the next attempt is after the next change" in watched.wait_for("cannot be loaded")
        assert first.pid in watched.children()
        replaced(bot, "backpack", "lender", public_key="pub-2")
        watched.wait_for("cannot be loaded")
        assert first.pid in watched.children()


@slow
def test_a_program_that_somebody_has_stopped_is_restarted_too(bot: CommandLine) -> None:
    with supervised(bot, "--grace", "60s") as watched:
        first = watched.up()
        os.kill(first.pid, signal.SIGSTOP)
        replaced(bot, "lighter", api_key_index="5")
        assert watched.up().keys[0] == "5"


@slow
def test_a_key_that_only_one_may_use_stays_locked_across_restarts(bot: CommandLine) -> None:
    with supervised(bot) as watched:
        watched.up()
        replaced(bot, "lighter", api_key_index="5")
        watched.up()
        replaced(bot, "backpack", "lender", public_key="pub-2")
        watched.up()
        assert IN_USE in bot.process("run", "--account", "bot", "--", "true").err
    assert not any(IN_USE in line for line in watched.said)
    assert IN_USE not in bot.process("run", "--account", "bot", "--", "true").err


@slow
def test_what_systemd_says_to_the_process_it_started_is_said_to_the_program(
    bot: CommandLine,
) -> None:
    show = "echo up $$ $LISTEN_PID $WATCHDOG_PID $NOTIFY_SOCKET"
    # systemd sets the number of the process that it starts, which a shell knows here.
    shell = ("sh", "-c", 'export LISTEN_PID=$$ WATCHDOG_PID=1; exec "$@"', "sh")
    with supervised(
        bot, program=["sh", "-c", show], prefix=shell, NOTIFY_SOCKET="/run/notify"
    ) as watched:
        _, pid, *told = watched.wait_for("up ").split()
        assert told == [pid, "1", "/run/notify"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--quiet", "2s"), "Add --watch."),
        (("--on-change", "HUP"), "Add --watch."),
        (("--watch", "--quiet", "soon"), "--quiet 'soon' is not a span of time"),
        (("--watch", "--on-change", "KILL"), "neither restart nor the name of a signal"),
        (("--watch", "--on-change", "reload"), "neither restart nor the name of a signal"),
    ],
)
def test_an_option_that_cannot_be_meant_releases_nothing(
    bot: CommandLine, options: tuple[str, ...], said: str
) -> None:
    refused = bot("run", "--account", "bot", *options, "--", "true")
    assert (refused.exit_status, said in refused.err) == (2, True), refused.err
    assert releases(bot) == []


@pytest.mark.parametrize(
    ("account", "program", "status", "said"),
    [
        pytest.param("nobody", "true", 3, "there is no account nobody", marks=slow),
        pytest.param("bot", "no-such", 3, "there is no program no-such", marks=slow),
        ("bot", "README", 3, "cannot be run: Exec format error"),
    ],
)
def test_what_cannot_begin_says_why_as_without_it(
    bot: CommandLine, account: str, program: str, status: int, said: str
) -> None:
    file = Path(bot.file("README", "no program"))
    file.chmod(0o700)
    name = str(file) if program == "README" else program
    with supervised(bot, account=account, program=[name]) as watched:
        assert watched.end() == status
        assert said in " ".join(watched.said)
        assert not any("Traceback" in line for line in watched.said)


@slow
def test_nothing_is_left_when_run_ends(bot: CommandLine) -> None:
    with supervised(bot) as watched:
        watched.up()
        children = watched.children()
        assert len(children) == 2
        os.kill(watched.process.pid, signal.SIGTERM)
        watched.end()
        eventually(lambda: not any(map(_lives, children)), "a process is left")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
