"""Commands of a rotation: prepare a version, bring it into use, give it up, retire a former one."""

import datetime as dt
import functools
from collections.abc import Mapping
from typing import Any

import psycopg

from registry.catalog.specification import Field
from registry.clock import now
from registry.database.connection import Connection
from registry.encryption.keyring import MasterKeyring
from registry.encryption.secret import Secret
from registry.events.base import EventModel
from registry.events.credentials import CredentialPrepared, CredentialVersionRetired
from registry.execution.account_tasks import next_events
from registry.execution.executor import Decided
from registry.execution.first_use import Exchanges
from registry.execution.required import AllowedCheck, Required
from registry.execution.vault import Vault, send_registry_key
from registry.rules import rotation as rules
from registry.rules.account_state import AccountState, SlotQuery
from registry.rules.credentials import StoredCredential, came_back
from registry.rules.sharing import borrowing
from registry.services.changes import expiry
from registry.services.changes.secrets_in_use import SecretCheck
from registry.services.changes.slot_tasks import SlotName, SlotTask


class PrepareTask(SlotTask):
    """Stores a pending version; errors as `rules.rotation.prepare`, and of `SecretCheck`."""

    def __init__(
        self,
        account_name: str,
        slot: SlotName,
        fields: Mapping[str, Field],
        details: Mapping[str, Any],
        keyring: MasterKeyring,
        *,
        allow_shared_secret: bool = False,
    ) -> None:
        """Takes the fields of the new key, and its details."""
        content = {"verb": "prepare-credential"}
        super().__init__(account_name, slot, content, self._prepare)
        self._fields = fields
        self._details = details
        self._keyring = keyring
        self._allow_shared_secret = allow_shared_secret

    def send_reads(self, connection: Connection) -> None:
        """See `Task`."""
        super().send_reads(connection)
        self._registry_key = send_registry_key(connection)
        self._exchanges = Exchanges(connection)
        self._exchanges.send([self._slot.exchange])

    def content(self) -> Mapping[str, Any]:
        """See `Task`. It holds keyed fingerprints in place of secrets."""
        self._vault = Vault(self._keyring, self._registry_key)
        exchange_id, self._spec = self._exchanges.find(self._slot.exchange)
        secrets = {
            name: value if isinstance(value, Secret) else Secret(str(value))
            for name, value in self._fields.items()
        }
        return {
            **super().content(),
            "fields": self._vault.fingerprints(exchange_id, secrets),
            "details": {name: str(value) for name, value in self._details.items()},
        }

    def decide(self) -> Decided:
        """See `Task`."""
        state = self.read_state()
        wanted = self._wanted()
        events = self._prepare(state, wanted)
        slot, row = state.find_credential(wanted)
        version = rules.version_after(state, row, events)
        stored = StoredCredential(
            slot, "prepared" if events else "unchanged", version, row["version"]
        )
        prepared = [event for event in events if isinstance(event, CredentialPrepared)]
        notes = [
            note
            for event in prepared
            for note in came_back(state, slot, self._spec.keys(event.fingerprints))
        ]
        allowed = self._allow_shared_secret
        return Decided(
            next_events(state, events),
            self._vault.writes if prepared else (),
            (*expiry.notes(state, slot, events), *notes),
            [
                *self._exchanges.checks,
                AllowedCheck(self._name, slot.exchange),
                *(SecretCheck(self._name, self._spec, one, allowed=allowed) for one in prepared),
            ],
            (stored,),
        )

    def _prepare(self, state: AccountState, wanted: SlotQuery) -> list[EventModel]:
        details = expiry.with_moment(self._details)
        fields = self._spec.check(self._fields)
        return rules.prepare(state, wanted, fields, details, sealer=self._vault)


class ActivateTask(SlotTask):
    """Brings the pending version into use; errors as `rules.rotation.activate`."""

    def __init__(
        self, account_name: str, slot: SlotName, grace: dt.timedelta, version: int | None = None
    ) -> None:
        """Takes the time for which the former version can still be asked for; it may be none.

        `version` is the pending one that the caller has seen, and that was checked.
        """
        seconds = grace.total_seconds()
        content = {"verb": "activate-credential", "grace": seconds, "version": version}
        super().__init__(account_name, slot, content, self._activate)
        self._grace = grace
        self._version = version
        self.usable_until: dt.datetime | None = None
        """The end of the grace, after the decision."""

    def decide(self) -> Decided:
        """See `Task`. Borrowers get the new version too, and are named in notes."""
        state = self.read_state()
        wanted = self._wanted()
        events = self._activate(state, wanted)
        slot, row = state.find_credential(wanted)
        lent = borrowing(state, self._shares.fetchall(), row)
        notes = [f"{share}, and gets the new version too" for share in lent]
        return Decided(
            next_events(state, events),
            (),
            (*notes, *expiry.notes(state, slot, events)),
            [AllowedCheck(self._name, slot.exchange)],
            (StoredCredential.of(state, slot, events),),
        )

    def _activate(self, state: AccountState, wanted: SlotQuery) -> list[EventModel]:
        # Whole seconds: a person reads the end of the grace.
        end = (now() + self._grace).replace(microsecond=0) if self._grace else None
        self.usable_until = end
        return rules.activate(state, wanted, usable_until=end, version=self._version)


class EndTask(SlotTask):
    """Gives the pending version up, or retires former ones; errors as the rule."""

    def decide(self) -> Decided:
        """See `Task`."""
        state = self.read_state()
        wanted = self._wanted()
        events = self._rule(state, wanted)
        slot, row = state.find_credential(wanted)
        stored = [
            StoredCredential(slot, "retired", event.version, row["version"])
            for event in events
            if isinstance(event, CredentialVersionRetired)
        ]
        checks = self._checks(row["id"], [one.version for one in stored])
        return Decided(next_events(state, events), (), (), checks, tuple(stored))

    def _checks(self, _credential_id: str, _versions: list[int]) -> list["NotHeld"]:
        return []


class RetireTask(EndTask):
    """Retires former versions; refused while somebody may still hold one, unless allowed."""

    def __init__(
        self, account_name: str, slot: SlotName, version: int | None, *, although_held: bool
    ) -> None:
        """Takes the number of the version; None retires all that are in grace."""
        content = {"verb": "retire-credential", "version": version, "although_held": although_held}
        rule = functools.partial(rules.retire, version=version)
        super().__init__(account_name, slot, content, rule)
        self._although_held = although_held

    def _checks(self, credential_id: str, versions: list[int]) -> list["NotHeld"]:
        return [NotHeld(credential_id, versions, allowed=self._although_held)]


class NotHeld(Required):
    """Refuses versions that somebody may still hold; if that is allowed, its notes say who."""

    def __init__(self, credential_id: str, versions: list[int], *, allowed: bool) -> None:
        parameters = {"credential_id": credential_id, "versions": versions, "allowed": allowed}
        super().__init__("require_not_held", **parameters)

    def take(self, answer: psycopg.Cursor[Any]) -> None:
        """See `Check`."""
        self.notes = tuple(
            f"{account} may still hold version {version}: received as {login} for {purpose}"
            for version, account, login, purpose, _ in answer
        )


def abandon(account_name: str, slot: SlotName, version: int | None = None) -> EndTask:
    """Gives the pending version up; errors as `rules.rotation.abandon`."""
    content = {"verb": "abandon-credential", "version": version}
    rule = functools.partial(rules.abandon, version=version)
    return EndTask(account_name, slot, content, rule)
