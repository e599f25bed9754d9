"""Verbs that only read: accounts, and credentials without their secrets."""

from typing import Annotated, Any, Final

import typer

from registry.commands._options import AccountName, ExchangeOption, OptionalAccount
from registry.commands._run import Run
from registry.commands._verb import verb

AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="POSITION|TIME",
        help="As it was after this event, or at this time (ISO 8601, such as 2026-01-31T12:00Z).",
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
_SHOWN: Final = {
    "account": "account_name",
    "id": "id",
    "active": "is_active",
    "wallet": "wallet_address",
    "description": "description",
    "metadata": "metadata",
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


@verb()
def list_accounts(run: Run, as_of: AsOf = None) -> None:
    """List all accounts, as they are or as they were."""
    from registry.services.reading import accounts as reading

    if as_of is None:
        accounts = reading.list_accounts(run.database)
    else:
        from registry.services.reading import as_of as past

        accounts = past.list_accounts(run.database, past.parse_moment(as_of, "--as-of"))

    def text() -> None:
        if not accounts:
            run.output.line(
                "There are no accounts yet. Make one with: account-registry create-account NAME"
            )
            return
        run.output.records(_ACCOUNT, accounts)

    run.output.result(accounts, text)


@verb()
def show_account(run: Run, account: AccountName, as_of: AsOf = None) -> None:
    """Show an account and its credentials (never their secrets), as it is or as it was."""
    from registry.services.reading import accounts as reading

    if as_of is None:
        found = reading.show_account(run.database, account)
    else:
        from registry.services.reading import as_of as past

        found = past.show_account(run.database, account, past.parse_moment(as_of, "--as-of"))

    def text() -> None:
        run.output.facts((heading, found[name]) for heading, name in _SHOWN.items())
        if found["credentials"]:
            run.output.records(_CREDENTIAL, map(_with_activity, found["credentials"]))
        else:
            run.output.line("No credentials.")

    run.output.result(found, text)


@verb()
def list_credentials(
    run: Run,
    account: OptionalAccount = None,
    exchange: ExchangeOption = None,
    due: Annotated[
        str | None,
        typer.Option(
            "--due", metavar="SPAN", help="Only those that expire within this span, such as 14d."
        ),
    ] = None,
) -> None:
    """List credentials (never their secrets)."""
    from registry.clock import now
    from registry.services.reading import accounts as reading
    from registry.values import duration

    until = None if due is None else now() + duration(due, "--due")
    found = reading.list_credentials(run.database, account, exchange, due_until=until)

    def text() -> None:
        if not found:
            run.output.line("There are no credentials here.")
            return
        run.output.records({"account": "account_name", **_CREDENTIAL}, map(_with_activity, found))

    run.output.result(found, text)


def _with_activity(credential: dict[str, Any]) -> dict[str, Any]:
    return {**credential, "active": credential["is_active"] and credential["account_is_active"]}
