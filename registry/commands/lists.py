"""Verbs that only read: accounts, and credentials without their secrets."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Annotated, Any, Final, Literal

import typer

from projections.accounts import TABLE as ACCOUNTS
from registry.commands._changes import stops_of, tell_stops
from registry.commands._options import AccountName, ExchangeOption, OptionalAccount, Wide, moment_of
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.errors import ExitStatus

AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="POSITION|TIME",
        help="As it was after this event, or at this time, such as 2026-01-31T12:00Z or -1d.",
    ),
]

# Heading -> name in the record.
_ACCOUNT: Final = {
    "account": "account_name",
    "active": "is_active",
    "credentials": "credentials",
    "wallet": "wallet_address",
    "description": "description",
    "created": "created_at",
}
_SORTED_BY: Final = {
    "created": "created_at",
    "updated": "updated_at",
    "credentials": "credentials",
}
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
}
_CREDENTIAL_WIDE: Final = {
    **_CREDENTIAL,
    "addresses": "ip_allow_list",
    "exchange account": "exchange_account_id",
    "id": "id",
}


@dataclass(frozen=True, slots=True)
class AccountFilter:
    """Which accounts to list."""

    active: Annotated[
        bool | None, typer.Option("--active/--inactive", help="Only those that are, or are not.")
    ] = None
    exchange: Annotated[
        str | None,
        typer.Option("--exchange", metavar="EXCHANGE", help="Only those with a key of it."),
    ] = None
    name: Annotated[
        str | None, typer.Option("--name", metavar="PATTERN", help="Only these, such as 'grid_*'.")
    ] = None


@verb()
def list_accounts(
    run: Run,
    only: AccountFilter,
    as_of: AsOf = None,
    sort: Annotated[
        Literal["name", "created", "updated", "credentials"],
        typer.Option("--sort", help="The newest, or those with most, come first."),
    ] = "name",
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="The first N.")
    ] = None,
) -> None:
    """List accounts, as they are or as they were."""
    asked = dataclasses.asdict(only)
    found = run.registry.accounts.list(as_of=moment_of(as_of, "--as-of"), **asked)
    if sort != "name":
        found.sort(key=itemgetter(_SORTED_BY[sort]), reverse=True)
    accounts = found[:limit]
    stops = [] if as_of else run.registry.stops()

    def text() -> None:
        if accounts:
            run.output.records(_ACCOUNT, [{**a, "is_active": _activity(a)} for a in accounts])
            tell_stops(run, stops)
        elif any(value is not None for value in asked.values()):
            run.output.line("No account fits.")
        elif as_of is not None:
            run.output.line("There were no accounts then.")
        else:
            run.output.line(
                "There are no accounts yet. Make one with: account-registry create-account NAME"
            )

    run.output.result(accounts, text)
    if more := len(found) - len(accounts):
        run.output.cut(f"There {'is' if more == 1 else 'are'} {more:,} more; --limit N shows N.")


@verb()
def show_account(run: Run, account: AccountName, as_of: AsOf = None) -> None:
    """Show an account and its credentials (never their secrets), as it is or as it was."""
    found = run.registry.accounts.get(account, as_of=moment_of(as_of, "--as-of"))

    def text() -> None:
        told = {**found, "is_active": _activity(found)}
        run.output.facts((heading, told[name]) for heading, name in _SHOWN.items())
        if found["credentials"]:
            run.output.records(_CREDENTIAL, map(_with_activity, found["credentials"]))
        else:
            run.output.line("No credentials.")
        tell_stops(run, stops_of([found, *found["credentials"]]))

    run.output.result(found, text)


@verb()
def list_credentials(
    run: Run,
    account: OptionalAccount = None,
    exchange: ExchangeOption = None,
    due: Annotated[
        str | None,
        typer.Option(
            "--due",
            metavar="SPAN",
            help="Only those in use that expire within this span, such as 14d, or have.",
        ),
    ] = None,
    wide: Wide = False,
) -> None:
    """List credentials (never their secrets); with --due, exit code 6 if there is one."""
    from registry.moments import duration

    span = None if due is None else duration(due, "--due")
    found = run.registry.credentials.list(account, exchange=exchange, due=span)

    def text() -> None:
        if not found:
            none = "There are no credentials here."
            run.output.line(none if due is None else f"No credential expires within {due}.")
            return
        columns = {"account": "account_name", **(_CREDENTIAL_WIDE if wide else _CREDENTIAL)}
        run.output.records(columns, map(_with_activity, found))
        tell_stops(run, stops_of(found))

    run.output.result(found, text)
    if due is not None and found:
        run.exit_status = ExitStatus.VERIFICATION


def _with_activity(credential: dict[str, Any]) -> dict[str, Any]:
    return {**credential, "active": credential["account_is_active"] and _activity(credential)}


def _activity(record: Mapping[str, Any]) -> bool | str:
    """Whether an account or a credential is active, or that it is stopped."""
    return "stopped" if record.get("stop") and record["is_active"] else record["is_active"]
