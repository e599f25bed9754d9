"""A rotation in the database: who gets which version, and when."""

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from support.bots import LoginRole
from support.registry_tables import unguarded
from support.world import CALLER, World

from registry.database.opening import SingleConnection
from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.errors import (
    CredentialInactive,
    CredentialNotFound,
    InvalidInput,
    Refused,
    RegistryError,
    ReleaseRefused,
    SecretInUse,
    VersionHeld,
    VersionPending,
)
from registry.events.credentials import CredentialReplaced
from registry.execution.executor import Invocation
from registry.loader import CredentialLoader
from registry.services.changes.rotation import rotate as rotate_master_key
from registry.services.releases.releases import ReleaseService
from registry.services.releases.resolution import Wish

Connection = psycopg.Connection[Any]


def key(number: int, account: str = "bot") -> dict[str, str]:
    return {"api_key": f"{account}-key-{number}", "secret_key": f"{account}-secret-{number}"}


@pytest.fixture
def one(world: World) -> World:
    """An account with one key."""
    world.account("bot")
    world.credentials.add("bot", "aster", key(1), expires_at="2040-01-01")
    return world


def states(world: World, account: str = "bot") -> dict[int, str]:
    return {one.version: one.state for one in world.credentials.versions(account)}


def loaded(world: World, account: str = "bot", version: int | None = None) -> str:
    """The key that a program of this account gets."""
    service = ReleaseService(world.database, world.keyring)
    wish = Wish.of(version=version)
    return str(service.release_one(account, "aster", wish, CALLER).plain()["api_key"])


def prepared(world: World, number: int = 2, **details: Any) -> None:
    world.credentials.rotate("bot", "aster", key(number), prepare=True, **details)


def activated(world: World, grace: str = "24h") -> None:
    world.credentials.rotate("bot", "aster", activate=True, check=False, grace=grace)


def nothing_differs(world: World) -> None:
    report = world.rebuild(check=True)
    assert report.report.differing == 0, report.report.listed


def test_the_new_key_is_used_once_it_is_activated_and_the_former_one_while_its_grace_lasts(
    one: World,
) -> None:
    prepared(one, label="new", expires_at="2041-01-01")
    assert states(one) == {2: "pending", 1: "current"}
    assert loaded(one) == "bot-key-1"
    rotated = one.credentials.rotate("bot", "aster", activate=True, check=False)
    assert (rotated.version, rotated.state, rotated.current_version) == (2, "current", 2)
    assert rotated.usable_until is not None
    left = rotated.usable_until - dt.datetime.now(dt.UTC)
    assert dt.timedelta(hours=23) < left <= dt.timedelta(hours=24)
    assert states(one) == {2: "current", 1: "grace"}
    assert (loaded(one), loaded(one, version=1)) == ("bot-key-2", "bot-key-1")
    assert loaded(one, version=2) == "bot-key-2"
    (record,) = one.credentials.list("bot")
    assert (record["label"], record["expires_at"].year) == ("new", 2041)
    nothing_differs(one)


def test_without_a_grace_the_former_key_ends_at_once(one: World) -> None:
    rotated = one.credentials.rotate("bot", "aster", key(2), check=False, grace="0h")
    assert (rotated.state, rotated.usable_until) == ("current", None)
    assert states(one) == {2: "current", 1: "retired"}
    with pytest.raises(ReleaseRefused, match="version 1 of bot for aster is retired"):
        loaded(one, version=1)


def test_a_log_with_versions_that_never_came_into_use_verifies(one: World) -> None:
    prepared(one)
    assert one.verify().failures == []
    one.credentials.rotate("bot", "aster", abandon=True)
    prepared(one, 3)
    one.credentials.remove("bot", "aster")
    assert one.verify().failures == []


@pytest.mark.parametrize("ends", ["lasts", "by the clock", "by an event", "with the credential"])
def test_a_version_in_grace_is_one_that_somebody_could_use(one: World, ends: str) -> None:
    prepared(one)
    instant = dt.timedelta(microseconds=1)
    grace = instant if ends == "by the clock" else dt.timedelta(hours=1)
    one.credentials.rotate("bot", "aster", activate=True, check=False, grace=grace)
    if ends == "by an event":
        one.credentials.rotate("bot", "aster", retire=True)
    elif ends == "with the credential":
        one.credentials.remove("bot", "aster")
        with pytest.raises(CredentialNotFound):
            one.exposure.who_could_use("bot", "aster")
        return
    reach = one.exposure.who_could_use("bot", "aster")
    assert [version["version"] for version in reach.versions] == (
        [1, 2] if ends == "lasts" else [2]
    )


def test_a_grace_ends_by_the_clock_without_an_event(one: World, connection: Connection) -> None:
    prepared(one)
    activated(one)
    with unguarded(connection):
        connection.execute(
            "UPDATE account_exchange_credential_versions SET usable_until = now() - interval '1 s' "
            "WHERE usable_until IS NOT NULL"
        )
    assert states(one) == {2: "current", 1: "retired"}
    with pytest.raises(ReleaseRefused, match="is retired"):
        loaded(one, version=1)


def test_the_end_of_the_former_key_is_cleared_and_said_so(one: World) -> None:
    prepared(one)
    rotated = one.credentials.rotate("bot", "aster", activate=True, check=False)
    assert any("the expiry 2040-01-01 00:00Z was the old key's" in note for note in rotated.notes)
    (record,) = one.credentials.list("bot")
    assert record["expires_at"] is None


def test_a_step_again_goes_on_where_it_stopped_and_another_key_waits(one: World) -> None:
    prepared(one)
    again = one.credentials.rotate("bot", "aster", key(2), prepare=True)
    assert (again.version, again.state, again.outcomes[0].changed) == (2, "pending", False)
    with pytest.raises(VersionPending, match="version 2 of bot for aster is pending already"):
        prepared(one, 3)
    one.credentials.rotate("bot", "aster", abandon=True)
    assert states(one) == {2: "retired", 1: "current"}
    prepared(one, 3)
    assert states(one) == {3: "pending", 2: "retired", 1: "current"}
    with pytest.raises(InvalidInput, match="uses these secrets for aster already"):
        one.credentials.rotate("bot", "aster", key(1), prepare=True)


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ({"activate": True}, CredentialNotFound),
        ({"abandon": True}, CredentialNotFound),
        ({"retire": True}, CredentialNotFound),
        ({"check": True}, CredentialNotFound),
        ({}, InvalidInput),
        ({"activate": True, "retire": True}, InvalidInput),
        ({"prepare": True}, InvalidInput),
        ({"activate": True, "fields": key(2)}, InvalidInput),
        ({"activate": True, "label": "x"}, InvalidInput),
        ({"activate": True, "grace": "-1h"}, InvalidInput),
        ({"retire": True, "version": 7}, CredentialNotFound),
    ],
)
def test_a_step_that_does_not_fit_changes_nothing(
    one: World, connection: Connection, step: dict[str, Any], why: type[RegistryError]
) -> None:
    with pytest.raises(why):
        one.credentials.rotate("bot", "aster", **step)
    assert connection.execute("SELECT max(position) FROM audit_events").fetchone() == (1,)


def test_a_stopped_credential_is_not_rotated_but_a_pending_key_is_given_up(one: World) -> None:
    prepared(one)
    one.credentials.deactivate("bot", "aster")
    with pytest.raises(CredentialInactive):
        activated(one)
    one.accounts.deactivate("bot")
    one.credentials.rotate("bot", "aster", abandon=True)
    assert states(one) == {2: "retired", 1: "current"}


def test_a_pending_version_is_an_operator_s_only(one: World, bot: LoginRole) -> None:
    prepared(one)
    one.access.grant("bot", bot.name)
    assert loaded(one, version=2) == "bot-key-2"
    with CredentialLoader(bot.address, keyring=one.keyring) as loader:
        assert loader.load("bot", "aster")["api_key"] == "bot-key-1"
        with pytest.raises(ReleaseRefused, match="version 2 of bot for aster is pending"):
            loader.load("bot", "aster", version=2)
        activated(one)
        assert loader.load("bot", "aster")["api_key"] == "bot-key-2"
        assert loader.load("bot", "aster", version=1)["api_key"] == "bot-key-1"
        with pytest.raises(CredentialNotFound, match="never had a version 9"):
            loader.load("bot", "aster", version=9)
        with bot.connect() as session:
            for table in ("account_exchange_credential_versions", "credential_versions"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    session.execute(f"SELECT FROM {table}")


def test_what_is_stopped_stops_former_versions_too(one: World) -> None:
    prepared(one)
    activated(one)
    one.stop(account="bot", reason="it runs wild")
    with pytest.raises(RegistryError, match="it runs wild"):
        loaded(one, version=1)


def test_a_borrower_gets_the_new_version_and_during_the_grace_the_former_one(one: World) -> None:
    one.account("friend")
    one.share("friend", "bot", "aster")
    prepared(one)
    assert loaded(one, "friend") == "bot-key-1"
    rotated = one.credentials.rotate("bot", "aster", activate=True, check=False)
    assert rotated.notes[0].startswith("friend borrows aster from bot (full), and gets the new")
    assert (loaded(one, "friend"), loaded(one, "friend", 1)) == ("bot-key-2", "bot-key-1")
    one.shares.revoke("friend", "aster")
    with pytest.raises(CredentialNotFound):
        loaded(one, "friend", 1)


def test_a_secret_of_another_account_is_refused_pending_or_not(one: World) -> None:
    one.account("other")
    one.credentials.add("other", "aster", key(5, "other"))
    with pytest.raises(SecretInUse, match="account other holds the same"):
        one.credentials.rotate("bot", "aster", key(5, "other"), prepare=True)
    prepared(one)
    with pytest.raises(SecretInUse, match="account bot holds the same api_key and secret_key"):
        one.credentials.replace("other", "aster", key(2))
    activated(one)
    with pytest.raises(SecretInUse, match="account bot holds the same"):
        one.credentials.replace("other", "aster", key(1))  # it is in grace
    one.credentials.rotate("bot", "aster", retire=True)
    noted = one.credentials.replace("other", "aster", key(1)).notes
    assert noted == ("bot for aster held the same api_key and secret_key before, in version 1",)


def test_whose_key_finds_a_pending_version(one: World) -> None:
    prepared(one)
    (found,) = one.credentials.whose_key("bot-key-2")
    assert (found["account_name"], found["version"], found["until"]) == ("bot", 2, None)
    assert found["state"] == "pending"
    one.credentials.rotate("bot", "aster", abandon=True)
    (found,) = one.credentials.whose_key("bot-key-2")
    assert found["until"] is not None
    prepared(one, 3)
    activated(one)
    held = [(f["version"], f["state"]) for f in one.credentials.whose_key("bot-key-3")]
    assert held == [(3, "current")]


def test_secrets_that_may_still_be_used_are_not_destroyed(one: World) -> None:
    for number in (2, 3):
        prepared(one, number)
        activated(one, "24h" if number == 3 else "0h")
    prepared(one, 4)
    assert states(one) == {4: "pending", 3: "current", 2: "grace", 1: "retired"}
    for version in (2, 3, 4):
        with pytest.raises(Refused, match=f"version {version} for aster is in use"):
            one.credentials.destroy_secrets("bot", "aster", version=version)
    one.credentials.destroy_secrets("bot", "aster", old=True)
    destroyed = {v.version for v in one.credentials.versions() if v.is_destroyed}
    assert destroyed == {1}
    one.credentials.remove("bot", "aster", destroy=True)
    assert one.credentials.versions() == []
    nothing_differs(one)


def test_former_and_pending_versions_come_through_a_change_of_the_master_key(
    database: SingleConnection, invocation: Invocation
) -> None:
    old, new = generate_master_key(), generate_master_key()
    world = World(database, MasterKeyring([old]))
    world.account("bot")
    world.credentials.add("bot", "aster", key(1))
    prepared(world)
    activated(world)
    prepared(world, 3)
    rotate_master_key(database, MasterKeyring([new, old]), invocation)
    world.keyring = MasterKeyring([new])
    assert (loaded(world, version=1), loaded(world, version=3)) == ("bot-key-1", "bot-key-3")
    activated(world)
    assert loaded(world) == "bot-key-3"


# ---------------------------------------------------------------- who may still hold one


def held(world: World) -> list[tuple[int, str, str, str]]:
    return [(h.version, h.held_by, h.purpose, h.state) for h in world.credentials.held()]


def test_who_received_the_former_key_holds_it_until_it_receives_the_new_one(
    one: World, bot: LoginRole
) -> None:
    one.account("friend")
    one.share("friend", "bot", "aster")
    one.access.grant("bot", bot.name)
    with CredentialLoader(bot.address, keyring=one.keyring, purpose="trade") as loader:
        loader.load("bot", "aster")
        loader.load("bot", "aster")
        loaded(one, "friend")
        one.credentials.reveal("bot", "aster", "api_key")
        assert held(one) == []
        prepared(one)
        service = ReleaseService(one.database, one.keyring)
        for version in (1, 2):
            wish, checking = Wish.of(version=version), replace(CALLER, purpose="check-credential")
            service.release_one("bot", "aster", wish, checking)
        activated(one)
        former = [(1, "bot", "trade", "grace"), (1, "friend", "test", "grace")]
        assert held(one) == [*former, (1, "bot", "reveal api_key", "grace")]
        (first, *_) = one.credentials.held("bot")
        assert (first.login, first.since < first.last_received) == (bot.name, True)
        with pytest.raises(VersionHeld, match="bot may still hold version 1") as caught:
            one.credentials.rotate("bot", "aster", retire=True)
        assert "registry.credentials.held()" in str(caught.value.hint)
        loader.load("bot", "aster")
    one.credentials.reveal("bot", "aster", "api_key")
    assert held(one) == [(1, "friend", "test", "grace")]
    rotated = one.credentials.rotate("bot", "aster", retire=True, although_held=True)
    assert rotated.notes[0].startswith("friend may still hold version 1")
    assert held(one) == [(1, "friend", "test", "retired")]
    one.credentials.destroy_secrets("bot", "aster", old=True)
    assert held(one) == [(1, "friend", "test", "destroyed")]
    loaded(one, "friend")
    assert held(one) == []


def test_who_holds_a_key_of_a_credential_that_is_gone_is_named(one: World) -> None:
    loaded(one)
    one.credentials.remove("bot", "aster")
    one.accounts.delete("bot")
    assert held(one) == [(1, "bot", "test", "removed")]
    (found,) = one.credentials.held(exchange="aster")
    assert (found.account_name, found.exchange, found.host) == ("bot", "aster", CALLER.host)


def test_who_asks_for_the_former_key_again_holds_it(one: World) -> None:
    prepared(one)
    activated(one)
    loaded(one)
    loaded(one, version=1)
    assert held(one) == [(1, "bot", "test", "grace")]


# ---------------------------------------------------------------- rollback


@pytest.mark.parametrize("moment", ["before", "prepared", "activated", "retired"])
def test_a_rollback_brings_each_stage_of_a_rotation_back(one: World, moment: str) -> None:
    stages: dict[str, tuple[int, dict[int, str], str]] = {}

    def stage(name: str) -> None:
        position = max(event["position"] for event in one.history("bot"))
        stages[name] = position, states(one), loaded_key(one)

    stage("before")
    prepared(one, label="next")
    stage("prepared")
    activated(one)
    stage("activated")
    one.credentials.rotate("bot", "aster", retire=True)
    stage("retired")
    one.credentials.rotate("bot", "aster", key(3), check=False)
    one.credentials.remove("bot", "aster")
    one.accounts.delete("bot")
    position, expected, current = stages[moment]
    one.rollback(position, account="bot")
    found = {number: state for number, state in states(one).items() if state != "retired"}
    assert found == {number: s for number, s in expected.items() if s != "retired"}
    assert loaded_key(one) == current
    nothing_differs(one)
    if moment == "prepared":
        activated(one)
        assert loaded(one) == "bot-key-2"
        (record,) = one.credentials.list("bot")
        assert record["label"] == "next"


def loaded_key(world: World) -> str:
    return world.credentials.reveal("bot", "aster", "api_key").reveal()


def test_a_pending_version_whose_secrets_are_destroyed_cannot_come_back(one: World) -> None:
    prepared(one)
    position = max(event["position"] for event in one.history("bot"))
    one.credentials.rotate("bot", "aster", abandon=True)
    one.credentials.destroy_secrets("bot", "aster", version=2)
    with pytest.raises(RegistryError, match="the secrets of bot for aster version 2 are gone"):
        one.rollback(position, account="bot")
    one.rollback(position, account="bot", skip=True)
    assert states(one) == {2: "retired", 1: "current"}


# ---------------------------------------------------------------- the events


def test_a_replacement_beside_a_pending_version_leaves_it_pending(one: World) -> None:
    prepared(one)
    one.credentials.replace("bot", "aster", key(3))
    assert states(one) == {3: "current", 2: "pending", 1: "retired"}
    activated(one)
    assert loaded(one) == "bot-key-2"


def test_no_secret_is_in_what_is_told(one: World, connection: Connection) -> None:
    prepared(one)
    activated(one)
    told = json.dumps(one.history("bot"), default=str)
    told += repr(one.credentials.versions()) + repr(one.credentials.held())
    told += repr(connection.execute("SELECT v::text FROM credential_versions AS v").fetchall())
    assert CredentialReplaced.__name__ in told
    assert "gAAAA" not in told
    assert "bot-key" not in told
