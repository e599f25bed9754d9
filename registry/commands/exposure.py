"""Verbs for a leaked key: who-could-use and blast-radius."""

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from registry.commands._options import AccountName, ExchangeName
from registry.commands._run import Run
from registry.commands._verb import verb
from registry.services.reading.describing import when

if TYPE_CHECKING:
    from registry.services.reading.exposure import Reach


@verb()
def who_could_use(
    run: Run,
    account: AccountName,
    exchange: ExchangeName,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="At this moment. [default: now]")
    ] = None,
) -> None:
    """Show who could use a credential at a moment.

    The accounts and roles, and who received it.
    """
    from registry.moments import moment

    when = None if at is None else moment(at, "--at")
    _tell(run, run.registry.exposure.who_could_use(account, exchange, at=when))


@verb()
def blast_radius(
    run: Run,
    account: AccountName,
    exchange: ExchangeName,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Every version since then. [default: the versions that are held now]",
        ),
    ] = None,
) -> None:
    """Show who a leaked credential came from, or went to."""
    from registry.moments import moment

    when = None if since is None else moment(since, "--since")
    _tell(run, run.registry.exposure.blast_radius(account, exchange, since=when))


# Heading -> name in the record.
_COULD_USE: Final = {
    "account": "account",
    "as": "as",
    "sharing": "sharing_type",
    "subaccount": "subaccount_index",
    "permission": "permission",
    "version": "version",
    "roles": "roles",
    "from": "from",
    "until": "until",
}
_RECEIVED: Final = {
    "account": "account",
    "subaccount": "subaccount_index",
    "permission": "permission",
    **{n: n for n in ("version", "role", "host", "purpose", "times", "first", "last")},
}


def _tell(run: Run, reach: "Reach") -> None:
    def text() -> None:
        run.output.line("Could use it:")
        run.output.records(
            _COULD_USE, map(_with_claims, reach.could_use), under=("roles", "from", "until")
        )
        run.output.line("Received it:" if reach.received else "Nobody received it.")
        if reach.received:
            run.output.records(
                _RECEIVED, reach.received, under=("host", "purpose", "times", "first", "last")
            )
        run.output.line(f"Roles that run commands today: {', '.join(reach.operators) or 'none'}")

    run.output.result(dataclasses.asdict(reach), text)


def _with_claims(access: dict[str, Any]) -> dict[str, Any]:
    """The same with its times as the history shows them."""
    return {
        **access,
        **{n: access[n] and when(access[n], access[f"claimed_{n}"]) for n in ("from", "until")},
    }
