"""The history: its content and filters, its speed, and that it misses nothing."""

import contextlib
import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.cli import CommandLine

from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.errors import RegistryError
from registry.services.feed.feed import follow
from registry.services.reading.history import HistoryFilter, stream_history

ROOT = Path(__file__).resolve().parents[2]
ASTER = json.dumps({"api_key": "the-api-key", "secret_key": "the-secret"})


def positions(cli: CommandLine, *arguments: str) -> list[int]:
    result = cli("history", *arguments, "--json")
    assert result.exit_status == 0, result.err
    return [event["position"] for event in result.data]


@pytest.fixture
def filled(cli: CommandLine) -> CommandLine:
    """Two accounts, made by two actors."""
    cli("create-account", "one", "--actor", "alice@desk", "--reason", "a start")
    cli("create-account", "two", "--actor", "bob@desk")
    cli("add-credential", "one", "aster", "--from-json", "-", "--actor", "bob@desk", stdin=ASTER)
    cli("update-account", "two", "--description", "second", "--actor", "alice@desk")
    return cli


def test_it_shows_who_when_from_where_what_and_why(filled: CommandLine) -> None:
    first = filled("history", "one", "--json").data[0]
    assert (first["actor"], first["reason"], first["account_name"]) == (
        "alice@desk",
        "a start",
        "one",
    )
    assert first["recorded_by"] == "postgres"
    shown = filled("history", COLUMNS="200").out
    assert "alice@desk as postgres" in shown
    assert "a start" in shown


def test_it_shows_fingerprints_that_are_equal_for_equal_values_and_never_a_value(
    filled: CommandLine,
) -> None:
    told = ("--from-json", "-", "--allow-shared-secret")
    assert filled("add-credential", "two", "aster", *told, stdin=ASTER).exit_status == 0
    for arguments in (["--json"], ["--ndjson"], []):
        out = filled("history", *arguments, COLUMNS="200").out
        assert "the-api-key" not in out
        assert "the-secret" not in out
        assert "gAAAA" not in out
    events = filled("history", "--type", "CredentialAdded", "--json").data
    assert events[0]["data"]["fingerprints"] == events[1]["data"]["fingerprints"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], [0, 1, 2, 3]),
        (["one"], [0, 2]),
        (["--exchange", "aster"], [2]),
        (["--by", "alice@desk"], [0, 3]),
        (["--by", "nobody"], []),
        (["--type", "AccountCreated"], [0, 1]),
        (["one", "--by", "bob@desk"], [2]),
        (["--limit", "2"], [2, 3]),
        (["two", "--limit", "1"], [3]),
        (["--since", "2020-01-01", "--until", "2020-01-02"], []),
        (["--since", "2020-01-01", "--limit", "1"], [3]),
        (["--since", "-1d"], [0, 1, 2, 3]),
        (["--since=yesterday", "--until", "now"], [0, 1, 2, 3]),
        (["--until", "-36h"], []),
    ],
)
def test_it_can_be_narrowed(filled: CommandLine, arguments: list[str], expected: list[int]) -> None:
    assert positions(filled, *arguments) == expected


def test_who_asks_is_no_filter_and_that_is_said(filled: CommandLine) -> None:
    everything = filled("history")
    asked = filled("history", "--actor", "bob@desk")
    assert (asked.out, everything.err) == (everything.out, "")
    assert "--by bob@desk" in asked.err
    assert filled("history", "--actor", "bob@desk", "--by", "bob@desk").err == ""


def test_times_are_those_of_the_database(
    filled: CommandLine, connection: psycopg.Connection[Any]
) -> None:
    moments = [
        row[0].isoformat()
        for row in connection.execute("SELECT recorded_at FROM audit_events ORDER BY position")
    ]
    assert positions(filled, "--since", moments[2]) == [2, 3]
    assert positions(filled, "--until", moments[2]) == [0, 1]
    assert positions(filled, "one", "--since", moments[1]) == [2]


def test_one_command_and_one_credential_can_be_asked_for(filled: CommandLine) -> None:
    command_id = filled("history", "--json").data[2]["command_id"]
    assert positions(filled, "--command", command_id) == [2]
    credential_id = filled("list-credentials", "one", "--json").data[0]["id"]
    filled("deactivate-credential", "one", "aster")
    assert positions(filled, "--credential", credential_id) == [2, 4]
    filled("remove-credential", "one", "aster", "--yes")
    gone = filled("history", "--credential", credential_id, "--json")
    assert (gone.exit_status, gone.error["code"]) == (3, "credential_not_found")
    assert positions(filled, "one", "--credential", credential_id) == [2, 4, 5]
    assert filled("history", "--command", "x").exit_status == 2


def test_a_command_is_shown_of_the_account_that_is_asked_for_only(filled: CommandLine) -> None:
    filled("share", "two", "one", "aster")
    command_id = filled("history", "--json").data[4]["command_id"]
    assert positions(filled, "two", "--command", command_id) == [4]
    assert positions(filled, "one", "--command", command_id) == [4]
    filled("create-account", "three")
    assert positions(filled, "three", "--command", command_id) == []


def test_long_histories_come_line_by_line(filled: CommandLine, database: SingleConnection) -> None:
    lines = filled("history", "--ndjson").out.splitlines()
    assert [json.loads(line)["position"] for line in lines] == [0, 1, 2, 3]
    streamed = stream_history(database, HistoryFilter(account="two"))
    assert [event["position"] for event in streamed] == [1, 3]


@pytest.mark.parametrize(
    "wanted",
    [
        HistoryFilter(limit=5),
        HistoryFilter(account="bot_0000123"),
        HistoryFilter(actor="nobody"),
        HistoryFilter(exchange="aster", limit=5),
        HistoryFilter(exchange="backpack"),
        HistoryFilter(event_type="AccountDeleted"),
        HistoryFilter(command_id=uuid.UUID(int=7)),
        HistoryFilter(account="bot_0000123", exchange="backpack"),
        HistoryFilter(account="many_releases", event_type="AccountUpdated"),
        HistoryFilter(account="many_releases", exchange="backpack"),
        HistoryFilter(actor="rare@desk", event_type="CredentialAdded"),
        HistoryFilter(actor="rare@desk", exchange="lighter"),
        HistoryFilter(command_id=uuid.UUID(int=7), event_type="CredentialAdded"),
        HistoryFilter(command_id=uuid.UUID(int=7), account="bot_0000123"),
    ],
    ids=str,
)
def test_a_short_answer_reads_few_rows_of_a_long_log(
    wanted: HistoryFilter, long_log: psycopg.Connection[Any]
) -> None:
    from registry.services.reading import history as service

    parameters = service._parameters(long_log, wanted)
    plan = long_log.execute(
        b"EXPLAIN (ANALYZE, FORMAT JSON) " + service._newest(wanted).as_bytes(long_log), parameters
    ).fetchone()
    assert plan is not None
    assert _rows_read(plan[0][0]["Plan"]) < 300


def _rows_read(node: dict[str, Any]) -> float:
    own = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return float(own * node["Actual Loops"]) + sum(_rows_read(n) for n in node.get("Plans", []))


@pytest.fixture(scope="module")
def long_log(
    fresh_database: Callable[[], contextlib.AbstractContextManager[str]],
) -> Iterator[psycopg.Connection[Any]]:
    """One for all questions, which change nothing."""
    with pytest.MonkeyPatch.context() as patch, fresh_database() as address:
        patch.syspath_prepend(str(ROOT / "scripts" / "benchmarks"))
        import biglog

        with psycopg.connect(address, autocommit=True) as connection:
            biglog.fill(connection, 20_000)
            _make_rare_and_many(connection)
            yield connection


def _make_rare_and_many(connection: psycopg.Connection[Any]) -> None:
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute("UPDATE audit_events SET actor = 'rare@desk' WHERE position % 5000 = 7")
        # One account with very many releases, in place of what most accounts did.
        connection.execute(
            "WITH bot AS (UPDATE accounts SET account_name = 'many_releases' "
            "WHERE account_name = 'bot_0000001' RETURNING id) "
            "UPDATE audit_events AS e SET stream_type = 'release', stream_id = bot.id, "
            "stream_version = e.position + 1, event_type = 'CredentialReleased', "
            "data = json_build_object('exchange', 'lighter') FROM bot "
            "WHERE e.event_type IN ('CredentialDeactivated', 'CredentialReactivated') "
            "AND e.stream_id <> bot.id"
        )
    connection.execute("VACUUM ANALYZE audit_events")


class Follower:
    """Follows in a thread of its own, and keeps what it has seen."""

    def __init__(self, url: str) -> None:
        self.seen: list[int] = []
        self.lost: list[str] = []
        self._database = SingleConnection(Target(url))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(RegistryError):  # its database goes with the test
            for event in follow(self._database, HistoryFilter(), self.lost.append):
                self.seen.append(event["position"])

    def wait_for(self, count: int) -> None:
        deadline = time.monotonic() + 30
        while len(self.seen) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        assert self.seen == list(range(count))


def test_whoever_follows_sees_each_new_event_once_and_at_once(
    filled: CommandLine, database_url: str
) -> None:
    follower = Follower(database_url)
    follower.wait_for(4)
    started = time.monotonic()
    for number in range(3):
        filled("create-account", f"new{number}")
    follower.wait_for(7)
    assert time.monotonic() - started < 4, "it was woken, and did not wait for the next look"


def test_a_follower_misses_nothing_when_its_connection_is_cut_again_and_again(
    filled: CommandLine, database_url: str, connection: psycopg.Connection[Any]
) -> None:
    follower = Follower(database_url)
    follower.wait_for(4)
    for number in range(6):
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query LIKE ANY "
            "(ARRAY['LISTEN%%', 'SELECT h.size%%', '%%audit_trail%%']) AND pid <> pg_backend_pid()"
        )
        filled("create-account", f"new{number}")
    follower.wait_for(10)
    assert follower.lost


def test_follow_prints_lines_and_ends_with_an_interrupt(filled: CommandLine) -> None:
    command = [sys.executable, "-m", "registry.commands", "history", "--follow", "--json"]
    with subprocess.Popen(
        command, env=filled.environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        filled("create-account", "three")
        lines.append(process.stdout.readline())
        process.send_signal(2)
        assert process.wait(30) == 0
    assert [json.loads(line)["position"] for line in lines] == [0, 1, 2, 3, 4]
