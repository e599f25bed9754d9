"""A server killed under load keeps every promise that it made (fsync is on)."""

import sys

import pytest
from support.soak import soak

pytestmark = pytest.mark.slow


def test_no_acknowledged_command_is_lost_or_applied_twice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = soak(rounds=3, clients=3, seconds=0.5, seed=20)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{report.rounds} crashes, {report.acknowledged} commands acknowledged, "
            f"{report.events} events, {report.seconds} s\n"
        )
    assert report.problems == []
    assert report.acknowledged > 20
    assert report.sent_again > 0
