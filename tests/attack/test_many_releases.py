"""Threat: Endless request.

One request or collection of many releases gains nothing over one at a time."""

import uuid
from collections.abc import Iterator

import pytest
from support.bots import LoginRole, login_role
from support.hostile import COLLECT, REQUEST, Connection, collect, events, refusal, request
from support.world import World

from registry.database.durability import send_flush


@pytest.fixture
def mallory(world: World, bot: LoginRole) -> Iterator[Connection]:
    """A bot that may use its own account and wants more."""
    world.account("mallory", "backpack")
    world.account("victim", "backpack", "aster")
    world.access.grant("mallory", bot.name)
    with bot.connect() as connection:
        yield connection


def test_one_release_of_another_role_among_its_own_gives_nothing_at_all(
    world: World, mallory: Connection, database_url: str
) -> None:
    own = request(mallory, "mallory")
    with login_role(database_url, "registry_bot") as honest, honest.connect() as other:
        world.access.grant("victim", honest.name)
        foreign = request(other, "victim")
    with world.database.connection() as connection:
        send_flush(connection)
    assert refusal(mallory, COLLECT, [own, foreign]).sqlstate == "RG021"
    assert collect(mallory, own), "the refusal has used nothing up"


def test_a_release_that_is_named_twice_is_collected_once(mallory: Connection) -> None:
    release = request(mallory, "mallory")
    assert len(mallory.execute(COLLECT, [[release, release]]).fetchall()) == 1


@pytest.mark.parametrize("releases", ["NULL", "'{}'"])
def test_collecting_nothing_gives_nothing(mallory: Connection, releases: str) -> None:
    statement = f"SELECT * FROM collect_releases({releases})".encode()
    assert mallory.execute(statement).fetchall() == []


def test_an_exchange_that_is_named_often_is_released_once(
    world: World, mallory: Connection
) -> None:
    """A bot could keep the log's lock, and fill the log, with one request."""
    world.credential("mallory", "aster")
    names = ["backpack", "aster", "nowhere"] * 80
    rows = mallory.execute(REQUEST, ["mallory", names]).fetchall()
    assert [row[:2] for row in rows] == [
        ("backpack", "ok"),
        ("aster", "ok"),
        ("nowhere", "exchange_not_found"),
    ]
    assert len(events(world, "CredentialReleased")) == 2


def test_a_request_for_more_exchanges_than_anybody_uses_is_refused(
    world: World, mallory: Connection
) -> None:
    names = [f"exchange_{number}" for number in range(257)]
    assert refusal(mallory, REQUEST, "mallory", names).sqlstate == "RG021"
    ids = [uuid.uuid4() for _ in range(257)]
    assert refusal(mallory, COLLECT, ids).sqlstate == "RG021"


def test_what_a_bot_says_of_itself_is_cut_before_it_is_looked_through(
    world: World, mallory: Connection
) -> None:
    """The server would look for strange characters in hundreds of megabytes, under the lock."""
    far = "repeat(' ', 5000) || 'a bot'"
    mallory.execute(
        f"SELECT FROM request_release('mallory', NULL, NULL, NULL, NULL, {far}, {far}, {far}, "
        f"{far})".encode()
    )
    ((actor, _, data),) = events(world, "CredentialReleased")
    assert (actor, data["host"], data["purpose"]) == ("unknown", "unknown", "unknown")
