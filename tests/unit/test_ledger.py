"""The tables' rules without the tables: the refused changes, and the reasons."""

import uuid
from typing import Any, Final

import pytest
from support.states import history
from support.stories import EXCHANGES, Access, Credential, Loan, created

from projections import access, accounts, credentials, positions, project, sharing
from projections.rows import Delete, Insert, Patch, PatchAll, Table, misfit_of
from registry.events.accounts import AccountDeleted, AccountRenamed, AccountUpdated
from registry.events.base import EventModel
from registry.events.positions import PositionsLinked
from registry.rebuild.ledger import Ledger, reduced

IDS: Final = {name: uuid.UUID(int=0xA + n) for n, name in enumerate(("ann", "ben", "cid"))}
KEY, READ_ONLY = Credential(1), Credential(2, permission="read_only")
BENS = Credential(3)
LOAN = Loan(IDS["ben"], "ben")
ROLE = Access()

ANN, BEN, CID = (("ann", created("ann")), ("ben", created("ben")), ("cid", created("cid")))

Story = list[tuple[str, EventModel]]


def told(story: Story) -> tuple[list[str], Ledger]:
    """Why the tables would refuse what happened, event by event; empty where they would not."""
    ledger = Ledger(EXCHANGES.values())
    misfits = []
    for position, (account, event) in enumerate(story):
        (stored,) = history(event, account=IDS[account])
        misfits.append(ledger.take(project(stored), str(IDS[account]), position))
    return misfits, ledger


def misfit(*story: tuple[str, EventModel]) -> str:
    """Why the tables would refuse the last event, the others of which they take."""
    misfits, _ = told(list(story))
    assert not any(misfits[:-1]), misfits
    return misfits[-1]


def renamed(to: str) -> AccountRenamed:
    return AccountRenamed(account_name=to, previous_name="x")


def deleted(name: str) -> AccountDeleted:
    return AccountDeleted(account_name=name)


def test_what_the_program_writes_fits() -> None:
    story: Story = [
        ANN,
        BEN,
        ("ben", BENS.added()),
        ("ann", KEY.added()),
        ("ann", READ_ONLY.added()),
        ("ann", KEY.replaced()),
        ("ann", KEY.updated(label="x", expires_at=None)),
        ("ann", KEY.removed()),
        ("ann", LOAN.granted()),
        ("ann", LOAN.changed("read_only")),
        ("ann", ROLE.granted()),
        ("ann", PositionsLinked(positions=[uuid.UUID(int=1)])),
        ("ann", LOAN.revoked()),
        ("ann", ROLE.revoked()),
        ("ann", READ_ONLY.removed()),
        ("ann", deleted("ann")),
        ANN,
    ]
    misfits, ledger = told(story)
    assert misfits == [""] * len(story)
    assert ledger.removed_while_lent == []


@pytest.mark.parametrize(
    ("story", "why"),
    [
        ([ANN, ANN], "there is such a row already"),
        ([ANN, ("ben", created("ann"))], "another row has its name"),
        ([ANN, BEN, ("ben", renamed("ann"))], "another row has its name"),
        ([("ann", AccountUpdated(description="x"))], "it changes a row that no event has made"),
        ([("ann", deleted("ann"))], "it changes a row that no event has made"),
        ([("ann", KEY.added())], "there is no such account"),
        ([ANN, ("ann", KEY.added()), ("ann", KEY.added())], "there is such a row already"),
        ([ANN, ("ann", KEY.added()), ("ann", BENS.added())], "another row has its slot"),
        ([ANN, BEN, ("ann", KEY.added()), ("ben", KEY.replaced())], "a row of another account"),
        ([ANN, BEN, ("ann", KEY.added()), ("ben", KEY.removed())], "a row of another account"),
        ([ANN, ("ann", KEY.replaced())], "it changes a row that no event has made"),
        ([ANN, ("ann", ROLE.granted()), ("ann", Access(number=2).granted())], "has its place"),
        ([ANN, ("ann", KEY.added()), ("ann", deleted("ann"))], "the account still has"),
        ([ANN, ("ann", ROLE.granted()), ("ann", deleted("ann"))], "the account still has"),
    ],
)
def test_a_change_that_the_tables_would_refuse_is_told(story: Story, why: str) -> None:
    assert why in misfit(*story)


def test_a_refused_change_changes_nothing() -> None:
    misfits, _ = told([ANN, ("ben", created("ann")), ("ben", created("ben")), ANN])
    assert [bool(one) for one in misfits] == [False, True, False, True]


def test_a_name_is_free_again_when_its_account_has_another_or_is_gone() -> None:
    assert misfit(ANN, ("ann", renamed("x")), ("ben", created("ann"))) == ""
    assert misfit(ANN, ("ann", deleted("ann")), ("ben", created("ann"))) == ""
    assert misfit(ANN, ("ann", renamed("x")), ("ben", created("x"))) == "another row has its name"
    assert misfit(ANN, ("ann", renamed("x")), ("ann", renamed("x"))) == ""


def test_a_slot_is_free_again_when_its_credential_is_removed() -> None:
    assert misfit(ANN, ("ann", KEY.added()), ("ann", KEY.removed()), ("ann", BENS.added())) == ""


def test_an_exchange_that_is_not_there_has_no_credentials() -> None:
    (event,) = history(KEY.added(), account=IDS["ann"])
    ledger = Ledger([99])
    (first,) = history(created("ann"), account=IDS["ann"])
    assert ledger.take(project(first), first.stream_id, 0) == ""
    assert ledger.take(project(event), event.stream_id, 1) == "there is no such exchange"


# Shares

LENDING: Final[Story] = [ANN, BEN, CID, ("ben", BENS.added())]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ([("ann", LOAN.granted())], ""),
        ([("ann", LOAN.granted()), ("cid", Loan(IDS["ben"], number=2).granted())], ""),
        ([("cid", Loan(IDS["ann"], "ann").granted())], "the lender has no credential to lend"),
        ([("ben", LOAN.granted())], "an account does not borrow from itself"),
        (
            [("ann", LOAN.granted()), ("cid", Loan(IDS["ann"], "ann", number=2).granted())],
            "what is borrowed cannot be lent on",
        ),
        (
            [("ann", LOAN.granted()), ("ben", Loan(IDS["cid"], "cid", number=2).granted())],
            "who lends cannot borrow for the same exchange",
        ),
        (
            [("ann", LOAN.granted()), ("ann", Loan(IDS["cid"], "cid", number=2).granted())],
            "another row has its place",
        ),
        ([("ann", LOAN.granted()), ("ben", deleted("ben"))], "the account still has"),
        ([("ann", LOAN.granted()), ("ann", deleted("ann"))], "the account still has"),
        ([("ann", Loan(uuid.UUID(int=0xFF)).granted())], "there is no such account"),
    ],
)
def test_shares_go_one_hop_and_need_what_is_lent(more: Story, why: str) -> None:
    assert why in misfit(*LENDING, *more)
    assert bool(why) == bool(misfit(*LENDING, *more))


def test_who_stopped_borrowing_may_lend_and_who_stopped_lending_may_borrow() -> None:
    ended = [*LENDING, ("ann", LOAN.granted()), ("ann", LOAN.revoked())]
    assert misfit(*ended, ("ann", KEY.added()), ("ben", Loan(IDS["ann"], number=2).granted())) == ""


def test_the_last_credential_of_a_lender_may_go_only_if_the_shares_end_too() -> None:
    lent = [*LENDING, ("ann", LOAN.granted())]
    second = Credential(4, subaccount=1)
    gone = [*lent, ("ben", second.added()), ("ben", BENS.removed()), ("ben", second.removed())]
    misfits, ledger = told([*lent, ("ben", BENS.removed())])
    assert (any(misfits), ledger.removed_while_lent) == (False, [5])
    assert told(gone)[1].removed_while_lent == [7]
    assert told([*gone, ("ann", LOAN.revoked())])[1].removed_while_lent == []
    assert told([*gone, ("ben", second.added())])[1].removed_while_lent == []
    assert told(gone[:-1])[1].removed_while_lent == []


# Values

UUID: Final = str(uuid.UUID(int=1))
MOMENT: Final = "2030-01-01 12:00:00"


@pytest.mark.parametrize(
    ("table", "column", "fit", "not_fit"),
    [
        (accounts.TABLE, "id", [UUID], ["", "x", UUID.upper() + "0", UUID[:-1], 5]),
        (accounts.TABLE, "created_at", [MOMENT, f"{MOMENT}.5", f"{MOMENT}.123456"], ["soon", 5]),
        (accounts.TABLE, "updated_at", [], [f"{MOMENT}Z", "2030-02-30 12:00:00", "infinity"]),
        (accounts.TABLE, "description", ["", "x" * 999, None], [5, ["x"]]),
        (accounts.TABLE, "wallet_address", ["x" * 255, None], ["x" * 256, 5]),
        (accounts.TABLE, "is_active", [True, False], [1, "t", None]),
        (accounts.TABLE, "metadata", [{}, {"a": 1}], [[], "x", None]),
        (
            accounts.TABLE,
            "account_name",
            ["a", "a b", "\u00a0a"],
            ["", " a", "a ", "a\tb", "a\x7f", None, 5],
        ),
        (credentials.TABLE, "exchange_id", [0, 2**31 - 1], [-1, 2**31, True, 1.0, "1", None]),
        (credentials.TABLE, "subaccount_index", [0, None], [-1]),
        (credentials.TABLE, "last_used", [MOMENT, None], ["x"]),
        (credentials.TABLE, "label", ["x", None], [5]),
        (credentials.TABLE, "version", [1], [0, None]),
        (credentials.TABLE, "permission", ["full", "read_only"], ["other", None]),
        (credentials.TABLE, "ip_allow_list", [[], ["x"], None], [{}, "x"]),
        (credentials.TABLE, "additional_credentials_encrypted", [{"a": "x"}], [["x"], "x"]),
        (credentials.TABLE, "data_key_id", [UUID], [None, "x"]),
        (
            sharing.TABLE,
            "sharing_type",
            ["full", "read_only", "positions_only"],
            ["other", "", None],
        ),
        (access.TABLE, "role_name", ["r" * 63], ["r" * 64, "", None]),
        (positions.TABLE, "account_id", [UUID, None], ["x"]),
    ],
)
def test_a_column_holds_what_its_type_and_rules_allow(
    table: Table, column: str, fit: list[Any], not_fit: list[Any]
) -> None:
    for value in fit:
        assert table.misfit({column: value}) == ""
    for value in not_fit:
        told_why = table.misfit({column: value})
        assert column in told_why
        assert ("lacks" in told_why) == (value is None)


def test_what_is_wrong_is_told_as_a_type_or_as_a_rule() -> None:
    assert accounts.TABLE.misfit({"account_name": 5}) == "account_name cannot hold what it says"
    assert accounts.TABLE.misfit({"account_name": ""}) == "account_name cannot be what it says"
    assert accounts.TABLE.misfit({"account_name": None}) == "it lacks account_name"


def test_a_credential_needs_one_field_at_least() -> None:
    none: dict[str, Any] = dict.fromkeys(credentials.TABLE.secret)
    assert credentials.TABLE.misfit(none) == "it has no field"
    for column, value in (
        ("api_key_encrypted", "t"),
        ("secret_key_encrypted", "t"),
        ("additional_credentials_encrypted", {"a": "t"}),
    ):
        assert credentials.TABLE.misfit({**none, column: value}) == ""
    assert credentials.TABLE.misfit({"label": None}) == ""


def test_a_change_is_looked_at_in_all_its_values() -> None:
    bad = {"description": 5}
    why = "description cannot hold what it says"
    assert misfit_of(Patch(accounts.TABLE, UUID, bad)) == why
    assert misfit_of(Insert(accounts.TABLE, UUID, bad)) == why
    assert misfit_of(Delete(accounts.TABLE, "whatever")) == ""
    assert misfit_of(PatchAll(positions.TABLE, (UUID, UUID), {})) == ""
    assert misfit_of(PatchAll(positions.TABLE, (UUID, "x"), {})) == "it names what is no id"


def test_values_that_no_column_can_hold_are_told_before_anything_is_changed() -> None:
    (stored,) = history(created("ann"), account=IDS["ann"])
    (change,) = project(stored)
    assert isinstance(change, Insert)
    ledger = Ledger([])
    bad = change._replace(values={**change.values, "description": 5})
    assert "description" in ledger.take([bad], stored.stream_id, 0)
    assert ledger.take([change], stored.stream_id, 1) == ""
    patch = Patch(accounts.TABLE, stored.stream_id, {"description": 5})
    assert "description" in ledger.take([patch], stored.stream_id, 2)
    no_id = PatchAll(positions.TABLE, ("x",), {})
    assert ledger.take([no_id], stored.stream_id, 3) == "it names what is no id"


def test_only_what_rules_between_rows_are_about_is_kept() -> None:
    (stored,) = history(KEY.added(label="x"), account=IDS["ann"])
    change, _ = project(stored)
    assert isinstance(change, Insert)
    assert reduced(credentials.TABLE, change.values) == {
        "id": str(KEY.id),
        "account_id": str(IDS["ann"]),
        "exchange_id": 2,
        "subaccount_index": None,
        "permission": "full",
    }
    account = {**dict.fromkeys(accounts.TABLE.columns), "id": UUID, "account_name": "a"}
    assert reduced(accounts.TABLE, account) == {"id": UUID, "account_name": "a"}
