"""`allowed_exchanges`, the list of an account's metadata, and what it holds for."""

import uuid
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from support.credentials import FIELDS
from support.registry_tables import add_positions, contents, unguarded
from support.tables import nothing_written
from support.world import CALLER, World

from registry import errors
from registry.encryption.secret import Secret
from registry.hints import commands_of
from registry.positions import FundingArbPositionManager
from registry.services.releases.releases import ReleaseService
from registry.services.releases.resolution import Wish

Connection = psycopg.Connection[Any]

OUTSIDE = r"account \w+ may not use backpack, which its allowed_exchanges do not name"


def fields(exchange: str) -> dict[str, Secret]:
    return {name: Secret(value) for name, value in FIELDS[exchange].items()}


def narrow(world: World, account: str, *exchanges: str) -> Any:
    """Leaves an account these exchanges, whoever borrows."""
    return world.accounts.update(account, set={"allowed_exchanges": list(exchanges)}, cascade=True)


def released(world: World, account: str, exchange: str = "backpack") -> None:
    ReleaseService(world.database, world.keyring).release_one(account, exchange, Wish(), CALLER)


def test_a_credential_is_added_for_an_allowed_exchange_only(
    world: World, database_url: str
) -> None:
    world.account("bot", "aster", allowed_exchanges=["aster", "lighter"])
    for dry_run in (True, False):
        with (
            nothing_written(database_url),
            pytest.raises(errors.ExchangeNotAllowed, match=OUTSIDE) as refused,
        ):
            world.credentials.add("bot", "backpack", fields("backpack"), dry_run=dry_run)
    assert "update-account bot --set allowed_exchanges=LIST" in commands_of(
        refused.value.hint or ""
    )
    assert refused.value.exit_status == errors.ExitStatus.REFUSED
    world.credential("bot", "lighter")


def test_a_credential_outside_the_list_is_not_replaced_and_can_be_removed(world: World) -> None:
    world.account("bot", "backpack", "aster")
    narrow(world, "bot", "aster")
    with pytest.raises(errors.ExchangeNotAllowed, match=OUTSIDE):
        world.credentials.replace("bot", "backpack", fields("backpack"))
    world.credentials.update("bot", "backpack", label="old")
    world.credentials.deactivate("bot", "backpack")
    world.credentials.reactivate("bot", "backpack")
    world.credentials.remove("bot", "backpack")


@pytest.mark.parametrize("narrowed", ["bot", "lender"])
def test_a_share_is_granted_for_what_both_sides_may_use(
    world: World, database_url: str, narrowed: str
) -> None:
    world.account("bot")
    world.account("lender", "backpack")
    narrow(world, narrowed, "aster")
    for dry_run in (True, False):
        with (
            nothing_written(database_url),
            pytest.raises(errors.ExchangeNotAllowed, match=rf"{narrowed} may not use backpack"),
        ):
            world.shares.grant("bot", "lender", "backpack", dry_run=dry_run)
    world.accounts.update(narrowed, unset=["allowed_exchanges"])
    world.share("bot", "lender", "backpack")


@pytest.mark.parametrize("narrowed", ["bot", "lender"])
def test_nothing_is_released_that_either_side_may_not_use(world: World, narrowed: str) -> None:
    world.account("bot", "aster")
    world.account("lender", "backpack")
    world.share("bot", "lender", "backpack")
    released(world, "bot")
    narrow(world, narrowed, "aster")
    with pytest.raises(errors.ExchangeNotAllowed, match=rf"{narrowed} may not use backpack"):
        released(world, "bot")
    (answer,) = world.credentials.resolve("bot", "backpack")
    assert answer.outcome == "exchange_not_allowed"
    service = ReleaseService(world.database, world.keyring)
    everything = service.release("bot", None, Wish(), CALLER)
    assert (list(everything.credentials), list(everything.problems)) == (["aster"], ["backpack"])
    with pytest.raises(errors.ExchangeNotAllowed):
        service.release_one("bot", "backpack", Wish(lender="lender"), CALLER)


@pytest.mark.parametrize("allowed", ["backpack", {"backpack": True}, ["Backpack"], []])
def test_what_is_no_list_of_names_allows_nothing(
    world: World, connection: Connection, allowed: Any
) -> None:
    """As a database may hold it that is older than the rule."""
    world.account("bot", "backpack")
    with unguarded(connection):
        metadata = Jsonb({"allowed_exchanges": allowed})
        connection.execute("UPDATE accounts SET metadata = %s", [metadata])
    with pytest.raises(errors.ExchangeNotAllowed):
        released(world, "bot")


def test_null_is_no_list(world: World) -> None:
    world.account("bot", "backpack", allowed_exchanges=None)
    released(world, "bot")


def test_what_a_bot_is_told_of_its_account_are_the_allowed_ones(world: World) -> None:
    world.account("bot", "backpack", "aster")
    narrow(world, "bot", "aster")
    with world.database.connection() as connection:
        told = connection.execute("SELECT exchanges FROM account_info('bot', NULL)").fetchone()
    assert told == (["aster"],)


# ---------------------------------------------------------------- the list itself


def test_the_list_names_exchanges_that_there_are(world: World) -> None:
    with pytest.raises(errors.ExchangeNotFound, match="no exchange lihgter") as refused:
        world.account("bot", allowed_exchanges=["aster", "lihgter"])
    assert refused.value.hint == "Did you mean lighter?"
    world.account("bot", allowed_exchanges=["aster"])
    with pytest.raises(errors.ExchangeNotFound, match="no exchange Lighter"):
        world.accounts.update("bot", set={"allowed_exchanges": ["aster", "Lighter"]})
    world.exchanges.add("mine", [{"name": "api_key", "env": "MINE_API_KEY"}])
    world.accounts.update("bot", set={"allowed_exchanges": ["aster", "mine"]})


def test_a_shorter_list_says_what_stops(world: World, connection: Connection) -> None:
    world.account("bot", "aster", "lighter")
    world.account("lender", "backpack")
    world.share("bot", "lender", "backpack")
    world.credentials.deactivate("bot", "lighter")
    open_, closed = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
    add_positions(connection, open_)
    add_positions(connection, closed, status="closed")
    world.positions.link("bot", [open_, closed])
    names = connection.execute(
        "SELECT d.name FROM dexes AS d WHERE d.id IN (1, 2) ORDER BY d.name"
    ).fetchall()
    before = world.accounts.update("bot", set={"allowed_exchanges": []}, dry_run=True)
    assert set(before.notes) == {
        "without a key from now on: bot borrows backpack from lender (full)",
        "not to be used from now on: aster",
        *(f"only to be made smaller or closed: positions at {name} (1)" for (name,) in names),
    }
    narrow(world, "bot", "aster")
    assert narrow(world, "bot", "aster", "edgex").notes == ()


def test_borrowers_lose_an_exchange_only_if_that_is_said(world: World) -> None:
    world.account("lender", "backpack")
    world.account("bot")
    world.share("bot", "lender", "backpack")
    with pytest.raises(errors.AccountInUse, match="lender lends: bot borrows backpack"):
        world.accounts.update("lender", set={"allowed_exchanges": ["aster"]})
    world.accounts.update("lender", set={"allowed_exchanges": ["backpack"]})
    outcome = world.accounts.update("lender", set={"allowed_exchanges": []}, cascade=True)
    assert "without a key from now on: bot borrows backpack from lender (full)" in outcome.notes


# ---------------------------------------------------------------- positions


def opened(manager: FundingArbPositionManager, long_dex: str, short_dex: str) -> uuid.UUID:
    return manager.create(
        symbol="BTC",
        long_dex=long_dex,
        short_dex=short_dex,
        size_usd=Decimal(100),
        entry_long_rate=Decimal(0),
        entry_short_rate=Decimal(0),
    )


@pytest.mark.parametrize("sides", [("aster", "backpack"), ("backpack", "aster")])
def test_a_position_is_opened_where_both_exchanges_are_allowed(
    world: World, sides: tuple[str, str]
) -> None:
    world.account("bot", allowed_exchanges=["aster", "lighter"])
    manager = FundingArbPositionManager("bot", world.database)
    with pytest.raises(errors.ExchangeNotAllowed, match=OUTSIDE):
        opened(manager, *sides)
    opened(manager, "lighter", "aster")


def test_a_position_outside_a_shorter_list_is_made_smaller_and_closed_only(world: World) -> None:
    world.account("bot")
    manager = FundingArbPositionManager("bot", world.database)
    position = opened(manager, "aster", "backpack")
    narrow(world, "bot", "aster")
    with pytest.raises(errors.ExchangeNotAllowed, match=OUTSIDE):
        manager.update(position, size_usd=Decimal(101))
    manager.update(position, size_usd=Decimal(50), cumulative_funding_usd=Decimal(1))
    assert manager.close(position, "DONE")


def test_an_open_position_is_linked_where_its_exchanges_are_allowed(
    world: World, connection: Connection
) -> None:
    open_, closed = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
    add_positions(connection, open_)
    add_positions(connection, closed, status="closed")
    world.account("bot", allowed_exchanges=[])
    with pytest.raises(errors.ExchangeNotAllowed):
        world.positions.link("bot", [open_])
    world.positions.link("bot", [closed])
    world.accounts.update("bot", unset=["allowed_exchanges"])
    world.positions.link("bot", [open_])


# ---------------------------------------------------------------- what was there before


def test_what_is_outside_a_shorter_list_comes_back_with_the_tables(
    world: World, connection: Connection
) -> None:
    world.account("lender", "backpack")
    world.account("bot", "aster")
    world.share("bot", "lender", "backpack")
    position = str(uuid.UUID(int=1))
    add_positions(connection, position)
    world.positions.link("bot", [position])
    narrow(world, "bot")
    narrow(world, "lender")
    before = contents(connection)
    world.migrate("down")
    world.migrate("up")
    assert contents(connection) == before
    assert not world.rebuild(check=True).report.counts


def test_a_rollback_brings_back_what_a_shorter_list_does_not_name(world: World) -> None:
    world.account("bot", "backpack")
    narrow(world, "bot")
    with world.database.connection() as connection:
        (size,) = connection.execute("SELECT size FROM audit_head").fetchone() or (0,)
    world.accounts.delete("bot")
    world.rollback(to=size - 1, account="bot")
    assert [c["exchange"] for c in world.credentials.list("bot")] == ["backpack"]
    with pytest.raises(errors.ExchangeNotAllowed):
        released(world, "bot")
