"""Releases: handing decrypted secrets out, each recorded and committed before it happens."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from psycopg.rows import dict_row, tuple_row

from projections.credentials import tokens_of
from registry.catalog.catalog import built_in_exchanges, specification
from registry.catalog.specification import ExchangeSpec
from registry.database.connection import Connection, Database, registry_errors
from registry.database.durability import wait_until_durable
from registry.database.patience import patiently
from registry.database.queries import load_queries
from registry.encryption.keyring import MasterKeyring
from registry.encryption.sealing import DataKey, Place
from registry.encryption.secret import Secret
from registry.errors import (
    DatabaseUnavailable,
    NoCredentials,
    RegistryError,
    ReleaseNotDurable,
    ReleaseRefused,
)
from registry.services.releasing.resolution import Resolution, Wish

_QUERIES = load_queries("registry.services.releasing", "releases.sql")
_ATTEMPTS: Final = 4
_OWN_FIELDS: Final = ("api_key", "secret_key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """What the caller says of itself; the event keeps it beside what the database knows."""

    actor: str
    host: str
    purpose: str
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedCredential:
    """A credential that was released: its fields, and why it was this one."""

    resolution: Resolution
    release_id: uuid.UUID
    position: int
    """Of the event that records it."""
    fields: Mapping[str, Secret]
    subaccount_index: int | None

    def plain(self) -> dict[str, Any]:
        """The values in the shape that bots know: field -> text, and the subaccount's number."""
        return plain_fields(self.fields, self.subaccount_index)

    def warnings(self) -> list[str]:
        """What may go wrong with it."""
        return self.resolution.warnings()


def plain_fields(fields: Mapping[str, Secret], subaccount_index: int | None) -> dict[str, Any]:
    """The values in the order that bots know: api_key, secret_key, the subaccount, others."""
    plain: dict[str, Any] = {n: fields[n].reveal() for n in _OWN_FIELDS if n in fields}
    if subaccount_index is not None:
        plain["subaccount_index"] = subaccount_index
    return plain | {n: value.reveal() for n, value in fields.items() if n not in plain}


@dataclass(frozen=True, slots=True)
class Releases:
    """What one request gave, by exchange."""

    credentials: dict[str, ReleasedCredential] = field(default_factory=dict)
    problems: dict[str, RegistryError] = field(default_factory=dict)

    def warnings(self) -> list[str]:
        """What may go wrong with the credentials."""
        return [text for one in self.credentials.values() for text in one.warnings()]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a request says of one exchange."""

    resolution: Resolution
    release_id: uuid.UUID
    position: int

    @classmethod
    def of(cls, account: str, wish: Wish, row: Sequence[Any]) -> Self:
        *resolved, other_users, release_id, position = row
        return cls(Resolution.of(account, wish, resolved, other_users), release_id, position)


class ReleaseService:
    """Releases credentials from one database with one ring of keys."""

    def __init__(self, database: Database, keyring: MasterKeyring) -> None:
        self._database = database
        self._keyring = keyring

    def release(
        self, account: str, exchanges: Sequence[str] | None, wish: Wish, caller: Caller
    ) -> Releases:
        """Releases what the account may use: of all its exchanges, or of those named.

        A credential that cannot be had is among the problems and hides no other.

        Raises:
            AccountNotFound, AccountInactive, NotPermitted: it is about the whole account.
            NoCredentials: there is nothing to release.
            DatabaseUnavailable: the connection was lost, and is not coming back.
        """

        def attempt() -> Releases:
            with self._database.connection() as connection:
                return self._attempt(connection, account, exchanges, wish, caller)

        # Asking again is safe: at worst a release is recorded that nobody got.
        return patiently(attempt)

    def release_one(
        self, account: str, exchange: str, wish: Wish, caller: Caller
    ) -> ReleasedCredential:
        """Releases the credential for one exchange; errors as `Resolution.error`, and `release`.

        Raises:
            CannotDecrypt, MasterKeyWrong: it does not open.
        """
        releases = self.release(account, [exchange], wish, caller)
        for problem in releases.problems.values():
            raise problem
        return releases.credentials[exchange]

    def specification(self, exchange: str) -> ExchangeSpec:
        """The fields of an exchange, as far as a bot may ask.

        Raises:
            ExchangeNotFound: they are not known.
        """
        known = built_in_exchanges().get(exchange)
        if known is not None:
            return known
        with self._database.connection() as connection, registry_errors(connection):
            row = connection.execute(_QUERIES["definition"], {"exchange": exchange}).fetchone()
        return specification(exchange, row[0] if row else None)

    def _attempt(
        self,
        connection: Connection,
        account: str,
        exchanges: Sequence[str] | None,
        wish: Wish,
        caller: Caller,
    ) -> Releases:
        def ask(exchanges: Sequence[str] | None) -> list[_Answer]:
            rows = _request(connection, account, exchanges, wish, caller)
            return [_Answer.of(account, wish, row) for row in rows]

        answers = ask(exchanges)
        if not answers:
            raise NoCredentials(
                f"account {account} has no credentials, own or shared",
                hint=f"Add one with: account-registry add-credential {account} EXCHANGE",
            )
        releases = Releases()
        for answer in answers:
            exchange = answer.resolution.exchange
            if exchange is None:
                raise answer.resolution.error()
            try:
                releases.credentials[exchange] = self._released(connection, answer, ask)
            except DatabaseUnavailable:
                raise
            except RegistryError as problem:
                releases.problems[exchange] = problem
        return releases

    def _released(
        self, connection: Connection, answer: "_Answer", ask: Callable[[list[str]], list["_Answer"]]
    ) -> ReleasedCredential:
        """What was granted; asks again if it has changed since, as when its key is replaced."""
        for attempt in range(1, _ATTEMPTS + 1):
            if not answer.resolution.granted:
                raise answer.resolution.error()
            try:
                return self._collect(connection, answer)
            except ReleaseRefused:
                if attempt == _ATTEMPTS or answer.resolution.exchange is None:
                    raise
                (answer,) = ask([answer.resolution.exchange])
        raise AssertionError("unreachable")

    def _collect(self, connection: Connection, answer: "_Answer") -> ReleasedCredential:
        resolution, release_id = answer.resolution, answer.release_id
        sealed = _sealed(connection, release_id)
        data_key = DataKey.unwrap(
            self._keyring, sealed["data_key_id"], sealed["wrapped_key"], sealed["master_key_id"]
        )
        place = Place(
            sealed["owner_id"],
            sealed["exchange_id"],
            sealed["subaccount_index"],
            sealed["permission"],
        )
        if resolution.breaks_when_used_twice:
            resolution = replace(resolution, hosts=_hosts(connection, release_id))
        return ReleasedCredential(
            resolution=resolution,
            release_id=release_id,
            position=answer.position,
            fields=data_key.open(place, tokens_of(sealed)),
            subaccount_index=sealed["subaccount_index"],
        )


def _request(
    connection: Connection,
    account: str,
    exchanges: Sequence[str] | None,
    wish: Wish,
    caller: Caller,
) -> list[tuple[Any, ...]]:
    parameters = {
        "account": account,
        "exchanges": None if exchanges is None else list(exchanges),
        "subaccount": wish.subaccount,
        "access": wish.access,
        "lender": wish.lender,
        "actor": caller.actor,
        "host": caller.host,
        "purpose": caller.purpose,
        "reason": caller.reason,
    }
    # In autocommit mode: the request is committed when its answer is here. (The rows are said,
    # since a bot may hand over connections that make something else of them.)
    with registry_errors(connection), connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(_QUERIES["request"], parameters).fetchall()


def _hosts(connection: Connection, release_id: uuid.UUID) -> tuple[str, ...]:
    """Where the account received what it was given here, within the last day."""
    with registry_errors(connection):
        row = connection.execute(_QUERIES["hosts"], {"release_id": release_id}).fetchone()
    return tuple(row[0] or ()) if row else ()


def _sealed(connection: Connection, release_id: uuid.UUID) -> Any:
    """The sealed fields; a server before PostgreSQL 17 may need us to flush for it."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with (
                registry_errors(connection),
                connection.cursor(row_factory=dict_row) as cursor,
            ):
                return cursor.execute(_QUERIES["collect"], {"release_id": release_id}).fetchone()
        except ReleaseNotDurable:
            if attempt == _ATTEMPTS:
                raise
            with registry_errors(connection):
                wait_until_durable(connection)
    raise AssertionError("unreachable")
