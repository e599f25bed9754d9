"""The rules about sharing: allowed loans, and the accounts that a change affects."""

import uuid
from typing import Any, Final

import pytest
from support.states import ACCOUNT_ID, after, grown
from support.stories import EXCHANGES, Credential, Loan, created

from registry.errors import (
    AccountInactive,
    AccountInUse,
    AccountNotFound,
    CredentialInactive,
    CredentialNotFound,
    InvalidInput,
    ShareExists,
    ShareNotFound,
    SharingRefused,
)
from registry.events.accounts import AccountDeactivated
from registry.events.base import EventModel
from registry.events.permissions import SharingType
from registry.rules import sharing as rules
from registry.rules.account_state import AccountState
from registry.rules.sharing import Lender, Share, ShareRequest

IDS: Final = {
    "bot": ACCOUNT_ID,
    "lender": uuid.UUID(int=0xB),
    "third": uuid.UUID(int=0xC),
    "fourth": uuid.UUID(int=0xD),
}
NEW_ID: Final = uuid.UUID(int=99)
TYPES: Final[tuple[SharingType, ...]] = ("full", "read_only", "positions_only")


def share(
    borrower: str = "bot",
    lender: str = "lender",
    exchange: str = "aster",
    sharing_type: SharingType = "full",
) -> Share:
    """A share that there is."""
    return Share(
        id=uuid.UUID(int=7),
        borrower_id=IDS[borrower],
        borrower=borrower,
        borrower_version=1,
        lender_id=IDS[lender],
        lender=lender,
        exchange_id=EXCHANGES[exchange],
        exchange=exchange,
        sharing_type=sharing_type,
    )


def lender(**other: Any) -> Lender:
    """One that is active, has a full key and no shares, unless it is said otherwise."""
    usual = {"is_active": True, "active_permissions": ("full",), "has_inactive": False}
    return Lender(**{"id": IDS["lender"], "name": "lender", **usual, "shares": (), **other})


def shared(
    *shares: Share,
    of: Lender | None = None,
    sharing_type: SharingType = "full",
    state: AccountState | None = None,
) -> list[EventModel]:
    """What it means that the bot, which is part of these shares, is to borrow for aster."""
    wanted = ShareRequest(EXCHANGES["aster"], "aster", sharing_type, NEW_ID)
    return rules.share(state or after(created()), of or lender(), shares, wanted)


def loan(number: int) -> Loan:
    return Loan(IDS["lender"], number=number)


# Who may borrow from whom


@pytest.mark.parametrize("sharing_type", TYPES)
def test_an_account_borrows_what_an_active_lender_has(sharing_type: SharingType) -> None:
    assert shared(sharing_type=sharing_type) == [loan(99).granted(sharing_type)]


def test_a_lender_that_has_only_a_read_only_key_may_lend_it() -> None:
    assert shared(of=lender(active_permissions=("read_only",), has_inactive=True))


def test_what_is_borrowed_already_as_it_is_asked_for_stays() -> None:
    assert shared(share()) == []


def test_a_share_of_another_type_is_changed_and_remains_the_same_share() -> None:
    assert shared(share(), sharing_type="read_only") == [loan(7).changed("read_only")]
    assert shared(share(sharing_type="positions_only")) == [loan(7).changed("full")]


def test_an_account_has_one_lender_for_an_exchange() -> None:
    with pytest.raises(ShareExists) as refused:
        shared(share(lender="third"))
    assert refused.value.message == "account bot borrows aster from third already"
    assert refused.value.hint == 'End that first: registry.shares.revoke("bot", "aster")'


def test_shares_of_other_exchanges_are_not_in_the_way() -> None:
    others = (share("bot", "third", "backpack"), share("fourth", "bot", "lighter"))
    of = lender(shares=(share("lender", "third", "backpack"),))
    assert shared(*others, of=of) == [loan(99).granted()]


def test_nobody_borrows_from_itself() -> None:
    with pytest.raises(InvalidInput, match="account bot cannot borrow from itself"):
        shared(of=lender(id=ACCOUNT_ID, name="bot"))


def test_what_is_borrowed_cannot_be_lent_on() -> None:
    with pytest.raises(SharingRefused) as refused:
        shared(of=lender(shares=(share("lender", "third"),)))
    assert refused.value.message == (
        "lender borrows aster from third, and what is borrowed cannot be lent on"
    )
    assert refused.value.hint == "Let bot borrow from third itself."


def test_who_asks_for_its_own_key_back_is_told_that_it_has_it() -> None:
    with pytest.raises(SharingRefused) as refused:
        shared(of=lender(shares=(share("lender", "bot"),)))
    assert refused.value.hint == "bot has the credential itself, and needs no share."


def test_that_a_lender_lends_to_others_too_is_not_in_the_way() -> None:
    assert shared(of=lender(shares=(share("third", "lender"),)))


def test_who_lends_cannot_borrow_for_the_same_exchange() -> None:
    with pytest.raises(SharingRefused) as refused:
        shared(share("third", "bot"), share("fourth", "bot"))
    assert refused.value.message == (
        "bot lends aster to fourth, third, and cannot borrow for the same exchange"
    )
    assert refused.value.hint == "One account lends, the others borrow from it."


@pytest.mark.parametrize(
    ("lacking", "error", "message", "hint"),
    [
        (
            {"is_active": False},
            AccountInactive,
            "the lender lender is inactive",
            'registry.accounts.reactivate("lender")',
        ),
        (
            {"active_permissions": (), "has_inactive": True},
            CredentialInactive,
            "the credential of the lender lender for aster is inactive",
            'registry.credentials.reactivate("lender", "aster")',
        ),
        (
            {"active_permissions": ()},
            CredentialNotFound,
            "the lender lender has no credential for aster",
            'registry.credentials.add("lender", "aster")',
        ),
    ],
)
def test_a_lender_must_have_what_it_lends(
    lacking: dict[str, Any], error: type[AccountInactive], message: str, hint: str
) -> None:
    for shares in ((), (share(sharing_type="read_only"),)):
        with pytest.raises(error) as refused:
            shared(*shares, of=lender(**lacking))
        assert refused.value.message == message
        assert str(refused.value.hint).endswith(hint)


def test_a_chain_is_told_before_what_the_lender_lacks() -> None:
    """Otherwise it would be told to add a key, and refused again when it has."""
    with pytest.raises(SharingRefused):
        shared(of=lender(active_permissions=(), shares=(share("lender", "third"),)))


def test_an_account_that_is_inactive_or_not_there_borrows_nothing() -> None:
    with pytest.raises(AccountInactive, match="account bot is inactive"):
        shared(state=after(created(), AccountDeactivated()))
    with pytest.raises(AccountNotFound):
        shared(state=AccountState())


# Ending a share


def test_a_share_ends_by_an_event_that_says_what_it_was() -> None:
    shares = [share(exchange="backpack"), share(sharing_type="read_only")]
    assert rules.unshare(after(created()), shares, "aster") == [loan(7).revoked("read_only")]


def test_an_inactive_account_may_end_what_it_borrows() -> None:
    assert rules.unshare(after(created(), AccountDeactivated()), [share()], "aster")


@pytest.mark.parametrize(
    ("shares", "hint"),
    [
        ([], "See: registry.shares.list()"),
        ([share("third", "bot")], "See: registry.shares.list()"),
        (
            [share(exchange="backpack"), share(exchange="lighter")],
            "It borrows for: backpack, lighter.",
        ),
    ],
    ids=["nothing", "it lends", "other exchanges"],
)
def test_what_is_not_borrowed_cannot_be_ended(shares: list[Share], hint: str) -> None:
    with pytest.raises(ShareNotFound) as refused:
        rules.unshare(after(created()), shares, "aster")
    assert refused.value.message == "account bot borrows nothing for aster"
    assert refused.value.hint == hint


# Whom a change of the lender's credentials affects. Here the account of the state lends.

FULL = Credential(1)
SECOND = Credential(2, subaccount=1)
READ_ONLY = Credential(3, permission="read_only")
BACKPACK = Credential(4, "backpack")


def lent(sharing_type: SharingType = "full", to: str = "third") -> Share:
    return share(to, "bot", sharing_type=sharing_type)


def row(state: AccountState, credential: Credential) -> Any:
    return next(one for one in state.credentials() if one["id"] == str(credential.id))


def test_an_account_lends_where_it_is_the_lender() -> None:
    shares = [lent(), share(), share("fourth", "bot", "backpack")]
    assert rules.lent_by(after(created()), shares) == [shares[0], shares[2]]


RESTS: Final = {
    # type of share, key that goes: the keys of which one is enough to keep the share
    ("full", "full"): {"full"},
    ("full", "read_only"): {"full", "read_only"},
    ("read_only", "full"): {"full", "read_only"},
    ("read_only", "read_only"): {"read_only"},
    ("positions_only", "full"): {"full", "read_only"},
    ("positions_only", "read_only"): {"read_only"},
}


@pytest.mark.parametrize(("sharing_type", "goes"), RESTS)
@pytest.mark.parametrize("stays", [None, "full", "read_only"])
def test_a_share_rests_on_a_key_that_no_other_can_stand_in_for(
    sharing_type: SharingType, goes: str, stays: str | None
) -> None:
    """A full share of a full key is not kept by a read-only one, which would stop its bot."""
    keys = {"full": FULL, "read_only": READ_ONLY}
    others = {None: [], "full": [SECOND], "read_only": [Credential(9, permission="read_only")]}
    state = after(created(), keys[goes].added(), *[other.added() for other in others[stays]])
    resting = rules.resting_on(state, [lent(sharing_type)], row(state, keys[goes]))
    assert bool(resting) == (stays not in RESTS[sharing_type, goes])


def test_keys_that_are_inactive_or_of_another_exchange_stand_in_for_none() -> None:
    state = after(created(), FULL.added(), SECOND.added(), SECOND.deactivated(), BACKPACK.added())
    assert rules.resting_on(state, [lent()], row(state, FULL)) == [lent()]


def test_nothing_rests_on_a_key_that_is_inactive_or_of_another_exchange() -> None:
    state = after(created(), FULL.added(), FULL.deactivated(), BACKPACK.added())
    for key in (FULL, BACKPACK):
        assert rules.resting_on(state, [lent()], row(state, key)) == []


def test_what_the_account_borrows_itself_does_not_rest_on_its_keys() -> None:
    state = after(created(), FULL.added())
    assert rules.resting_on(state, [share()], row(state, FULL)) == []


@pytest.mark.parametrize("sharing_type", TYPES)
@pytest.mark.parametrize("key", [FULL, READ_ONLY], ids=["full", "read_only"])
def test_a_narrow_share_never_gives_a_full_key(sharing_type: SharingType, key: Credential) -> None:
    state = after(created(), key.added())
    given = bool(rules.borrowing(state, [lent(sharing_type)], row(state, key)))
    assert given == (sharing_type == "full" or key is READ_ONLY)


@pytest.mark.parametrize(
    ("sharing_type", "permission", "directly", "through_agent"),
    [
        ("full", "full", True, True),
        ("full", "read_only", True, True),
        ("read_only", "full", False, True),
        ("read_only", "read_only", True, True),
        ("positions_only", "full", False, True),
        ("positions_only", "read_only", True, True),
    ],
)
def test_only_an_agent_gets_a_full_key_by_a_narrow_share(
    sharing_type: SharingType, permission: str, directly: bool, through_agent: bool
) -> None:
    assert rules.share_allows(sharing_type, permission) is directly
    assert rules.share_allows(sharing_type, permission, through_agent=True) is through_agent


def test_a_key_that_is_inactive_or_of_another_exchange_is_borrowed_by_nobody() -> None:
    state = after(created(), FULL.added(), FULL.deactivated(), BACKPACK.added())
    for key in (FULL, BACKPACK):
        assert rules.borrowing(state, [lent()], row(state, key)) == []


SAYS = "third borrows aster from bot (full) and must say which subaccount from then on"
OTHER = "third borrows aster from bot (full) and gets another key from then on"


@pytest.mark.parametrize(
    ("before", "change", "told"),
    [
        ([], [FULL.added()], []),
        ([BACKPACK.added()], [BACKPACK.replaced()], []),
        ([FULL.added()], [], []),
        ([FULL.added()], [FULL.updated(label="x")], []),
        ([FULL.added()], [READ_ONLY.added()], []),
        ([FULL.added()], [FULL.replaced()], [OTHER]),
        ([FULL.added()], [SECOND.added()], [SAYS]),
        ([FULL.added()], [FULL.replaced(), SECOND.added()], [SAYS]),
        ([FULL.added(), SECOND.added()], [Credential(5, subaccount=2).added()], []),
        ([FULL.added(), SECOND.added()], [SECOND.removed()], [OTHER]),
        ([READ_ONLY.added()], [FULL.added()], [OTHER]),
        ([FULL.added(), READ_ONLY.added()], [READ_ONLY.replaced()], [OTHER]),
        ([FULL.added(), READ_ONLY.added()], [READ_ONLY.removed()], [OTHER]),
        ([FULL.added(), FULL.deactivated()], [FULL.replaced()], []),
    ],
    ids=[
        "nothing was lent before",
        "another exchange's key",
        "nothing",
        "a label",
        "a weaker key beside it",
        "other secrets",
        "a second key of the same power",
        "both",
        "a third key, between which there was to choose before",
        "one key less",
        "a full key before a read-only one",
        "the weaker key, which may be asked for",
        "the weaker key is gone",
        "an inactive key",
    ],
)
def test_who_gets_something_else_after_a_change_is_told(
    before: list[EventModel], change: list[EventModel], told: list[str]
) -> None:
    then, now = after(created(), *before), grown(after(created(), *before), *change)
    assert rules.altered(then, now, [lent()]) == told


def test_a_narrow_share_is_not_affected_by_a_full_key() -> None:
    shares = [lent("read_only"), lent("positions_only", "fourth")]
    weak = after(created(), FULL.added(), READ_ONLY.added())
    strong = grown(after(created(), FULL.added(), READ_ONLY.added()), FULL.replaced())
    assert rules.altered(weak, strong, shares) == []
    both = grown(after(created(), FULL.added(), READ_ONLY.added()), READ_ONLY.replaced())
    assert [one.split(" and ")[0] for one in rules.altered(weak, both, shares)] == [
        "third borrows aster from bot (read_only)",
        "fourth borrows aster from bot (positions_only)",
    ]


def test_what_affects_borrowers_is_refused_unless_it_is_told_that_it_may() -> None:
    affected: list[Share | str] = [lent(), "another"]
    with pytest.raises(AccountInUse) as refused:
        rules.check_affected("it is lent", affected, cascade=False)
    assert refused.value.message == "it is lent: third borrows aster from bot (full); another"
    assert "add cascade=True" in str(refused.value.hint)
    with pytest.raises(AccountInUse) as refused:
        rules.check_affected("it is lent", affected, cascade=False, hint="Do so.")
    assert refused.value.hint == "Do so."
    rules.check_affected("it is lent", affected, cascade=True)
    rules.check_affected("it is lent", [], cascade=False)
