"""Credentials from the environment, for the transition to the registry.

Off by default. Used only if the registry has no credential for the account and exchange. The
variables must belong to the account and form a complete credential. The values are used only
after the database has recorded the use.
"""

import functools
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from registry.catalog.catalog import built_in_exchanges
from registry.catalog.specification import ExchangeSpec
from registry.database.connection import Connection, append_rows, registry_errors
from registry.database.durability import wait_until_durable
from registry.database.queries import load_queries
from registry.encryption.secret import Secret
from registry.errors import FallbackRefused, InvalidInput
from registry.hints import Command, Hint
from registry.services.releases.releases import Caller, plain_fields
from registry.services.releases.resolution import Resolution, Wish

_QUERIES = load_queries("registry.services.releases", "releases.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentFallback:
    """The source of credentials that the registry does not have.

    Without a file: variables with the account's name as their suffix, such as
    `BACKPACK_SECRET_KEY_MAIN_BOT` for the account `main_bot`. With a file: variables without
    a suffix; the file must be named for the account: `.env.main_bot` or `main_bot.env`.
    """

    env_file: Path | None = None

    def find(self, account: str, spec: ExchangeSpec) -> "Found | None":
        """A complete credential, or None if no field without a default is there.

        Raises:
            InvalidCredential: only some of its fields are there, or placeholders.
            InvalidInput: the file cannot be read, or is not named for the account.
        """
        if self.env_file is not None:
            from registry.services.importing.env_files import read_env_file

            _check_name(self.env_file, account)
            variables = read_env_file(self.env_file, [spec])
            return _pick(spec, variables, "", f"file {self.env_file.name}")
        suffix = f"_{suffix_of(account)}"
        variables = {
            name: Secret(value) for name, value in os.environ.items() if name not in _plain()
        }
        return _pick(spec, variables, suffix, f"variables …{suffix}")


@dataclass(frozen=True, slots=True)
class Found:
    """A credential found in the environment."""

    fields: Mapping[str, Secret]
    origin: str

    def plain(self) -> dict[str, str]:
        """The values in the shape that bots expect."""
        return plain_fields(self.fields, None)


def suffix_of(account: str) -> str:
    """The suffix of an account's variables: its name in capitals, with _ for other characters."""
    return re.sub(r"[^A-Za-z0-9]", "_", account).upper()


# A variable of the catalog belongs to no account, even if it ends like one: LIGHTER_ACCOUNT_INDEX
# is not a variable of an account named INDEX.
@functools.cache
def _plain() -> frozenset[str]:
    specs = built_in_exchanges().values()
    return frozenset(env for spec in specs for env in spec.variables.values())


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
        name: variables[env + suffix]
        for name, env in spec.variables.items()
        if env + suffix in variables
    }
    if not any(spec.fields[name].default is None for name in given):
        return None
    return Found(spec.check(given), origin)


def record_fallback(
    connection: Connection, account: str, exchange: str, found: Found, caller: Caller
) -> None:
    """Records the use of the environment; the values may be used after it returns.

    Raises:
        FallbackRefused: the registry has a credential, or another account's name has the
            same suffix.
        RegistryError: as `Resolution.error`.
    """
    parameters = {
        "account": account,
        "exchange": exchange,
        "suffix": None if found.origin.startswith("file") else suffix_of(account),
        "origin": found.origin,
        **asdict(caller),
    }
    with registry_errors(connection):
        (row,) = append_rows(connection, _QUERIES["fallback"], parameters)
    outcome, _, stop = (row["record_fallback"] or "").partition(" ")
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
        refused = Resolution(
            account=account, exchange=exchange, outcome=outcome, wish=Wish(), choices=[stop]
        )
        raise refused.error()
    with registry_errors(connection):
        wait_until_durable(connection)
