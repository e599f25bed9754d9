"""What a check can find, and how that differs from what the registry says."""

import datetime as dt
import enum
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from registry.errors import ExitStatus
from registry.events.credentials import DEAD, CheckedDetail, Right
from registry.hints import Command, Hint


class CheckOutcome(enum.StrEnum):
    """The outcome of a check."""

    VALID = "valid"
    WRONG_KEY = "wrong_key"
    EXPIRED = "expired"
    ADDRESS_NOT_ALLOWED = "address_not_allowed"
    NOT_PERMITTED = "not_permitted"
    """The key may not even read."""
    CLOCK_SKEW = "clock_skew"
    """A time or a nonce that the exchange does not accept."""
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    HTML_ANSWER = "html_answer"
    """A web page, such as that of a proxy or of a firewall."""
    NO_ANSWER = "no_answer"
    UNCLEAR_ANSWER = "unclear_answer"
    NOT_CHECKABLE = "not_checkable"
    """There is no client that could ask, or nothing to ask that needs the key."""
    IN_USE = "in_use"
    """Not asked: its nonces are counted, and a program received it lately."""
    NOT_RELEASED = "not_released"

    @property
    def words(self) -> str:
        """The outcome for people."""
        return self.value.replace("_", " ").replace("html", "HTML")

    @property
    def is_dead(self) -> bool:
        """Whether the exchange refuses the key, at least from here."""
        return self in DEAD

    @property
    def was_asked(self) -> bool:
        """Whether the exchange was asked."""
        return self not in (self.NOT_CHECKABLE, self.IN_USE, self.NOT_RELEASED)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """What an exchange tells of a key; None where it does not tell."""

    may: tuple[Right, ...] | None = None
    bound: bool | None = None
    """Whether the key works from certain addresses only."""
    addresses: tuple[str, ...] = ()
    """These addresses, as far as they are told."""
    expires_at: dt.datetime | Literal["never"] | None = None
    exchange_account_id: str | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that the exchange says otherwise than the registry."""

    detail: CheckedDetail
    text: str
    value: str | None = None
    """What the registry would say in its place, if it is one text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A credential, and what a check found."""

    account_name: str
    exchange: str
    subaccount_index: int | None
    permission: str
    version: int
    credential_id: uuid.UUID
    outcome: CheckOutcome
    why: str | None = None
    """The reason of an outcome other than valid, in words."""
    hint: str | None = None
    facts: KeyFacts = field(default_factory=KeyFacts)
    differences: tuple[Difference, ...] = ()
    warnings: tuple[str, ...] = ()

    def told(self) -> dict[str, Any]:
        """The fields of the event that records it."""
        facts = self.facts
        ends = {} if facts.expires_at is None else {"expires_at": facts.expires_at}
        optional = {
            "may": facts.may,
            "bound": facts.bound,
            "addresses": facts.addresses or None,
            "exchange_account_id": facts.exchange_account_id,
            "differences": [difference.detail for difference in self.differences] or None,
        }
        said = {name: value for name, value in optional.items() if value is not None}
        never = {"expires_at": None} if facts.expires_at == "never" else {}
        return {"outcome": self.outcome.value, **said, **ends, **never}

    @property
    def correction(self) -> Hint | None:
        """How the registry is brought to say what the exchange says."""
        changes = {d.detail: d.value for d in self.differences if d.value is not None}
        place: dict[str, Any] = {"subaccount": self.subaccount_index}
        if self.permission != "full":
            place["permission"] = self.permission
        command = Command("update-credential", self.account_name, self.exchange, **place, **changes)
        return Hint("To correct the registry: ", command) if changes else None


def exit_status(found: list[Checked]) -> ExitStatus:
    """6 if a key is dead or differs, or else 7 if an exchange gave no answer, or else 5 or 0."""
    outcomes = [checked.outcome for checked in found]
    if any(outcome.is_dead for outcome in outcomes) or any(c.differences for c in found):
        return ExitStatus.VERIFICATION
    if any(o.was_asked and o is not CheckOutcome.VALID for o in outcomes):
        return ExitStatus.UNAVAILABLE
    return ExitStatus.REFUSED if CheckOutcome.NOT_RELEASED in outcomes else ExitStatus.DONE


_A_DAY: Final = dt.timedelta(days=1)


def differences(said: Mapping[str, Any], facts: KeyFacts) -> Iterator[Difference]:
    """The differences to the registry's record of the credential.

    Where the registry says nothing, nothing differs. An expiry is the exception: without one, a
    key counts as one that does not end.
    """
    if facts.may is not None and (text := _permission(said["permission"], facts.may)):
        yield Difference("permission", text)
    ends, known = facts.expires_at, said.get("expires_at")
    if isinstance(ends, dt.datetime) and (known is None or abs(ends - known) >= _A_DAY):
        text = "no expiry" if known is None else f"{known:%Y-%m-%d}"
        text = f"the key ends on {ends:%Y-%m-%d}, the registry says {text}"
        yield Difference("expires_at", text, f"{ends:%Y-%m-%dT%H:%M:%SZ}")
    elif ends == "never" and known is not None:
        yield Difference("expires_at", f"the key does not end, the registry says {known:%Y-%m-%d}")
    listed = said.get("ip_allow_list")
    if listed and facts.bound is not None and (text := _addresses(listed, facts)):
        yield Difference("ip_allow_list", text)
    account, told = said.get("exchange_account_id"), facts.exchange_account_id
    if account and told and account.lower() != told.lower():
        text = f"it is of the exchange's account {told}, the registry says {account}"
        yield Difference("exchange_account_id", text, told)


def warnings(facts: KeyFacts) -> Iterator[str]:
    """What a person should know of a key although it is as the registry says."""
    if "withdraw" in (facts.may or ()):
        yield "the key may withdraw, which no bot needs"


def _permission(said: str, may: tuple[Right, ...]) -> str | None:
    if said == "full" and "trade" not in may:
        return "the registry says full, and the key may not trade"
    more = [right for right in may if right != "read"]
    if said == "read_only" and more:
        return f"the registry says read_only, and the key may {' and '.join(more)}"
    return None


def _addresses(listed: list[str], facts: KeyFacts) -> str | None:
    if not facts.bound:
        return f"it works from any address, the registry says {', '.join(listed)}"
    if facts.addresses and {*facts.addresses} != {*listed}:
        told = ", ".join(facts.addresses)
        return f"it is bound to {told}, the registry says {', '.join(listed)}"
    return None
