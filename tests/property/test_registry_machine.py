"""Random commands, rebuilds, rollbacks, downs and ups against a plain Python model.

After every step the tables must match the model, including the decrypted secrets. A replay of
the log must give exactly the same rows.
"""

import contextlib
import copy
import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import conftest
import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.credentials import secrets
from support.registry_tables import add_positions, contents, unguarded

from projections.credentials import tokens_of
from registry import Registry
from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.encryption.keyring import MasterKeyring, generate_master_key
from registry.encryption.sealing import DataKey, Place
from registry.errors import RegistryError
from registry.execution.executor import Invocation
from registry.rebuild.comparison import Options
from registry.rebuild.rebuild import RebuildService
from registry.services.changes.credentials import CredentialInput, CredentialService, Mode
from registry.services.changes.rollback import Rollback, roll_back
from registry.services.changes.slot_tasks import SlotName
from registry.services.schema.schema import bring_up, take_down

pytestmark = pytest.mark.slow

NAMES = ("a", "b", "c")
SLOTS = ("full", "read_only")
POSITIONS = tuple(uuid.UUID(int=number) for number in range(1, 4))
WHO = Invocation(actor="machine@host")

names = st.sampled_from(NAMES)
slots = st.sampled_from(SLOTS)
texts = st.text('ab\\\t\n"ü', max_size=4).map(lambda text: f"t{text}t")
numbers = st.integers(0, 9)

Model = dict[str, Any]


class RegistryMachine(RuleBasedStateMachine):
    """The registry beside a model: account id -> name, details, credentials, positions."""

    def __init__(self) -> None:
        super().__init__()
        self._open = ExitStack()
        address = self._open.enter_context(_database())
        self._database = SingleConnection(Target(address))
        self._open.callback(self._database.close)
        self._direct = self._open.enter_context(psycopg.connect(address, autocommit=True))
        self._keyring = MasterKeyring([generate_master_key()])
        registry = Registry(self._database, keyring=self._keyring)
        self._accounts, self._credentials = registry.accounts, registry.credentials
        self._positions = registry.positions
        self._service = CredentialService(self._database, self._keyring)
        self._model: dict[str, Model] = {}
        self._past: dict[int, dict[str, Model]] = {}

    def teardown(self) -> None:
        self._open.close()

    @initialize()
    def positions(self) -> None:
        add_positions(self._direct, *map(str, POSITIONS))

    # Commands

    @rule(name=names, number=numbers)
    def create(self, name: str, number: int) -> None:
        metadata = {"n": number, "f": number / 4}
        with self._expect(self._id(name) is None):
            outcome = self._accounts.create(name, metadata=metadata)
            self._model[str(outcome.stream_id)] = {
                "name": name,
                "description": None,
                "active": True,
                "metadata": metadata,
                "credentials": {},
                "positions": set(),
            }

    @rule(name=names, text=texts)
    def describe(self, name: str, text: str) -> None:
        account = self._account(name)
        with self._expect(account is not None and account["active"]):
            self._accounts.update(name, description=text)
            account["description"] = text  # type: ignore[index]

    @rule(name=names, new=names)
    def rename(self, name: str, new: str) -> None:
        account = self._account(name)
        free = self._id(new) is None or name == new
        with self._expect(account is not None and account["active"] and free):
            self._accounts.rename(name, new)
            account["name"] = new  # type: ignore[index]

    @rule(name=names)
    def switch(self, name: str) -> None:
        account = self._account(name)
        with self._expect(account is not None):
            active = bool(account and account["active"])
            change = self._accounts.deactivate if active else self._accounts.reactivate
            change(name)
            account["active"] = not active  # type: ignore[index]

    @rule(name=names)
    def delete(self, name: str) -> None:
        account = self._account(name)
        with self._expect(account is not None and not account["positions"]):
            self._accounts.delete(name)
            del self._model[self._id(name) or ""]

    @rule(name=names, slot=slots, number=numbers)
    def store(self, name: str, slot: Any, number: int) -> None:
        account = self._account(name)
        held = account["credentials"].get(slot) if account else None
        allowed = account is not None and account["active"] and (held is None or held["active"])
        one = CredentialInput(
            SlotName("aster", None, slot),
            secrets({"api_key": f"key{number}", "secret_key": f"secret{number}"}),
            mode=Mode.MERGE,
        )
        with self._expect(allowed):
            self._service.store(name, [one], WHO, verb="import-env", allow_shared_secret=True)
            fresh = held or {"label": None, "active": True, "pending": None, "grace": []}
            account["credentials"][slot] = {**fresh, "secret": f"secret{number}"}  # type: ignore[index]

    @rule(name=names, slot=slots, number=numbers)
    def prepare(self, name: str, slot: Any, number: int) -> None:
        held, usable = self._held(name, slot)
        secret = f"secret{number}"
        fits = usable and held["secret"] != secret and held["pending"] in (None, secret)
        with self._expect(fits):
            fields = {"api_key": f"key{number}", "secret_key": secret}
            self._rotate(name, slot, fields, prepare=True, allow_shared_secret=True)
            held["pending"] = secret

    @rule(name=names, slot=slots, grace=st.sampled_from(("0h", "24h")))
    def activate(self, name: str, slot: Any, grace: str) -> None:
        held, usable = self._held(name, slot)
        with self._expect(usable and held["pending"] is not None):
            self._rotate(name, slot, activate=True, check=False, grace=grace)
            if grace != "0h":
                held["grace"] = sorted([*held["grace"], held["secret"]])
            held["secret"], held["pending"] = held["pending"], None

    @rule(name=names, slot=slots)
    def abandon(self, name: str, slot: Any) -> None:
        held, _ = self._held(name, slot)
        with self._expect(bool(held) and held["pending"] is not None):
            self._rotate(name, slot, abandon=True)
            held["pending"] = None

    @rule(name=names, slot=slots)
    def retire(self, name: str, slot: Any) -> None:
        held, _ = self._held(name, slot)
        with self._expect(bool(held) and bool(held["grace"])):
            self._rotate(name, slot, retire=True, although_held=True)
            held["grace"] = []

    @rule(name=names, slot=slots, text=texts)
    def label(self, name: str, slot: Any, text: str) -> None:
        account = self._account(name)
        held = account["credentials"].get(slot) if account else None
        text = text.replace("\t", "").replace("\n", "")
        with self._expect(account is not None and account["active"] and held is not None):
            self._credentials.update(name, "aster", permission=slot, label=text)
            held["label"] = text  # type: ignore[index]

    @rule(name=names, slot=slots)
    def switch_credential(self, name: str, slot: Any) -> None:
        account = self._account(name)
        held = account["credentials"].get(slot) if account else None
        active = bool(held and held["active"])
        with self._expect(held is not None and (active or (account or {})["active"])):
            change = self._credentials.deactivate if active else self._credentials.reactivate
            change(name, "aster", permission=slot)
            held["active"] = not active  # type: ignore[index]

    @rule(name=names, slot=slots)
    def remove(self, name: str, slot: Any) -> None:
        account = self._account(name)
        with self._expect(account is not None and slot in account["credentials"]):
            self._credentials.remove(name, "aster", permission=slot)
            del account["credentials"][slot]  # type: ignore[index]

    @rule(name=names, position=st.sampled_from(POSITIONS))
    def link(self, name: str, position: uuid.UUID) -> None:
        account = self._account(name)
        with self._expect(account is not None and account["active"]):
            self._positions.link(name, [position], move=True)
            for other in self._model.values():
                other["positions"].discard(position)
            account["positions"].add(position)  # type: ignore[index]

    @rule(name=names, position=st.sampled_from(POSITIONS))
    def the_bot_links(self, name: str, position: uuid.UUID) -> None:
        """Straight in its own table, as a bot does when it opens a position."""
        owned = any(position in other["positions"] for other in self._model.values())
        account = self._account(name)
        if account is None or owned or self._named_in_log(position):
            return
        self._direct.execute(
            "UPDATE public.strategy_positions SET account_id = %s WHERE id = %s",
            [self._id(name), position],
        )
        account["positions"].add(position)
        # A past state cannot know what no event told: from here on it does.
        RebuildService(self._database).rebuild(WHO)

    # What is done to the whole

    @rule(damage=st.sampled_from(("texts", "accounts", "credentials", "owners", "names")))
    def damage_and_rebuild(self, damage: str) -> None:
        with unguarded(self._direct):
            self._direct.execute(_DAMAGE[damage])
        RebuildService(self._database).rebuild(WHO)

    @precondition(lambda self: self._past)
    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        position = data.draw(st.sampled_from(sorted(self._past)), "position")
        roll_back(self._database, Rollback(to=position), WHO)
        self._model = copy.deepcopy(self._past[position])

    @rule()
    def down_and_up(self) -> None:
        before = contents(self._direct)
        take_down(self._direct, WHO)
        bring_up(self._direct, lambda: WHO)
        assert contents(self._direct) == before

    # What must hold

    @invariant()
    def tables_are_what_the_model_says(self) -> None:
        assert self._live() == self._model
        size = self._direct.execute("SELECT size FROM public.audit_head").fetchone()
        if size is not None and size[0]:
            self._past[size[0] - 1] = copy.deepcopy(self._model)

    @invariant()
    def a_replay_gives_the_same_rows(self) -> None:
        report = RebuildService(self._database, Options(events_per_slice=7)).check()
        assert report.listed == []

    # Helpers

    @contextmanager
    def _expect(self, allowed: bool) -> Iterator[None]:
        """Runs a command that must be carried out, or refused with nothing changed."""
        if allowed:
            yield
            return
        before = copy.deepcopy(self._model)
        try:
            with contextlib.suppress(TypeError, KeyError):
                yield
        except RegistryError:
            pass
        self._model = before

    def _id(self, name: str) -> str | None:
        return next((key for key, one in self._model.items() if one["name"] == name), None)

    def _account(self, name: str) -> Model | None:
        return self._model.get(self._id(name) or "")

    def _held(self, name: str, slot: str) -> tuple[Model, bool]:
        """A credential of the model, if there is one, and whether it can be used."""
        account = self._account(name)
        held = account["credentials"].get(slot) if account else None
        return held or {}, bool(held and held["active"] and account and account["active"])

    def _rotate(self, name: str, slot: Any, *fields: Any, **step: Any) -> None:
        self._credentials.rotate(name, "aster", *fields, permission=slot, **step)

    def _named_in_log(self, position: uuid.UUID) -> bool:
        found = self._direct.execute(
            "SELECT FROM public.audit_events WHERE event_type LIKE 'Positions%%'"
            " AND data::text LIKE %s",
            [f"%{position}%"],
        )
        return found.fetchone() is not None

    def _live(self) -> dict[str, Model]:
        model: dict[str, Model] = {}
        for id_, name, description, active, metadata in self._direct.execute(
            "SELECT id::text, account_name, description, is_active, metadata FROM public.accounts"
        ):
            model[id_] = {
                "name": name,
                "description": description,
                "active": active,
                "metadata": metadata,
                "credentials": {},
                "positions": set(),
            }
        for (row,) in self._direct.execute(
            "SELECT to_jsonb(c) FROM public.account_exchange_credentials AS c"
        ):
            model[row["account_id"]]["credentials"][row["permission"]] = {
                "label": row["label"],
                "active": row["is_active"],
                "secret": self._opened(row, row["data_key_id"], tokens_of(row)),
                **self._in_reserve(row),
            }
        for position, owner in self._direct.execute(
            "SELECT id, account_id::text FROM public.strategy_positions "
            "WHERE account_id IS NOT NULL"
        ):
            model[owner]["positions"].add(position)
        return model

    def _in_reserve(self, row: Any) -> Model:
        found: Model = {"pending": None, "grace": []}
        versions = self._direct.execute(
            "SELECT v.id, v.state, e.data -> 'tokens' FROM public.credential_versions AS v "
            "JOIN public.audit_events AS e ON e.stream_type = 'account' "
            "AND e.stream_id = v.account_id AND e.stream_version = v.stream_version "
            "WHERE v.credential_id = %s",
            [row["id"]],
        )
        for key, state, tokens in versions.fetchall():
            if state == "pending":
                found["pending"] = self._opened(row, key, tokens)
            elif state == "grace":
                found["grace"].append(self._opened(row, key, tokens))
        return {**found, "grace": sorted(found["grace"])}

    def _opened(self, row: Any, data_key_id: Any, tokens: dict[str, str]) -> str:
        key = self._direct.execute(
            "SELECT id, wrapped_key, master_key_id FROM public.credential_data_keys WHERE id = %s",
            [data_key_id],
        ).fetchone()
        assert key is not None
        place = Place(uuid.UUID(row["account_id"]), row["exchange_id"], None, row["permission"])
        fields = DataKey.unwrap(self._keyring, *key).open(place, tokens)
        return fields["secret_key"].reveal()


_DAMAGE = {
    "texts": "UPDATE public.accounts SET description = 'damaged', updated_at = now()",
    "accounts": "DELETE FROM public.accounts WHERE account_name < 'c'",
    "credentials": "TRUNCATE public.account_exchange_credentials",
    "owners": "UPDATE public.strategy_positions SET account_id = NULL",
    "names": "UPDATE public.accounts SET account_name = account_name || 'x'",
}


@contextmanager
def _database() -> Iterator[str]:
    yield from conftest._fresh_database(os.environ[conftest.TEMPLATE])


RegistryMachine.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestRegistry = RegistryMachine.TestCase
