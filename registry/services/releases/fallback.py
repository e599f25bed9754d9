"""Credentials from the environment, for the time of moving to the registry.

Off unless switched on. Only where the registry has none for the account and exchange, only
names that belong to the account, all fields of a credential or none, and only after the
database has recorded it.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from registry.catalog.catalog import built_in_exchanges
from registry.catalog.specification import ExchangeSpec
from registry.database.connection import Connection, registry_errors
from registry.database.queries import load_queries
from registry.encryption.secret import Secret
from registry.errors import FallbackRefused, InvalidInput
from registry.hints import Command, Hint
from registry.services.importing.env_files import read_env_file
from registry.services.releases.releases import Caller, plain_fields
from registry.services.releases.resolution import Resolution, Wish

_QUERIES = load_queries("registry.services.releases", "releases.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentFallback:
    """Where credentials may come from that the registry does not have.

    Without a file: variables that end with the account's name, such as
    `BACKPACK_SECRET_KEY_MAIN_BOT` for the account `main_bot`. With a file, its plain
    names; the file must be named for the account: `.env.main_bot` or `main_bot.env`.
    """

    env_file: Path | None = None

    def find(self, account: str, spec: ExchangeSpec) -> "Found | None":
        """A complete credential, or None if there is nothing of it.

        Raises:
            InvalidCredential: there are some of its fields only, or placeholders.
            InvalidInput: the file cannot be read, or is not named for the account.
        """
        if self.env_file is not None:
            _check_name(self.env_file, account)
            return _pick(spec, read_env_file(self.env_file), "", f"file {self.env_file.name}")
        suffix = f"_{suffix_of(account)}"
        variables = {
            name: Secret(value) for name, value in os.environ.items() if name not in _PLAIN
        }
        return _pick(spec, variables, suffix, f"variables …{suffix}")


@dataclass(frozen=True, slots=True)
class Found:
    """A credential of the environment."""

    fields: Mapping[str, Secret]
    origin: str

    def plain(self) -> dict[str, str]:
        """The values in the shape that bots know."""
        return plain_fields(self.fields, None)


def suffix_of(account: str) -> str:
    """What the variables of an account end with: its name in capitals, others than A-Z0-9 as _."""
    return re.sub(r"[^A-Za-z0-9]", "_", account).upper()


# A plain name belongs to no account, although it may end like one: an account named
# INDEX does not own LIGHTER_ACCOUNT_INDEX.
_PLAIN: Final = {
    field.env for spec in built_in_exchanges().values() for field in spec.fields.values()
}


def _check_name(path: Path, account: str) -> None:
    names = (f".env.{account}", f"{account}.env")
    if path.name not in names:
        raise InvalidInput(
            f"the env file {path.name} is not named for the account {account}",
            hint=f"It is {names[0]} or {names[1]}, so that no account gets another's keys.",
        )


def _pick(
    spec: ExchangeSpec, variables: Mapping[str, Secret], suffix: str, origin: str
) -> Found | None:
    given = {
        name: variables[field.env + suffix]
        for name, field in spec.fields.items()
        if field.env + suffix in variables
    }
    if not any(spec.fields[name].default is None for name in given):
        return None
    return Found(spec.check(given), origin)


def record_fallback(
    connection: Connection, account: str, exchange: str, found: Found, caller: Caller
) -> None:
    """Records that the environment stands in; the values may be used when this returns.

    Raises:
        FallbackRefused: the registry has a credential, or another account's name leads to
            the same variables.
        RegistryError: as `Resolution.error`.
    """
    parameters = {
        "account": account,
        "exchange": exchange,
        "suffix": None if found.origin.startswith("file") else suffix_of(account),
        "origin": found.origin,
        "actor": caller.actor,
        "host": caller.host,
        "purpose": caller.purpose,
    }
    with registry_errors(connection):
        row = connection.execute(_QUERIES["fallback"], parameters).fetchone()
    outcome = row[0] if row else ""
    if outcome == "registry_has_credential":
        raise FallbackRefused(
            f"the registry has a credential of {account} for {exchange}, or a share of one: "
            "the environment cannot stand in for it",
            hint=Hint("See why it is not used: ", Command("resolve", account, exchange)),
        )
    if outcome == "ambiguous_name":
        raise FallbackRefused(
            f"the variables …_{suffix_of(account)} could belong to another account too",
            hint="Use an env file that is named for the account.",
        )
    if outcome != "ok":
        raise Resolution(account=account, exchange=exchange, outcome=outcome, wish=Wish()).error()
