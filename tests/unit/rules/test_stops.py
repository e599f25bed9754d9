"""Stops in words."""

import datetime as dt
from typing import Any

import pytest

from registry.rules.stops import Stop, what

FOUND = {
    "id": "0198c0de-0000-7000-8000-00000000f001",
    "command_id": "0198c0de-0000-7000-8000-00000000f002",
    "position": 12,
    "actor": "ops@desk",
    "reason": "a key leaked",
    "stopped_at": "2026-04-01T12:20:30.4+02:00",
    "scope": "all",
}


@pytest.mark.parametrize(
    ("stopped", "words"),
    [
        ({"scope": "all"}, "everything"),
        ({"scope": "exchange", "exchange": "aster"}, "the exchange aster"),
        ({"scope": "lender", "account": "bot"}, "what bot lends"),
        ({"scope": "account", "account": "bot"}, "the account bot"),
        (
            {"scope": "credential", "account": "bot", "exchange": "aster"},
            "the credential of bot for aster",
        ),
        (
            {
                "scope": "credential",
                "account": "bot",
                "exchange": "aster",
                "subaccount_index": 0,
                "permission": "read_only",
            },
            "the credential of bot for aster subaccount 0 (read_only)",
        ),
    ],
)
def test_what_is_stopped_is_told_in_words(stopped: dict[str, Any], words: str) -> None:
    assert what(stopped) == words
    assert Stop.of({**FOUND, **stopped}).what == words


def test_a_stop_says_who_made_it_when_and_why() -> None:
    stop = Stop.of(FOUND)
    assert stop.stopped_at == dt.datetime(2026, 4, 1, 10, 20, 30, 400_000, tzinfo=dt.UTC)
    told = "ops@desk stopped everything on 2026-04-01 10:20:30Z (event 12)"
    assert str(stop) == f"{told}: a key leaked"
    assert str(Stop.of({**FOUND, "reason": None})) == told
    assert stop.hint == "It is taken back with: registry.resume(12)"


@pytest.mark.parametrize(
    ("name", "is_its"), [("12", True), (FOUND["command_id"], True), ("1", False), ("", False)]
)
def test_a_stop_has_two_names(name: str, is_its: bool) -> None:
    assert Stop.of(FOUND).has_name(name) is is_its
