"""Commands about credentials."""

import copy
import enum
import functools
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from projections.credentials import tokens_of
from registry.catalog.specification import Field
from registry.clock import now
from registry.database.connection import Connection, Database
from registry.database.queries import load_queries
from registry.encryption.keyring import MasterKeyring
from registry.encryption.sealing import DataKey
from registry.encryption.secret import Secret
from registry.errors import AccountInUse, AccountNotFound, CannotDecrypt, RegistryError, together
from registry.events.base import EventModel
from registry.events.credentials import SealedVersion
from registry.execution.account_tasks import AccountTask, new_events, next_events
from registry.execution.executor import Check, CommandExecutor, Decided, Invocation, Outcome
from registry.execution.first_use import Exchanges
from registry.execution.lookup import account_not_found
from registry.execution.required import AllowedCheck
from registry.execution.vault import Vault, send_registry_key
from registry.hints import Command, Hint, Option
from registry.log.append import NewEvent
from registry.log.ids import new_id
from registry.log.reading import events_of
from registry.rules import credentials as rules
from registry.rules import rotation
from registry.rules.account_state import AccountState, Slot, SlotQuery
from registry.rules.accounts import CreateAccount
from registry.rules.accounts import create as create_account
from registry.rules.credentials import StoredCredential, place_of
from registry.rules.sharing import altered, check_affected, lent_by
from registry.services.changes import expiry
from registry.services.changes.secrets_in_use import SecretCheck
from registry.services.changes.sharing import send_shares
from registry.services.changes.slot_tasks import (
    CheckTask,
    LentSlotTask,
    ReactivateTask,
    SlotName,
    UpdateTask,
)

_QUERIES = load_queries("registry.execution")


class Mode(enum.Enum):
    """The effect of storing a credential on the slot's current content."""

    ADD = "add"
    """The slot must be empty."""
    REPLACE = "replace"
    """The slot must hold a credential; its fields are replaced."""
    MERGE = "merge"
    """Add to an empty slot; in an occupied slot, replace the given fields and keep the rest."""


@dataclass(frozen=True, slots=True)
class CredentialInput:
    """A credential to store."""

    slot: SlotName
    fields: Mapping[str, Field]
    """Field name -> value; see `fields_of`."""
    details: Mapping[str, Any] = field(default_factory=dict)
    mode: Mode = Mode.ADD


class StoreCredentials(AccountTask):
    """Stores one or several credentials of one account: all of them, or none."""

    def __init__(
        self,
        account_name: str,
        inputs: Sequence[CredentialInput],
        keyring: MasterKeyring,
        *,
        verb: str,
        create: CreateAccount | None = None,
        cascade: bool = False,
        allow_shared_secret: bool = False,
    ) -> None:
        super().__init__(account_name, {"verb": verb})
        self._cascade = cascade
        self._allow_shared_secret = allow_shared_secret
        self._inputs = inputs
        self._keyring = keyring
        self._create = create
        self._verb = verb

    def send_reads(self, connection: Connection) -> None:
        """See `Task`."""
        self._registry_key = send_registry_key(connection)
        self.send_reads_of_account(connection, Exchanges(connection))

    def send_reads_of_account(self, connection: Connection, exchanges: Exchanges) -> None:
        """Sends the reads about this account, and about the exchanges."""
        super().send_reads(connection)
        self._data_keys = connection.execute(
            _QUERIES["data_keys_of_account"], {"account_name": self._name}
        )
        self._shares = send_shares(connection, self._name)
        exchanges.send(given.slot.exchange for given in self._inputs)
        self._exchanges = exchanges

    def content(self) -> Mapping[str, Any]:
        """See `Task`. It holds keyed fingerprints in place of secrets."""
        return self.content_with(Vault(self._keyring, self._registry_key))

    def content_with(self, vault: Vault) -> Mapping[str, Any]:
        """The content, for a decision that seals with this vault."""
        self._vault = vault
        names = {given.slot.exchange for given in self._inputs}
        self._resolved = {name: self._exchanges.find(name) for name in sorted(names)}
        credentials = [self._content_of(given) for given in self._inputs]
        return {**super().content(), "credentials": credentials}

    def decide(self) -> Decided:
        """See `Task`. The error names the problems of all credentials, not only of the first."""
        return with_first_uses(self.decide_for_account(), self._exchanges)

    def decide_for_account(self) -> Decided:
        """The part of the decision that concerns this account alone."""
        created, state = self._account()
        stored_keys = {row[0]: row for row in self._data_keys}
        events: list[EventModel] = []
        stored: list[StoredCredential] = []
        notes: list[str] = []
        problems: list[RegistryError] = []
        for given in self._inputs:
            try:
                slot, decided = self._store(state, given, stored_keys)
            except RegistryError as problem:
                problems.append(problem)
                continue
            events += decided
            outcome = StoredCredential.of(state, slot, decided)
            stored.append(outcome)
            notes += expiry.notes(state, slot, decided)
            notes += rules.must_choose(state, slot) if outcome.change == "added" else []
            notes += self._former_keys(state, slot, decided)
        new = next_events(state, events)
        try:
            notes += self._affected(state, new)
        except AccountInUse as problem:
            problems.append(problem)
        if problems:
            raise together(problems)
        return Decided(
            [*created, *new], self._vault.writes, tuple(notes), self._checks(events), tuple(stored)
        )

    def _former_keys(
        self, state: AccountState, slot: Slot, events: Sequence[EventModel]
    ) -> list[str]:
        """Notes about keys that the slot held before."""
        _, spec = self._resolved[slot.exchange]
        keys = [spec.keys(e.fingerprints) for e in events if isinstance(e, SealedVersion)]
        return [note for held in keys for note in rules.came_back(state, slot, held)]

    def _checks(self, events: Sequence[EventModel]) -> list[Check]:
        """The checks whether exchanges are allowed, and whether other accounts hold a secret."""
        specs = dict(self._resolved.values())
        sealed = [event for event in events if isinstance(event, SealedVersion)]
        return [
            *(AllowedCheck(self._name, event.exchange) for event in sealed),
            *(
                SecretCheck(
                    self._name, specs[event.exchange_id], event, allowed=self._allow_shared_secret
                )
                for event in sealed
            ),
        ]

    def _affected(self, state: AccountState, new: Sequence[NewEvent]) -> list[str]:
        """The shares whose borrowers get another credential, or none, after these events."""
        shares = self._shares.fetchall()
        if not lent_by(state, shares):
            return []
        after = copy.deepcopy(state)
        for event in new:
            after.apply(event.stored(now()))
        affected = altered(state, after, shares)
        check_affected(
            "others are affected",
            affected,
            cascade=self._cascade,
            hint=Hint("Add ", Option("cascade"), " if that is meant, or end these shares first."),
        )
        return affected

    def _account(self) -> tuple[list[NewEvent], AccountState]:
        """The account; if the command creates it, also the event of the creation."""
        state = AccountState.of(events_of(self._stream))
        if state.exists:
            return [], state
        if self._create is None:
            error = account_not_found(self._connection, self._name)
            if self._verb.startswith("import-"):
                hint = Hint(error.hint or "", " Or add ", Option("create"), ".")
                raise AccountNotFound(error.message, hint=hint)
            raise error
        created = new_events(new_id(), state, create_account(self._create))
        return created, AccountState.of(event.stored(now()) for event in created)

    def _content_of(self, given: CredentialInput) -> dict[str, Any]:
        exchange_id, _ = self._resolved[given.slot.exchange]
        secrets = {
            name: value if isinstance(value, Secret) else Secret(str(value))
            for name, value in given.fields.items()
        }
        return {
            **given.slot.content(),
            "mode": given.mode.value,
            "fields": self._vault.fingerprints(exchange_id, secrets),
            "details": {name: str(value) for name, value in given.details.items()},
        }

    def _store(
        self, state: AccountState, given: CredentialInput, stored_keys: Mapping[uuid.UUID, Any]
    ) -> tuple[Slot, list[EventModel]]:
        exchange_id, spec = self._resolved[given.slot.exchange]
        details = expiry.with_moment(given.details)
        wanted = given.slot.query(exchange_id)
        if given.mode is Mode.MERGE:
            wanted = rules.import_slot(state, wanted)
        occupied = any(wanted.matches(row) for row in state.credentials())
        if given.mode is Mode.ADD or (given.mode is Mode.MERGE and not occupied):
            slot = wanted.slot()
            return slot, rules.add(
                state,
                slot,
                spec.check(given.fields),
                details,
                sealer=self._vault,
                new_id=new_id(),
                beside_others=wanted.subaccount_index is not None,
            )
        fields = dict(given.fields)
        if given.mode is Mode.MERGE:
            state.active_account()
            fields = {**self._current_fields(state, wanted, stored_keys), **fields}
        replaced = rules.replace(state, wanted, spec.check(fields), details, sealer=self._vault)
        return state.find_credential(wanted)[0], replaced

    def _current_fields(
        self, state: AccountState, wanted: SlotQuery, stored_keys: Mapping[uuid.UUID, Any]
    ) -> dict[str, Secret]:
        slot, row = state.find_credential(wanted)
        key_id = uuid.UUID(row["data_key_id"])
        if key_id not in stored_keys:
            raise CannotDecrypt(
                f"the secrets of {state.name} for {slot} were destroyed",
                hint=Hint(
                    "Give all fields: ", Command("replace-credential", state.name, slot.exchange)
                ),
            )
        data_key = DataKey.unwrap(self._keyring, *stored_keys[key_id])
        return data_key.open(place_of(state.account["id"], slot), tokens_of(row))


def with_first_uses(decided: Decided, exchanges: Exchanges) -> Decided:
    """The decision, with the rows of exchanges that are used for the first time."""
    return replace(
        decided,
        events=[*decided.events, *exchanges.events],
        statements=[*decided.statements, *exchanges.writes],
        checks=[*exchanges.checks, *decided.checks],
    )


class CredentialService:
    """Stores credentials."""

    def __init__(self, database: Database, keyring: MasterKeyring) -> None:
        self._executor = CommandExecutor(database)
        self._keyring = keyring

    def store(
        self,
        account_name: str,
        inputs: Sequence[CredentialInput],
        invocation: Invocation,
        *,
        verb: str,
        create: CreateAccount | None = None,
        cascade: bool = False,
        allow_shared_secret: bool = False,
    ) -> Outcome:
        """Stores all of the credentials or none; creates a missing account as `create` says.

        Raises:
            InvalidCredential: fields are missing, unknown, placeholders or of the wrong type.
            SecretInUse: another account holds the same secret, and `allow_shared_secret` is
                not set.
            InvalidInput: an import names no subaccount, and only numbers other than 0 are in use.
            CredentialExists, CredentialNotFound: the slot's content does not fit the mode.
            AccountNotFound, AccountInactive, CredentialInactive: see `registry.rules`.
            ExchangeNotAllowed: the account's list does not name an exchange.
            AccountInUse: borrowers would get something else, and `cascade` is not set.
            MasterKeyWrong: the registry was set up with another master key.
        """
        task = StoreCredentials(
            account_name,
            inputs,
            self._keyring,
            verb=verb,
            create=create,
            cascade=cascade,
            allow_shared_secret=allow_shared_secret,
        )
        return self._executor.execute(task, invocation)


def check_place(
    account_name: str, slot: SlotName, *, replace: bool = False, rotate: bool = False
) -> CheckTask:
    """Raises what storing a credential would, of the account and the slot alone."""
    storing = functools.partial(rules.check_place, replace=replace)
    rule = rotation.check_place if rotate else storing
    return CheckTask(account_name, slot, {"verb": "check-place"}, rule)


def update(account_name: str, slot: SlotName, details: Mapping[str, Any]) -> UpdateTask:
    """Changes details other than secrets; errors as `rules.credentials.update`."""
    content = {name: str(value) for name, value in details.items()}
    return UpdateTask(
        account_name,
        slot,
        {"verb": "update-credential", **content},
        lambda state, wanted: rules.update(state, wanted, expiry.with_moment(details)),
    )


def deactivate(account_name: str, slot: SlotName, *, cascade: bool) -> LentSlotTask:
    """Deactivates the credential; errors as `rules.credentials.deactivate`, and of the task."""
    content = {"verb": "deactivate-credential"}
    return LentSlotTask(account_name, slot, content, rules.deactivate, cascade=cascade)


def reactivate(account_name: str, slot: SlotName) -> ReactivateTask:
    """Reactivates the credential; errors as `rules.credentials.reactivate`."""
    content = {"verb": "reactivate-credential"}
    return ReactivateTask(account_name, slot, content, rules.reactivate)


def remove(account_name: str, slot: SlotName, *, cascade: bool) -> LentSlotTask:
    """Empties the slot; errors as `rules.credentials.remove`, and of the task."""
    return LentSlotTask(
        account_name,
        slot,
        {"verb": "remove-credential"},
        rules.remove,
        cascade=cascade,
        ends_shares=True,
    )
