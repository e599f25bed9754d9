"""Stops: what may not be released until somebody resumes it; and how they are told."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from registry.hints import Command, Hint
from registry.rules.account_state import Slot

_WHAT: Final = {
    "all": "everything",
    "exchange": "the exchange {exchange}",
    "lender": "what {account} lends",
    "account": "the account {account}",
    "credential": "the credential of {account} for {slot}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A stop that is in force."""

    id: str
    """The id of its stream."""
    position: int
    """The position of its event, which is its name for `resume`."""
    command_id: str
    actor: str
    reason: str | None
    stopped_at: dt.datetime
    scope: str
    """See `registry.events.stops.Scope`; the parts that follow belong to it."""
    account_id: str | None = None
    account: str | None = None
    exchange_id: int | None = None
    exchange: str | None = None
    subaccount_index: int | None = None
    permission: str | None = None

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """The stop as the database tells it, in the view `stops_in_force`."""
        return cls(**{**found, "stopped_at": dt.datetime.fromisoformat(found["stopped_at"])})

    @property
    def what(self) -> str:
        """What is stopped, in words."""
        return what(asdict(self))

    def has_name(self, name: str) -> bool:
        """Whether a person may call it so."""
        return name in (str(self.position), self.command_id)

    @property
    def hint(self) -> Hint:
        """How it is taken back."""
        return Hint("It is taken back with: ", Command("resume", self.position))

    def __str__(self) -> str:
        when = f"{self.stopped_at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}Z"
        why = f": {self.reason}" if self.reason else ""
        return f"{self.actor} stopped {self.what} on {when} (event {self.position}){why}"


def what(stopped: Mapping[str, Any]) -> str:
    """What an event of a stop includes, in words."""
    parts = ("exchange", "subaccount_index", "permission")
    exchange, subaccount, permission = (stopped.get(part) for part in parts)
    slot = Slot(0, exchange or "", subaccount, permission or "full")
    return _WHAT[stopped["scope"]].format(
        account=stopped.get("account"), exchange=exchange, slot=slot
    )


def includes(stopped: Mapping[str, Any], account_id: str, owner_id: str, slot: Slot) -> bool:
    """Whether an event of a stop includes the use of an owner's credential by an account.

    This is about the past; today the database decides, by `stop_includes`.
    """
    of_exchange = stopped.get("exchange") == slot.exchange
    of_owner = stopped.get("account_id") == owner_id
    match stopped.get("scope"):
        case "exchange":
            return of_exchange
        case "lender":
            return of_owner and owner_id != account_id
        case "account":
            return of_owner or stopped.get("account_id") == account_id
        case "credential":
            return (
                of_owner
                and of_exchange
                and all(
                    stopped.get(part) in (None, getattr(slot, part))
                    for part in ("subaccount_index", "permission")
                )
            )
        case scope:
            return scope == "all"
