"""Decisions about sharing: one hop only, and only credentials that the lender holds."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from projections.credentials import CredentialRow
from registry.errors import (
    AccountInactive,
    AccountInUse,
    CredentialInactive,
    CredentialNotFound,
    InvalidInput,
    ShareExists,
    ShareNotFound,
    SharingRefused,
)
from registry.events.base import EventModel
from registry.events.permissions import SharingType
from registry.events.sharing import SharingChanged, SharingGranted, SharingRevoked
from registry.hints import Command, Hint, Option
from registry.rules.account_state import AccountState


def share_allows(sharing_type: str, permission: str, *, through_agent: bool = False) -> bool:
    """Whether a share of this sharing type can give a credential of this permission.

    The database decides, by a function of the same name. An agent holds the key instead of the
    borrower and does only what the share allows, so that it may get a `full` key.
    """
    return sharing_type == "full" or permission == "read_only" or through_agent


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share as in the tables, with current names."""

    id: uuid.UUID
    borrower_id: uuid.UUID
    borrower: str
    borrower_version: int
    """The version of the borrower's stream."""
    lender_id: uuid.UUID
    lender: str
    exchange_id: int
    exchange: str
    sharing_type: SharingType

    def __str__(self) -> str:
        return f"{self.borrower} borrows {self.exchange} from {self.lender} ({self.sharing_type})"

    def revoked(self) -> EventModel:
        """The event that ends the share."""
        return SharingRevoked(
            share_id=self.id,
            exchange=self.exchange,
            exchange_id=self.exchange_id,
            lender_id=self.lender_id,
            lender=self.lender,
            sharing_type=self.sharing_type,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lender:
    """The data about the lender that a decision of the borrower needs."""

    id: uuid.UUID
    name: str
    is_active: bool
    active_permissions: tuple[str, ...]
    """The permissions of its active credentials for the exchange."""
    has_inactive: bool
    """Whether it has inactive credentials for the exchange."""
    shares: tuple[Share, ...]
    """The shares in which it lends or borrows."""


@dataclass(frozen=True, slots=True)
class ShareRequest:
    """The requested share, without borrower and lender."""

    exchange_id: int
    exchange: str
    sharing_type: SharingType
    new_id: uuid.UUID


def share(
    state: AccountState, lender: Lender, shares: Iterable[Share], wanted: ShareRequest
) -> list[EventModel]:
    """Lets the account of the state borrow; `shares` are its own, as borrower or lender.

    Raises:
        AccountNotFound, AccountInactive: see `AccountState.active_account`; the lender too.
        InvalidInput: borrower and lender are the same.
        CredentialNotFound, CredentialInactive: the lender has nothing to lend.
        ShareExists: the account borrows from another lender already.
        SharingRefused: the share would make a chain.
    """
    account = state.active_account()
    borrower_id = uuid.UUID(account["id"])
    if lender.id == borrower_id:
        raise InvalidInput(f"account {lender.name} cannot borrow from itself")
    own = [share for share in shares if share.exchange_id == wanted.exchange_id]
    _check_one_hop(state.name, borrower_id, own, lender, wanted)
    _check_lender(lender, wanted)
    held = next((share for share in own if share.borrower_id == borrower_id), None)
    if held is not None and held.lender_id != lender.id:
        raise ShareExists(
            f"account {state.name} borrows {wanted.exchange} from {held.lender} already",
            hint=Hint("End that first: ", Command("unshare", state.name, wanted.exchange)),
        )
    if held is not None and held.sharing_type == wanted.sharing_type:
        return []
    kind = SharingGranted if held is None else SharingChanged
    return [
        kind(
            share_id=wanted.new_id if held is None else held.id,
            exchange=wanted.exchange,
            exchange_id=wanted.exchange_id,
            lender_id=lender.id,
            lender=lender.name,
            sharing_type=wanted.sharing_type,
        )
    ]


def _check_lender(lender: Lender, wanted: ShareRequest) -> None:
    if not lender.is_active:
        raise AccountInactive(
            f"the lender {lender.name} is inactive",
            hint=Hint("Reactivate it first: ", Command("reactivate-account", lender.name)),
        )
    if lender.active_permissions:
        return
    if lender.has_inactive:
        command = Command("reactivate-credential", lender.name, wanted.exchange)
        raise CredentialInactive(
            f"the credential of the lender {lender.name} for {wanted.exchange} is inactive",
            hint=Hint("Reactivate it first: ", command),
        )
    raise CredentialNotFound(
        f"the lender {lender.name} has no credential for {wanted.exchange}",
        hint=Hint("Add it first: ", Command("add-credential", lender.name, wanted.exchange)),
    )


def _check_one_hop(
    borrower: str,
    borrower_id: uuid.UUID,
    own: Iterable[Share],
    lender: Lender,
    wanted: ShareRequest,
) -> None:
    for share in lender.shares:
        if share.exchange_id == wanted.exchange_id and share.borrower_id == lender.id:
            raise SharingRefused(
                f"{lender.name} borrows {wanted.exchange} from {share.lender}, "
                "and what is borrowed cannot be lent on",
                hint=f"{borrower} has the credential itself, and needs no share."
                if share.lender_id == borrower_id
                else f"Let {borrower} borrow from {share.lender} itself.",
            )
    lends_to = sorted(share.borrower for share in own if share.lender_id == borrower_id)
    if lends_to:
        raise SharingRefused(
            f"{borrower} lends {wanted.exchange} to {', '.join(lends_to)}, "
            "and cannot borrow for the same exchange",
            hint="One account lends, the others borrow from it.",
        )


def unshare(state: AccountState, shares: Iterable[Share], exchange: str) -> list[EventModel]:
    """Ends the share by which the account borrows for an exchange.

    Raises:
        AccountNotFound: the account was never created, or was deleted.
        ShareNotFound: it borrows nothing for this exchange.
    """
    account_id = uuid.UUID(state.account["id"])
    borrowed = [share for share in shares if share.borrower_id == account_id]
    found = [share.revoked() for share in borrowed if share.exchange == exchange]
    if not found:
        others = ", ".join(share.exchange for share in borrowed)
        raise ShareNotFound(
            f"account {state.name} borrows nothing for {exchange}",
            hint=f"It borrows for: {others}." if others else Hint("See: ", Command("list-shares")),
        )
    return found


def lent_by(state: AccountState, shares: Iterable[Share]) -> list[Share]:
    """The shares in which the account is the lender."""
    return [share for share in shares if str(share.lender_id) == state.account["id"]]


def resting_on(state: AccountState, shares: Iterable[Share], row: CredentialRow) -> list[Share]:
    """The shares that no other credential of the lender could serve in place of this one."""
    left = {
        other["permission"]
        for other in state.credentials()
        if other["exchange_id"] == row["exchange_id"]
        and other["id"] != row["id"]
        and other["is_active"]
    }
    return [
        share
        for share in lent_by(state, shares)
        if share.exchange_id == row["exchange_id"]
        and row["is_active"]
        and not left & _serves(share, row)
    ]


def _serves(share: Share, row: CredentialRow) -> set[str]:
    """The permissions that can replace a credential for a share."""
    if share.sharing_type == "full":
        return {row["permission"], "full"}
    # A full key never served such a share, but a lender must keep a credential to lend.
    served = share_allows(share.sharing_type, row["permission"])
    return {"read_only"} if served else {"full", "read_only"}


def borrowing(state: AccountState, shares: Iterable[Share], row: CredentialRow) -> list[Share]:
    """The shares by which borrowers can get this credential."""
    return [share for share in lent_by(state, shares) if row["id"] in _given(state, share)]


def altered(before: AccountState, after: AccountState, shares: Iterable[Share]) -> list[str]:
    """The shares of a lender that a change affects, with the effect in words."""
    return [
        f"{share} and {effect}"
        for share in lent_by(before, shares)
        if (effect := _effect(_given(before, share), _given(after, share)))
    ]


def _effect(had: Mapping[str, CredentialRow], has: Mapping[str, CredentialRow]) -> str | None:
    if not had:
        return None
    if len(_chosen(had)) == 1 and len(_chosen(has)) > 1:
        return "must say which subaccount from then on"
    if not _chosen(had) <= _chosen(has) or not _versions(had) <= _versions(has):
        return "gets another key from then on"
    return None


def _given(state: AccountState, share: Share) -> dict[str, CredentialRow]:
    """The credentials that a borrower can get by a share."""
    return {
        row["id"]: row
        for row in state.credentials()
        if row["exchange_id"] == share.exchange_id
        and row["is_active"]
        and share_allows(share.sharing_type, row["permission"])
    }


def _chosen(given: Mapping[str, CredentialRow]) -> set[str]:
    """Ids of the credentials for a default request; a borrower must choose among several."""
    full = {key for key, row in given.items() if row["permission"] == "full"}
    return full or set(given)


def _versions(given: Mapping[str, CredentialRow]) -> set[tuple[str, int]]:
    return {(key, row["version"]) for key, row in given.items()}


def check_affected(
    what: str,
    affected: Sequence[Share | str],
    *,
    cascade: bool,
    hint: str = Hint(
        "End these shares first, or add ", Option("cascade"), " to do it all the same."
    ),
) -> None:
    """Refuses a change that affects borrowers, unless `cascade` allows it.

    Raises:
        AccountInUse: shares are affected; the message lists them.
    """
    if affected and not cascade:
        raise AccountInUse(f"{what}: {listing(affected)}", hint=hint)


def listing(shares: Iterable[Share | str]) -> str:
    """Shares in words."""
    return "; ".join(str(share) for share in shares)
