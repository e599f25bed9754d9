"""Imports credentials from an env file: exactly that file, all of it or nothing.

Only names that the catalog knows are read. An exchange without a real value is skipped and
reported; an incomplete one stops the whole import.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from registry.catalog.kinds import same_value
from registry.catalog.specification import ExchangeSpec
from registry.database.connection import Database, registry_errors
from registry.database.queries import load_queries
from registry.encryption.secret import Secret
from registry.errors import (
    InvalidCredential,
    InvalidInput,
    NothingToImport,
    RegistryError,
    together,
)
from registry.hints import Command, Hint
from registry.machine import text_of_file
from registry.rules.accounts import CreateAccount
from registry.services.changes.credentials import CredentialInput
from registry.services.importing.env_lines import assignments, can_be_shown
from registry.services.importing.options import NONE_NAMED, Subaccounts, import_inputs

_QUERIES = load_queries("registry.execution")
MAX_FILE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class EnvImport:
    """The content of an env file that is relevant for the registry."""

    credentials: Mapping[str, Mapping[str, Secret]]
    """Exchange -> field -> value: complete credentials."""
    skipped: Mapping[str, str]
    """Exchange -> the reason why it is skipped."""
    other_names: tuple[str, ...]
    """Variables of no exchange, if their names may be shown."""
    absent: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Exchange -> optional or already stored fields that the file does not have."""
    hidden_names: int = 0
    """The number of further such variables, whose names could be parts of secrets."""

    def inputs(self, subaccounts: Subaccounts = NONE_NAMED) -> list[CredentialInput]:
        """The credentials as input of the service; errors as `import_inputs`."""
        return import_inputs(self.credentials, subaccounts)

    def account(self, name: str) -> CreateAccount:
        """The definition of a new account for this file."""
        address = self.credentials.get("paradex", {}).get("l1_address")
        return CreateAccount(
            account_name=name,
            wallet_address=None if address is None else address.reveal(),
            description=f"Account from .env: {name}",
            metadata={"source": "env_file", "max_positions": 10, "max_exposure_usd": 100_000},
        )


def read_env_file(path: Path) -> dict[str, Secret]:
    """The variables of a file, and of nothing else.

    Raises:
        InvalidInput: it cannot be read, sets a variable twice, or see `assignments`.
    """
    lines = list(assignments(text_of_file(path, limit=MAX_FILE), str(path)))
    counts = Counter(line.name for line in lines)
    twice = sorted(name for name, count in counts.items() if count > 1)
    if twice:
        shown = [name for name in twice if can_be_shown(name)] or ["a variable"]
        raise InvalidInput(
            f"{path} sets {', '.join(shown)} more than once", hint="Keep one line of each."
        )
    # Uninterpolated: ${…} would be expanded from this process's environment.
    return {line.name: Secret(line.value) for line in lines}


def find_credentials(
    variables: Mapping[str, Secret],
    exchanges: Iterable[ExchangeSpec],
    *,
    held: Collection[str] = (),
) -> EnvImport:
    """Finds the credentials among the variables.

    For an exchange in `held` the account has a credential already: there the file may
    hold some of the fields only, and the stored ones are kept.

    Raises:
        InvalidCredential: an exchange's fields are incomplete, or partly placeholders.
        NothingToImport: no credential is complete.
    """
    specs = [spec for spec in exchanges if not spec.generated or _is_whole(spec, variables)]
    readings = {spec.name: _Reading.of(spec, variables) for spec in specs}
    present = {name: reading for name, reading in readings.items() if reading.named}
    worthwhile = {n: r for n, r in present.items() if r.worthwhile(held=n in held)}
    skipped = {n: r.nothing_real() for n, r in present.items() if n not in worthwhile}
    _check_all(worthwhile, held)
    if not worthwhile:
        why = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
        raise NothingToImport(
            "the file holds no complete credential" + (f" ({why})" if why else ""),
            hint=Hint("See which variables are looked for with: ", Command("exchanges")),
        )
    others = variables.keys() - {field.env for spec in specs for field in spec.fields.values()}
    shown = sorted(filter(can_be_shown, others))
    return EnvImport(
        credentials={name: r.real for name, r in worthwhile.items()},
        skipped=skipped,
        other_names=tuple(shown),
        absent={name: absent for name, r in worthwhile.items() if (absent := r.absent())},
        hidden_names=len(others) - len(shown),
    )


def _is_whole(spec: ExchangeSpec, variables: Mapping[str, Secret]) -> bool:
    """Whether all that a credential needs is there.

    Many programs have variables that look like those of an exchange that is not meant.
    """
    return not spec.missing(_Reading.of(spec, variables).real)


def _check_all(readings: Mapping[str, "_Reading"], held: Collection[str]) -> None:
    """Raises one error for all problems of the values."""
    incomplete = [
        f"{name}: {problem}"
        for name, reading in readings.items()
        if (problem := reading.problem(may_lack=name in held))
    ]
    problems: list[RegistryError] = []
    if incomplete:
        problems = [
            InvalidCredential(
                f"incomplete credentials: {'; '.join(incomplete)}",
                hint="Nothing was imported. Fill the values in, or take the exchange's variables "
                "out of the file.",
            )
        ]
    problems += [problem for reading in readings.values() for problem in reading.problems()]
    problems = problems or _mixed_up(readings.values())
    if problems:
        raise together(problems)


def _mixed_up(readings: Collection["_Reading"]) -> list[RegistryError]:
    """The problem of a secret in the place of a public value, across all exchanges."""
    public, secret = (
        {
            env: value
            for reading in readings
            for env, value in reading.variables(secret=kept).items()
        }
        for kept in (False, True)
    )
    same = same_value(public, secret)
    return [InvalidCredential(f"{same[0]} and {same[1]} hold the same value")] if same else []


@dataclass(frozen=True, slots=True)
class _Reading:
    """The variables of a file for one exchange."""

    spec: ExchangeSpec
    named: Mapping[str, Secret]
    """The fields whose variables are in the file."""
    real: Mapping[str, Secret]
    """The named fields that are neither empty nor a placeholder."""

    @classmethod
    def of(cls, spec: ExchangeSpec, variables: Mapping[str, Secret]) -> "_Reading":
        named = {
            name: variables[field.env]
            for name, field in spec.fields.items()
            if field.env in variables
        }
        real = {n: v for n, v in named.items() if not spec.fields[n].is_stand_in(v.reveal())}
        return cls(spec, named, real)

    def worthwhile(self, *, held: bool) -> bool:
        """Whether a real value is there; for a new credential, in a field without a default."""
        return any(held or self.spec.fields[name].default is None for name in self.real)

    def nothing_real(self) -> str:
        return f"no real value in {', '.join(self._envs(self.named))}"

    def problem(self, *, may_lack: bool) -> str | None:
        """The reason why the fields are not a credential; None if they are."""
        fake = [n for n in self.named if n not in self.real and self.named[n].reveal().strip()]
        missing = self.spec.missing([*self.real, *fake])
        what = [f"{env} is a placeholder" for env in self._envs(fake)]
        if not may_lack:
            what += [f"{env} is missing" for env in self._envs(missing)]
        return ", ".join(what) or None

    def problems(self) -> Iterator[RegistryError]:
        """The problems of the values themselves."""
        for name, value in self.real.items():
            if "\n" in value.reveal() and "-----BEGIN " not in value.reveal():
                env = self.spec.fields[name].env
                yield InvalidCredential(f"{env} is wrapped over several lines")
        try:
            self.spec.check_values(self.real)
        except InvalidCredential as problem:
            yield problem

    def variables(self, *, secret: bool) -> dict[str, Secret]:
        """The real values of either the secret or the public fields, by variable."""
        fields = self.spec.fields
        return {fields[n].env: v for n, v in self.real.items() if fields[n].secret is secret}

    def absent(self) -> tuple[str, ...]:
        return tuple(
            name
            for name, field in self.spec.fields.items()
            if name not in self.real and field.has_place(self.real)
        )

    def _envs(self, names: Iterable[str]) -> list[str]:
        return [self.spec.fields[name].env for name in names]


def held_exchanges(
    database: Database, account: str, subaccounts: Subaccounts = NONE_NAMED
) -> set[str]:
    """The exchanges of which an import would replace a credential; empty without an account."""
    with database.connection() as connection, registry_errors(connection):
        rows = connection.execute(_QUERIES["held_slots"], {"account_name": account}).fetchall()
    return {exchange for exchange, held in rows if subaccounts.may_be_among(held, exchange)}
