"""Stops: what they include, how long they hold, and how they are taken back."""

import itertools
import uuid
from typing import Any

import psycopg
import pytest
from support.registry_tables import contents
from support.world import CALLER, World

from registry import AsyncRegistry, errors
from registry.database.migrator import Migrator
from registry.events.stops import UseStopped
from registry.hints import commands_of
from registry.loader import CredentialLoader, EnvironmentFallback
from registry.rules.account_state import Slot
from registry.rules.stops import includes
from registry.services.releases.releases import ReleaseService
from registry.services.releases.resolution import Wish

Connection = psycopg.Connection[Any]

USES = (("lender", "aster"), ("lender", "backpack"), ("bot", "aster"), ("bot", "backpack"))
WHY: Any = {"reason": "a key leaked"}


@pytest.fixture
def world(world: World) -> World:
    """A lender of a backpack key and its borrower, which have an aster key each."""
    world.account("lender", "aster", "backpack")
    world.account("bot", "aster")
    world.share("bot", "lender", "backpack")
    return world


def refused(world: World, *uses: tuple[str, str], **wish: Any) -> set[tuple[str, str]]:
    """The uses that a stop refuses, of these or of all; any other is released."""
    service = ReleaseService(world.database, world.keyring)
    found = set()
    for account, exchange in uses or USES:
        try:
            service.release_one(account, exchange, Wish.of(**wish), CALLER)
        except errors.UseIsStopped:
            found.add((account, exchange))
    return found


@pytest.mark.parametrize(
    ("what", "stopped"),
    [
        ({"everything": True}, set(USES)),
        ({"exchange": "backpack"}, {("lender", "backpack"), ("bot", "backpack")}),
        ({"lender": "lender"}, {("bot", "backpack")}),
        ({"account": "lender"}, set(USES) - {("bot", "aster")}),
        ({"account": "bot"}, {("bot", "aster"), ("bot", "backpack")}),
        (
            {"credential": ("lender", "backpack")},
            {("lender", "backpack"), ("bot", "backpack")},
        ),
    ],
    ids=["all", "exchange", "lender", "lender's account", "borrower's account", "credential"],
)
def test_a_stop_ends_what_it_includes_and_is_taken_back_exactly(
    world: World, connection: Connection, what: Any, stopped: set[tuple[str, str]]
) -> None:
    assert refused(world) == set()
    before = contents(connection)
    plan = world.plan_stop(**what)
    assert {(use.account, use.exchange) for use in plan.uses} == stopped
    (position,) = world.stop(**what, **WHY).positions
    assert contents(connection) == before
    assert refused(world) == stopped
    world.resume(position)
    assert refused(world) == set()


def test_one_subaccount_or_one_permission_is_stopped_alone(world: World) -> None:
    world.account("main")
    for subaccount, permission in ((0, "full"), (1, "full"), (1, "read_only")):
        world.credential("main", "lighter", subaccount=subaccount, permission=permission)  # type: ignore[arg-type]

    def stopped() -> list[bool]:
        wishes: list[Any] = [
            {"subaccount": 0},
            {"subaccount": 1},
            {"subaccount": 1, "access": "read_only"},
        ]
        return [bool(refused(world, ("main", "lighter"), **wish)) for wish in wishes]

    key: Any = {"credential": ("main", "lighter")}
    for which, expected in (
        ({"subaccount": 1}, [False, True, True]),
        ({"subaccount": 1, "permission": "full"}, [False, True, False]),
        ({"permission": "read_only"}, [False, False, True]),
        ({}, [True, True, True]),
    ):
        (position,) = world.stop(**key, **which, **WHY).positions
        assert stopped() == expected
        world.resume(position)
    with pytest.raises(errors.CredentialNotFound, match="no such credential"):
        world.plan_stop(**key, subaccount=7)


def test_what_is_added_later_is_stopped_too_and_whoever_adds_it_is_told(world: World) -> None:
    world.stop(exchange="backpack", **WHY)
    world.accounts.create("late")
    fields = {"public_key": "k" * 44, "secret_key": "s" * 44}
    added = world.credentials.add("late", "backpack", fields)
    assert "stopped the exchange backpack" in added.notes[0]
    assert refused(world, ("late", "backpack")) == {("late", "backpack")}


def test_the_environment_is_stopped_too(
    world: World, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.accounts.create("fresh")
    monkeypatch.setenv("ASTER_API_KEY_FRESH", "env-key-1")
    monkeypatch.setenv("ASTER_SECRET_KEY_FRESH", "env-secret-1")
    with CredentialLoader(
        database_url, keyring=world.keyring, fallback=EnvironmentFallback()
    ) as loader:
        assert loader.load("fresh", "aster")["api_key"] == "env-key-1"
        for what in ({"everything": True}, {"exchange": "aster"}, {"account": "fresh"}):
            world.stop(**what, **WHY)
            for load in (
                lambda: loader.load("fresh", "aster"),
                lambda: loader.load_account_credentials("fresh"),
            ):
                with pytest.raises(errors.UseIsStopped, match="a key leaked"):
                    load()
            world.resume()
        assert loader.load_account_credentials("fresh")["aster"]["api_key"] == "env-key-1"


def test_a_refusal_names_the_stop_and_how_it_is_taken_back(world: World) -> None:
    (position,) = world.stop(lender="lender", **WHY, actor="ops@desk").positions
    with pytest.raises(errors.UseIsStopped) as caught:
        world.loader.load("bot", "backpack")
    assert caught.value.message.startswith(
        "no backpack key for bot: ops@desk stopped what lender lends on 20"
    )
    assert caught.value.message.endswith(f"(event {position}): a key leaked")
    assert caught.value.hint == f'It is taken back with: registry.resume("{position}")'
    assert commands_of(caught.value.hint).endswith(f"account-registry resume {position}")


def test_stops_hold_one_by_one(world: World) -> None:
    (wide,) = world.stop(everything=True, **WHY).positions
    (narrow,) = world.stop(account="bot", **WHY).positions
    assert [stop.position for stop in world.stops()] == [wide, narrow]
    with pytest.raises(errors.InvalidInput, match="2 stops are in force"):
        world.resume()
    (note,) = world.resume(wide).notes
    assert "still stopped: tester@host stopped the account bot" in note
    assert refused(world) == {("bot", "aster"), ("bot", "backpack")}
    world.resume()
    assert world.stops() == []


def test_what_is_done_already_is_not_done_again(world: World) -> None:
    assert world.resume().notes == ("no stop is in force",)
    stopped = world.stop(exchange="aster", **WHY)
    again = world.stop(exchange="aster", **WHY)
    assert (again.changed, again.event_types) == (False, ())
    assert "stopped the exchange aster" in again.notes[0]
    assert world.resume(stopped.command_id).changed
    (note,) = world.resume(stopped.positions[0]).notes
    assert note.startswith("the exchange aster was resumed already by tester@host")


def test_a_command_id_is_applied_once(world: World) -> None:
    by: Any = {**WHY, "command_id": uuid.uuid4()}
    first = world.stop(everything=True, **by)
    world.resume()
    again = world.stop(everything=True, **by)
    assert (again.replayed, again.positions) == (True, first.positions)
    assert world.stops() == []
    with pytest.raises(errors.CommandIdReused):
        world.stop(exchange="aster", **by)


def test_what_was_inactive_or_changed_meanwhile_is_as_people_left_it(world: World) -> None:
    world.credentials.deactivate("lender", "aster")
    world.stop(account="lender", **WHY)
    world.credentials.deactivate("lender", "backpack", cascade=True)
    world.resume()
    active = {row["exchange"]: row["is_active"] for row in world.credentials.list("lender")}
    assert active == {"aster": False, "backpack": False}


def test_only_its_own_end_lifts_a_stop(world: World, connection: Connection) -> None:
    start = world.history()[-1]["position"]
    world.accounts.update("bot", description="changed")
    world.stop(everything=True, **WHY)
    world.rollback(start)
    world.rebuild()
    world.accounts.rename("bot", "renamed")
    assert refused(world, ("renamed", "aster"))
    Migrator(connection).down()
    world.migrate("up")
    assert refused(world, ("renamed", "aster"))


@pytest.mark.parametrize(
    ("what", "error", "text"),
    [
        ({}, errors.InvalidInput, "what to stop"),
        ({"everything": True, "exchange": "aster"}, errors.InvalidInput, "all and exchange"),
        ({"account": "bot", "exchange": "aster"}, errors.InvalidInput, "exchange and account"),
        ({"account": "bot", "subaccount": 1}, errors.InvalidInput, "belong to a credential"),
        ({"account": "nobody"}, errors.AccountNotFound, "no account nobody"),
        ({"exchange": ""}, errors.ExchangeNotFound, "no exchange"),
        ({"credential": ("bot", "backpack")}, errors.CredentialNotFound, "no such credential"),
        ({"credential": ("bot",)}, errors.InvalidInput, "an account and an exchange"),
        (
            {"credential": ("bot", "aster"), "subaccount": -1},
            errors.InvalidInput,
            "subaccount",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_stopped_is_refused(
    world: World, what: Any, error: type[errors.RegistryError], text: str
) -> None:
    for call in (world.stop, world.plan_stop):
        with pytest.raises(error, match=text):
            call(**what, **WHY)
    assert world.stops() == []


def test_a_stop_needs_a_reason(world: World) -> None:
    with pytest.raises(errors.InvalidInput, match="needs a reason"):
        world.stop(everything=True)
    assert world.stop(everything=True, dry_run=True).event_types == ("UseStopped",)
    assert world.stops() == []


@pytest.mark.parametrize("name", ["x", "-1", 10**30, "0", str(uuid.UUID(int=7))])
def test_what_is_no_stop_is_not_resumed(world: World, name: Any) -> None:
    with pytest.raises((errors.StopNotFound, errors.InvalidInput)):
        world.resume(name)


def test_an_account_that_is_not_in_the_log_is_stopped_as_well(
    world: World, connection: Connection
) -> None:
    connection.execute("SET session_replication_role = replica")
    connection.execute(
        "INSERT INTO accounts (id, account_name, is_active, metadata, created_at, updated_at)"
        " VALUES (gen_random_uuid(), 'old bot', TRUE, '{}', now(), now())"
    )
    world.stop(account="old bot", **WHY)
    assert world.resume().changed


async def _stop_and_resume(world: World) -> list[int]:
    registry = AsyncRegistry(world)
    await registry.stop(everything=True, **WHY)
    found = [stop.position for stop in await registry.stops()]
    await registry.resume()
    return found


def test_the_asynchronous_registry_stops_too(world: World) -> None:
    import asyncio

    assert len(asyncio.run(_stop_and_resume(world))) == 1


def test_the_past_is_decided_as_the_database_decides_the_present(connection: Connection) -> None:
    one, other = uuid.UUID(int=1), uuid.UUID(int=2)
    aster: Any = {"exchange_id": 2, "exchange": "aster"}
    stops = [
        UseStopped(standing=[], scope="all"),
        UseStopped(standing=[], scope="exchange", **aster),
        UseStopped(standing=[], scope="lender", account_id=one),
        UseStopped(standing=[], scope="account", account_id=one),
        UseStopped(standing=[], scope="credential", account_id=one, **aster),
        UseStopped(standing=[], scope="credential", account_id=one, **aster, subaccount_index=1),
        UseStopped(standing=[], scope="credential", account_id=one, **aster, permission="full"),
    ]
    slots = [
        Slot(exchange_id, exchange, subaccount, permission)
        for exchange_id, exchange in ((2, "aster"), (3, "backpack"))
        for subaccount in (None, 0, 1)
        for permission in ("full", "read_only")
    ]
    for stop, user, owner, slot in itertools.product(stops, (one, other), (one, other), slots):
        row = connection.execute(
            "SELECT public.stop_includes(%s::jsonb, %s, %s, %s, %s, %s)",
            [
                stop.to_json(),
                user,
                slot.exchange_id,
                owner,
                slot.subaccount_index,
                slot.permission,
            ],
        ).fetchone()
        told = stop.model_dump(mode="json")
        assert row == (includes(told, str(user), str(owner), slot),), (stop, user, owner, slot)
