"""Checks credentials: released as for any use, asked about, and compared with the registry."""

import asyncio
import functools
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from projections.credentials import TABLE as CREDENTIALS
from registry.catalog.catalog import built_in_exchanges
from registry.catalog.client_settings import client_settings
from registry.catalog.specification import ExchangeSpec
from registry.checking.asking import ClientConfig, Finding, ToAsk, ask, unaskable
from registry.checking.findings import Checked, CheckOutcome, differences, warnings
from registry.database.connection import Database
from registry.errors import (
    CredentialNotFound,
    DeadKey,
    ExchangeGaveNoAnswer,
    ExchangeNotFound,
    InvalidInput,
    NotCheckable,
    RegistryError,
    Unavailable,
)
from registry.execution.account_tasks import RuleTask
from registry.hints import Command, Hint, Option
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
    service = ReleaseService(database, keyring)
    records = _to_check(database, *place, which)
    specs: dict[str, ExchangeSpec] = {}
    silent: dict[str, str] = {}
    for name in dict.fromkeys(record["exchange"] for record in records):
        try:
            specs[name] = service.specification(name)
            why = unaskable(specs[name])
        except ExchangeNotFound as problem:
            why = problem.message
        if why is not None:
            silent[name] = why
    _check_config(config or {}, specs)
    found = {
        record["id"]: Finding(CheckOutcome.NOT_CHECKABLE, why=silent[record["exchange"]])
        for record in records
        if record["exchange"] in silent
    }
    if not even_in_use:
        found |= _in_use(database, [r for r in records if r["id"] not in found], specs)
    keys: dict[uuid.UUID, ToAsk] = {}
    for record, result in _releases(service, [r for r in records if r["id"] not in found], caller):
        if isinstance(result, RegistryError):
            refused = Finding(CheckOutcome.NOT_RELEASED, why=result.message, hint=result.hint)
            found[record["id"]] = refused
        else:
            keys[record["id"]] = ToAsk(specs[record["exchange"]], result)
    found |= zip(keys, _run([*keys.values()], config or {}), strict=True)
    return [_checked(record, found[record["id"]]) for record in records]


def recorded(found: Iterable[Checked]) -> Iterator[RuleTask]:
    """The tasks that record what exchanges have said."""
    for one in found:
        if one.outcome.was_asked:
            about: dict[str, Any] = {
                "credential_id": one.credential_id,
                "version": one.version,
                "told": one.told(),
            }
            content = {"verb": PURPOSE, **about}
            yield RuleTask(one.account_name, content, functools.partial(was_checked, **about))


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
    finding = ask_one(spec, released, config)
    if finding.outcome is CheckOutcome.VALID:
        told = [difference.text for difference in differences(said, finding.facts)]
        return [*told, *warnings(finding.facts)]
    kind: type[RegistryError] = NotCheckable
    if finding.outcome.was_asked:
        kind = DeadKey if finding.outcome.is_dead else ExchangeGaveNoAnswer
    result = "does not work" if kind is DeadKey else "could not be checked"
    raise kind(
        f"the {exchange} key of {account} {result}, {finding.outcome.words}: {finding.why}; "
        "nothing was stored",
        hint=Hint("To store it nevertheless, leave out ", Option("check"), "."),
    )


def ask_one(
    spec: ExchangeSpec, released: ReleasedCredential, config: ClientConfig | None
) -> Finding:
    """Asks about one key.

    Raises:
        MissingExtra: ccxt is not installed.
        InvalidInput: the settings of a client are not acceptable.
    """
    _check_config(config or {}, {spec.name: spec})
    if why := unaskable(spec):
        return Finding(CheckOutcome.NOT_CHECKABLE, why=why)
    (finding,) = _run([ToAsk(spec, released)], config or {})
    return finding


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
) -> dict[uuid.UUID, Finding]:
    """The credentials that a check could disturb."""
    counted = {r["id"]: r["version"] for r in records if specs[r["exchange"]].nonce_per_key}
    why = "the exchange counts its nonces, and it was released on"
    return {
        key: Finding(CheckOutcome.IN_USE, why=f"{why} {moment:%Y-%m-%d %H:%M:%S}Z")
        for key, moment in released_lately(database, counted).items()
    }


_Result = ReleasedCredential | RegistryError


def _releases(
    service: ReleaseService, records: Iterable[Record], caller: Caller
) -> Iterator[tuple[Record, _Result]]:
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
            except Unavailable:
                raise  # it is not about these keys, and the next ones would wait as long
            except RegistryError as problem:
                yield from ((record, problem) for record in batch.values())
                continue
            for name, record in batch.items():
                problems, credentials = releases.problems, releases.credentials
                yield record, _received(record, credentials.get(name), problems.get(name))


def _received(
    record: Record, released: ReleasedCredential | None, problem: RegistryError | None
) -> _Result:
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
