"""The views: what each shows, filtered and paged by the database, to an auditor."""

import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

import pytest
from support.bots import login_role
from support.demo_fleet import demo_fleet, plant_hostile_texts, planted
from support.world import World

from registry import Registry
from registry.errors import AccountNotFound, InvalidInput
from registry.services.views.described import VIEWS
from registry.services.views.reading import Rows, none_fits
from registry.services.views.words import in_words


class Lends(Protocol):
    def __call__(self) -> AbstractContextManager[str]: ...


@pytest.fixture(scope="module")
def fleet(fresh_database: Lends) -> Iterator[tuple[World, Registry]]:
    """The fleet, and a registry that an auditor has opened."""
    with (
        fresh_database() as address,
        demo_fleet(address) as world,
        login_role(address, "registry_auditor") as auditor,
        Registry.open(auditor.address) as registry,
    ):
        yield world, registry


@pytest.fixture
def views(fleet: tuple[World, Registry]) -> Any:
    return fleet[1].views


def states(rows: Rows) -> dict[str, str]:
    return {row["account"]: row["state"] for row in rows.rows}


def text_of(rows: Rows) -> str:
    return "\n".join(
        in_words(column, row, rows.read_at) for row in rows.rows for column in rows.view.columns
    )


def test_accounts_that_need_attention_come_first_and_say_why(views: Any) -> None:
    found = views.read("accounts")
    told = [(row["account"], row["state"], row["why"]) for row in found.rows[:5]]
    assert told == [
        ("funding_arb", "expired", "aster expired 2 d ago"),
        ("maker_01", "check failed", "aster: wrong key"),
        ("scalper", "stopped", "losses since noon, Anna looks into it"),
        ("grid_btc", "near its limit", "exposure is 91 % of the limit"),
        ("grid_eth", "expires soon", "aster expires in 8 d"),
    ]
    assert [row["state"] for row in found.rows[5:]] == ["ok"] * 5 + ["inactive"]
    assert views.read("accounts", state="attention").total == 5


def test_an_account_without_open_positions_may_have_a_limit_of_nothing(world: World) -> None:
    world.account("bot", max_positions=0, max_exposure_usd=None)
    (row,) = world.views.read("accounts").rows
    assert (row["state"], row["max_positions"], row["max_exposure_usd"]) == ("ok", 0, None)


def test_a_credential_says_its_age_its_check_and_who_may_hold_it(
    fleet: tuple[World, Registry],
) -> None:
    world, registry = fleet
    with login_role(world.database.target.url or "", "registry_bot") as role:
        world.access.grant("hedge_bot", role.name)
        rows = registry.views.read("credentials", account="main_bot", exchange="aster").rows
        full, read_only = sorted(rows, key=lambda row: row["permission"])
        assert full["may_hold"] == read_only["may_hold"] == [f"{role.name} for hedge_bot"]
        world.access.revoke("hedge_bot", role.name)
    assert (full["outcome"], full["version"], read_only["outcome"]) == ("valid", 1, None)
    assert full["stored_at"] <= full["checked_at"]
    (lighter,) = registry.views.read("credentials", account="main_bot", exchange="lighter").rows
    assert lighter["version"] == 2


def test_a_credential_says_which_versions_there_are_besides_and_who_may_hold_an_old_one(
    world: World,
) -> None:
    world.account("bot", "aster")
    world.loader.load_account_credentials("bot")
    world.credential("bot", "aster", replace=True, api_key="new", secret_key="newer")
    (row,) = world.views.read("credentials").rows
    assert (row["version"], row["other_versions"]) == (2, [])
    assert row["old_held_by"] == ["postgres, version 1"]
    world.loader.load_account_credentials("bot")
    assert world.views.read("credentials").rows[0]["old_held_by"] == []
    world.credentials.rotate("bot", "aster", {"api_key": "3", "secret_key": "33"}, check=False)
    assert world.views.read("credentials").rows[0]["other_versions"] == ["2 grace"]


def test_problems_are_those_of_the_registry_with_what_to_do(views: Any) -> None:
    found = views.read("problems", account="maker_*")
    assert [(row["account"], row["kind"], row["state"]) for row in found.rows] == [
        ("maker_01", "failed_check", "critical")
    ]
    assert "account-registry check-credential maker_01 aster --record" in text_of(found)
    assert views.account("maker_01").problems.rows == found.rows


def test_shares_are_found_by_their_borrower_and_by_their_lender(views: Any) -> None:
    for account in ("hedge_bot", "main_bot"):
        (row,) = views.read("shares", account=account, exchange="aster").rows
        assert (row["account"], row["lender"], row["state"]) == ("hedge_bot", "main_bot", "ok")


def test_positions_show_the_exposure_of_their_account_against_its_limit(views: Any) -> None:
    found = views.read("positions", account="grid_btc")
    assert found.total == 9
    assert {row["state"] for row in found.rows} == {"near its limit"}
    assert {round(row["of_limit"], 2) for row in found.rows} == {
        round(found.rows[0]["of_limit"], 2)
    }
    assert round(found.rows[0]["of_limit"] * 100) == 91


def test_releases_are_grouped_by_account_and_host(views: Any) -> None:
    found = views.read("releases", text="FRA-1")
    assert {(row["account"], row["host"], row["times"]) for row in found.rows} == {
        ("main_bot", "fra-1", 3),
        ("grid_btc", "fra-1", 2),
    }
    assert sum(count for _, count in views.releases_by_hour()) == 7
    assert len(views.releases_by_hour()) == 24


@pytest.mark.parametrize("name", VIEWS)
def test_filters_narrow_every_view_and_pages_lose_no_row(views: Any, name: str) -> None:
    everything = views.read(name, state="all", size=500)
    assert everything.total == len(everything.rows) > 1
    keys = [str(row) for row in everything.rows]
    paged = [
        str(row)
        for page in range(1, -(-everything.total // 2) + 1)
        for row in views.read(name, state="all", page=page, size=2).rows
    ]
    assert [key.partition("total")[0] for key in paged] == [k.partition("total")[0] for k in keys]
    assert views.read(name, account="no_such_*").rows == []
    assert views.read(name, page=40_000).filter.page == 1
    by_state = [views.read(name, state=state).total for state in everything.view.states]
    assert sum(by_state) == everything.total


def test_a_filter_that_matches_nothing_says_what_was_asked_for(views: Any) -> None:
    found = views.read("accounts", account="grid_*", exchange="lighter")
    assert none_fits(found, views.read("accounts").total) == (
        "No account fits account grid_*, exchange lighter. There are 11 accounts without filters."
    )
    assert views.read("accounts", account="grid_*").total == 2
    assert views.read("accounts", account="grid%").total == 0
    assert views.read("accounts", text="FUNDING arb").total == 1


@pytest.mark.parametrize(
    "wanted", [{"state": "gone"}, {"text": "x" * 201}, {"page": 0}, {"size": 501}, {"text": "\0"}]
)
def test_a_filter_that_is_none_is_an_error(views: Any, wanted: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        views.read("accounts", **wanted)


def test_an_account_shows_what_is_its_own(views: Any) -> None:
    found = views.account("hedge_bot")
    assert found.facts["state"] == "ok"
    assert [row["lender"] for row in found.shares.rows] == ["main_bot", "funding_arb"]
    assert (found.credentials.total, found.positions.total) == (0, 2)
    with pytest.raises(AccountNotFound):
        views.account("hedge_b*")


def test_no_view_shows_a_secret_or_a_token(fleet: tuple[World, Registry]) -> None:
    world, registry = fleet
    everything = [str(registry.views.read(name, state="all", size=500).rows) for name in VIEWS]
    everything += [str(registry.views.account(name)) for name in ("main_bot", "funding_arb")]
    found = [secret for secret in planted(world) for text in everything if secret in text]
    assert found == []


def test_hostile_texts_steer_nothing(world: World) -> None:
    plant_hostile_texts(world)
    for name in ("accounts", "credentials", "positions"):
        text = text_of(world.views.read(name))
        assert "\\u202eevil\\u200b" in text
        assert not {"\x1b", "\u202e", "\u200b"} & set(text)


def test_a_text_that_could_be_a_secret_is_not_said(world: World) -> None:
    world.account("bot", "aster")
    with world.database.connection() as connection:
        connection.execute("SET session_replication_role = replica")
        leaked = f"old key {uuid.uuid4().hex}{uuid.uuid4().hex}"
        connection.execute("UPDATE accounts SET description = %s", [leaked])
        connection.execute("SET session_replication_role = origin")
    assert leaked.rpartition(" ")[2] not in text_of(world.views.read("accounts"))


def test_what_is_stopped_is_said_in_every_view_that_it_concerns(world: World) -> None:
    world.account("lender", "aster")
    world.account("borrower")
    world.share("borrower", "lender", "aster")
    world.stop(lender="lender", reason="checking")
    assert states(world.views.read("shares")) == {"borrower": "stopped"}
    assert states(world.views.read("credentials")) == {"lender": "ok"}
    world.stop(credential=("lender", "aster"), reason="leaked")
    assert states(world.views.read("credentials")) == {"lender": "stopped"}
    world.accounts.deactivate("lender", cascade=True)
    assert states(world.views.read("shares")) == {"borrower": "lender inactive"}
