"""Imports credentials from an env file: exactly that file, all of it or nothing.

Only names that the catalog knows are looked at. An exchange of which the file has nothing
real is skipped and said; one that is incomplete stops the whole import.
"""

import io
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from registry.catalog.specification import ExchangeSpec
from registry.database.connection import Database, registry_errors
from registry.database.queries import load_queries
from registry.decisions.account import CreateAccount
from registry.encryption.secret import Secret
from registry.errors import InvalidCredential, InvalidInput, NothingToImport
from registry.services.changes.credentials import CredentialInput, Mode, SlotName
from registry.values import is_placeholder, text_of_file, wallet_address

_QUERIES = load_queries("registry.services")
MAX_FILE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class EnvImport:
    """What an env file holds, as far as the registry is concerned."""

    credentials: Mapping[str, Mapping[str, Secret]]
    """Exchange -> field -> value: complete credentials."""
    skipped: Mapping[str, str]
    """Exchange -> why it is left out."""
    other_names: tuple[str, ...]
    """Variables that are no exchange's."""
    absent: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Exchange -> optional or known fields that the file does not have."""

    def inputs(self) -> list[CredentialInput]:
        """The credentials as the service stores them: fields not in the file are kept."""
        return [
            CredentialInput(SlotName(exchange, 0, "full"), fields, mode=Mode.MERGE)
            for exchange, fields in self.credentials.items()
        ]

    def account(self, name: str) -> CreateAccount:
        """The account to make where there is none."""
        address = self.credentials.get("paradex", {}).get("l1_address")
        return CreateAccount(
            account_name=name,
            wallet_address=None if address is None else wallet_address(address.reveal()),
            description=f"Account from .env: {name}",
            metadata={"source": "env_file", "max_positions": 10, "max_exposure_usd": 100_000},
        )


def read_env_file(path: Path) -> dict[str, Secret]:
    """The variables of a file; nothing is taken from the environment or another file.

    Raises:
        InvalidInput: it cannot be read, or a line is not an assignment.
    """
    text = text_of_file(path, limit=MAX_FILE)
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            raise InvalidInput(
                f"{path}: line {binding.original.line} is not NAME=VALUE",
                hint="Correct the line, or put # before it.",
            )
    # A line without "=" names nothing, and may be a pasted secret.
    names = [
        one.key for one in parse_stream(io.StringIO(text)) if one.key and one.value is not None
    ]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidInput(
            f"{path} sets {', '.join(twice)} more than once", hint="Keep one line of each."
        )
    # Without interpolation: ${…} would be filled in from this process's environment.
    values = dotenv_values(stream=io.StringIO(text), interpolate=False)
    return {name: Secret(value) for name, value in values.items() if value is not None}


def find_credentials(
    variables: Mapping[str, Secret],
    exchanges: Iterable[ExchangeSpec],
    *,
    held: Collection[str] = (),
) -> EnvImport:
    """The credentials among the variables.

    Of the exchanges in `held` the account has a credential already: there the file may
    have some of the fields only, and the others are kept.

    Raises:
        InvalidCredential: an exchange's fields are incomplete, or partly placeholders.
        NothingToImport: there is not one complete credential.
    """
    specs = list(exchanges)
    readings = {spec.name: _Reading.of(spec, variables) for spec in specs}
    present = {name: reading for name, reading in readings.items() if reading.named}
    worthwhile = {n: r for n, r in present.items() if r.worthwhile(held=n in held)}
    skipped = {n: r.nothing_real() for n, r in present.items() if n not in worthwhile}
    problems = [
        f"{name}: {problem}"
        for name, reading in worthwhile.items()
        if (problem := reading.problem(may_lack=name in held))
    ]
    if problems:
        raise InvalidCredential(
            f"incomplete credentials: {'; '.join(problems)}",
            hint="Nothing was imported. Fill the values in, or take the exchange's variables out "
            "of the file.",
        )
    if not worthwhile:
        why = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
        raise NothingToImport(
            "the file holds no complete credential" + (f" ({why})" if why else ""),
            hint="See which variables are looked for with: account-registry exchanges",
        )
    ours = {one.env for spec in specs for one in spec.fields.values()}
    return EnvImport(
        credentials={name: r.real for name, r in worthwhile.items()},
        skipped=skipped,
        other_names=tuple(sorted(variables.keys() - ours)),
        absent={name: absent for name, r in worthwhile.items() if (absent := r.absent())},
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a file says about one exchange."""

    spec: ExchangeSpec
    named: Mapping[str, Secret]
    """The fields whose variables the file has."""
    real: Mapping[str, Secret]
    """Those of them that are neither empty nor a placeholder."""

    @classmethod
    def of(cls, spec: ExchangeSpec, variables: Mapping[str, Secret]) -> "_Reading":
        named = {
            name: variables[one.env] for name, one in spec.fields.items() if one.env in variables
        }
        real = {name: v for name, v in named.items() if not is_placeholder(v.reveal())}
        return cls(spec, named, real)

    def worthwhile(self, *, held: bool) -> bool:
        """Whether there is a real value, for a new credential one without a default."""
        return any(held or self.spec.fields[name].default is None for name in self.real)

    def nothing_real(self) -> str:
        return f"no real value in {', '.join(self._envs(self.named))}"

    def problem(self, *, may_lack: bool) -> str | None:
        """What keeps the fields from being a credential."""
        fake = [n for n in self.named if n not in self.real and self.named[n].reveal().strip()]
        missing = self.spec.missing([*self.real, *fake])
        what = [f"{env} is a placeholder" for env in self._envs(fake)]
        if not may_lack:
            what += [f"{env} is missing" for env in self._envs(missing)]
        return ", ".join(what) or None

    def absent(self) -> tuple[str, ...]:
        return tuple(
            name
            for name, one in self.spec.fields.items()
            if name not in self.real and one.has_place(self.real)
        )

    def _envs(self, names: Iterable[str]) -> list[str]:
        return [self.spec.fields[name].env for name in names]


def held_exchanges(database: Database, account: str) -> set[str]:
    """The exchanges that the account has a full credential for; none if it does not exist."""
    with database.connection() as connection, registry_errors(connection):
        rows = connection.execute(_QUERIES["held_exchanges"], {"account_name": account})
        return {row[0] for row in rows}
