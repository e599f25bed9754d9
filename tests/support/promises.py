"""The promises that clients noted, and a comparison of them with the log."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg


def lines(folder: Path, kind: str) -> int:
    """The number of lines of a kind that the clients wrote."""
    return sum(path.read_text().count("\n") for path in folder.glob(f"*.{kind}"))


def read(folder: Path, kind: str) -> list[dict[str, Any]]:
    """The notes of a kind."""
    return [
        json.loads(line)
        for path in sorted(folder.glob(f"*.{kind}"))
        for line in path.read_text().splitlines()
    ]


def applied_commands(connection: psycopg.Connection[Any]) -> dict[str, list[int]]:
    """Each command in the log, with its positions."""
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
    """Acknowledged commands not at the acknowledged positions, and refused ones in the log."""
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
