"""The loader of credentials, for bots.

    from registry.loader import CredentialLoader

    with CredentialLoader() as loader:
        credentials = loader.load_account_credentials("main_bot")
        # {"backpack": {"public_key": "…", "secret_key": "…"}, …}

Each load is recorded in the log before a secret leaves the database. Nothing is cached: each
load reads the current state, so a replaced key needs no restart. Several threads may use one
loader. It has a connection only while it loads, and waits a minute for a server that is full
or away.
"""

import asyncio
import functools
import logging
import os
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, Self, TypeVar

from registry.catalog.catalog import built_in_exchanges
from registry.catalog.specification import ExchangeSpec
from registry.database.connection import refuse_standby
from registry.database.patience import patiently
from registry.database.pool import PooledDatabase
from registry.database.target import Target
from registry.errors import CredentialNotFound, InvalidInput, NoCredentials, RegistryError
from registry.events.permissions import Access
from registry.hints import Blank, Command, Hint
from registry.loaded import AccountCredentials, Credential
from registry.machine import host, user_at_host
from registry.services.releases import key_locks
from registry.services.releases.account_info import account_info
from registry.services.releases.changes import Asked, Changes
from registry.services.releases.fallback import EnvironmentFallback, record_fallback
from registry.services.releases.releases import Caller, ReleasedCredential, Releases, ReleaseService
from registry.services.releases.resolution import Wish
from registry.subaccounts import Choice
from registry.watching import AsyncWatching, Watch, Watching

__all__ = [
    "Access",
    "AccountCredentials",
    "AsyncCredentialLoader",
    "Changes",
    "Credential",
    "CredentialLoader",
    "DatabaseCredentialLoader",
    "EnvironmentFallback",
]

if TYPE_CHECKING:
    from registry.database.connection import Database
    from registry.encryption.keyring import MasterKeyring

# The standard library's logging, as the bot configured it; by default it warns on stderr.
log = logging.getLogger(__name__)

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")
_FALLBACK_VARIABLE: Final = "REGISTRY_ENV_FALLBACK"


class CredentialLoader(Watching):
    """Loads the credentials of accounts that the database role may use."""

    def __init__(
        self,
        database: "Database | str | None" = None,
        *,
        keyring: "MasterKeyring | None" = None,
        fallback: EnvironmentFallback | None = None,
        actor: str | None = None,
        purpose: str = "load",
    ) -> None:
        """Takes settings that override those of the environment.

        Args:
            database: an address, or an object that gives connections; the default is
                `DATABASE_URL`, or else the embedded database.
            keyring: the master keys; the default is read at each load, as
                `registry.encryption.key_source.load_keyring` says.
            fallback: lets the environment supply credentials that the registry lacks. The
                variable REGISTRY_ENV_FALLBACK=1 does so too.
            actor: the user or program, for the log; the default is the user at this host.
            purpose: the purpose of the loads, for the log.

        Raises:
            MasterKeyMissing, MasterKeyMalformed: there is no usable master key.
            NoDatabase: there is no address, and no embedded database either.
            InvalidInput: the address or a setting is not valid.
        """
        if keyring is None:
            _keyring()
        # A bot may pass its own object, which either has an address or gives connections.
        given = callable(getattr(database, "connection", None)) and not hasattr(database, "url")
        self._own_database = None if given else _pool(database)
        self._database: Database = self._own_database or database  # type: ignore[assignment]
        self._keyring = keyring
        self._fallback = fallback or _fallback_of_environment()
        self._caller = Caller(
            actor=actor or os.environ.get("REGISTRY_ACTOR") or user_at_host(),
            host=host(),
            purpose=purpose,
        )

    def load_account_credentials(
        self,
        account_name: str,
        *,
        exchanges: Sequence[str] | None = None,
        subaccount: Choice = None,
        access: Access | None = None,
    ) -> AccountCredentials:
        """All credentials of the account, own or shared, by exchange.

        A credential that cannot be loaded is logged, and listed in `problems` of the result.
        If none can be loaded, the first problem is raised. `access` restricts the use to
        `read_only` or `positions_only`. Of several, `subaccount` chooses: a number, or a mapping
        such as `{"lighter": 3, "aster": None}`, in which None is the one without a subaccount.

        Raises:
            AccountNotFound, AccountInactive: there is no such account, or it is stopped.
            NotPermitted: the login role may not use the account.
            NoCredentials: the account has none.
            InvalidInput: a subaccount is chosen for an exchange that is not loaded.
            CannotDecrypt, MasterKeyWrong, MasterKeyMissing: see their texts.
            DatabaseUnavailable: no server answers.
        """
        return self._loaded(self._asked(account_name, exchanges, Wish.of(subaccount, access)))

    def load(
        self,
        account_name: str,
        exchange: str,
        *,
        subaccount: Choice = None,
        access: Access | None = None,
        lender: str | None = None,
        version: int | None = None,
    ) -> dict[str, Any]:
        """The credential for one exchange: field -> value.

        Args:
            account_name: the account.
            exchange: the exchange.
            subaccount: its number, where there are several; see `load_account_credentials`.
            access: a restriction of the use: `read_only` or `positions_only`.
            lender: use the credential that this account shares, even if there is an own one.
            version: a former version that is in grace; the default is the current one.

        Raises:
            CredentialNotFound, CredentialInactive, ReleaseRefused: see their texts.
            RegistryError: as `load_account_credentials`.
        """
        wish = Wish.of(subaccount, access, lender, version)
        try:
            return Credential(self.release_one(account_name, exchange, wish).plain())
        except CredentialNotFound:
            any_will_do = wish.for_one(exchange) == Wish()
            found = self._from_environment(account_name, exchange) if any_will_do else None
            if found is None:
                raise
            return found

    def load_account_id(self, account_name: str) -> str:
        """The account's id, as text; errors as `load_account_credentials`."""
        return str(account_info(self._database, account_name).account_id)

    def list_account_exchanges(self, account_name: str) -> list[str]:
        """The exchanges for which the account has an active credential of its own, sorted."""
        return account_info(self._database, account_name).exchanges

    def get_account_info(self, account_name: str) -> dict[str, Any]:
        """The details of an account, active or stopped; `metadata` is JSON text."""
        found = account_info(self._database, account_name, inactive_too=True)
        return {
            "id": str(found.account_id),
            "account_name": found.account_name,
            "description": found.description,
            "is_active": found.is_active,
            "wallet_address": found.wallet_address,
            "metadata": found.metadata,
        }

    def release(self, account_name: str, exchanges: Sequence[str] | None, wish: Wish) -> Releases:
        """The credentials with all their details, and with fields as `Secret`."""
        try:
            released = self._service().release(account_name, exchanges, wish, self._caller)
        except NoCredentials:
            if self._fallback is None:
                raise
            return Releases()
        self._warn(released.warnings())
        self._warn(key_locks.warnings(released.credentials.values()))
        return released

    def release_one(self, account_name: str, exchange: str, wish: Wish) -> ReleasedCredential:
        """One credential with all its details; errors as `load`."""
        released = self._service().release_one(account_name, exchange, wish, self._caller)
        self._warn(released.warnings())
        self._warn(key_locks.warnings([released]))
        return released

    def specification(self, exchange: str) -> ExchangeSpec:
        """The fields of an exchange's credential.

        Raises:
            ExchangeNotFound: the fields are not known.
        """
        return self._service().specification(exchange)

    def close(self) -> None:
        """Closes the connections that the loader has opened."""
        if self._own_database is not None:
            self._own_database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _asked(self, account: str, exchanges: Sequence[str] | None, wish: Wish) -> Asked:
        return Asked(account, exchanges, wish, has_fallback=self._fallback is not None)

    def _watch(
        self,
        account: str,
        exchanges: Sequence[str] | None,
        subaccount: Choice,
        access: Access | None,
    ) -> Watch:
        asked = self._asked(account, exchanges, Wish.of(subaccount, access))
        return Watch(self._database, asked, self._loaded, self._loaded_in_part)

    def _loaded(self, asked: Asked) -> AccountCredentials:
        """What can be loaded. If nothing can, the first problem is raised."""
        result = self._loaded_in_part(asked)
        if not result:
            raise next(iter(result.problems.values()), _nothing(asked.account))
        return result

    def _loaded_in_part(self, asked: Asked) -> AccountCredentials:
        """What can be loaded, which may be nothing; problems are logged."""
        account, wish = asked.account, asked.wish
        released = self.release(account, asked.exchanges, wish)
        result = AccountCredentials(released.problems)
        result.update(
            {n: Credential(credential.plain()) for n, credential in released.credentials.items()}
        )
        if self._fallback is not None:
            names = asked.exchanges or _of_bots()
            self._fill_in(account, result, filter(wish.subaccounts.leaves_open, names))
        for exchange, problem in result.problems.items():
            log.warning("no %s credential of %s: %s", exchange, account, problem.message)
        return result

    def _service(self) -> ReleaseService:
        # The key is read first, so that nothing is released in vain.
        return ReleaseService(self._database, self._keyring or _keyring())

    def _fill_in(self, account: str, result: AccountCredentials, exchanges: Iterable[str]) -> None:
        """Adds credentials from the environment that the registry does not have."""
        for exchange in exchanges:
            missing = isinstance(result.problems.get(exchange), CredentialNotFound | None)
            if exchange in result or not missing:
                continue
            try:
                found = self._from_environment(account, exchange)
            except RegistryError as problem:
                result.problems[exchange] = problem
                continue
            if found is not None:
                result[exchange] = found
                result.problems.pop(exchange, None)

    def _from_environment(self, account: str, exchange: str) -> dict[str, Any] | None:
        if self._fallback is None:
            return None
        found = self._fallback.find(account, self.specification(exchange))
        if found is None:
            return None

        def record() -> None:
            with self._database.connection() as connection:
                refuse_standby(connection)
                record_fallback(connection, account, exchange, found, self._caller)

        patiently(record)  # at worst it is recorded twice
        log.warning(
            "the %s credential of %s was taken from the environment (%s); "
            "import it into the registry",
            exchange,
            account,
            found.origin,
        )
        return Credential(found.plain())

    @staticmethod
    def _warn(texts: Sequence[str]) -> None:
        for text in texts:
            log.warning("%s", text)


def _in_thread(
    method: Callable[Concatenate[CredentialLoader, _Given], _Result],
) -> Callable[Concatenate["AsyncCredentialLoader", _Given], Coroutine[Any, Any, _Result]]:
    """A method of the other loader, which runs in a thread and is awaited."""

    @functools.wraps(method)
    async def call(
        self: "AsyncCredentialLoader", /, *arguments: _Given.args, **options: _Given.kwargs
    ) -> _Result:
        return await asyncio.to_thread(method, self._loader, *arguments, **options)

    return call


class AsyncCredentialLoader(AsyncWatching):
    """`CredentialLoader` for asyncio programs: each load runs in a thread.

    Loading is rare. Half of its time goes into keys and decryption, which would block an
    event loop; a thread blocks nothing, and works with every loop.
    """

    def __init__(self, database: "Database | str | None" = None, **options: Any) -> None:
        """See `CredentialLoader`."""
        self._loader = CredentialLoader(database, **options)
        super().__init__(self._loader)

    load_account_credentials = _in_thread(CredentialLoader.load_account_credentials)
    load = _in_thread(CredentialLoader.load)
    load_account_id = _in_thread(CredentialLoader.load_account_id)
    list_account_exchanges = _in_thread(CredentialLoader.list_account_exchanges)
    get_account_info = _in_thread(CredentialLoader.get_account_info)
    release_one = _in_thread(CredentialLoader.release_one)
    specification = _in_thread(CredentialLoader.specification)
    close = _in_thread(CredentialLoader.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


DatabaseCredentialLoader = AsyncCredentialLoader
"""The name that existing bots use: only their import changes."""


def _of_bots() -> list[str]:
    """The exchanges whose variables bots have had before; others are asked for by name."""
    return [name for name, spec in built_in_exchanges().items() if not spec.generated]


def _nothing(account: str) -> NoCredentials:
    return NoCredentials(
        f"account {account} has no credentials, own, shared or in the environment",
        hint=Hint("Add one with: ", Command("add-credential", account, Blank("EXCHANGE"))),
    )


def _pool(database: Any) -> PooledDatabase:
    address = getattr(database, "url", database)
    target = Target.for_bots() if address is None else Target.of(str(address))
    return PooledDatabase(target, notice=log.warning)


def _keyring() -> "MasterKeyring":
    # Imported when it is needed: a program that only imports the loader needs no cryptography.
    from registry.encryption.key_source import load_keyring

    return load_keyring()


def _fallback_of_environment() -> EnvironmentFallback | None:
    value = os.environ.get(_FALLBACK_VARIABLE, "").strip().lower()
    if value in ("", "0", "false", "no", "off"):
        return None
    if value not in ("1", "true", "yes", "on"):
        raise InvalidInput(f"{_FALLBACK_VARIABLE} is neither 1 nor 0")
    return EnvironmentFallback()
