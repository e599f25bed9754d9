"""Details: fields of an account or a credential besides its name, its slot and its secrets.

A detail is declared three times: here with the check of user input, in `registry/events` for
the log, and in `projections` for the table. Commands, histories, rollbacks and adoptions treat
all details alike.
"""

import datetime as dt
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypedDict, get_args, get_type_hints

from projections.rows import Row, Table
from registry import values
from registry.errors import InvalidInput
from registry.hints import Hint, Option
from registry.moments import moment

Check = Callable[[Any], Any]


def _description(text: str) -> str:
    return values.short_text(text, "a description", limit=values.MAX_TEXT)


def _label(text: str) -> str:
    return values.short_text(text, "a label")


def _expires_at(text: str | dt.datetime) -> dt.datetime:
    return moment(text, "the expiry", ahead=True)


def _exchange_account_id(text: str) -> str:
    return values.short_text(text, "the account id at the exchange", is_id=True)


class AccountDetails(TypedDict, total=False):
    """The details of an account; None clears a detail."""

    wallet_address: Annotated[str | None, values.wallet_address]
    description: Annotated[str | None, _description]
    metadata: Annotated[dict[str, Any] | None, values.metadata]


class CredentialDetails(TypedDict, total=False):
    """The details of a credential; None clears a detail."""

    label: Annotated[str | None, _label]
    expires_at: Annotated[str | dt.datetime | None, _expires_at]
    """The moment when the exchange ends the key."""
    ip_allow_list: Annotated[Sequence[str] | None, values.ip_allow_list]
    """The IP addresses that the exchange allows for the key."""
    exchange_account_id: Annotated[str | None, _exchange_account_id]
    """The id of the account at the exchange."""


@functools.cache
def checks_of(kind: type) -> dict[str, Check]:
    """Detail name -> check, for one kind of details."""
    hints = get_type_hints(kind, include_extras=True)
    return {name: get_args(hint)[1] for name, hint in hints.items()}


def checked(kind: type, table: Table, given: Mapping[str, Any]) -> Row:
    """Checks the given details and converts them to the form of events.

    Raises:
        InvalidInput: a value is not acceptable, or a name is unknown.
    """
    checks = checks_of(kind)
    if unknown := sorted(given.keys() - checks.keys()):
        raise InvalidInput(
            f"there is no detail {unknown[0]!r}", hint=f"It is one of: {', '.join(checks)}."
        )
    return {
        name: table.blank[name] if value is None else checks[name](value)
        for name, value in given.items()
    }


def changes(
    kind: type, table: Table, row: Mapping[str, Any], given: Mapping[str, Any], *also: str
) -> Row:
    """The given details that differ from those of a row; errors as `checked`.

    `also` are other options that change something.

    Raises:
        InvalidInput: no detail is named.
    """
    if not given:
        names = [Option(name, ...) for name in (*checks_of(kind), *also)]
        hint = Hint("Name it: ", Hint.joined(", ", names), ".")
        raise InvalidInput("nothing to change was named", hint=hint)
    return differences(table.details_in(row), checked(kind, table, given))


def differences(now: Mapping[str, Any], wanted: Mapping[str, Any]) -> Row:
    """The wanted details that differ from the current ones."""
    return {name: value for name, value in wanted.items() if value != now[name]}
