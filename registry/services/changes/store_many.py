"""Stores credentials of several accounts in one transaction: all of them, or none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

from registry.database.connection import Connection, Database, registry_errors
from registry.encryption.keyring import MasterKeyring
from registry.errors import RegistryError, together
from registry.execution.executor import CommandExecutor, Decided, Invocation, Outcome
from registry.execution.first_use import Exchanges
from registry.execution.vault import Vault, send_registry_key
from registry.rules.accounts import CreateAccount
from registry.services.changes.credentials import CredentialInput, StoreCredentials, with_first_uses


@dataclass(frozen=True, slots=True)
class AccountInput:
    """The credentials to store for one account, and their source."""

    source: str
    account: str
    credentials: Sequence[CredentialInput]
    create: CreateAccount | None = None
    """The definition of the account, if it may be created."""


class SeveralAccounts:
    """One command that stores credentials of several accounts."""

    def __init__(
        self,
        database: Database,
        keyring: MasterKeyring,
        inputs: Sequence[AccountInput],
        *,
        verb: str,
        cascade: bool = False,
        allow_shared_secret: bool = False,
    ) -> None:
        """Takes at most one input for each account."""
        self._database = database
        tasks = {
            given.source: StoreCredentials(
                given.account,
                given.credentials,
                keyring,
                verb=verb,
                create=given.create,
                cascade=cascade,
                allow_shared_secret=allow_shared_secret,
            )
            for given in inputs
        }
        self._task = _StoreSeveral(tasks, [given.account for given in inputs], keyring, verb)

    def problems(self) -> dict[str, RegistryError]:
        """Source -> the error that prevents storing it now; writes nothing.

        Raises:
            MasterKeyWrong: the registry was set up with another master key.
        """
        with self._database.connection() as connection, registry_errors(connection):
            with connection.pipeline():
                self._task.send_reads(connection)
            self._task.content()
            decided, problems = self._task.parts()
            # Without the log's lock: `store` checks again.
            for source, part in decided.items():
                try:
                    with registry_errors(connection):
                        for check in part.checks:
                            check.send(connection)
                except RegistryError as problem:
                    problems[source] = problem
        return problems

    def store(self, invocation: Invocation) -> dict[str, Outcome]:
        """Stores everything or nothing; account -> its part of the outcome.

        Raises:
            RegistryError: some credentials cannot be stored; the class is the first problem's, and
                the message names all problems.
        """
        outcome = CommandExecutor(self._database).execute(self._task, invocation)
        return self._task.divided(outcome)


class _StoreSeveral:
    def __init__(
        self,
        tasks: Mapping[str, StoreCredentials],
        accounts: Sequence[str],
        keyring: MasterKeyring,
        verb: str,
    ) -> None:
        self._tasks = tasks
        self._accounts = accounts
        self._keyring = keyring
        self._verb = verb

    def send_reads(self, connection: Connection) -> None:
        self._registry_key = send_registry_key(connection)
        self._exchanges = Exchanges(connection)
        for task in self._tasks.values():
            task.send_reads_of_account(connection, self._exchanges)

    def content(self) -> Mapping[str, Any]:
        # One vault for all: the first credentials create the registry's key, once.
        self._vault = Vault(self._keyring, self._registry_key)
        contents = [task.content_with(self._vault) for task in self._tasks.values()]
        return {"verb": self._verb, "accounts": contents}

    def parts(self) -> tuple[dict[str, Decided], dict[str, RegistryError]]:
        """The decisions by source, and the errors of the sources without a decision."""
        decided: dict[str, Decided] = {}
        problems: dict[str, RegistryError] = {}
        for source, task in self._tasks.items():
            try:
                decided[source] = task.decide_for_account()
            except RegistryError as problem:
                problems[source] = problem
        return decided, problems

    def decide(self) -> Decided:
        decided, problems = self.parts()
        refuse(problems)
        self._decided = list(decided.values())
        every = Decided(
            [event for part in self._decided for event in part.events],
            self._vault.writes,
            checks=[check for part in self._decided for check in part.checks],
        )
        return with_first_uses(every, self._exchanges)

    def divided(self, outcome: Outcome) -> dict[str, Outcome]:
        """The outcome split by account: the events are in the order of the accounts."""
        ends = accumulate((len(part.events) for part in self._decided), initial=0)
        return {
            account: replace(
                outcome,
                positions=outcome.positions[start:end],
                event_types=outcome.event_types[start:end],
                stream_id=part.events[0].stream.id if part.events else None,
                notes=part.all_notes(),
                stored=part.stored,
            )
            for account, part, (start, end) in zip(
                self._accounts, self._decided, pairwise(ends), strict=True
            )
        }


def refuse(problems: Mapping[str, RegistryError]) -> None:
    """Combines the errors of several inputs into one.

    Raises:
        RegistryError: there is a problem; the class is the first problem's.
    """
    if problems:
        named = [
            type(given)(f"{source}: {given.message}", hint=given.hint)
            for source, given in problems.items()
        ]
        raise together(named, "nothing was imported: ")
