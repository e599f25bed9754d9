"""Sharing: its rules in the commands, and the same rules in the database."""

import uuid
from typing import Any, get_args

import psycopg
import pytest
from support.cli import CommandLine
from support.raw_events import append_raw
from support.world import CALLER, World

from registry import errors
from registry.events.permissions import Access, Permission, SharingType
from registry.rules.sharing import share_allows
from registry.services.reading.lists import list_shares
from registry.services.releases.releases import ReleaseService
from registry.services.releases.resolution import Wish, resolve

Connection = psycopg.Connection[Any]


def shares(world: World) -> list[tuple[str, str, str, str]]:
    """Borrower, lender, exchange and type of all shares."""
    return [
        (s["borrower"], s["lender"], s["exchange"], s["sharing_type"])
        for s in list_shares(world.database)
    ]


def outcome(world: World, account: str, exchange: str, **wish: Any) -> str:
    """How the database resolves."""
    return resolve(world.database, account, exchange, Wish.of(**wish))[0].outcome


def released(world: World, account: str, exchange: str, **wish: Any) -> dict[str, Any]:
    """The fields that are released."""
    service = ReleaseService(world.database, world.keyring)
    return service.release_one(account, exchange, Wish.of(**wish), CALLER).plain()


def test_several_lighter_accounts_use_one_backpack_account(world: World) -> None:
    """The example of the user's guide: one Backpack account, since it needs an identity check."""
    world.account("shared_backpack", "backpack")
    for name in ("main_bot", "second_bot", "third_bot"):
        world.account(name, "lighter")
        world.share(name, "shared_backpack", "backpack")
    for name in ("main_bot", "second_bot", "third_bot"):
        service = ReleaseService(world.database, world.keyring)
        got = service.release(name, None, Wish(), CALLER)
        assert got.credentials["lighter"].plain()["private_key"] == f"{name}-lighter-secret"
        assert (
            got.credentials["backpack"].plain()["secret_key"] == "shared_backpack-backpack-secret"
        )
        assert got.problems == {}


def test_the_own_credential_wins_unless_the_lender_is_named(world: World) -> None:
    world.account("lender", "backpack")
    world.account("bot", "backpack")
    world.share("bot", "lender", "backpack")
    assert released(world, "bot", "backpack")["secret_key"] == "bot-backpack-secret"
    named = released(world, "bot", "backpack", lender="lender")
    assert named["secret_key"] == "lender-backpack-secret"


def test_an_own_credential_that_is_stopped_does_not_fall_through_to_the_lenders(
    world: World,
) -> None:
    world.account("lender", "backpack")
    world.account("bot", "backpack")
    world.share("bot", "lender", "backpack")
    world.credentials.deactivate("bot", "backpack")
    with pytest.raises(errors.CredentialInactive, match="bot for backpack"):
        released(world, "bot", "backpack")


@pytest.mark.parametrize("sharing_type", ["read_only", "positions_only"])
def test_a_narrow_share_never_releases_a_full_key(world: World, sharing_type: SharingType) -> None:
    world.account("lender", "backpack")
    world.account("bot")
    world.share("bot", "lender", "backpack", sharing_type)
    with pytest.raises(errors.ReleaseRefused) as caught:
        released(world, "bot", "backpack")
    assert 'credentials.add("lender", "backpack", permission="read_only")' in str(caught.value.hint)
    world.credential(
        "lender", "backpack", permission="read_only", public_key="p1", secret_key="read-only-secret"
    )
    assert released(world, "bot", "backpack")["secret_key"] == "read-only-secret"
    assert resolve(world.database, "bot", "backpack", Wish())[0].access == sharing_type
    with pytest.raises(errors.ReleaseRefused):
        released(world, "bot", "backpack", access="full")


@pytest.mark.parametrize(
    ("sharing_type", "asked", "access"),
    [
        ("full", None, "full"),
        ("full", "read_only", "read_only"),
        ("full", "positions_only", "positions_only"),
        ("read_only", None, "read_only"),
        ("read_only", "positions_only", "positions_only"),
        ("positions_only", "read_only", "positions_only"),
    ],
)
def test_the_narrower_of_what_is_shared_and_what_is_asked_for_counts(
    world: World, sharing_type: SharingType, asked: Access | None, access: Access
) -> None:
    world.account("lender", "backpack")
    world.credential("lender", "backpack", permission="read_only")
    world.account("bot")
    world.share("bot", "lender", "backpack", sharing_type)
    found = resolve(world.database, "bot", "backpack", Wish(access=asked))[0]
    assert (found.access, found.permission) == (access, "full" if access == "full" else "read_only")


def test_who_asks_for_less_of_its_own_gets_a_read_only_key_or_nothing(world: World) -> None:
    world.account("bot", "backpack")
    assert outcome(world, "bot", "backpack", access="read_only") == "needs_other_permission"
    world.credential("bot", "backpack", permission="read_only", public_key="p", secret_key="weak1")
    assert released(world, "bot", "backpack", access="read_only")["secret_key"] == "weak1"
    assert released(world, "bot", "backpack")["secret_key"] == "bot-backpack-secret"


def test_several_subaccounts_must_be_told_apart(world: World) -> None:
    world.account("bot")
    world.credential("bot", "backpack", subaccount=0, public_key="p", secret_key="zero0")
    world.credential("bot", "backpack", subaccount=2, public_key="p", secret_key="two22")
    with pytest.raises(errors.InvalidInput, match="0, 2"):
        released(world, "bot", "backpack")
    got = released(world, "bot", "backpack", subaccount=2)
    assert (got["secret_key"], got["subaccount_index"]) == ("two22", 2)
    assert list(got) == ["secret_key", "subaccount_index", "public_key"]
    assert outcome(world, "bot", "backpack", subaccount=1) == "no_such_subaccount"


def test_an_inactive_lender_is_refused_by_name(world: World) -> None:
    world.account("lender", "backpack")
    world.account("bot")
    world.share("bot", "lender", "backpack")
    world.accounts.deactivate("lender", cascade=True)
    with pytest.raises(errors.AccountInactive, match="the lender lender"):
        released(world, "bot", "backpack")
    with pytest.raises(errors.AccountInactive, match="the lender lender"):
        world.share("bot", "lender", "backpack", "read_only")


@pytest.mark.parametrize(
    ("lender", "exchange", "error"),
    [
        ("bot", "backpack", errors.InvalidInput),
        ("empty", "backpack", errors.CredentialNotFound),
        ("stopped_key", "backpack", errors.CredentialInactive),
        ("nobody", "backpack", errors.AccountNotFound),
        ("lender", "nowhere", errors.ExchangeNotFound),
        ("borrower", "backpack", errors.SharingRefused),
    ],
)
def test_what_cannot_be_shared_is_refused(
    world: World, lender: str, exchange: str, error: type[errors.RegistryError]
) -> None:
    """Pain 9: no cycle, no chain, no lender without a credential, no unknown type."""
    world.account("bot")
    world.account("empty")
    world.account("lender", "backpack")
    world.account("stopped_key", "backpack")
    world.credentials.deactivate("stopped_key", "backpack")
    world.account("borrower", "backpack")
    world.share("borrower", "lender", "backpack")
    before = shares(world)
    with pytest.raises(error):
        world.share("bot", lender, exchange)
    assert shares(world) == before


def test_who_lends_cannot_borrow_for_the_same_exchange(world: World) -> None:
    for name in ("a", "b", "c"):
        world.account(name, "backpack", "aster")
    world.share("b", "a", "backpack")
    with pytest.raises(errors.SharingRefused, match="lends backpack to b"):
        world.share("a", "c", "backpack")
    world.share("a", "b", "aster")
    assert len(shares(world)) == 2


def test_a_borrower_that_is_to_lend_is_told_of_the_chain_and_not_of_a_key_to_add(
    world: World,
) -> None:
    world.account("a", "backpack")
    world.account("b")
    world.account("c")
    world.share("b", "a", "backpack")
    with pytest.raises(errors.SharingRefused) as caught:
        world.share("c", "b", "backpack")
    assert caught.value.hint == "Let c borrow from a itself."
    with pytest.raises(errors.SharingRefused) as caught:
        world.share("a", "b", "backpack")
    assert caught.value.hint == "a has the credential itself, and needs no share."


def test_a_share_can_be_changed_but_not_moved_to_another_lender(world: World) -> None:
    world.account("a", "backpack")
    world.account("b", "backpack")
    world.account("bot")
    world.share("bot", "a", "backpack", "read_only")
    world.share("bot", "a", "backpack", "full")
    assert not world.shares.grant("bot", "a", "backpack", "full").changed
    assert shares(world) == [("bot", "a", "backpack", "full")]
    with pytest.raises(errors.ShareExists):
        world.share("bot", "b", "backpack")
    world.shares.revoke("bot", "backpack")
    assert shares(world) == []
    with pytest.raises(errors.ShareNotFound):
        world.shares.revoke("bot", "backpack")


@pytest.fixture
def lending(world: World) -> World:
    """A lender, and two who borrow."""
    world.account("lender", "backpack", "aster")
    world.account("one")
    world.account("two", "aster")
    world.share("one", "lender", "backpack")
    world.share("one", "lender", "aster")
    world.share("two", "lender", "backpack", "read_only")
    return world


def test_deleting_a_lender_says_who_is_affected(lending: World) -> None:
    """Pain 9: deleting a lender in use must not remove the shares in silence."""
    with pytest.raises(errors.AccountInUse, match="one, two"):
        lending.accounts.delete("lender")
    assert len(shares(lending)) == 3
    done = lending.accounts.delete("lender", cascade=True)
    assert done.event_types.count("SharingRevoked") == 3
    assert "one borrows backpack from lender (full)" in done.notes[1]
    assert shares(lending) == []


def test_deleting_a_borrower_says_what_ends(lending: World) -> None:
    with pytest.raises(errors.AccountInUse, match="one borrows backpack from lender"):
        lending.accounts.delete("one")
    lending.accounts.delete("one", cascade=True)
    assert shares(lending) == [("two", "lender", "backpack", "read_only")]


def test_stopping_a_lender_says_who_is_affected_and_keeps_the_shares(lending: World) -> None:
    with pytest.raises(errors.AccountInUse, match="two borrows backpack"):
        lending.accounts.deactivate("lender")
    done = lending.accounts.deactivate("lender", cascade=True)
    assert len(done.notes) == 3
    lending.accounts.reactivate("lender")
    assert outcome(lending, "one", "backpack") == "ok"


def test_removing_a_lent_credential_ends_the_shares_that_rest_on_it(lending: World) -> None:
    with pytest.raises(errors.AccountInUse, match="one borrows backpack"):
        lending.credentials.remove("lender", "backpack")
    done = lending.credentials.remove("lender", "backpack", cascade=True)
    assert done.event_types == ("CredentialRemoved", "SharingRevoked", "SharingRevoked")
    assert shares(lending) == [("one", "lender", "aster", "full")]


def test_stopping_a_lent_credential_says_who_is_affected(lending: World) -> None:
    with pytest.raises(errors.AccountInUse, match="one borrows aster"):
        lending.credentials.deactivate("lender", "aster")
    lending.credentials.deactivate("lender", "aster", cascade=True)
    assert outcome(lending, "one", "aster") == "credential_inactive"
    assert len(shares(lending)) == 3


def test_removing_one_of_two_fitting_keys_affects_nobody(lending: World) -> None:
    lending.credential("lender", "backpack", subaccount=1, cascade=True)
    done = lending.credentials.remove("lender", "backpack", subaccount=1)
    assert done.notes == ()
    lending.credential("lender", "backpack", permission="read_only")
    with pytest.raises(errors.AccountInUse, match="two borrows backpack") as caught:
        lending.credentials.remove("lender", "backpack", permission="read_only")
    assert "one borrows" not in caught.value.message


def test_replacing_a_lent_key_says_who_gets_the_new_one(lending: World) -> None:
    new: dict[str, Any] = {"public_key": "new-public", "secret_key": "new-secret"}
    with pytest.raises(errors.AccountInUse, match=r"one borrows .* and gets another") as caught:
        lending.credential("lender", "backpack", replace=True, **new)
    assert "two borrows" not in caught.value.message  # a narrow share never had the full key
    assert released(lending, "one", "backpack")["secret_key"] == "lender-backpack-secret"
    lending.credential("lender", "backpack", replace=True, cascade=True, **new)
    assert released(lending, "one", "backpack")["secret_key"] == "new-secret"


def test_replacing_a_lent_key_by_itself_or_one_that_nobody_borrows_is_not_refused(
    lending: World,
) -> None:
    lending.credential("lender", "backpack", replace=True)
    lending.credential("two", "aster", replace=True, api_key="new-key", secret_key="new-secret")
    lending.credentials.deactivate("lender", "aster", cascade=True)
    lending.credential("lender", "lighter")


def test_adding_a_key_that_changes_what_borrowers_get_is_refused(lending: World) -> None:
    with pytest.raises(errors.AccountInUse, match="must say which subaccount"):
        lending.credential("lender", "backpack", subaccount=1)
    lending.credential("lender", "backpack", permission="read_only")
    with pytest.raises(errors.AccountInUse, match=r"two borrows .* and gets another key"):
        lending.credential(
            *("lender", "backpack"),
            permission="read_only",
            replace=True,
            public_key="new-public",
            secret_key="new-secret",
        )
    lending.accounts.create("reader")
    lending.credential("reader", "aster", permission="read_only")
    lending.account("three")
    lending.share("three", "reader", "aster")
    with pytest.raises(errors.AccountInUse, match=r"three borrows .* and gets another key"):
        lending.credential("reader", "aster")


def test_what_is_beside_a_lent_key_changes_at_once_and_its_borrowers_are_named(
    lending: World,
) -> None:
    done = lending.credentials.update("lender", "backpack", label="main")
    assert done.notes == ("it is lent: one borrows backpack from lender (full)",)
    assert lending.credentials.update("lender", "backpack", label="main").notes == ()


def test_the_lenders_history_shows_what_borrowers_did(lending: World, cli: CommandLine) -> None:
    released(lending, "one", "backpack")
    lines = cli("history", "lender", COLUMNS="200").out
    assert "released backpack of lender (full) version 1 to one on host for test" in lines
    assert "may use backpack of lender (read_only)" in lines


# The database itself, for whoever may write to the tables with events of their own making.


def append(connection: Connection, stream: uuid.UUID, event_type: str, data: str) -> None:
    """Appends an event that no program of ours writes."""
    append_raw(connection, event_type, ("account", stream), data)


def write_share(
    connection: Connection, borrower: uuid.UUID, lender: uuid.UUID, sharing_type: str = "full"
) -> None:
    """A row of the table, together with the event that it says it is."""
    share = uuid.uuid4()
    with connection.transaction():
        append(connection, borrower, "SharingGranted", f'{{"share_id": "{share}"}}')
        connection.execute(
            "INSERT INTO account_exchange_sharing SELECT %s, %s, %s, d.id, %s, now(), now() "
            "FROM dexes AS d WHERE d.name = 'backpack'",
            [share, borrower, lender, sharing_type],
        )


def test_the_database_refuses_what_the_commands_refuse(
    world: World, connection: Connection
) -> None:
    """Pain 9: good manners of a command are not enough."""
    ids = {n: world.account(n, "backpack") for n in ("a", "b", "c", "stopped")}
    ids["empty"] = world.account("empty")
    world.accounts.deactivate("stopped")
    world.share("b", "a", "backpack")
    for borrower, lender, sqlstate in (
        ("a", "b", "RG023"),  # a cycle
        ("c", "b", "RG023"),  # a chain behind
        ("a", "c", "RG023"),  # a chain before
        ("c", "empty", "RG023"),
        ("c", "stopped", "RG023"),
        ("c", "c", "23514"),
        ("b", "c", "23505"),
    ):
        with pytest.raises(psycopg.Error) as caught:
            write_share(connection, ids[borrower], ids[lender])
        assert (borrower, lender, caught.value.sqlstate) == (borrower, lender, sqlstate)
    with pytest.raises(psycopg.errors.CheckViolation):
        write_share(connection, ids["c"], ids["a"], "everything")
    write_share(connection, ids["c"], ids["a"])
    assert len(shares(world)) == 2


def test_the_database_keeps_a_credential_that_is_lent(world: World, connection: Connection) -> None:
    lender = world.account("lender", "backpack")
    world.account("bot")
    world.share("bot", "lender", "backpack")
    connection.execute("BEGIN")
    append(connection, lender, "CredentialRemoved", "{}")
    connection.execute("DELETE FROM account_exchange_credentials")
    with pytest.raises(psycopg.Error) as caught:
        connection.execute("COMMIT")
    assert caught.value.sqlstate == "RG023"


def test_two_shares_made_at_once_cannot_become_a_chain(world: World, database_url: str) -> None:
    ids = {name: world.account(name, "backpack") for name in ("a", "b", "c")}
    first = psycopg.connect(database_url)
    append(first, ids["b"], "SharingGranted", "{}")  # holds the log until it commits
    first.execute(
        "INSERT INTO account_exchange_sharing SELECT gen_random_uuid(), %s, %s, id, 'full', now(), "
        "now() FROM dexes WHERE name = 'backpack'",
        [ids["b"], ids["a"]],
    )
    first.commit()
    first.close()
    with pytest.raises(errors.SharingRefused):
        world.share("c", "b", "backpack")


def test_lighter_warns_of_two_who_trade_on_one_key(world: World, cli: CommandLine) -> None:
    world.account("lender", "lighter")
    world.account("bot")
    told = cli("share", "bot", "lender", "lighter", "--json")
    assert "counts orders per key" in told.data["notes"][0]
    service = ReleaseService(world.database, world.keyring)
    assert service.release_one("lender", "lighter", Wish(), CALLER).warnings() == []
    (warning,) = service.release_one("bot", "lighter", Wish(), CALLER).warnings()
    assert "another account uses this lighter key too" in warning
    world.accounts.deactivate("lender", cascade=True)
    world.accounts.reactivate("lender")
    world.accounts.deactivate("bot")
    assert service.release_one("lender", "lighter", Wish(), CALLER).warnings() == []


def test_resolve_warns_of_an_equal_key_in_another_account(world: World) -> None:
    fields: Any = {"private_key": "ab" * 40, "account_index": 7}
    for account in ("first", "second"):
        world.account(account)
        world.credentials.add(account, "lighter", fields, allow_shared_secret=True)
    (found,) = world.credentials.resolve("first", "lighter")
    assert "another account uses this lighter key too" in found.warnings()[0]
    world.credentials.remove("second", "lighter")
    (found,) = world.credentials.resolve("first", "lighter")
    assert found.warnings() == []


def test_finding_who_else_has_the_key_reads_no_more_after_many_releases(
    lending: World, connection: Connection
) -> None:
    request = """SELECT other_users FROM request_release(
        'lender', '{backpack}', NULL, NULL, NULL, 'a', 'h', 'p')"""
    connection.execute("SET enable_seqscan = off")  # the log is tiny here

    def rows_read() -> int:
        row = connection.execute(
            "SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables "
            "WHERE relname = 'audit_events'"
        ).fetchone()
        assert row is not None
        count: int = row[0]
        return count

    def rows_read_by_a_request() -> int:
        with connection.transaction():  # the statistics are not written away in between
            before = rows_read()
            assert connection.execute(request).fetchone() == (0,)
            return rows_read() - before

    connection.execute(request)
    few = rows_read_by_a_request()
    for _ in range(30):
        connection.execute(request)
    assert rows_read_by_a_request() == few


@pytest.mark.parametrize("sharing_type", get_args(SharingType))
@pytest.mark.parametrize("permission", get_args(Permission))
@pytest.mark.parametrize("through_agent", [False, True])
def test_the_database_and_the_program_give_the_same_keys_to_a_share(
    connection: Connection, sharing_type: str, permission: str, through_agent: bool
) -> None:
    row = connection.execute(
        "SELECT share_allows(%s, %s, %s)", [sharing_type, permission, through_agent]
    ).fetchone()
    assert row == (share_allows(sharing_type, permission, through_agent=through_agent),)
