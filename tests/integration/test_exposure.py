"""The possible users and the recipients of a credential, for the case that a key leaks."""

import datetime as dt
import json
import time
import uuid
from typing import Any

import psycopg
import pytest
from freezegun import freeze_time
from support.bots import login_role
from support.cli import CommandLine
from support.raw_events import append_raw

Connection = psycopg.Connection[Any]


class World:
    """A lender with a key, and two that might borrow it."""

    def __init__(self, cli: CommandLine, connection: Connection) -> None:
        self.cli = cli
        self.connection = connection
        self.ids = {
            name: uuid.UUID(cli("create-account", name, "--json").data["id"])
            for name in ("lender", "friend", "watcher")
        }
        self.store("add-credential", "1")
        self.credential_id = cli("list-credentials", "lender", "--json").data[0]["id"]

    def store(self, verb: str, key: str, *options: str) -> None:
        fields = json.dumps({"api_key": f"key-{key}", "secret_key": "secret-1"})
        done = self.cli(verb, "lender", "aster", "--from-json", "-", *options, stdin=fields)
        assert done.exit_status == 0

    def share(self, event: str, borrower: str, sharing_type: str = "full") -> None:
        data = {
            "share_id": str(uuid.uuid5(self.ids[borrower], "share")),
            "exchange": "aster",
            "exchange_id": 2,
            "lender_id": str(self.ids["lender"]),
            "lender": "lender",
            "sharing_type": sharing_type,
        }
        stream = ("account", self.ids[borrower])
        append_raw(self.connection, event, stream, data, related=self.ids["lender"])

    def role(self, event: str, account: str, role: str) -> None:
        data = {"access_id": str(uuid.uuid4()), "role": role}
        append_raw(self.connection, event, ("account", self.ids[account]), data)

    def release(self, borrower: str, version: int, host: str) -> None:
        data = {
            "account": borrower,
            "exchange": "aster",
            "credential_id": self.credential_id,
            "credential_version": version,
            "host": host,
            "purpose": "run",
            "lender": None if borrower == "lender" else "lender",
        }
        related = None if borrower == "lender" else self.ids["lender"]
        stream = ("release", self.ids[borrower])
        append_raw(self.connection, "CredentialReleased", stream, data, related=related)

    def now(self) -> str:
        time.sleep(0.002)
        row = self.connection.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        moment: dt.datetime = row[0]
        return moment.isoformat()

    def users(self, verb: str, *options: str) -> list[tuple[str, int]]:
        result = self.cli(verb, "lender", "aster", *options, "--json")
        assert result.exit_status == 0, result.err
        return [(one["account"], one["version"]) for one in result.data["could_use"]]


@pytest.fixture
def world(cli: CommandLine, connection: Connection) -> World:
    return World(cli, connection)


def test_a_borrower_could_use_the_key_from_the_grant_to_its_end(world: World) -> None:
    before = world.now()
    world.share("SharingGranted", "friend")
    during = world.now()
    world.share("SharingRevoked", "friend")
    assert world.users("who-could-use", "--at", before) == [("lender", 1)]
    assert world.users("who-could-use", "--at", during) == [("lender", 1), ("friend", 1)]
    assert world.users("who-could-use") == [("lender", 1)]
    assert world.users("blast-radius") == [("lender", 1), ("friend", 1)]


def test_a_narrow_share_never_gives_a_full_key(world: World) -> None:
    world.share("SharingGranted", "watcher", "read_only")
    assert world.users("who-could-use") == [("lender", 1)]
    world.store("add-credential", "2", "--permission", "read_only")
    assert ("watcher", 1) in world.users("who-could-use")


def test_a_changed_share_counts_from_its_change_on(world: World) -> None:
    world.share("SharingGranted", "watcher", "positions_only")
    narrow = world.now()
    world.share("SharingChanged", "watcher", "full")
    assert world.users("who-could-use", "--at", narrow) == [("lender", 1)]
    assert world.users("who-could-use") == [("lender", 1), ("watcher", 1)]


@pytest.mark.parametrize(
    ("stop", "left"),
    [
        (["deactivate-account", "friend"], [("lender", 1)]),
        (["deactivate-account", "lender"], []),
        (["deactivate-credential", "lender", "aster"], []),
    ],
)
def test_what_is_inactive_can_use_nothing(
    world: World, stop: list[str], left: list[tuple[str, int]]
) -> None:
    world.share("SharingGranted", "friend")
    active = world.now()
    assert world.cli(*stop).exit_status == 0
    assert world.users("who-could-use") == left
    assert world.users("who-could-use", "--at", active) == [("lender", 1), ("friend", 1)]


def test_every_version_since_a_moment_is_told_and_the_newest_by_default(world: World) -> None:
    start = world.now()
    world.store("replace-credential", "2")
    assert world.users("blast-radius") == [("lender", 2)]
    assert world.users("blast-radius", "--since", start) == [("lender", 1), ("lender", 2)]


def test_who_received_a_version_is_told_with_role_host_and_times(world: World) -> None:
    world.share("SharingGranted", "friend")
    world.release("friend", 1, "host-a")
    world.release("friend", 1, "host-a")
    world.release("lender", 1, "host-b")
    world.share("SharingRevoked", "friend")
    received = world.cli("who-could-use", "lender", "aster", "--json").data["received"]
    assert [(r["account"], r["host"], r["times"], r["lender"]) for r in received] == [
        ("lender", "host-b", 1, None),
        ("friend", "host-a", 2, "lender"),
    ]
    assert len(received[1]["last_commands"]) == 2
    world.store("replace-credential", "2")
    assert world.cli("blast-radius", "lender", "aster", "--json").data["received"] == []
    assert "host-a" in world.cli("blast-radius", "lender", "aster", "--since", "2020-01-01").out


def test_full_and_read_only_keys_of_one_version_are_told_apart(world: World) -> None:
    world.store("add-credential", "2", "--permission", "read_only")
    world.store("add-credential", "3", "--subaccount", "3")
    reveal = ("reveal-credential", "lender", "aster", "--field", "api_key")
    chosen = ((), ("--access", "read_only"), ("--subaccount", "3"))
    assert [world.cli(*reveal, *options).exit_status for options in chosen] == [2, 0, 0]
    received = world.cli("blast-radius", "lender", "aster", "--json").data["received"]
    assert [(r["subaccount_index"], r["permission"], r["version"]) for r in received] == [
        (3, "full", 1),
        (None, "read_only", 1),
    ]
    shown = world.cli("blast-radius", "lender", "aster").out.partition("Received it:")[2]
    assert ("subaccount" in shown, "permission" in shown, "read_only" in shown) == (True,) * 3


@pytest.mark.parametrize("account", ["lender", "friend"])
def test_who_may_not_use_the_exchange_can_use_no_key_of_it(world: World, account: str) -> None:
    world.share("SharingGranted", "friend")
    allowed = world.now()
    limits = ("update-account", account, "--set")
    assert world.cli(*limits, 'allowed_exchanges=["lighter"]').exit_status == 0
    forbidden = world.now()
    left = [] if account == "lender" else [("lender", 1)]
    assert world.users("who-could-use") == left
    assert world.users("who-could-use", "--at", allowed) == [("lender", 1), ("friend", 1)]
    assert world.users("blast-radius", "--since", forbidden) == left
    world.cli(*limits, 'allowed_exchanges=["lighter", "aster"]')
    assert world.users("who-could-use") == [("lender", 1), ("friend", 1)]
    assert world.users("who-could-use", "--at", forbidden) == left
    told = world.cli("blast-radius", "lender", "aster", "--json").data["could_use"]
    earlier, later = [one for one in told if one["account"] == account]
    assert earlier["until"] < later["from"]


def test_login_roles_count_while_they_were_granted(world: World) -> None:
    world.role("AccessGranted", "lender", "bot_role")
    during = world.now()
    world.role("AccessRevoked", "lender", "bot_role")

    def roles(*options: str) -> list[str]:
        data = world.cli("who-could-use", "lender", "aster", *options, "--json").data
        return list(data["could_use"][0]["roles"])

    assert roles("--at", during) == ["bot_role"]
    assert roles() == []


def test_a_removed_key_can_be_asked_for_in_its_time_only(world: World) -> None:
    while_held = world.now()
    world.cli("remove-credential", "lender", "aster", "--yes")
    assert world.users("who-could-use", "--at", while_held) == [("lender", 1)]
    assert world.users("blast-radius", "--since", while_held) == [("lender", 1)]
    refused = world.cli("who-could-use", "lender", "aster", "--json")
    assert (refused.exit_status, refused.error["code"]) == (3, "credential_not_found")


def test_a_lenders_history_shows_what_borrowers_did_and_a_borrowers_its_own(world: World) -> None:
    world.share("SharingGranted", "friend")
    world.release("friend", 1, "host-a")

    def types(account: str) -> list[str]:
        return [e["event_type"] for e in world.cli("history", account, "--json").data]

    assert types("lender") == [
        "AccountCreated",
        "CredentialAdded",
        "SharingGranted",
        "CredentialReleased",
    ]
    assert types("friend") == ["AccountCreated", "SharingGranted", "CredentialReleased"]
    of_credential = world.cli("history", "--credential", world.credential_id, "--json").data
    assert [e["event_type"] for e in of_credential] == ["CredentialAdded", "CredentialReleased"]


def test_who_asks_about_a_borrower_is_led_to_the_lender(cli: CommandLine) -> None:
    for account in ("lender", "bot"):
        cli("create-account", account)
    cli.store("lender", "aster")
    cli("share", "bot", "lender", "aster")
    for verb in ("who-could-use", "blast-radius"):
        refused = cli(verb, "bot", "aster", "--json")
        assert refused.exit_status == 3
        assert "account-registry who-could-use lender aster" in refused.error["hint"]
    other = cli("who-could-use", "bot", "lighter", "--json").error["hint"]
    assert other.endswith("see: account-registry history bot --exchange lighter")


TEN_YEARS_BACK = dt.timedelta(days=-3653)
A_DAY_AHEAD = dt.timedelta(days=1)


def wrongly(world: World, off: dt.timedelta, *words: str) -> None:
    """Runs a verb on a machine whose clock is wrong."""
    with freeze_time(dt.datetime.now(dt.UTC) + off):
        done = world.cli(*words)
    assert done.exit_status == 0, done.err


def test_the_times_are_the_databases_whatever_clock_the_senders_have(world: World) -> None:
    start = world.now()
    wrongly(world, A_DAY_AHEAD, "share", "friend", "lender", "aster")
    world.cli("reveal-credential", "friend", "aster", "--field", "api_key")
    wrongly(world, TEN_YEARS_BACK, "deactivate-credential", "lender", "aster", "--cascade")
    told = world.cli("blast-radius", "lender", "aster", "--json").data
    owner, borrower = told["could_use"]
    (received,) = told["received"]
    assert start < borrower["from"].replace("Z", "+00:00")
    assert borrower["from"] < received["first"] == received["last"] < borrower["until"]
    assert owner["from"] < borrower["from"]
    assert owner["until"] == borrower["until"]
    assert borrower["until"].replace("Z", "+00:00") < world.now()
    assert world.users("who-could-use", "--at", received["first"]) == [("lender", 1), ("friend", 1)]


def test_a_key_that_is_replaced_and_removed_by_wrong_clocks_was_held_when_it_was(
    world: World,
) -> None:
    first = world.now()
    wrongly(world, A_DAY_AHEAD, "deactivate-account", "lender")
    wrongly(world, TEN_YEARS_BACK, "reactivate-account", "lender")
    wrongly(world, TEN_YEARS_BACK, "remove-credential", "lender", "aster", "--yes")
    told = world.cli("blast-radius", "lender", "aster", "--since", first, "--json").data
    (version,) = told["versions"]
    assert version["from"].replace("Z", "+00:00") < first < version["until"].replace("Z", "+00:00")
    times = [(one["from"], one["until"]) for one in told["could_use"]]
    assert times == sorted(times)
    assert all(start < end for start, end in times)


def test_the_history_shows_what_a_sender_claimed_where_the_clocks_differ(world: World) -> None:
    wrongly(world, TEN_YEARS_BACK, "deactivate-account", "friend")
    wrongly(world, dt.timedelta(seconds=-2), "reactivate-account", "friend")
    *_, off, agreed = world.cli("history", "friend", "--json").data
    claimed = f"{dt.datetime.fromisoformat(off['occurred_at']):%Y-%m-%d %H:%M:%S}Z"
    recorded = f"{dt.datetime.fromisoformat(off['recorded_at']):%Y-%m-%d %H:%M:%S}Z"
    shown = world.cli("history", "friend").out
    assert f"{recorded} (claimed {claimed})" in shown
    assert shown.count("claimed") == 1
    assert agreed["event_type"] == "AccountReactivated"


def test_a_claimed_time_is_shown_beside_the_databases(world: World) -> None:
    wrongly(world, A_DAY_AHEAD, "share", "friend", "lender", "aster")
    shown = world.cli("blast-radius", "lender", "aster").out
    _, friend = world.cli("blast-radius", "lender", "aster", "--json").data["could_use"]
    claimed = dt.datetime.fromisoformat(friend["claimed_from"])
    assert f"(claimed {claimed:%Y-%m-%d %H:%M:%S}Z)" in shown
    assert shown.count("claimed") == 1
    ahead = claimed - dt.datetime.fromisoformat(friend["from"])
    assert dt.timedelta(hours=23) < ahead < dt.timedelta(hours=25)


def test_every_question_about_a_time_goes_by_the_databases(world: World) -> None:
    before = world.now()
    wrongly(world, TEN_YEARS_BACK, "update-account", "friend", "--description", "ten years back")
    between = world.now()
    wrongly(world, A_DAY_AHEAD, "update-account", "friend", "--description", "a day ahead")
    after = world.now()

    def described(at: str) -> object:
        (friend,) = [
            account
            for account in world.cli("list-accounts", "--as-of", at, "--json").data
            if account["account_name"] == "friend"
        ]
        shown = world.cli("show-account", "friend", "--as-of", at, "--json").data
        assert shown["description"] == friend["description"]
        return friend["description"]

    assert [described(at) for at in (before, between, after)] == [
        None,
        "ten years back",
        "a day ahead",
    ]
    of_friend = ("history", "friend", "--json")
    assert [
        [e["position"] for e in world.cli(*of_friend, *asked).data]
        for asked in (("--since", between), ("--until", before), ("--since", before))
    ] == [[5], [1], [4, 5]]
    assert world.cli("rollback", "--account", "friend", "--to", between, "--yes").exit_status == 0
    assert described(world.now()) == "ten years back"
    assert world.cli("rollback", "--account", "friend", "--to", before, "--yes").exit_status == 0
    assert described(world.now()) is None


def test_shares_and_access_are_listed_since_the_databases_time(
    world: World, database_url: str
) -> None:
    start = world.now()
    with login_role(database_url, "registry_bot") as role:
        wrongly(world, A_DAY_AHEAD, "share", "friend", "lender", "aster", "--type", "read_only")
        wrongly(world, TEN_YEARS_BACK, "share", "friend", "lender", "aster")
        wrongly(world, TEN_YEARS_BACK, "grant-access", "friend", "--role", role.name)
        for verb in ("list-shares", "list-access"):
            (row,) = world.cli(verb, "friend", "--json").data
            since = row["since"].replace("Z", "+00:00")
            assert start < since < world.now()
            assert f"{since[:10]} {since[11:19]}Z" in world.cli(verb, "friend").out


def test_a_deleted_account_was_deleted_when_the_database_says(world: World) -> None:
    wrongly(world, TEN_YEARS_BACK, "delete-account", "friend", "--yes")
    (*_, deleted) = world.cli("history", "friend", "--json").data
    refused = world.cli("show-account", "friend").err
    assert f"account friend was deleted on {deleted['recorded_at'][:10]} by" in refused
