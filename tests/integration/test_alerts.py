"""Alerts with real receivers: what is wrong and what happens is told, at least once."""

import contextlib
import json
import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.bots import login_role
from support.cli import CommandLine
from support.receivers import SECRET, Receiver, answers, hangs, receiving
from support.world import World

from registry import Registry, errors
from registry.services.alerts import delivering, running
from registry.services.alerts.program import Program

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "alerts"


@pytest.fixture
def ops() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def night() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ops: Receiver) -> Path:
    monkeypatch.setenv("OPS_SECRET", SECRET)
    monkeypatch.setattr(running, "_STEP_SECONDS", 0.05)
    file = tmp_path / "alerts.toml"
    file.write_text(
        f'name = "desk"\nstate = "{tmp_path}/state.json"\nevery_seconds = 1\n'
        f'[receivers.ops]\nwebhook = "{ops.url}"\nsecret_env = "OPS_SECRET"\n'
        'timeout_seconds = 1\n[[rules]]\nto = ["ops"]\nproblems = "all"\n'
        'events = ["AccountCreated", "AccountDeactivated"]\n'
    )
    return file


@pytest.fixture
def auditor(database_url: str, no_key_configured: None) -> Iterator[Registry]:
    with login_role(database_url, "registry_auditor") as role:
        with Registry.open(role.address) as opened:
            yield opened


@contextlib.contextmanager
def running_alerts(registry: Registry, settings: Path) -> Iterator["queue.Queue[str]"]:
    """A run in a thread, and what it remarks on."""
    stop = threading.Event()
    told: queue.Queue[str] = queue.Queue()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            registry.run_alerts(settings, stop=stop, told=told.put)
        except BaseException as error:  # noqa: BLE001 - it is raised below
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield told
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()
    if failed:
        raise failed[0]


def position_of(settings: Path) -> int | None:
    state = settings.with_name("state.json")
    return json.loads(state.read_text())["position"] if state.exists() else None


def began(settings: Path) -> None:
    """Waits until the log is followed."""
    deadline = time.monotonic() + 30
    while position_of(settings) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_a_problem_is_told_once_and_once_when_it_is_over(
    world: World, auditor: Registry, settings: Path, ops: Receiver
) -> None:
    world.account("bot", "aster")
    with running_alerts(auditor, settings):
        began(settings)
        world.credentials.update("bot", "aster", expires_at="2020-01-31")
        (told,) = ops.took(1)
        assert told["type"] == "problem.expired"
        assert told["registry"] == "desk"
        assert (told["account"], told["exchange"], told["severity"]) == (
            *("bot", "aster"),
            "critical",
        )
        assert told["do"].endswith("account-registry rotate-credential bot aster")
        time.sleep(1.5)
        world.credentials.update("bot", "aster", expires_at=None)
        assert ops.took(2)[1]["type"] == "over.expired"
    with running_alerts(auditor, settings):
        time.sleep(1.5)
    assert len(ops.bodies) == 2
    assert len(set(ops.ids)) == 2


def test_events_are_told_by_their_position_also_those_of_a_time_when_nothing_ran(
    world: World, auditor: Registry, settings: Path, ops: Receiver
) -> None:
    world.account("before")
    with running_alerts(auditor, settings):
        began(settings)
        world.account("first", "aster")
        assert ops.took(1)[0]["text"] == "AccountCreated of first by tester@host (event 1)"
    world.account("second")
    with running_alerts(auditor, settings):
        ops.took(2)
    assert [body["position"] for body in ops.bodies] == [1, 3]
    assert ops.ids == ["event-1", "event-3"]
    assert not [text for text in ("first-aster", "key") if text in json.dumps(ops.bodies)]


def test_what_piled_up_is_one_digest(
    world: World, auditor: Registry, settings: Path, ops: Receiver
) -> None:
    with running_alerts(auditor, settings):
        began(settings)
    for number in range(30):
        world.account(f"bot_{number}")
    with running_alerts(auditor, settings):
        digest = ops.took(1)[0]
        time.sleep(0.3)
    assert (digest["type"], len(ops.bodies)) == ("digest", 1)
    assert digest["text"].startswith("30 messages since ")
    assert len(digest["messages"]) == 20


@pytest.mark.slow
def test_a_receiver_that_takes_nothing_keeps_no_other_waiting_and_gets_all_later(
    world: World,
    auditor: Registry,
    settings: Path,
    ops: Receiver,
    night: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivering, "_LONGEST", 0.2)
    with settings.open("a") as file:
        file.write(
            f'[receivers.night]\nwebhook = "{night.url}"\nsecret_env = "OPS_SECRET"\n'
            'timeout_seconds = 1\n[[rules]]\nto = ["night"]\nevents = ["AccountCreated"]\n'
        )
    ok, ops.behave = ops.behave, hangs
    with running_alerts(auditor, settings) as told:
        began(settings)
        world.account("bot")
        night.took(1)
        ops.was_asked(2)
        assert told.get(timeout=30) == "Telling ops, night"
        failed = "ops took no message, and is tried again: no answer within 1 seconds"
        assert told.get(timeout=30) == failed
        ops.behave = answers(503)
        asked = ops.asked
        ops.was_asked(asked + 2)
        ops.behave = ok
        ops.took(1)
        while told.get(timeout=30) != "ops takes messages again":
            pass
    assert (ops.ids, night.ids) == (["event-0"], ["event-0"])


@pytest.mark.slow
def test_what_a_receiver_has_not_taken_is_told_after_a_kill(
    cli: CommandLine, settings: Path, ops: Receiver
) -> None:
    """The process is killed while a message is under way, and another one goes on."""
    cli.environment["OPS_SECRET"] = SECRET
    ok, ops.behave = ops.behave, hangs
    process = started(cli, settings)
    try:
        began(settings)
        cli("create-account", "bot")
        ops.was_asked(1)
        again = cli.process("alerts", "run", "--settings", str(settings))
        assert (again.exit_status, "another process uses" in again.err) == (4, True)
    finally:
        process.kill()
        process.wait()
    ops.behave = ok
    process = started(cli, settings)
    try:
        assert ops.took(1)[0]["id"] == "event-0"
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def started(cli: CommandLine, settings: Path) -> "subprocess.Popen[bytes]":
    import sys

    from support.cli import PROJECT

    return subprocess.Popen(
        [sys.executable, "-m", "registry.commands", "alerts", "run", "--settings", str(settings)],
        env=cli.environment,
        cwd=PROJECT,
    )


def test_another_log_is_told_and_ends_the_run_until_it_is_begun_anew(
    world: World, auditor: Registry, settings: Path, ops: Receiver
) -> None:
    world.account("bot")
    with running_alerts(auditor, settings):
        began(settings)
    state = settings.with_name("state.json")
    kept = json.loads(state.read_text())
    state.write_text(json.dumps({**kept, "leaf_hash": "ab" * 32}))
    with pytest.raises(errors.LogIsAnother) as caught:
        with running_alerts(auditor, settings):
            assert ops.took(1)[0]["type"] == "problem.another_log"
            time.sleep(0.2)
    assert "anew" in str(caught.value.hint)
    stop = threading.Event()
    threading.Timer(2, stop.set).start()
    auditor.run_alerts(settings, stop=stop, anew=True)
    assert json.loads(state.read_text())["leaf_hash"] == kept["leaf_hash"]


def test_a_registry_that_is_away_is_told_and_ends_no_problem(
    world: World,
    auditor: Registry,
    settings: Path,
    ops: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world.account("bot", "aster")
    world.credentials.update("bot", "aster", expires_at="2020-01-31")
    monkeypatch.setattr(running, "_AWAY_SECONDS", 0)

    def away(*_: object) -> None:
        raise errors.DatabaseUnavailable("it is away")

    with running_alerts(auditor, settings) as told:
        ops.took(1)
        with monkeypatch.context() as patch:
            patch.setattr(running, "connect_once", away)
            assert ops.took(2)[1]["type"] == "problem.unreachable"
            assert told.get(timeout=30) == "Telling ops"
            assert told.get(timeout=30) == "the registry cannot be read: it is away"
        assert ops.took(3)[2]["type"] == "over.unreachable"
    assert [body["type"] for body in ops.bodies].count("over.expired") == 0


def test_a_damaged_state_is_named_and_left_as_it_is(auditor: Registry, settings: Path) -> None:
    state = settings.with_name("state.json")
    wrong = ('{"position": 3}', '{"position": "x", "leaf_hash": null}', '{"position": 1.5}')
    for text in ("{", "[]", "[" * 100_000, *wrong):
        state.write_text(text)
        with pytest.raises(errors.InvalidInput, match="is no state of alerts"):
            auditor.run_alerts(settings)
        assert state.read_text() == text


def test_a_state_that_cannot_be_written_ends_the_run_and_says_so(
    world: World,
    auditor: Registry,
    settings: Path,
    ops: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise errors.InvalidInput("cannot write it: No space left on device")

    with pytest.raises(errors.InvalidInput, match="No space left"):
        with running_alerts(auditor, settings):
            began(settings)
            with monkeypatch.context() as patch:
                patch.setattr("registry.services.alerts.state.State.taken", full)
                world.account("bot")
                ops.took(1)
                time.sleep(0.5)
    assert position_of(settings) == 0


def test_the_verb_tests_each_receiver_and_says_what_came_back(
    cli: CommandLine, settings: Path, ops: Receiver, tmp_path: Path
) -> None:
    cli.environment["OPS_SECRET"] = SECRET
    with settings.open("a") as file:
        file.write('[receivers.pager]\ncommand = ["false"]\n')
        file.write('[receivers.gone]\ncommand = ["/nowhere/pager"]\n')
    done = cli("alerts", "test", "--settings", str(settings))
    assert done.exit_status == 1
    rows = [line.split("\t") for line in done.out.splitlines()[1:]]
    assert rows == [
        ["ops", "webhook at 127.0.0.1", "took it"],
        ["pager", "command false", "exit code 1"],
        ["gone", "command pager", "it cannot be started: No such file or directory"],
    ]
    assert ops.bodies[0]["type"] == "test"
    assert "token-in-the-path" not in done.out + done.err


def test_a_command_gets_json_and_no_variable_but_those_of_the_system_and_those_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("CHAT_TOKEN", "passed on")
    out = tmp_path / "out"
    words = ["sh", "-c", f'cat > {out}; echo "$DATABASE_URL/$CHAT_TOKEN" >> {out}']
    assert Program(words, 10, ["CHAT_TOKEN"]).send("id", b'{"text": "x"}') is None
    assert out.read_text() == '{"text": "x"}/passed on\n'


@pytest.mark.slow
def test_a_command_that_does_not_end_is_ended_with_what_it_started(tmp_path: Path) -> None:
    child = tmp_path / "child"
    words = ["sh", "-c", f"trap '' TERM; sleep 60 & echo $! > {child}; wait; sleep 60"]
    said = Program(words, 1).send("id", b"x" * 1_000_000)
    assert said == "it did not end within 1 seconds"
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child.read_text().strip()}/cmdline").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


MESSAGE = {
    "id": "problem-1",
    "type": "problem.expired",
    "registry": "desk",
    "severity": "critical",
    "text": "the key of bot for aster expired",
    "do": "Bring the next key into use: account-registry rotate-credential bot aster",
}


@pytest.mark.parametrize(
    ("script", "program", "arguments", "wanted"),
    [
        ("mail", "sendmail", ["desk@example.com"], "Subject: [desk] critical: problem.expired"),
        ("apprise", "apprise", [], "--title desk: problem.expired --notification-type failure"),
    ],
)
def test_the_scripts_of_the_examples_say_it_all(
    tmp_path: Path, script: str, program: str, arguments: list[str], wanted: str
) -> None:
    said = tmp_path / "said"
    fake = tmp_path / program
    fake.write_text(f'#!/bin/sh\necho "$*" > {said}\ncat >> {said}\n')
    fake.chmod(0o755)
    subprocess.run(
        [str(EXAMPLES / script), *arguments],
        input=json.dumps(MESSAGE).encode(),
        env={"PATH": f"{tmp_path}:/usr/local/bin:/usr/bin:/bin", "APPRISE_CONFIG": "/etc/apprise"},
        check=True,
    )
    assert wanted in said.read_text()
    assert MESSAGE["text"] in said.read_text()


def test_the_script_for_telegram_sends_it_and_tells_no_token(tmp_path: Path) -> None:
    import http.server
    import urllib.parse

    asked: list[tuple[str, str]] = []

    class Api(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            asked.append((self.path, body))
            self.send_response(200 if len(asked) == 1 else 401)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    (tmp_path / "telegram.json").write_text('{"token": "123:ABC", "chat_id": "-1"}')
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        runs = [
            subprocess.run(
                [str(EXAMPLES / "telegram")],
                input=json.dumps(MESSAGE).encode(),
                env={
                    "PATH": "/usr/local/bin:/usr/bin:/bin",
                    "TELEGRAM_API": f"http://127.0.0.1:{server.server_port}",
                    "CREDENTIALS_DIRECTORY": str(tmp_path),
                },
                capture_output=True,
                check=False,
            )
            for _ in range(2)
        ]
        server.shutdown()
    assert [run.returncode for run in runs] == [0, 1]
    assert (asked[0][0], runs[1].stderr) == ("/bot123:ABC/sendMessage", b"telegram: 401\n")
    sent = dict(urllib.parse.parse_qsl(asked[0][1]))
    assert sent["text"].startswith("desk\nthe key of bot for aster expired\n")
