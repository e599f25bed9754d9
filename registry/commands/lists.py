"""Verbs that only read: accounts, and credentials without their secrets."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from projections.accounts import TABLE as ACCOUNTS
from registry.commands._changes import stops_of, tell_stops
from registry.commands._lists import ListOptions, columns, none_fits, show_list
from registry.commands._options import (
    AccountName,
    ExchangeOption,
    OnlyPermission,
    OnlySubaccount,
    OptionalAccount,
    moment_of,
)
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.errors import ExitStatus, InvalidInput
from registry.moments import duration
from registry.plain import show

AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="POSITION|TIME",
        help="As it was after this event, or at this time, such as 2026-01-31T12:00Z or -1d.",
    ),
]


def _activity(record: Mapping[str, Any]) -> bool | str:
    """Whether an account or a credential is active, or that it is stopped."""
    return "stopped" if record.get("stop") and record["is_active"] else record["is_active"]


def _seen_credential(credential: Mapping[str, Any]) -> dict[str, Any]:
    """A credential as lists show it: also who else holds its key, or held it before."""
    places = {
        name: list(dict.fromkeys(_place(credential["exchange"], o) for o in credential[name]))
        for name in ("same_key_in", "used_before")
        if name in credential
    }
    active = credential["account_is_active"] and _activity(credential)
    checked = _last_check(credential.get("checked"))
    return {**credential, "active": active, "checked": checked, **places}


def _last_check(known: Mapping[str, Any] | None) -> str | None:
    if known is None:
        return None
    when = known["at"].replace("T", " ")
    differs = f", differs in {' and '.join(known['differences'])}" if known["differences"] else ""
    return f"{known['outcome'].replace('_', ' ')} on {when}{differs}"


def _place(exchange: str, other: Mapping[str, Any]) -> str:
    from registry.rules.account_state import Slot

    slot = Slot(0, exchange, other["subaccount_index"], other["permission"])
    version = f" version {other['version']}" if "version" in other else ""
    return f"{other['account_name']} {slot}{version}"


# Heading -> name in the record.
_ACCOUNTS: Final = columns(
    "list-accounts",
    {
        "account": "account_name",
        "active": "is_active",
        "credentials": "credentials",
        "wallet": "wallet_address",
        "description": "description",
        "created": "created_at",
    },
    {"updated": "updated_at", "metadata": "metadata", "version": "version", "id": "id"},
    under=("wallet", "description", "metadata", "id"),
    seen=lambda account: {**account, "is_active": _activity(account)},
)
_SHOWN: Final = {
    "account": "account_name",
    "id": "id",
    "active": "is_active",
    **{name.replace("_", " "): name for name in ACCOUNTS.details},
    "created": "created_at",
    "updated": "updated_at",
    "version": "version",
}
_CREDENTIAL: Final = {
    "exchange": "exchange",
    "subaccount": "subaccount_index",
    "permission": "permission",
    "version": "version",
    "active": "active",
    "fields": "fields",
    "label": "label",
    "expires": "expires_at",
    "checked": "checked",
}
_UNDER: Final = (
    *("fields", "label", "expires", "checked", "same key in", "used before"),
    *("addresses", "exchange account", "id"),
)
_CREDENTIALS: Final = columns(
    "list-credentials",
    {
        "account": "account_name",
        **_CREDENTIAL,
        "same key in": "same_key_in",
        "used before": "used_before",
    },
    {"addresses": "ip_allow_list", "exchange account": "exchange_account_id", "id": "id"},
    under=_UNDER,
    seen=_seen_credential,
)


@dataclass(frozen=True, slots=True)
class AccountFilter:
    """Which accounts to list."""

    active: Annotated[
        bool | None, typer.Option("--active/--inactive", help="Only those that are, or are not.")
    ] = None
    exchange: Annotated[
        str | None, typer.Option(metavar="EXCHANGE", help="Only those with a key of it.")
    ] = None
    name: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Only these, such as 'grid_*'.")
    ] = None


@verb()
def list_accounts(run: Run, only: AccountFilter, how: ListOptions, as_of: AsOf = None) -> None:
    """List accounts, as they are or as they were."""
    asked = dataclasses.asdict(only)
    moment = moment_of(as_of, "--as-of")
    accounts = run.registry.accounts.list(as_of=moment, **asked)

    def none() -> str:
        now = run.registry.accounts.list()
        if not now:
            return "There are no accounts. Make one with: account-registry create-account NAME"
        first = min(account["created_at"] for account in now)
        there = "in all" if as_of is None else f"now, the first since {show(first)}"
        return none_fits("account", {"as of": moment, **asked}, lambda: len(now), there)

    stops = [] if as_of else run.registry.stops()
    show_list(run, how, _ACCOUNTS, accounts, none, stops)


@verb()
def show_account(run: Run, account: AccountName, as_of: AsOf = None) -> None:
    """Show an account and its credentials.

    Never their secrets; as it is, or as it was.
    """
    found = run.registry.accounts.get(account, as_of=moment_of(as_of, "--as-of"))

    def text() -> None:
        seen = _ACCOUNTS.seen(found)
        run.output.facts((heading, seen[name]) for heading, name in _SHOWN.items())
        run.output.line("")
        credentials = list(map(_CREDENTIALS.seen, found["credentials"]))
        run.output.listed(_CREDENTIAL, credentials, lambda: "No credentials.", under=_UNDER)
        tell_stops(run, stops_of([found, *found["credentials"]]))

    run.output.result(found, text)


@dataclass(frozen=True, slots=True)
class CredentialFilter:
    """Which credentials to list."""

    account: OptionalAccount = None
    exchange: ExchangeOption = None
    subaccount: OnlySubaccount = None
    permission: OnlyPermission = None
    active: Annotated[
        bool | None, typer.Option("--active/--inactive", help="Only those that are, or are not.")
    ] = None
    due: Annotated[
        str | None,
        typer.Option(
            metavar="SPAN",
            help="Only those in use that expire within this span, such as 14d, or have.",
        ),
    ] = None


_VERSIONS: Final = columns(
    "list-credentials --versions",
    {
        "account": "account_name",
        "exchange": "exchange",
        "subaccount": "subaccount_index",
        "permission": "permission",
        "version": "version",
        "state": "state",
        "since": "since",
        "usable until": "usable_until",
        "expires": "expires_at",
        "destroyed": "is_destroyed",
        "checked": "checked",
    },
    {},
    under=("since", "usable until", "expires", "destroyed", "checked"),
    seen=lambda version: {
        **version,
        "checked": _last_check(version["checked"]),
        "is_destroyed": version["is_destroyed"] or None,
    },
)
_HELD: Final = columns(
    "list-credentials --held",
    {
        "account": "account_name",
        "exchange": "exchange",
        "subaccount": "subaccount_index",
        "permission": "permission",
        "version": "version",
        "state": "state",
        "held by": "held_by",
        "login": "login",
        "purpose": "purpose",
        "host": "host",
        "since": "since",
        "last": "last_received",
    },
    {"usable until": "usable_until"},
    under=("purpose", "host", "since", "last", "usable until"),
)


@dataclass(frozen=True, slots=True)
class VersionLists:
    """Other lists than that of the credentials as they are."""

    versions: Annotated[
        bool, typer.Option("--versions", help="Each version, and whether it can be used.")
    ] = False
    held: Annotated[
        bool, typer.Option("--held", help="Who may still hold a version that is not current.")
    ] = False


@verb()
def list_credentials(
    run: Run, only: CredentialFilter, other: VersionLists, how: ListOptions
) -> None:
    """List credentials, never their secrets. With --due, exit code 6 if there is one."""
    if other.versions or other.held:
        _list_versions(run, only, other, how)
        return
    asked = dataclasses.asdict(only)
    span = None if only.due is None else duration(only.due, "--due")
    credentials = run.registry.credentials.list(**{**asked, "due": span})

    def none() -> str:
        return none_fits("credential", asked, lambda: len(run.registry.credentials.list()))

    show_list(run, how, _CREDENTIALS, credentials, none, stops_of(credentials))
    if only.due is not None and credentials:
        run.exit_status = ExitStatus.VERIFICATION


def _list_versions(run: Run, only: CredentialFilter, other: VersionLists, how: ListOptions) -> None:
    if (other.versions and other.held) or only.due is not None or only.active is not None:
        raise InvalidInput("--versions and --held are lists of their own, each without the rest")
    credentials = run.registry.credentials
    found = (credentials.held if other.held else credentials.versions)(
        only.account, exchange=only.exchange
    )
    wanted = {"subaccount_index": only.subaccount, "permission": only.permission}
    records = [
        record
        for record in map(dataclasses.asdict, found)
        if all(value in (None, record[name]) for name, value in wanted.items())
    ]
    none = "Nobody may hold a former version." if other.held else "There are no versions."
    show_list(run, how, _HELD if other.held else _VERSIONS, records, lambda: none)
