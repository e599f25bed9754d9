"""Stores credentials of several accounts, in one transaction: of all of them, or of none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

from registry.database.connection import Connection, Database, registry_errors
from registry.decisions.account import CreateAccount
from registry.encryption.keyring import MasterKeyring
from registry.errors import RegistryError, together
from registry.services.changes.credentials import CredentialInput, StoreCredentials
from registry.services.executor import CommandExecutor, Decision, Invocation, Outcome
from registry.services.vault import Vault, send_registry_key


@dataclass(frozen=True, slots=True)
class AccountInput:
    """What is to be stored for one account, and where it comes from."""

    source: str
    account: str
    credentials: Sequence[CredentialInput]
    create: CreateAccount | None = None
    """How to make the account if there is none."""


class SeveralAccounts:
    """One command about the credentials of several accounts."""

    def __init__(
        self,
        database: Database,
        keyring: MasterKeyring,
        inputs: Sequence[AccountInput],
        *,
        verb: str,
        cascade: bool = False,
    ) -> None:
        """Takes at most one input for each account."""
        self._database = database
        self._task = _StoreSeveral(inputs, keyring, verb=verb, cascade=cascade)

    def problems(self) -> dict[str, RegistryError]:
        """Source -> why it cannot be stored now; writes nothing.

        Raises:
            MasterKeyWrong: the registry was set up with another master key.
        """
        with self._database.connection() as connection, registry_errors(connection):
            with connection.pipeline():
                self._task.send_reads(connection)
            self._task.content()
            _, problems = self._task.parts()
        return problems

    def store(self, invocation: Invocation) -> dict[str, Outcome]:
        """Stores everything or nothing; account -> what became of its part.

        Raises:
            RegistryError: some cannot be stored; the kind is the first one's, and the text
                says why of each.
        """
        outcome = CommandExecutor(self._database).execute(self._task, invocation)
        return self._task.divided(outcome)


class _StoreSeveral:
    def __init__(
        self, inputs: Sequence[AccountInput], keyring: MasterKeyring, *, verb: str, cascade: bool
    ) -> None:
        self._keyring = keyring
        self._verb = verb
        self._sources = [one.source for one in inputs]
        self._accounts = [one.account for one in inputs]
        self._tasks = [
            StoreCredentials(
                one.account,
                one.credentials,
                keyring,
                verb=verb,
                create=one.create,
                cascade=cascade,
            )
            for one in inputs
        ]

    def send_reads(self, connection: Connection) -> None:
        """See `Task`."""
        self._registry_key = send_registry_key(connection)
        for task in self._tasks:
            task.send_reads_of_account(connection)

    def content(self) -> Mapping[str, Any]:
        """See `Task`."""
        # One vault for all: the first credentials ever make the registry's key, once.
        self._vault = Vault(self._keyring, self._registry_key)
        contents = [task.content_with(self._vault) for task in self._tasks]
        return {"verb": self._verb, "accounts": contents}

    def parts(self) -> tuple[list[Decision], dict[str, RegistryError]]:
        """The decision about each account; for those that there is none for, why by source."""
        decided: list[Decision] = []
        problems: dict[str, RegistryError] = {}
        for source, task in zip(self._sources, self._tasks, strict=True):
            try:
                decided.append(task.decide())
            except RegistryError as problem:
                problems[source] = problem
        return decided, problems

    def decide(self) -> Decision:
        """See `Task`."""
        self._decided, problems = self.parts()
        refuse(problems)
        return Decision(
            [event for part in self._decided for event in part.events],
            self._vault.writes,
            tuple(note for part in self._decided for note in part.notes),
        )

    def divided(self, outcome: Outcome) -> dict[str, Outcome]:
        """The parts of an outcome: the events are in the order of the accounts."""
        ends = accumulate((len(part.events) for part in self._decided), initial=0)
        return {
            account: replace(
                outcome,
                positions=outcome.positions[start:end],
                event_types=outcome.event_types[start:end],
                stream_id=part.events[0].stream.id if part.events else None,
                notes=part.notes,
            )
            for account, part, (start, end) in zip(
                self._accounts, self._decided, pairwise(ends), strict=True
            )
        }


def refuse(problems: Mapping[str, RegistryError]) -> None:
    """Makes one error of what is wrong with some of the inputs.

    Raises:
        RegistryError: there is a problem; the kind is the first one's.
    """
    if problems:
        named = [
            type(one)(f"{source}: {one.message}", hint=one.hint) for source, one in problems.items()
        ]
        raise together(named, "nothing was imported: ")
