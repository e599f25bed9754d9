"""Releases: decrypted secrets are handed out only after the release is recorded and committed."""

import contextlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Self

from psycopg import ClientCursor
from psycopg.rows import dict_row

from registry.catalog.catalog import built_in_exchanges, specification
from registry.catalog.specification import ExchangeSpec
from registry.database.connection import (
    Connection,
    Database,
    append_rows,
    refuse_standby,
    registry_errors,
)
from registry.database.patience import patiently
from registry.database.queries import load_queries
from registry.encryption.secret import Secret
from registry.errors import (
    InvalidInput,
    NoCredentials,
    PermissionDenied,
    RegistryError,
    ReleaseRefused,
)
from registry.hints import Blank, Command, Hint, Option
from registry.services.releases.resolution import Resolution, Wish, tell_causes
from registry.shown import shown

if TYPE_CHECKING:
    from registry.encryption.keyring import MasterKeyring

_QUERIES = load_queries("registry.services.releases", "releases.sql")
_COLLECT: Final = _QUERIES["collect"].replace(
    b"{collected}", b"public.collect_releases(%(release_ids)s)"
)
_COLLECT_VERSION: Final = _QUERIES["collect"].replace(
    b"{collected}", b"public.collect_version((%(release_ids)s)[1])"
)
_ATTEMPTS: Final = 4
_OWN_FIELDS: Final = ("api_key", "secret_key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The caller's own statement; the event holds it as well as the facts the database knows."""

    actor: str
    host: str
    purpose: str
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedCredential:
    """A released credential: its fields, and the resolution that selected it."""

    resolution: Resolution
    release_id: uuid.UUID
    position: int
    """The position of the event that records it."""
    fields: Mapping[str, Secret]
    subaccount_index: int | None

    def plain(self) -> dict[str, Any]:
        """The values in the shape that bots expect: field -> text, and the subaccount's number."""
        return plain_fields(self.fields, self.subaccount_index)

    def warnings(self) -> list[str]:
        """Problems that the credential may cause."""
        return self.resolution.warnings()


def plain_fields(fields: Mapping[str, Secret], subaccount_index: int | None) -> dict[str, Any]:
    """The values in the usual order: api_key, secret_key, the subaccount, then other fields."""
    plain: dict[str, Any] = {n: fields[n].reveal() for n in _OWN_FIELDS if n in fields}
    if subaccount_index is not None:
        plain["subaccount_index"] = subaccount_index
    return plain | {n: value.reveal() for n, value in fields.items() if n not in plain}


@dataclass(frozen=True, slots=True)
class Releases:
    """The result of one request, by exchange."""

    credentials: dict[str, ReleasedCredential] = field(default_factory=dict)
    problems: dict[str, RegistryError] = field(default_factory=dict)

    def warnings(self) -> list[str]:
        """Problems that the credentials may cause."""
        return [text for credential in self.credentials.values() for text in credential.warnings()]


@dataclass(frozen=True, slots=True)
class _Answer:
    """The answer of a request for one exchange."""

    resolution: Resolution
    release_id: uuid.UUID
    position: int
    master_key_id: str | None

    @classmethod
    def of(cls, account: str, wish: Wish, row: dict[str, Any]) -> Self:
        own = [row.pop(name) for name in ("release_id", "event_position", "master_key_id")]
        return cls(Resolution(account=account, wish=wish, **row), *own)

    def refusal(self, keyring: "MasterKeyring") -> RegistryError:
        """The error if it is not granted; nothing is recorded then."""
        if self.resolution.outcome == "other_master_key":
            return keyring.lacks(self.master_key_id or "")
        return self.resolution.error()


class ReleaseService:
    """Releases credentials of one database with one keyring."""

    def __init__(self, database: Database, keyring: "MasterKeyring") -> None:
        self._database = database
        self._keyring = keyring

    def release(
        self, account: str, exchanges: Sequence[str] | None, wish: Wish, caller: Caller
    ) -> Releases:
        """Releases the account's credentials for the named exchanges, or for all of its exchanges.

        A credential that cannot be released is listed in the problems; the rest are released.

        Raises:
            AccountNotFound, AccountInactive, NotPermitted: the whole account is refused.
            NoCredentials: there is nothing to release.
            DatabaseUnavailable: the connection was lost, and could not be restored.
        """

        def attempt() -> Releases:
            with self._database.connection() as connection:
                refuse_standby(connection)
                return self._attempt(connection, account, exchanges, wish, caller)

        # A retry is safe: at worst a release is recorded that nobody received.
        return patiently(attempt)

    def release_one(
        self, account: str, exchange: str, wish: Wish, caller: Caller
    ) -> ReleasedCredential:
        """Releases the credential for one exchange; errors as `Resolution.error`, and `release`.

        The choice may be that of a whole bot, which names other exchanges too.

        Raises:
            CannotDecrypt, MasterKeyWrong: it cannot be decrypted.
            ExchangeNotFound: the choice names what is no exchange.
        """
        for other in wish.subaccounts.others(exchange):
            self.specification(other)
        releases = self.release(account, [exchange], wish.for_one(exchange), caller)
        for problem in releases.problems.values():
            raise problem
        return releases.credentials[exchange]

    def reveal(
        self, account: str, exchange: str, field: str | None, wish: Wish, caller: Caller
    ) -> tuple[Secret, ReleasedCredential]:
        """Releases one field for a person; None selects the only field. Errors as `release_one`.

        Raises:
            InvalidInput: there is no such field, or the field must be named.
        """
        wanted = self.field_to_reveal(account, exchange, field)
        revealing = replace(caller, purpose=f"reveal {wanted}")
        released = self.release_one(account, exchange, wish, revealing)
        if wanted not in released.fields:
            text = f"the credential of {account} for {exchange} has no {wanted}"
            raise InvalidInput(f"{text} (its release is recorded: event {released.position})")
        return released.fields[wanted], released

    def field_to_reveal(self, account: str, exchange: str, field: str | None) -> str:
        """The given name if the credential has it, or the only field's; errors as `reveal`.

        A bot's login, which may not read what the credential has, goes by the exchange's fields.
        """
        names = list(self.specification(exchange).fields)
        with self._database.connection() as connection, contextlib.suppress(PermissionDenied):
            parameters = {"account": account, "exchange": exchange}
            with registry_errors(connection):
                held = connection.execute(_QUERIES["held_fields"], parameters).fetchall()
            names = [name for (name,) in held] or names
        wanted = field or (names[0] if len(names) == 1 else "")
        if wanted not in names:
            held_by = f"the credential of {account} for {exchange}"
            what = "say which field" if field is None else f"{held_by} has no field {shown(field)}"
            hint = Hint("With ", Option("field", ...), f", one of: {', '.join(names)}.")
            raise InvalidInput(what, hint=hint)
        return wanted

    def specification(self, exchange: str) -> ExchangeSpec:
        """The specification of an exchange, read with the rights of a bot.

        Raises:
            ExchangeNotFound: its fields are not known.
        """
        known = built_in_exchanges().get(exchange)
        if known is not None and not known.generated:
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
        releases = Releases()
        for _ in range(_ATTEMPTS):
            parameters = {
                "account": account,
                "exchanges": None if exchanges is None else list(exchanges),
                **wish.parameters(),
                "version": wish.version,
                **asdict(caller),
                "master_keys": list(self._keyring.ids),
            }
            # In autocommit mode: the request is committed by the time its answer arrives, and the
            # log is free for others, but it may not be on disk yet.
            with registry_errors(connection):
                request = _QUERIES["request" if wish.version is None else "request_version"]
                rows = append_rows(connection, request, parameters)
            if not rows:
                raise NoCredentials(
                    f"account {account} has no credentials, own or shared",
                    hint=Hint(
                        "Add one with: ", Command("add-credential", account, Blank("EXCHANGE"))
                    ),
                )
            tell_causes(connection, rows)
            answers = [_Answer.of(account, wish, row) for row in rows]
            # A key replaced between the two steps, for example, is requested again.
            exchanges = self._collect(connection, answers, releases)
            if not exchanges:
                break
            wish = replace(wish, subaccounts=wish.subaccounts.among(exchanges))
        for exchange in exchanges or ():
            releases.problems[exchange] = ReleaseRefused(
                f"what {account} may use for {exchange} changes all the time",
                hint="Load again in a moment.",
            )
        return releases

    def _collect(
        self, connection: Connection, answers: Sequence[_Answer], releases: Releases
    ) -> list[str]:
        """Adds granted credentials and problems; returns the exchanges that changed meanwhile."""
        granted = {
            answer.release_id: answer.resolution for answer in answers if answer.resolution.granted
        }
        for answer in answers:
            exchange, outcome = answer.resolution.exchange, answer.resolution.outcome
            if exchange is None or outcome == "not_loaded":
                raise answer.resolution.error()
            if outcome != "ok":
                releases.problems[exchange] = answer.refusal(self._keyring)
        positions = {answer.release_id: answer.position for answer in answers}
        changed = []
        for sealed in _sealed(connection, granted):
            release_id = sealed["release_id"]
            exchange = granted[release_id].exchange or ""
            if sealed["outcome"] != "ok":
                changed.append(exchange)
                continue
            try:
                releases.credentials[exchange] = ReleasedCredential(
                    resolution=replace(
                        granted[release_id], defined_nonces=sealed["defined_nonces"]
                    ),
                    release_id=release_id,
                    position=positions[release_id],
                    fields=self._opened(sealed),
                    subaccount_index=sealed["subaccount_index"],
                )
            except RegistryError as problem:
                text = f"{problem.message} (its release is recorded: event {positions[release_id]})"
                releases.problems[exchange] = type(problem)(text, hint=problem.hint)
        return changed

    def _opened(self, sealed: Any) -> Mapping[str, Secret]:
        from projections.credentials import tokens_of
        from registry.encryption.sealing import DataKey, Place

        data_key = DataKey.unwrap(
            self._keyring, sealed["data_key_id"], sealed["wrapped_key"], sealed["master_key_id"]
        )
        place = Place(
            sealed["owner_id"],
            sealed["exchange_id"],
            sealed["subaccount_index"],
            sealed["permission"],
        )
        tokens = dict(tokens_of(sealed))
        if place.subaccount_index is not None:
            # An adopted field of this name; whatever gives fields gives the slot's number instead.
            tokens.pop("subaccount_index", None)
        return data_key.open(place, tokens)


def _collecting(granted: Mapping[uuid.UUID, Resolution]) -> bytes:
    any_version = any(one.wish.version is not None for one in granted.values())
    return _COLLECT_VERSION if any_version else _COLLECT


def _sealed(connection: Connection, granted: Mapping[uuid.UUID, Resolution]) -> Sequence[Any]:
    """The sealed fields, once the releases are on disk, and on synchronous standbys."""
    if not granted:
        return ()
    built_in = built_in_exchanges()
    parameters = {
        "release_ids": list(granted),
        "defined": [
            release_id
            for release_id, resolution in granted.items()
            if (known := built_in.get(resolution.exchange or "")) is None or known.generated
        ],
    }
    # Only parameters that the client puts in let several statements be sent as one message.
    with registry_errors(connection), ClientCursor(connection, row_factory=dict_row) as cursor:
        cursor.execute(_collecting(granted), parameters)
        while cursor.nextset():
            pass
        return cursor.fetchall()
