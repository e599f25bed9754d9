"""A rotation while others rotate too, or that is repeated; the exchange's answer is given."""

import dataclasses
import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from support.bots import LoginRole
from support.world import CALLER, World

from registry.checking.asking import Finding
from registry.checking.findings import CheckOutcome
from registry.errors import CredentialNotFound, DeadKey, InvalidInput, VersionHeld
from registry.loader import CredentialLoader
from registry.services.releases.releases import ReleaseService
from registry.services.releases.resolution import Wish

pytest.importorskip("ccxt")


def key(number: int) -> dict[str, str]:
    return {"api_key": f"key-{number}", "secret_key": f"secret-{number}"}


@pytest.fixture
def one(world: World) -> World:
    """An account with one key."""
    world.account("bot")
    world.credentials.add("bot", "aster", key(1))
    return world


def states(world: World) -> dict[int, str]:
    return {one.version: one.state for one in world.credentials.versions("bot")}


Answers = Callable[..., None]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """What the exchange says of a key, and what happens before it says so."""

    def set_answer(outcome: CheckOutcome, meanwhile: Callable[[], None] = lambda: None) -> None:
        def ask(*_: Any) -> Finding:
            monkeypatch.setattr("registry.checking.rotating.ask_one", lambda *_: Finding(outcome))
            meanwhile()
            return Finding(outcome)

        monkeypatch.setattr("registry.checking.rotating.ask_one", ask)

    return set_answer


def another_comes(world: World) -> None:
    world.credentials.rotate("bot", "aster", abandon=True)
    world.credentials.rotate("bot", "aster", key(3), prepare=True)


def test_only_the_version_that_was_checked_comes_into_use(one: World, answers: Answers) -> None:
    answers(CheckOutcome.VALID, lambda: another_comes(one))
    with pytest.raises(CredentialNotFound, match="version 2 of bot for aster is not pending any"):
        one.credentials.rotate("bot", "aster", key(2))
    assert states(one) == {3: "pending", 2: "retired", 1: "current"}


def test_only_the_version_that_was_refused_is_given_up(one: World, answers: Answers) -> None:
    answers(CheckOutcome.WRONG_KEY, lambda: another_comes(one))
    with pytest.raises(DeadKey, match="version 2 was given up, version 1 stays in use"):
        one.credentials.rotate("bot", "aster", key(2))
    assert states(one) == {3: "pending", 2: "retired", 1: "current"}


def test_a_refused_key_is_given_up_also_if_the_caller_expected_a_version(
    one: World, answers: Answers
) -> None:
    answers(CheckOutcome.WRONG_KEY)
    with pytest.raises(DeadKey, match="was given up"):
        one.credentials.rotate("bot", "aster", key(2), expected_version=2)
    assert states(one) == {2: "retired", 1: "current"}


def test_a_repeated_rotation_goes_on_where_it_was_cut_off_and_then_tells_the_first_result(
    one: World, answers: Answers
) -> None:
    again = uuid.uuid4()

    def cut() -> None:
        raise KeyboardInterrupt

    answers(CheckOutcome.VALID, cut)
    with pytest.raises(KeyboardInterrupt):
        one.credentials.rotate("bot", "aster", key(2), command_id=again)
    for _ in range(2):
        answers(CheckOutcome.VALID)
        rotated = one.credentials.rotate("bot", "aster", key(2), command_id=again)
        assert (rotated.version, rotated.state, rotated.current_version) == (2, "current", 2)
        assert rotated.slot.exchange == "aster"
        assert states(one) == {2: "current", 1: "grace"}
    retired = uuid.uuid4()
    for _ in range(2):
        ended = one.credentials.rotate("bot", "aster", retire=True, command_id=retired)
        assert (ended.version, ended.state, ended.current_version) == (1, "retired", 2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"grace": dt.timedelta.max},
        {"grace": dt.timedelta(days=4000)},
        {"version": 2},
        {"although_held": True},
    ],
)
def test_what_a_step_cannot_use_is_refused(one: World, wrong: dict[str, Any]) -> None:
    one.credentials.rotate("bot", "aster", key(2), prepare=True)
    with pytest.raises(InvalidInput):
        one.credentials.rotate("bot", "aster", activate=True, check=False, **wrong)
    assert states(one) == {2: "pending", 1: "current"}


def test_a_bot_that_calls_itself_a_check_may_still_hold_what_it_got(
    one: World, bot: LoginRole
) -> None:
    one.access.grant("bot", bot.name)
    caller = dataclasses.replace(CALLER, purpose="check-credential")
    ReleaseService(one.database, one.keyring).release_one("bot", "aster", Wish.of(), caller)
    with CredentialLoader(bot.address, keyring=one.keyring, purpose=caller.purpose) as loader:
        loader.load("bot", "aster")
    one.credentials.rotate("bot", "aster", key(2), check=False)
    (held,) = one.credentials.held("bot")
    assert (held.login, held.purpose) == (bot.name, "check-credential")
    with pytest.raises(VersionHeld):
        one.credentials.rotate("bot", "aster", retire=True)
