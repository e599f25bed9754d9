"""Sixteen processes with conflicting commands: order, promises and tables hold."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
from support import load
from support.whole_log import check_whole_log

from registry.encryption.keyring import generate_master_key

PROCESSES = 16
SECONDS = 2.0
_PROJECT = Path(__file__).resolve().parents[2]


def test_conflicting_commands_of_many_processes_leave_one_gapless_story(
    database_url: str, connection: psycopg.Connection[Any], tmp_path: Path
) -> None:
    environment = {
        **os.environ,
        "CREDENTIAL_ENCRYPTION_KEY": generate_master_key().reveal(),
        "PYTHONPATH": os.pathsep.join([str(_PROJECT), str(_PROJECT / "tests")]),
    }
    clients = [
        subprocess.Popen(
            [sys.executable, load.__file__, database_url, str(tmp_path), str(n), str(n)],
            env=environment,
        )
        for n in range(PROCESSES)
    ]
    seen = _read_while_they_work(connection, clients, tmp_path)
    assert [client.wait(timeout=60) for client in clients] == [0] * PROCESSES

    answers = [
        json.loads(line)
        for path in tmp_path.glob("*.acknowledged")
        for line in path.read_text().splitlines()
    ]
    promised = [position for answer in answers for position in answer.get("positions", [])]
    events = check_whole_log(connection)
    assert sorted(promised) == list(range(events)), "each position was given to one command"
    assert seen == list(range(len(seen))), "a reader that tails the log misses nothing"
    refusals = {answer["refused"] for answer in answers if "refused" in answer}
    assert {"account_exists", "account_not_found"} <= refusals, "they did get in each other's way"
    unforeseen = [answer for answer in answers if answer.get("refused") == "registry_error"]
    assert unforeseen == []
    assert len({load_file.stem for load_file in tmp_path.glob("*.acknowledged")}) == PROCESSES


def _read_while_they_work(
    connection: psycopg.Connection[Any], clients: list[subprocess.Popen[bytes]], folder: Path
) -> list[int]:
    """Tails the log by position, as `history --follow` does."""
    seen: list[int] = []
    at_work = None
    while at_work is None or time.monotonic() < at_work + SECONDS:
        assert all(client.poll() is None for client in clients)
        rows = connection.execute(
            "SELECT position FROM audit_events WHERE position >= %s ORDER BY position", [len(seen)]
        )
        seen += [position for (position,) in rows]
        answered = sum(path.stat().st_size > 0 for path in folder.glob("*.acknowledged"))
        if at_work is None and answered == PROCESSES:
            at_work = time.monotonic()
        time.sleep(0.002)
    (folder / "stop").touch()
    return seen
