"""Verbs that only read: accounts, and credentials without their secrets."""

from typing import Annotated, Any

import typer

from registry.commands._options import AccountName, ExchangeOption, OptionalAccount, moment_of
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

_CREDENTIAL_COLUMNS = (
    "exchange",
    "subaccount",
    "permission",
    "version",
    "active",
    "fields",
    "label",
    "expires",
)


@verb()
def list_accounts(run: Run, as_of: AsOf = None) -> None:
    """List all accounts, as they are or as they were."""
    accounts = run.registry.accounts.list(as_of=moment_of(as_of, "--as-of"))

    def text() -> None:
        if not accounts:
            run.output.line(
                "There are no accounts yet. Make one with: account-registry create-account NAME"
            )
            return
        run.output.table(
            ["account", "active", "credentials", "wallet", "description", "created"],
            [
                [
                    a["account_name"],
                    a["is_active"],
                    a["credentials"],
                    a["wallet_address"],
                    a["description"],
                    a["created_at"],
                ]
                for a in accounts
            ],
        )

    run.output.result(accounts, text)


@verb()
def show_account(run: Run, account: AccountName, as_of: AsOf = None) -> None:
    """Show an account and its credentials (never their secrets), as it is or as it was."""
    from projections.accounts import TABLE

    found = run.registry.accounts.get(account, as_of=moment_of(as_of, "--as-of"))

    def text() -> None:
        run.output.facts(
            [
                ("account", found["account_name"]),
                ("id", found["id"]),
                ("active", found["is_active"]),
                *((name.replace("_", " "), found[name]) for name in TABLE.details),
                ("created", found["created_at"]),
                ("updated", found["updated_at"]),
                ("version", found["version"]),
            ]
        )
        if found["credentials"]:
            run.output.table(
                _CREDENTIAL_COLUMNS, [_credential_cells(c) for c in found["credentials"]]
            )
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
    from registry.values import duration

    span = None if due is None else duration(due, "--due")
    found = run.registry.credentials.list(account, exchange=exchange, due=span)

    def text() -> None:
        if not found:
            run.output.line("There are no credentials here.")
            return
        run.output.table(
            ("account", *_CREDENTIAL_COLUMNS),
            [(c["account_name"], *_credential_cells(c)) for c in found],
        )

    run.output.result(found, text)


def _credential_cells(credential: dict[str, Any]) -> list[Any]:
    active = credential["is_active"] and credential["account_is_active"]
    return [
        credential["exchange"],
        credential["subaccount_index"],
        credential["permission"],
        credential["version"],
        active,
        credential["fields"],
        credential["label"],
        credential["expires_at"],
    ]
