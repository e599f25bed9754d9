"""Events that no command would append: nothing stops at them, and each is reported."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from support.cli import CommandLine
from support.raw_events import append_raw
from support.registry_tables import contents, unguarded

Connection = psycopg.Connection[Any]
Data = dict[str, Any]


class Scene:
    """Three accounts; `one` lends to `three`, and `two` has a credential of its own."""

    def __init__(self, cli: CommandLine, connection: Connection) -> None:
        self.cli, self.connection = cli, connection
        for name in ("one", "two", "three"):
            cli("create-account", name)
        for name in ("one", "two"):
            fields = json.dumps({"api_key": f"key-{name}", "secret_key": f"secret-{name}"})
            assert cli("add-credential", name, "aster", "--from-json", "-", stdin=fields).err == ""
        assert cli("share", "three", "one", "aster").exit_status == 0
        self.ids: dict[str, uuid.UUID] = dict(
            connection.execute("SELECT account_name, id FROM accounts").fetchall()
        )

    def event_of(self, account: str, event_type: str) -> Data:
        """The data of the account's event of this type."""
        row = self.connection.execute(
            "SELECT data FROM audit_events WHERE stream_id = %s AND event_type = %s",
            [self.ids[account], event_type],
        ).fetchone()
        assert row is not None
        data: Data = row[0]
        return data

    def credential(self, account: str, **changes: Any) -> Data:
        return {**self.event_of(account, "CredentialAdded"), **changes}

    def share(self, **changes: Any) -> Data:
        return {**self.event_of("three", "SharingGranted"), **changes}


@pytest.fixture
def scene(cli: CommandLine, connection: Connection) -> Scene:
    return Scene(cli, connection)


def new() -> str:
    return str(uuid.uuid4())


Made = Callable[[Scene], tuple[str, str | None, Data]]
"""Gives a type, whose event it is (None: nobody's), and the data."""

CASES: dict[str, tuple[str, Made]] = {
    "no field that it must have": (
        "does not hold",
        lambda _: ("AccountCreated", None, {}),
    ),
    "a number in the place of a name": (
        "account_name cannot hold",
        lambda _: ("AccountRenamed", "one", {"account_name": 5, "previous_name": "one"}),
    ),
    "a name that another has": (
        "another row has its name",
        lambda _: ("AccountRenamed", "one", {"account_name": "two", "previous_name": "one"}),
    ),
    "a name that is none": (
        "account_name cannot be",
        lambda _: ("AccountCreated", None, {"account_name": "x\u0007"}),
    ),
    "a name that is too long": (
        "account_name cannot hold",
        lambda _: ("AccountCreated", None, {"account_name": "x" * 256}),
    ),
    "a day that there is not": (
        "created_at cannot hold",
        lambda _: (
            "AccountCreated",
            None,
            {"account_name": "x", "created_at": "2026-02-31T00:00:00Z"},
        ),
    ),
    "an account that exists": (
        "such a row already",
        lambda _: ("AccountCreated", "one", {"account_name": "again"}),
    ),
    "an account that still has credentials": (
        "still has",
        lambda _: ("AccountDeleted", "two", {"account_name": "two"}),
    ),
    "a type that there is not": (
        "no program writes",
        lambda _: ("SomethingNew", "one", {"anything": True}),
    ),
    "tokens of a wrong kind": (
        "does not hold",
        lambda scene: ("CredentialAdded", "three", scene.credential("one", tokens=5)),
    ),
    "a version that no integer holds": (
        "version cannot hold",
        lambda scene: ("CredentialReplaced", "one", scene.credential("one", version=2**31)),
    ),
    "a version that is no integer": (
        "version cannot hold",
        lambda scene: ("CredentialReplaced", "one", scene.credential("one", version=1.5)),
    ),
    "a permission that there is not": (
        "permission cannot be",
        lambda scene: (
            "CredentialAdded",
            "two",
            scene.credential("two", credential_id=new(), permission="all"),
        ),
    ),
    "a credential without a field": (
        "no field",
        lambda scene: ("CredentialReplaced", "one", scene.credential("one", tokens={})),
    ),
    "a credential of another account, replaced": (
        "a row of another account",
        lambda scene: ("CredentialReplaced", "two", scene.credential("one", version=2)),
    ),
    "a credential of another account, removed": (
        "a row of another account",
        lambda scene: ("CredentialRemoved", "two", scene.credential("one")),
    ),
    "a credential of another account, added": (
        "such a row already",
        lambda scene: ("CredentialAdded", "three", scene.credential("one")),
    ),
    "a slot that is taken": (
        "another row has its slot",
        lambda scene: ("CredentialAdded", "one", scene.credential("one", credential_id=new())),
    ),
    "a credential of no account": (
        "no such account",
        lambda scene: ("CredentialAdded", None, scene.credential("one", credential_id=new())),
    ),
    "an exchange that there is not": (
        "no such exchange",
        lambda scene: (
            "CredentialAdded",
            "one",
            scene.credential("one", credential_id=new(), exchange_id=999),
        ),
    ),
    "a credential that is lent, removed": (
        "is lent",
        lambda scene: ("CredentialRemoved", "one", scene.credential("one")),
    ),
    "a lender that there is not": (
        "no such account",
        lambda scene: ("SharingGranted", "two", scene.share(share_id=new(), lender_id=new())),
    ),
    "a share of oneself": (
        "borrow from itself",
        lambda scene: ("SharingGranted", "one", scene.share(share_id=new())),
    ),
    "a share of what is borrowed": (
        "cannot be lent on",
        lambda scene: (
            "SharingGranted",
            "two",
            scene.share(share_id=new(), lender_id=str(scene.ids["three"])),
        ),
    ),
    "a lender that borrows": (
        "who lends cannot borrow",
        lambda scene: (
            "SharingGranted",
            "one",
            scene.share(share_id=new(), lender_id=str(scene.ids["two"])),
        ),
    ),
    "a second lender": (
        "another row has its place",
        lambda scene: (
            "SharingGranted",
            "three",
            scene.share(share_id=new(), lender_id=str(scene.ids["two"])),
        ),
    ),
    "a lender without a credential": (
        "no credential to lend",
        lambda scene: (
            "SharingGranted",
            "two",
            scene.share(share_id=new(), exchange="backpack", exchange_id=3),
        ),
    ),
    "a kind of sharing that there is not": (
        "sharing_type cannot be",
        lambda scene: ("SharingChanged", "three", scene.share(sharing_type="all")),
    ),
    "access of a role without a name": (
        "role_name cannot be",
        lambda _: ("AccessGranted", "one", {"access_id": new(), "role": ""}),
    ),
    "access under an id that is none": (
        "id cannot hold",
        lambda _: ("AccessGranted", "one", {"access_id": "x", "role": "r"}),
    ),
    "a position that is no id": (
        "names what is no id",
        lambda _: ("PositionsLinked", "one", {"positions": ["x"]}),
    ),
    "positions that are no list": (
        "does not hold",
        lambda _: ("PositionsLinked", "one", {"positions": "x"}),
    ),
}


LENT = "a credential that is lent, removed"
EACH = [pytest.param([case], id=case, marks=pytest.mark.slow) for case in CASES]


@pytest.mark.parametrize("cases", [pytest.param(list(CASES), id="all of them"), *EACH])
def test_all_goes_on_without_the_events_which_are_told(
    scene: Scene, connection: Connection, cli: CommandLine, cases: list[str]
) -> None:
    before = contents(connection)
    wanted: dict[int, tuple[str, str, str]] = {}
    for case in cases:
        reason, make = CASES[case]
        event_type, account, data = make(scene)
        stream = ("account", scene.ids[account] if account else uuid.uuid4())
        position = append_raw(connection, event_type, stream, data)
        wanted[position] = (event_type, f"account {stream[1]}", reason)

    def told(events: list[Data]) -> None:
        assert [event["position"] for event in events] == list(wanted)
        for event in events:
            event_type, stream, reason = wanted[event["position"]]
            assert (event["event_type"], event["stream"]) == (event_type, stream)
            assert reason in event["reason"]

    for workers in ("1", "2"):
        checked = cli("rebuild", "--check", "--workers", workers, "--json")
        assert (checked.exit_status, checked.err) == (0, "")
        told(checked.data["skipped_events"])
    shown = cli("rebuild", "--check").out
    verdict = cli("verify", "--json")
    assert verdict.exit_status == 6
    for position, (event_type, _, reason) in wanted.items():
        assert f"skipped  position {position}: {event_type} of" in shown
        assert any(
            f["position"] == position and reason in f["message"] for f in verdict.data["failures"]
        )

    with unguarded(connection):
        connection.execute("TRUNCATE accounts CASCADE")
    rebuilt = cli("rebuild", "--yes", "--json")
    assert rebuilt.exit_status == 0, rebuilt.err
    told(rebuilt.data["skipped_events"])
    assert contents(connection) == before

    assert cli("list-accounts", "--as-of", str(position), "--json").exit_status == 0
    then = cli("show-account", "two", "--as-of", str(position), "--json")
    assert [c["exchange"] for c in then.data["credentials"]] == ["aster"]
    if cases != [LENT]:  # that goes when it counts: see below
        assert cli("rollback", "--to", str(position - 1), "--dry-run").exit_status == 0

    assert cli("migrate", "down", "--yes").exit_status == 0
    up = cli("migrate", "up", "--json")
    assert up.exit_status == 0, up.err
    told(up.data["rebuilt"]["skipped_events"])
    assert contents(connection) == before


def test_a_removal_of_what_is_lent_counts_when_the_shares_have_ended(
    scene: Scene, connection: Connection, cli: CommandLine
) -> None:
    event_type, _, data = CASES[LENT][1](scene)
    position = append_raw(connection, event_type, ("account", scene.ids["one"]), data)
    assert cli("unshare", "three", "aster").exit_status == 0
    rebuilt = cli("rebuild", "--yes", "--json")
    assert (rebuilt.exit_status, rebuilt.data["skipped_events"]) == (0, [])
    assert cli("show-account", "one", "--json").data["credentials"] == []
    assert cli("rollback", "--to", str(position - 1), "--yes").exit_status == 0
    assert cli("rebuild", "--check", "--json").data["differing"] == 0


def test_several_are_told_and_what_came_after_them_counts(
    scene: Scene, connection: Connection, cli: CommandLine
) -> None:
    for case in ("a name that another has", "no field that it must have", "a slot that is taken"):
        event_type, account, data = CASES[case][1](scene)
        stream = ("account", scene.ids[account] if account else uuid.uuid4())
        append_raw(connection, event_type, stream, data)
        assert cli("update-account", "one", "--description", case).exit_status == 0
    before = contents(connection)
    with unguarded(connection):
        connection.execute("UPDATE accounts SET description = 'damaged'")
    rebuilt = cli("rebuild", "--yes", "--json")
    assert len(rebuilt.data["skipped_events"]) == 3
    assert contents(connection) == before
    assert cli("rebuild", "--check", "--json").data["differing"] == 0


def test_one_that_comes_while_the_tables_are_repaired_is_skipped(
    scene: Scene, connection: Connection, cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from registry.rebuild import repair

    before, waiting = contents(connection), ["no field that it must have"]
    append_at_end = repair.append_at_end

    def meanwhile(*arguments: Any) -> int:
        if waiting:
            event_type, _, data = CASES[waiting.pop()][1](scene)
            append_raw(connection, event_type, ("account", uuid.uuid4()), data)
        return append_at_end(*arguments)

    monkeypatch.setattr(repair, "append_at_end", meanwhile)
    with unguarded(connection):
        connection.execute("TRUNCATE accounts CASCADE")
    rebuilt = cli("rebuild", "--yes", "--json")
    assert rebuilt.exit_status == 0, rebuilt.err
    assert len(rebuilt.data["skipped_events"]) == 1
    assert contents(connection) == before


def test_what_the_program_itself_wrote_all_counts(scene: Scene, cli: CommandLine) -> None:
    """In a log that is judged, since it holds one event that does not count."""
    for verb in (
        ("rename-account", "one", "x"),
        ("rename-account", "two", "one"),
        ("unshare", "three", "aster"),
        ("share", "three", "one", "aster"),
        ("remove-credential", "one", "aster", "--yes", "--cascade"),
        ("delete-account", "one", "--yes"),
        ("rollback", "--to", "5", "--yes"),
        ("rollback", "--to", "8", "--yes"),
    ):
        done = cli(*verb)
        assert done.exit_status == 0, (verb, done.err)
    append_raw(scene.connection, "SomethingNew", ("account", uuid.uuid4()), {})
    checked = cli("rebuild", "--check", "--json")
    assert [event["event_type"] for event in checked.data["skipped_events"]] == ["SomethingNew"]
    assert checked.data["differing"] == 0
