"""The waiting time for a server that does not serve, and the reports about it."""

import pytest

from registry.database import patience as module
from registry.database.patience import VARIABLE, patiently
from registry.errors import DatabaseUnavailable, InvalidInput


class Server:
    """Fails a number of times, and then serves."""

    def __init__(self, failures: int, **kind: bool | float) -> None:
        self.attempts = 0
        self._failures = failures
        self._kind = {"passing": True, "undone": True, **kind}

    def __call__(self) -> str:
        self.attempts += 1
        if self.attempts <= self._failures:
            raise DatabaseUnavailable(f"failure {self.attempts}", hint="wait", **self._kind)  # type: ignore[arg-type]
        return "served"


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second of patience, and hardly any pause."""
    monkeypatch.setenv(VARIABLE, "0.5")
    monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.05)


def test_what_passes_is_waited_for() -> None:
    assert patiently(Server(4)) == "served"


def test_when_the_time_is_up_the_last_cause_is_told() -> None:
    server = Server(10_000)
    with pytest.raises(DatabaseUnavailable) as raised:
        patiently(server)
    assert server.attempts > 3
    assert raised.value.message == f"failure {server.attempts}"
    assert raised.value.hint == "wait"


def test_what_has_taken_a_while_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "1.1")
    with pytest.raises(DatabaseUnavailable, match=r"failure \d+ \(tried for 1 s\)"):
        patiently(Server(10_000))


@pytest.mark.parametrize("kind", [{"passing": False}, {"silence": 30.0}])
def test_what_does_not_pass_is_an_error_at_once(kind: dict[str, bool | float]) -> None:
    server = Server(1, **kind)
    with pytest.raises(DatabaseUnavailable, match="failure 1"):
        patiently(server)
    assert server.attempts == 1


def test_without_patience_everything_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "0")
    server = Server(1)
    with pytest.raises(DatabaseUnavailable, match="failure 1"):
        patiently(server)
    assert server.attempts == 1


def test_what_may_have_been_done_is_repeated_only_if_that_does_no_harm() -> None:
    assert patiently(Server(1, undone=False)) == "served"
    assert patiently(Server(1), repeatable=False) == "served"
    with pytest.raises(DatabaseUnavailable):
        patiently(Server(1, undone=False), repeatable=False)


def test_work_within_work_has_no_patience_of_its_own() -> None:
    inner, outer = Server(10_000), 0

    def attempt() -> str:
        nonlocal outer
        outer += 1
        return patiently(inner)

    with pytest.raises(DatabaseUnavailable):
        patiently(attempt)
    assert outer == 1


def test_whoever_waits_is_told_once_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_UNTOLD", 0.0)
    told: list[str] = []
    patiently(lambda: patiently(Server(3), told.append))
    assert told == ["Waiting up to 0.5 s: failure 1"]


def test_nobody_waits_for_longer_than_two_seconds_without_being_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, "60")
    monkeypatch.setattr(module, "_LONGEST_PAUSE", 5.0)
    clock, told = [0.0], list[float]()
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr("time.sleep", lambda seconds: clock.append(clock.pop() + seconds))
    assert patiently(Server(20), lambda _: told.append(clock[0])) == "served"
    assert clock[0] > 10
    assert told[0] <= 2
    assert len(told) == 1


def test_whoever_is_served_soon_is_told_nothing() -> None:
    told: list[str] = []
    assert patiently(Server(3), told.append) == "served"
    assert told == []


@pytest.mark.parametrize("value", ["soon", "-1", "nan", "inf", "1e9"])
def test_a_patience_that_is_no_number_of_seconds_is_named(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(InvalidInput, match=VARIABLE):
        patiently(Server(0))
