"""Checks credentials: released as for any use, asked about, and compared with the registry."""

import asyncio
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from projections.credentials import TABLE as CREDENTIALS
from registry.catalog.catalog import built_in_exchanges
from registry.catalog.client_settings import client_settings
from registry.catalog.specification import ExchangeSpec
from registry.checking.asking import ClientConfig, Finding, ToAsk, ask
from registry.checking.findings import Checked, CheckOutcome, differences, warnings
from registry.client_making import import_ccxt
from registry.database.connection import Database
from registry.errors import (
    CredentialNotFound,
    DeadKey,
    ExchangeGaveNoAnswer,
    InvalidInput,
    NotCheckable,
    RegistryError,
)
from registry.events.base import EventModel
from registry.execution.account_tasks import RuleTask
from registry.hints import Command, Hint, Option
from registry.rules.account_state import AccountState
from registry.rules.credentials import was_checked
from registry.rules.details import CredentialDetails, checked
from registry.services.changes.credentials import CredentialInput
from registry.services.changes.expiry import with_moment
from registry.services.reading.accounts import Record, list_credentials, only
from registry.services.reading.keys_in_use import released_lately
from registry.services.releases.releases import Caller, ReleasedCredential, ReleaseService
from registry.services.releases.resolution import Resolution, Wish
from registry.shown import shown

if TYPE_CHECKING:
    from registry.encryption.keyring import MasterKeyring

PURPOSE: Final = "check-credential"
"""The purpose of the releases. No warning of a second user counts them (migration 022)."""


def check(
    database: Database,
    keyring: "MasterKeyring",
    place: tuple[str | None, str | None],
    which: Mapping[str, Any],
    caller: Caller,
    *,
    even_in_use: bool = False,
    config: ClientConfig | None = None,
) -> list[Checked]:
    """Checks the credentials of an account and an exchange, or all, and changes nothing.

    Raises:
        MissingExtra: ccxt is not installed.
        AccountNotFound, ExchangeNotFound, CredentialNotFound: there is nothing to check.
        InvalidInput: the settings of a client are not acceptable.
    """
    import_ccxt("ccxt")
    service = ReleaseService(database, keyring)
    records = _to_check(database, *place, which)
    specs = {name: service.specification(name) for name in {r["exchange"] for r in records}}
    _check_config(config or {}, specs)
    in_use = {} if even_in_use else _in_use(database, records, specs)
    released: dict[uuid.UUID, ReleasedCredential] = {}
    found: dict[uuid.UUID, Finding] = {
        key: Finding(CheckOutcome.IN_USE, why=why) for key, why in in_use.items()
    }
    for key, result in _releases(service, [r for r in records if r["id"] not in in_use], caller):
        if isinstance(result, RegistryError):
            found[key] = Finding(CheckOutcome.NOT_RELEASED, why=result.message, hint=result.hint)
        else:
            released[key] = result
    names = {record["id"]: record["exchange"] for record in records}
    keys = [ToAsk(specs[names[key]], credential) for key, credential in released.items()]
    found |= zip(released, _run(keys, config or {}), strict=True)
    return [_checked(record, found[record["id"]]) for record in records]


def recorded(found: Iterable[Checked]) -> Iterator[RuleTask]:
    """The tasks that record, account by account, what exchanges have said."""
    asked: dict[str, list[Checked]] = {}
    for one in found:
        if one.outcome.was_asked:
            asked.setdefault(one.account_name, []).append(one)
    for account, ones in asked.items():
        said = [(str(one.credential_id), one.version, one.told()) for one in ones]
        yield RuleTask(account, {"verb": PURPOSE, "said": said}, _rule(ones))


def _rule(ones: Sequence[Checked]) -> Callable[[AccountState], list[EventModel]]:
    return lambda state: [
        event
        for one in ones
        for event in was_checked(state, one.credential_id, one.version, one.told())
    ]


def check_before_storing(
    database: Database,
    keyring: "MasterKeyring",
    account: str,
    given: CredentialInput,
    config: ClientConfig | None = None,
) -> list[str]:
    """Checks a credential that is to be stored; returns what should be known of it.

    Raises:
        MissingExtra: ccxt is not installed.
        InvalidCredential: see `ExchangeSpec.check`.
        DeadKey: the exchange refuses the key.
        ExchangeGaveNoAnswer: the exchange did not answer, or said nothing of the key.
        NotCheckable: there is no client to ask with.
    """
    import_ccxt("ccxt")
    exchange, permission = given.slot.exchange, given.slot.permission
    spec = ReleaseService(database, keyring).specification(exchange)
    which = {"subaccount_index": given.slot.subaccount_index, "permission": permission}
    held = only(list_credentials(database, account, exchange), **which)
    said = held[0] if len(held) == 1 else {"permission": permission or "full"}
    said = {**said, **checked(CredentialDetails, CREDENTIALS, with_moment(given.details))}
    where = Resolution(account=account, exchange=exchange, outcome="ok", wish=Wish())
    released = ReleasedCredential(
        resolution=where,
        release_id=uuid.UUID(int=0),
        position=-1,
        fields=spec.check(given.fields),
        subaccount_index=None,
    )
    _check_config(config or {}, {exchange: spec})
    (finding,) = _run([ToAsk(spec, released)], config or {})
    if finding.outcome is CheckOutcome.VALID:
        told = [difference.text for difference in differences(said, finding.facts)]
        return [*told, *warnings(finding.facts)]
    why = f"{finding.outcome.words}: {finding.why}; nothing was stored"
    key = f"the {exchange} key of {account}"
    anyway = Hint("To store it nevertheless, leave out ", Option("check"), ".")
    if finding.outcome.is_dead:
        raise DeadKey(f"{key} does not work, {why}", hint=anyway)
    if finding.outcome.was_asked:
        raise ExchangeGaveNoAnswer(f"{key} could not be checked, {why}", hint=anyway)
    raise NotCheckable(f"{key} could not be checked, {why}", hint=anyway)


def _run(keys: Sequence[ToAsk], config: ClientConfig) -> list[Finding]:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(ask(keys, config))
    raise InvalidInput(
        "a check cannot run inside of asyncio's loop",
        hint="Await it: AsyncRegistry has the same method.",
    )


def _check_config(config: ClientConfig, specs: Mapping[str, ExchangeSpec]) -> None:
    for name, settings in config.items():
        if name not in specs and name not in built_in_exchanges():
            raise InvalidInput(
                f"there are settings for a client of {shown(name)}, which is no exchange",
                hint=Hint("See: ", Command("exchanges")),
            )
        if not isinstance(settings, Mapping):
            raise InvalidInput(f"the settings for a client of {name} are no object of settings")
        if spec := specs.get(name):
            client_settings(spec, dict.fromkeys(spec.fields, "0"), settings, reading=True)


def _to_check(
    database: Database, account: str | None, exchange: str | None, which: Mapping[str, Any]
) -> list[Record]:
    """The credentials to check; those that may not be used only if there are no others."""
    found = only(list_credentials(database, account, exchange), **which)
    if not found and account is not None:
        raise CredentialNotFound(
            f"account {account} has no such credential of its own to check",
            hint=Hint("A borrowed one is checked at its owner. See: ", Command("list-credentials")),
        )
    used = [record for record in found if record["is_active"] and record["account_is_active"]]
    return used or (found if account is not None else [])


def _in_use(
    database: Database, records: Sequence[Record], specs: Mapping[str, ExchangeSpec]
) -> dict[uuid.UUID, str]:
    """The credentials that a check could disturb, with the reason."""
    counted = {r["id"]: r["version"] for r in records if specs[r["exchange"]].nonce_per_key}
    return {
        key: f"the exchange counts its nonces, and it was released on {moment:%Y-%m-%d %H:%M:%S}Z"
        for key, moment in released_lately(database, counted).items()
    }


_Released = tuple[uuid.UUID, ReleasedCredential | RegistryError]


def _releases(
    service: ReleaseService, records: Iterable[Record], caller: Caller
) -> Iterator[_Released]:
    """The released credentials, or why one is not: a request for each account, mostly."""
    waiting: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        waiting.setdefault((record["account_name"], record["permission"]), []).append(record)
    for (account, permission), held in waiting.items():
        while held:
            # A request names one subaccount for each exchange.
            batch = {record["exchange"]: record for record in reversed(held)}
            held[:] = [record for record in held if record not in batch.values()]
            subaccounts = {name: record["subaccount_index"] for name, record in batch.items()}
            access: Any = "full" if permission == "full" else "read_only"
            wish = Wish.of(subaccounts, access)
            try:
                releases = service.release(account, list(batch), wish, caller)
            except RegistryError as problem:
                yield from ((record["id"], problem) for record in batch.values())
                continue
            for name, record in batch.items():
                yield (
                    record["id"],
                    _received(record, releases.credentials.get(name), releases.problems.get(name)),
                )


def _received(
    record: Record, released: ReleasedCredential | None, problem: RegistryError | None
) -> ReleasedCredential | RegistryError:
    if released is not None and released.resolution.credential_id == record["id"]:
        return released
    return problem or CredentialNotFound("it was replaced or removed meanwhile")


def _checked(record: Record, finding: Finding) -> Checked:
    return Checked(
        **{
            name: record[name]
            for name in ("account_name", "exchange", "subaccount_index", "permission", "version")
        },
        credential_id=record["id"],
        outcome=finding.outcome,
        why=finding.why,
        hint=finding.hint,
        facts=finding.facts,
        differences=tuple(differences(record, finding.facts)),
        warnings=tuple(warnings(finding.facts)),
    )
