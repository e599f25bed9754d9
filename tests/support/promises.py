"""What clients wrote down while they were at work, and whether the log keeps to it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg


def lines(folder: Path, kind: str) -> int:
    """How many lines of a kind the clients wrote."""
    return sum(path.read_text().count("\n") for path in folder.glob(f"*.{kind}"))


def read(folder: Path, kind: str) -> list[dict[str, Any]]:
    """What they wrote."""
    return [
        json.loads(line)
        for path in sorted(folder.glob(f"*.{kind}"))
        for line in path.read_text().splitlines()
    ]


def applied_commands(connection: psycopg.Connection[Any]) -> dict[str, list[int]]:
    """Each command that the log holds, and where."""
    rows = connection.execute(
        "SELECT command_id::text, array_agg(position ORDER BY position)"
        " FROM audit_events GROUP BY command_id"
    )
    return dict(rows.fetchall())


def broken_promises(
    sent: Mapping[str, Mapping[str, Any]],
    answers: Mapping[str, Mapping[str, Any]],
    applied: Mapping[str, list[int]],
) -> list[str]:
    """Commands that were acknowledged and are not where it was said, or refused and are there."""
    lost = [
        f"{sent[key]['kind']} {key} was acknowledged at {one['positions']} "
        f"and is at {applied.get(key)}"
        for key, one in answers.items()
        if "positions" in one and applied.get(key, []) != one["positions"]
    ]
    return lost + [
        f"{key} was refused and is in the log"
        for key, one in answers.items()
        if "refused" in one and key in applied
    ]
