"""Sixteen processes at once: order, promises, releases, limits and tables hold."""

from pathlib import Path

import pytest
from support.crowd import PROCESSES, crowd

pytestmark = pytest.mark.slow

SECONDS = 3.0


def test_sixteen_processes_of_all_kinds_leave_one_gapless_story(
    database_url: str, tmp_path: Path
) -> None:
    report = crowd(database_url, tmp_path, seconds=SECONDS, seed=1)
    assert report.problems == []
    assert report.processes == PROCESSES
    assert report.acknowledged > 20
    assert {"account_exists", "account_not_found"} <= report.refused.keys(), "they did collide"
    assert "registry_error" not in report.refused, "all refusals are typed"
    assert report.releases > 0
    assert report.raced > 0
    assert report.rebuilds > 0
    assert report.rows_repaired > 0
    assert report.rotations > 1
    assert report.positions_refused > 0
    assert report.followed == [report.events] * 2
