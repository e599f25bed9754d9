"""Imports credentials from an env file: exactly that file, all of it or nothing.

Only names that the catalog knows are read. An exchange without a real secret is skipped and
reported; an incomplete one stops the whole import.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from registry.catalog.elsewhere import kept_elsewhere
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
from registry.hints import Blank, Command, Hint
from registry.rules.accounts import CreateAccount
from registry.services.importing.elsewhere import text_of_import
from registry.services.importing.env_lines import Assignment, assignments, can_be_shown
from registry.services.importing.names import is_secret_name
from registry.services.importing.which_account import HINTS, dropped, for_all
from registry.subaccounts import NOT_CHOSEN, Subaccounts
from registry.values import is_placeholder

_QUERIES = load_queries("registry.execution")
_WITHOUT: Final = re.compile("_(ACCOUNT|KEY)_INDEX$|_ADDRESS$|_ACCOUNT_ID$")
FREQTRADE: Final = "FREQTRADE__EXCHANGE__"
"""The beginning of freqtrade's variables: https://www.freqtrade.io/en/stable/configuration."""


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
    left_out: tuple[str, ...] = ()
    """The skipped exchanges of which the file has a secret under another name."""

    def account(self, name: str) -> CreateAccount:
        """The definition of a new account for this file."""
        address = self.credentials.get("paradex", {}).get("l1_address")
        return CreateAccount(
            account_name=name,
            wallet_address=None if address is None else address.reveal(),
            description=f"Account from .env: {name}",
            metadata={"source": "env_file", "max_positions": 10, "max_exposure_usd": 100_000},
        )


def read_env_file(path: Path, exchanges: Iterable[ExchangeSpec] = ()) -> dict[str, Secret]:
    """The variables of a file, and of nothing else.

    Raises:
        InvalidInput: it cannot be read, sets a variable twice, or see `assignments`.
        InvalidCredential: a variable of the exchanges is a reference, encrypted, or not clear.
    """
    text = text_of_import(path, "import-env")
    if text.lstrip()[:1] == "{":
        config = Command("import-config", Blank("ACCOUNT"), file=Blank("FILE"))
        raise InvalidInput(f"{path} is no env file", hint=Hint("JSON is read with: ", config))
    lines = list(assignments(text, str(path)))
    counts = Counter(line.name for line in lines)
    twice = sorted(name for name, count in counts.items() if count > 1)
    if twice:
        shown = [name for name in twice if can_be_shown(name)] or ["a variable"]
        raise InvalidInput(
            f"{path} sets {', '.join(shown)} more than once", hint="Keep one line of each."
        )
    ours = {env for spec in exchanges for env in spec.variables.values()}
    problems = [
        problem
        for line in lines
        if line.name in ours or line.name.upper().startswith(FREQTRADE) or _holds_one(line, ours)
        if (problem := _unclear(line)) is not None
    ]
    if problems:
        raise together(problems)
    # Uninterpolated: ${…} would be expanded from this process's environment.
    return {line.name: Secret(line.value) for line in lines}


def _holds_one(line: Assignment, names: set[str]) -> bool:
    """Whether an assignment of one of these variables stands in the value of another."""
    return line.is_marked and not names.isdisjoint(re.split(r"\W+", line.raw))


def _unclear(line: Assignment) -> RegistryError | None:
    """The problem of a value that is not what its text says, if it is so."""
    if (kept := kept_elsewhere(line.value)) is not None:
        return kept.refusal(f"the value of {line}", "import-env")
    if line.is_marked and not is_placeholder(line.value):
        return InvalidCredential(
            f"the value of {line} has a blank in it or marks around it, and no quotes",
            hint="An assignment has a line of its own. Put the value in single quotes, if it is "
            "meant as it stands.",
        )
    if line.is_expanded:
        return InvalidCredential(
            f"the value of {line} holds a $, which programs expand differently",
            hint=Hint(
                "Put it in single quotes, if it is meant as it stands; with ${…} in it, type it "
                "in: ",
                Command("add-credential", Blank("ACCOUNT"), Blank("EXCHANGE")),
            ),
        )
    return None


def find_credentials(
    variables: Mapping[str, Secret],
    exchanges: Iterable[ExchangeSpec],
    *,
    held: Collection[str] = (),
    subaccount: Callable[[str], int | None] = lambda _: None,
) -> EnvImport:
    """Finds the credentials among the variables.

    For an exchange in `held` the account has a credential already: there the file may
    hold some of the fields only, and the stored ones are kept. `subaccount` is the caller's choice.

    Raises:
        InvalidCredential: an exchange's fields are incomplete, partly placeholders, or under other
            names, or a variable would be lost that says which account or system is traded.
        NothingToImport: no credential is complete.
    """
    readings = {spec.name: _Reading.of(spec, variables) for spec in exchanges}
    worthwhile = {n: r for n, r in readings.items() if r.worthwhile(held=n in held)}
    skipped = {
        name: reading.nothing_real()
        for name, reading in readings.items()
        if name not in worthwhile and reading.is_meant(held=name in held)
    }
    ours = {env for r in readings.values() for env in r.spec.variables.values()}
    others = variables.keys() - ours
    _check_all(worthwhile, held, subaccount)
    if worthwhile:
        _check_systems(worthwhile.values(), {name: variables[name] for name in others})
    else:
        why = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
        only = next(iter(skipped)) if len(skipped) == 1 else Blank("EXCHANGE")
        is_filled = any(readings[name].has_secrets for name in skipped)
        error = InvalidCredential if is_filled else NothingToImport
        raise error(
            "the file holds no complete credential" + (f" ({why})" if why else ""),
            hint=Hint("Give the variables these names: ", Command("exchanges", only)),
        )
    shown = sorted(filter(can_be_shown, others))
    return EnvImport(
        credentials={name: r.real for name, r in worthwhile.items()},
        skipped=skipped,
        other_names=tuple(shown),
        absent={name: absent for name, r in worthwhile.items() if (absent := r.absent())},
        hidden_names=len(others) - len(shown),
        left_out=tuple(name for name in skipped if readings[name].has_secrets),
    )


def _check_all(
    readings: Mapping[str, "_Reading"],
    held: Collection[str],
    subaccount: Callable[[str], int | None],
) -> None:
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
    for name, reading in readings.items():
        problems += reading.problems()
        problems += reading.lost(subaccount(name))
    problems = problems or _mixed_up(readings.values())
    if problems:
        raise together(problems)


def _check_systems(readings: Iterable["_Reading"], others: Mapping[str, Secret]) -> None:
    """Refuses a variable of no exchange that says that a test system is traded."""
    said = [name for name, value in others.items() if for_all(name, value.reveal())]
    without = [r.spec.name for r in readings if dropped("testnet", "true", r.real) and said]
    if without:
        raise InvalidCredential(
            f"{_names(said)} says that a test system is traded, and the credentials of "
            f"{', '.join(without)} do not",
            hint=HINTS["system"],
        )


def _names(names: Iterable[str]) -> str:
    return ", ".join(name if can_be_shown(name.upper()) else "a variable" for name in names)


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
    others: Mapping[str, Secret]
    """The variables that are no field, and begin with the exchange's name or lack just that."""

    @classmethod
    def of(cls, spec: ExchangeSpec, variables: Mapping[str, Secret]) -> "_Reading":
        named = {n: variables[env] for n, env in spec.variables.items() if env in variables}
        real = {n: v for n, v in named.items() if not spec.fields[n].is_stand_in(v.reveal())}
        prefix = re.sub(r"[^A-Z0-9]", "_", spec.name.upper()) + "_"
        own = spec.variables.values()
        # Official examples of some exchanges leave the exchange's name out: ACCOUNT_INDEX.
        bare = {
            env.removeprefix(prefix)
            for name, env in spec.variables.items()
            if name not in real and not spec.fields[name].secret and _WITHOUT.search(env)
        }
        others = {
            name: value
            for name, value in variables.items()
            if (name.upper().startswith(prefix) or name in bare) and name not in own
        }
        return cls(spec, named, real, others)

    @property
    def alike(self) -> list[str]:
        """The variables that may be a missing secret, by a name that is another program's."""
        return [
            name
            for name, value in self.others.items()
            if is_secret_name(name)
            and can_be_shown(name.upper())
            and not is_placeholder(value.reveal())
        ]

    @property
    def has_secrets(self) -> bool:
        """Whether secrets are there that belong to a credential, though it is not complete.

        One of ccxt's exchanges may also be called as a program, which has a secret of its own.
        """
        fields = self.spec.fields
        if not self.spec.generated:
            return bool(self.alike)
        missing = [name for name in self.spec.missing(self.real) if fields[name].secret]
        held = [name for name in self.real if fields[name].secret]
        return len(held) > 1 or bool(self.alike and len(self.alike) >= len(missing))

    def worthwhile(self, *, held: bool) -> bool:
        """Whether a real value is there; for a new credential, in a secret field."""
        is_whole = held or not self.spec.generated or not self.spec.missing(self.real)
        return is_whole and any(held or self.spec.fields[name].secret for name in self.real)

    def is_meant(self, *, held: bool) -> bool:
        """Whether the file seems to be for the exchange, though no credential is found."""
        return bool(self.named) or (bool(self.alike) and not held)

    def nothing_real(self) -> str:
        if not self.real and not self.alike:
            return f"no real value in {', '.join(self._envs(self.named))}"
        fields = self.spec.fields
        has_secret = any(fields[name].secret for name in self.real)
        only = ["only public values"] if self.real and not has_secret else []
        missing = [n for n in self.spec.missing(self.real) if has_secret or fields[n].secret]
        return "; ".join([*only, *self._missing(missing)])

    def _missing(self, names: Collection[str]) -> list[str]:
        """That fields are not there, and which other variables they may be in."""
        missing = [
            f"{env} {'has no real value' if name in self.named else 'is missing'}"
            for name, env in zip(names, self._envs(names), strict=True)
        ]
        if self.alike and any(self.spec.fields[name].secret for name in names):
            looks = "look" if len(self.alike) > 1 else "looks"
            missing[-1] += f" ({', '.join(self.alike)} {looks} like it)"
        return missing

    def lost(self, subaccount: int | None) -> Iterator[RegistryError]:
        """A problem for each variable that says which account or system, and is no field."""
        for name, value in self.others.items():
            bare = name[len(self.spec.name) + 1 :]
            if not name.upper().startswith(f"{self.spec.name.upper()}_"):
                bare = name
            what = dropped(bare, value.reveal(), self.real, subaccount)
            if what is not None:
                yield InvalidCredential(
                    f"{_names([name])} says which {what} of {self.spec.name} is traded, and "
                    "is none of its variables",
                    hint=HINTS[what],
                )

    def problem(self, *, may_lack: bool) -> str | None:
        """The reason why the fields are not a credential; None if they are."""
        fake = [n for n in self.named if n not in self.real and self.named[n].reveal().strip()]
        missing = self.spec.missing([*self.real, *fake])
        what = [f"{env} is a placeholder" for env in self._envs(fake)]
        if not may_lack:
            what += self._missing(missing)
        return ", ".join(what) or None

    def problems(self) -> Iterator[RegistryError]:
        """The problems of the values themselves."""
        for name, value in self.real.items():
            if "\n" in value.reveal() and "-----BEGIN " not in value.reveal():
                (env,) = self._envs([name])
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
        return [self.spec.fields[name].env or f"the field {name}" for name in names]


def held_exchanges(
    database: Database, account: str, subaccounts: Subaccounts = NOT_CHOSEN
) -> set[str]:
    """The exchanges of which an import would replace a credential; empty without an account."""
    with database.connection() as connection, registry_errors(connection):
        rows = connection.execute(_QUERIES["held_slots"], {"account_name": account}).fetchall()
    replaced = set[str]()
    for exchange, held in rows:
        number = subaccounts.get(exchange)
        if number is None or number in held or (number == 0 and None in held):
            replaced.add(exchange)
    return replaced
