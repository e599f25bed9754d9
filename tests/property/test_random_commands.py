"""Random commands against the real database, a plain model of their effects, and a replay."""

import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from support.tables import live_rows, replayed_rows

from registry import Registry, errors
from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring
from registry.errors import RegistryError
from registry.execution.executor import Outcome
from registry.facade.given import By

Place = tuple[str, int | None, str]
Act = Callable[[By], Outcome]
Refusal = type[RegistryError]


@dataclass
class Held:
    """A credential of the model."""

    secret: str
    version: int
    active: bool = True
    label: str | None = None


@dataclass
class Account:
    """An account of the model."""

    active: bool = True
    description: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    held: dict[Place, Held] = field(default_factory=dict)
    versions: dict[Place, int] = field(default_factory=dict)

    def find(self, place: Place) -> Place | Refusal:
        """The place that is meant, where the subaccount may not have been said."""
        exchange, subaccount, permission = place
        fitting = [
            p
            for p in self.held
            if (p[0], p[2]) == (exchange, permission) and subaccount in (None, p[1])
        ]
        exact = [p for p in fitting if p[1] == subaccount]
        if len(exact) == 1 or len(fitting) == 1:
            return (exact or fitting)[0]
        return errors.InvalidInput if fitting else errors.CredentialNotFound


NAMES = st.sampled_from(["a", "b", "ü"])
PLACES = st.tuples(
    st.sampled_from(["aster", "hyperliquid"]),
    st.sampled_from([None, 0, 1]),
    st.sampled_from(["full", "read_only"]),
)
SECRETS = st.sampled_from(["57", "58", "59"])
ADDRESS = "0x00000000000000000000000000000000000000C3"
TEXTS = st.none() | st.sampled_from(["x", "größe"])
METADATA = st.dictionaries(
    st.sampled_from(["k", "ü"]), st.none() | st.booleans() | st.integers(-9, 9) | st.floats(0, 1)
)


def _slot(place: Place) -> dict[str, Any]:
    return dict(zip(("exchange", "subaccount", "permission"), place, strict=True))


class Machine(RuleBasedStateMachine):
    """Does each command to the registry and to the model, and compares."""

    def __init__(
        self, databases: Callable[[], AbstractContextManager[str]], keyring: MasterKeyring
    ) -> None:
        super().__init__()
        self._lent = databases()
        self._url = self._lent.__enter__()
        self._database = SingleConnection(Target(self._url))
        registry = Registry(self._database, keyring=keyring)
        self._accounts, self._held = registry.accounts, registry.credentials
        self._reader = psycopg.connect(self._url, autocommit=True)
        self.model: dict[str, Account] = {}
        self.last: tuple[Act, By, Outcome] | None = None

    def teardown(self) -> None:
        self._reader.close()
        self._database.close()
        self._lent.__exit__(None, None, None)

    def expect(self, refusal: Refusal | None, act: Act) -> bool:
        """Whether the command was done, after asserting that it was as the model says."""
        by = By(actor="hypothesis@test", command_id=uuid.uuid4())
        if refusal is not None:
            with pytest.raises(RegistryError) as refused:
                act(by)
            assert type(refused.value) is refusal, refused.value
            return False
        outcome = act(by)
        if outcome.changed:
            self.last = (act, by, outcome)
        return True

    def active(self, name: str) -> Refusal | None:
        if name not in self.model:
            return errors.AccountNotFound
        return None if self.model[name].active else errors.AccountInactive

    def elsewhere(self, name: str, place: Place, secret: str) -> Refusal | None:
        """The refusal of a secret that another account holds for the exchange."""
        others = (account for other, account in self.model.items() if other != name)
        held = ((p[0], one.secret) for account in others for p, one in account.held.items())
        return errors.SecretInUse if (place[0], secret) in held else None

    @rule(name=NAMES, description=TEXTS, metadata=METADATA)
    def create(self, name: str, description: str | None, metadata: dict[str, Any]) -> None:
        given: Any = {"description": description, "metadata": metadata}
        refusal = errors.AccountExists if name in self.model else None
        if self.expect(refusal, lambda by: self._accounts.create(name, **given, **by)):
            self.model[name] = Account(description=description, metadata=metadata)

    @rule(name=NAMES, description=TEXTS, metadata=METADATA)
    def update(self, name: str, description: str | None, metadata: dict[str, Any]) -> None:
        given: Any = {"description": description, "metadata": metadata}
        if self.expect(self.active(name), lambda by: self._accounts.update(name, **given, **by)):
            self.model[name].description = description
            self.model[name].metadata = metadata

    @rule(name=NAMES, new=NAMES)
    def rename(self, name: str, new: str) -> None:
        taken = errors.AccountExists if new in self.model and new != name else None
        refusal = self.active(name) or taken
        if self.expect(refusal, lambda by: self._accounts.rename(name, new, **by)):
            self.model[new] = self.model.pop(name)

    @rule(name=NAMES)
    def deactivate(self, name: str) -> None:
        if self.expect(self.active(name), lambda by: self._accounts.deactivate(name, **by)):
            self.model[name].active = False

    @rule(name=NAMES)
    def reactivate(self, name: str) -> None:
        refusals: dict[Refusal | None, Refusal | None] = {
            errors.AccountInactive: None,
            None: errors.Conflict,
        }
        refusal = refusals.get(self.active(name), errors.AccountNotFound)
        if self.expect(refusal, lambda by: self._accounts.reactivate(name, **by)):
            self.model[name].active = True

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        refusal = None if name in self.model else errors.AccountNotFound
        if self.expect(refusal, lambda by: self._accounts.delete(name, **by)):
            del self.model[name]

    @rule(name=NAMES, place=PLACES, secret=SECRETS)
    def add(self, name: str, place: Place, secret: str) -> None:
        refusal = self.active(name)
        if refusal is None:
            held = self.model[name].held
            beside = any((p[0], p[2]) == (place[0], place[2]) for p in held)
            if place in held or (place[1] is None and beside):
                refusal = errors.CredentialExists
        refusal = refusal or self.elsewhere(name, place, secret)
        if self.expect(refusal, lambda by: self._store("add", name, place, secret, by)):
            account = self.model[name]
            version = account.versions[place] = account.versions.get(place, 0) + 1
            account.held[place] = Held(secret, version)

    @rule(name=NAMES, place=PLACES, secret=SECRETS)
    def replace(self, name: str, place: Place, secret: str) -> None:
        refusal, found = self._found(name, place, must_be_active=True)
        if refusal is None and self.model[name].held[found].secret != secret:
            refusal = self.elsewhere(name, place, secret)
        if self.expect(refusal, lambda by: self._store("replace", name, place, secret, by)):
            account = self.model[name]
            if account.held[found].secret != secret:
                account.versions[found] += 1
                account.held[found].secret = secret
                account.held[found].version = account.versions[found]

    @rule(name=NAMES, place=PLACES, label=TEXTS)
    def relabel(self, name: str, place: Place, label: str | None) -> None:
        refusal, found = self._found(name, place)
        if self.expect(
            refusal,
            lambda by: self._held.update(name, **_slot(place), label=label, **by),
        ):
            self.model[name].held[found].label = label

    @rule(name=NAMES, place=PLACES)
    def remove(self, name: str, place: Place) -> None:
        refusal, found = self._found(name, place, on_inactive=True)
        if self.expect(refusal, lambda by: self._held.remove(name, **_slot(place), **by)):
            del self.model[name].held[found]

    @rule(name=NAMES, place=PLACES)
    def stop(self, name: str, place: Place) -> None:
        refusal, found = self._found(name, place, on_inactive=True, must_be_active=True)
        if self.expect(refusal, lambda by: self._held.deactivate(name, **_slot(place), **by)):
            self.model[name].held[found].active = False

    @rule(name=NAMES, place=PLACES)
    def resume(self, name: str, place: Place) -> None:
        refusal, found = self._found(name, place)
        if refusal is None and self.model[name].held[found].active:
            refusal = errors.Conflict
        if self.expect(refusal, lambda by: self._held.reactivate(name, **_slot(place), **by)):
            self.model[name].held[found].active = True

    @rule()
    def send_the_last_command_again(self) -> None:
        if self.last is not None:
            act, by, outcome = self.last
            again = act(by)
            assert (again.replayed, again.positions) == (True, outcome.positions)

    def _found(
        self, name: str, place: Place, *, on_inactive: bool = False, must_be_active: bool = False
    ) -> tuple[Refusal | None, Place]:
        refusal = self.active(name)
        if refusal is errors.AccountInactive and on_inactive:
            refusal = None
        if refusal is not None:
            return refusal, place
        found = self.model[name].find(place)
        if isinstance(found, type):
            return found, place
        if must_be_active and not self.model[name].held[found].active:
            return errors.CredentialInactive, found
        return None, found

    def _store(self, how: str, name: str, place: Place, secret: str, by: By) -> Outcome:
        fields = {
            "aster": {"api_key": f"key{secret}", "secret_key": secret},
            "hyperliquid": {"wallet_address": ADDRESS, "private_key": secret * 32},
        }
        store: Any = getattr(self._held, how)
        stored: Outcome = store(name, fields=fields[place[0]], **_slot(place), **by)
        return stored

    @invariant()
    def the_tables_are_the_model(self) -> None:
        rows = self._reader.execute(
            "SELECT account_name, is_active, description, metadata FROM accounts ORDER BY 1"
        ).fetchall()
        assert sorted(rows) == sorted(
            (name, a.active, a.description, a.metadata) for name, a in self.model.items()
        )
        credentials = self._reader.execute(
            "SELECT a.account_name, d.name, c.subaccount_index, c.permission, c.version, "
            "c.is_active, c.label FROM account_exchange_credentials c "
            "JOIN accounts a ON a.id = c.account_id JOIN dexes d ON d.id = c.exchange_id"
        ).fetchall()
        assert sorted(credentials, key=str) == sorted(
            (
                (name, *place, held.version, held.active, held.label)
                for name, account in self.model.items()
                for place, held in account.held.items()
            ),
            key=str,
        )

    @invariant()
    def the_tables_are_a_replay_of_the_log(self) -> None:
        assert live_rows(self._reader) == replayed_rows(self._reader)


@pytest.mark.slow
def test_any_order_of_commands_means_what_the_model_says(
    fresh_database: Callable[[], AbstractContextManager[str]], keyring: MasterKeyring
) -> None:
    examples = max(settings().max_examples // 4, 1)
    run_state_machine_as_test(
        lambda: Machine(fresh_database, keyring),  # type: ignore[arg-type] # "class or function"
        settings=settings(max_examples=examples, stateful_step_count=40),
    )
