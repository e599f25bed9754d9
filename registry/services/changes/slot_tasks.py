"""Commands about an existing credential: the caller names its slot, and a rule gives the events."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.catalog.catalog import built_in_exchanges
from registry.database.connection import Connection
from registry.errors import ExchangeNotFound
from registry.events.base import EventModel
from registry.events.permissions import Permission
from registry.execution.account_tasks import AccountTask, next_events
from registry.execution.executor import Decided
from registry.execution.lookup import exchange_of, send_exchange
from registry.rules import credentials as rules
from registry.rules.account_state import AccountState, SlotQuery
from registry.rules.sharing import borrowing, check_affected, resting_on
from registry.services.changes import expiry
from registry.services.changes.sharing import revocations, send_shares
from registry.values import subaccount_index as checked_subaccount


@dataclass(frozen=True, slots=True)
class SlotName:
    """A slot as the caller names it; a missing part is looked up if only one slot fits."""

    exchange: str
    subaccount_index: int | None = None
    permission: Permission | None = None

    def query(self, exchange_id: int) -> SlotQuery:
        """The slot as a query, with the exchange's id.

        Raises:
            InvalidInput: the subaccount is not a valid number.
        """
        if self.subaccount_index is not None:
            checked_subaccount(self.subaccount_index)
        return SlotQuery(exchange_id, self.exchange, self.subaccount_index, self.permission)

    def content(self) -> dict[str, Any]:
        """The part of a command's content that names the slot; it enters the command's digest."""
        return {
            "exchange": self.exchange,
            "subaccount": self.subaccount_index,
            "permission": self.permission,
        }


SlotRule = Callable[[AccountState, SlotQuery], Sequence[EventModel]]
"""A function of `registry.rules.credentials`."""


class SlotTask(AccountTask):
    """A command about an existing credential."""

    def __init__(
        self, account_name: str, slot: SlotName, content: Mapping[str, Any], rule: SlotRule
    ) -> None:
        """Takes the slot and the rule that gives the events."""
        super().__init__(account_name, {**content, "slot": slot.content()})
        self._slot = slot
        self._rule = rule

    def send_reads(self, connection: Connection) -> None:
        """See `Task`."""
        super().send_reads(connection)
        self._exchange = send_exchange(connection, self._slot.exchange)
        self._shares = send_shares(connection, self._name)

    def _wanted(self) -> SlotQuery:
        exchange_id, _ = exchange_of(self._exchange, self._slot.exchange)
        return self._slot.query(exchange_id)


class CheckTask(SlotTask):
    """Changes nothing: the rule only raises what it has against the slot."""

    def decide(self) -> Decided:
        """See `Task`. An exchange of the catalog need not have been used yet."""
        state = self.read_state()
        try:
            wanted = self._wanted()
        except ExchangeNotFound:
            if self._slot.exchange not in built_in_exchanges():
                raise
            wanted = self._slot.query(0)
        self._rule(state, wanted)
        return Decided([])


class ReactivateTask(SlotTask):
    """Reactivates a credential, perhaps next to another active one."""

    def decide(self) -> Decided:
        """See `Task`."""
        state = self.read_state()
        wanted = self._wanted()
        new = next_events(state, self._rule(state, wanted))
        slot, _ = state.find_credential(wanted)
        return Decided(new, notes=tuple(rules.must_choose(state, slot)))


class LentSlotTask(SlotTask):
    """A command that takes a credential away from its borrowers.

    If there are borrowers, it is refused unless `cascade` is set. With `ends_shares` their
    shares end too.
    """

    def __init__(
        self,
        account_name: str,
        slot: SlotName,
        content: Mapping[str, Any],
        rule: SlotRule,
        *,
        cascade: bool,
        ends_shares: bool = False,
    ) -> None:
        """As `SlotTask`."""
        super().__init__(account_name, slot, content, rule)
        self._cascade = cascade
        self._ends_shares = ends_shares

    def decide(self) -> Decided:
        """See `Task`."""
        state = self.read_state()
        wanted = self._wanted()
        slot, row = state.find_credential(wanted)
        events = self._rule(state, wanted)
        affected = resting_on(state, self._shares.fetchall(), row)
        what = f"the credential of {state.name} for {slot} is lent"
        check_affected(what, affected, cascade=self._cascade)
        ended = revocations(affected) if self._ends_shares else []
        effect = "ended with it" if self._ends_shares else "without a key from now on"
        notes = tuple(f"{effect}: {share}" for share in affected)
        return Decided([*next_events(state, events), *ended], notes=notes)


class UpdateTask(SlotTask):
    """Changes details other than secrets: borrowers lose nothing, and are named in notes."""

    def decide(self) -> Decided:
        """See `Task`."""
        state = self.read_state()
        wanted = self._wanted()
        events = self._rule(state, wanted)
        slot, row = state.find_credential(wanted)
        lent = borrowing(state, self._shares.fetchall(), row) if events else []
        told = [f"it is lent: {share}" for share in lent]
        notes = (*told, *expiry.notes(state, slot, events))
        return Decided(next_events(state, events), notes=notes)
