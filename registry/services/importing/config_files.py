"""Imports credentials from the JSON configuration of other bots, which holds keys in plain text.

A value is taken for a field by its name; one that decides about an account or a secret and is no
field stops the import (`which_account.py`).
"""

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from registry.catalog.catalog import meant
from registry.catalog.elsewhere import kept_elsewhere
from registry.catalog.specification import ExchangeSpec, FieldSpec
from registry.encryption.secret import Secret
from registry.errors import (
    InvalidCredential,
    InvalidInput,
    NothingToImport,
    RegistryError,
    together,
)
from registry.hints import Hint, Option
from registry.services.importing.config_formats import (
    FORMATS,
    MEANINGS,
    OF_CCXT,
    OWN_OF_CCXT,
    ConfigEntry,
    is_unfilled,
    plain,
    texts,
)
from registry.services.importing.config_json import NAME_NOT_SHOWN, VERB, load, merged, shown_name
from registry.services.importing.env_files import FREQTRADE
from registry.services.importing.names import (
    NameSaid,
    is_secret_name,
    said_by_path,
    said_by_values,
)
from registry.services.importing.which_account import HINTS, dropped, is_vault
from registry.shown import secret_parts
from registry.subaccounts import NOT_CHOSEN, Subaccounts

_WORDS: Final = re.compile(
    r"[0-9]{0,2}[A-Za-z]{1,20}[0-9]{0,4}([_ .-]?[A-Za-z]{1,20}[0-9]{0,4}|[_ .-][0-9]{1,4}){0,4}"
)
"""The form of the names of entries and exchanges, which are shown; a key in its place is not."""


@dataclass(frozen=True, slots=True)
class ConfigImport:
    """The content of a configuration for one account."""

    format: str
    credentials: Mapping[str, Mapping[str, Secret]]
    """Exchange -> field -> value."""
    ignored: tuple[str, ...]
    """Names in it that are not fields, if they may be shown."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Entry -> the reason why it is skipped."""
    added: tuple[str, ...] = ()
    """The files that were read because the configuration adds them."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A parsed configuration."""

    format: str
    entries: Sequence[ConfigEntry]
    names: Sequence[NameSaid]
    """Names outside of the entries that may be an account's."""
    added: tuple[str, ...] = ()


def read_config(paths: Sequence[Path]) -> ConfigFile:
    """Reads files of one configuration, the later ones over the earlier, and its entries.

    Raises:
        InvalidInput: one is not JSON, or the format is unknown.
        InvalidCredential: one is encrypted by another program.
    """
    added: list[str] = []
    data: dict[str, Any] = {}
    for path in paths:
        data = merged(data, load(path, added))
    shown = ", ".join(str(path) for path in paths)
    for name, reader in FORMATS.items():
        entries = reader(data)
        if entries:
            said = [*said_by_values(texts(data, without="name"), paths[0].name)]
            said += [named for path in paths for named in said_by_path(path)]
            return ConfigFile(name, entries, said, tuple(added))
    raise InvalidInput(
        f"{shown} is of no format that is known",
        hint="Known are freqtrade's config.json, passivbot's api-keys.json, ccxt's keys.json, "
        "Coinbase's key file, OctoBot's config.json, and JSON with a connector and its keys.",
    )


def with_freqtrade(
    variables: Mapping[str, Secret], exchanges: Iterable[ExchangeSpec]
) -> Mapping[str, Secret]:
    """The variables of an env file, with freqtrade's (FREQTRADE__EXCHANGE__KEY) as the exchange's.

    Raises:
        InvalidCredential: as `match_fields`, or both are there and differ.
        InvalidInput: they do not say an exchange that is known.
    """
    theirs = {n: value for n, value in variables.items() if n.upper().startswith(FREQTRADE)}
    rest = {name: value for name, value in variables.items() if name not in theirs}
    entry = _of_freqtrade(theirs)
    if entry is None or entry.is_template:
        return rest
    specs = {spec.name: spec for spec in exchanges}
    only = next(iter(specs)) if len(specs) == 1 else ""
    entry = replace(entry, exchange=meant(entry.exchange or only, specs))
    if entry.exchange not in specs:
        raise InvalidInput(
            f"{FREQTRADE}NAME does not say an exchange that is known or asked for",
            hint=Hint("It looks like hyperliquid. Without it, say: ", Option("exchange", ...)),
        )
    (fields,) = match_fields(ConfigFile("freqtrade", [], []), [entry], specs).credentials.values()
    for name, value in fields.items():
        variable = specs[entry.exchange].fields[name].env or name
        if rest.setdefault(variable, value) != value:
            raise InvalidCredential(f"{variable} and freqtrade's variable of {name} differ")
    return rest


def _of_freqtrade(variables: Mapping[str, Secret]) -> ConfigEntry | None:
    exchange: dict[str, Any] = {}
    for name, value in variables.items():
        *parts, last = name[len(FREQTRADE) :].lower().split("__")
        place = exchange
        for part in parts:
            inner = place.get(part)
            place[part] = inner if isinstance(inner, dict) else {}
            place = place[part]
        place[last] = value.reveal()
    return next(iter(FORMATS["freqtrade"]({"exchange": exchange})), None)


def choose(
    entries: Sequence[ConfigEntry],
    known: Container[str],
    label: str | None = None,
    exchanges: Sequence[str] = (),
) -> list[ConfigEntry]:
    """The entries with this label and of these exchanges; a single one is that of nameless ones.

    Their exchanges get the names by which they are known.

    Raises:
        InvalidInput: there is none, several are for the same exchange, or one says no exchange.
    """
    filled = [
        replace(entry, exchange=entry.exchange and meant(entry.exchange, known))
        for entry in entries
        if not entry.is_template
    ]
    if not filled:
        raise NothingToImport("the file holds no field of an exchange that is known: it is a "
                              "template, with placeholders only")  # fmt: skip
    labels = ", ".join(_shown_label(entry.label) for entry in filled)
    only = exchanges[0] if len(exchanges) == 1 else None
    chosen = [
        replace(entry, exchange=entry.exchange or only)
        for entry in filled
        if label in (None, entry.label)
        and (not exchanges or entry.exchange is None or entry.exchange in exchanges)
    ]
    if not chosen:
        wanted = f"entry for {', '.join(exchanges)}" if label is None else f"entry {label!r}"
        raise InvalidInput(f"the file has no {wanted}", hint=f"It has: {labels}.")
    for entry in chosen:
        _check_exchange(entry)
    named = [entry.exchange for entry in chosen]
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise InvalidInput(
            f"the file has several entries for {twice}",
            hint=Hint("Say which with ", Option("entry", ...), f": {labels}."),
        )
    return chosen


def _check_exchange(entry: ConfigEntry) -> None:
    where = f"the exchange of {_shown_label(entry.label)}"
    if entry.exchange is None:
        raise InvalidInput(
            "the file does not say which exchange its keys are for",
            hint=Hint("Say it with ", Option("exchange", ...), ", or add the file that says it."),
        )
    if (kept := kept_elsewhere(entry.exchange)) is not None:
        raise kept.refusal(where, VERB)
    if not _is_name(entry.exchange):
        raise InvalidInput(f"{where} is no name of an exchange (it is not shown)")


def match_fields(
    file: ConfigFile,
    entries: Iterable[ConfigEntry],
    specs: Mapping[str, ExchangeSpec],
    subaccounts: Subaccounts = NOT_CHOSEN,
) -> ConfigImport:
    """The entries as credentials; `specs` has the exchange of each entry.

    Raises:
        InvalidCredential: a value is encrypted or a reference, two values are for the same field,
            or one that is no field decides about a secret, an account or a system.
        NothingToImport: no value is a field.
    """
    credentials: dict[str, Mapping[str, Secret]] = {}
    ignored: list[str] = []
    skipped = {
        _shown_label(entry.label): "only placeholders in it"
        for entry in file.entries
        if entry.is_template
    }
    problems: list[RegistryError] = []
    for entry in entries:
        spec = specs[entry.exchange or ""]
        reading = _Reading(file.format, entry, spec)
        problems += reading.problems
        if not reading.problems and not reading.has_secret:
            problems += reading.lost_secrets()
            skipped[_shown_label(entry.label)] = "no real value in a secret field"
            ignored += reading.ignored
            continue
        problems += [*reading.lost_secrets(), *reading.lost(subaccounts.get(spec.name))]
        credentials[spec.name] = reading.fields
        ignored += reading.ignored
    if problems:
        raise together(problems)
    if not credentials:
        raise NothingToImport("the file holds no field of an exchange that is known")
    return ConfigImport(file.format, credentials, tuple(ignored), skipped, file.added)


class _Reading:
    """The values of an entry, matched with the fields of its exchange."""

    def __init__(self, format_name: str, entry: ConfigEntry, spec: ExchangeSpec) -> None:
        self._entry = entry
        self._spec = spec
        self.fields: dict[str, Secret] = {}
        self.others: dict[str, str] = {}
        self.problems: list[RegistryError] = []
        for name, value in sorted(entry.values.items(), key=lambda pair: is_unfilled(*pair)):
            field = _field(format_name, spec, name)
            if field is None:
                self.others[name] = value
            elif (kept := kept_elsewhere(value)) is not None:
                self.problems.append(kept.refusal(self._where(name), VERB))
            elif field.name not in self.fields:
                self.fields[field.name] = Secret(value)
            elif self.fields[field.name] != Secret(value) and not is_unfilled(name, value):
                where = _shown_label(entry.label)
                problem = InvalidCredential(f"{where} has the field {field.name} twice")
                self.problems.append(problem)
        self._take_vault()

    def _take_vault(self) -> None:
        """Takes the address as the vault's, of which the key is the leader's or an agent's."""
        flags = [name for name, value in self.others.items() if is_vault(name, value)]
        address = self.fields.get("wallet_address")
        if flags and address is not None and "vault_address" in self._spec.fields:
            self.fields.setdefault("vault_address", address)
            self.others = {n: value for n, value in self.others.items() if n not in flags}

    def lost(self, subaccount: int | None) -> Iterator[RegistryError]:
        """A problem for each value that says which account or system, and is no field."""
        for name, value in self.others.items():
            what = dropped(name.rpartition(".")[2], value, self.fields, subaccount)
            if what is not None:
                told = f"{self._where(name)} says which {what} is traded, and is no field"
                yield InvalidCredential(f"{told} of {self._spec.name}", hint=HINTS[what])

    def lost_secrets(self) -> Iterator[RegistryError]:
        """A problem for each value that seems to be a secret, and is no field."""
        for name, value in self.others.items():
            if is_secret_name(name) and not is_unfilled(name, value):
                told = f"{self._where(name)} could be a secret, and {self._spec.name}"
                yield InvalidCredential(f"{told} has no field for it", hint=HINTS["secret"])

    @property
    def ignored(self) -> list[str]:
        """The names that are no fields."""
        return [self._where(name) for name in self.others]

    def _where(self, name: str) -> str:
        return f"{_shown_label(self._entry.label)}.{shown_name(name)}"

    @property
    def has_secret(self) -> bool:
        """Whether a secret field has a real value."""
        return any(
            self._spec.fields[name].secret and not is_unfilled(name, value.reveal())
            for name, value in self.fields.items()
        )


def _field(format_name: str, spec: ExchangeSpec, name: str) -> FieldSpec | None:
    """The field that a name of the format stands for, if any."""
    _, _, last = name.partition(".")
    bare = last if name.startswith("ccxt_") else name
    meant = MEANINGS.get((format_name, spec.name), {}).get(plain(bare))
    if meant is not None:
        return spec.fields.get(meant)
    fields = list(spec.fields.values())
    wanted = plain(bare)
    by_ccxt = {plain(field.ccxt): field for field in fields if field.ccxt}
    own = {plain(known): field for field in fields for known in (field.env, field.name) if known}
    found = by_ccxt.get(wanted) or own.get(wanted)
    if format_name in OF_CCXT:
        # A field with another place in ccxt's client is not what ccxt calls so.
        means_other = found is not None and found.ccxt and plain(found.ccxt) != wanted
        return None if means_other and wanted in OWN_OF_CCXT else found
    # If the only secret field is a private key, `secret` means that key.
    return found or (own.get("privatekey") if wanted == "secret" else None)


def _shown_label(label: str) -> str:
    """An entry's name, which people choose, unless it could be a secret."""
    return label if _is_name(label) else NAME_NOT_SHOWN


def _is_name(text: str) -> bool:
    return bool(_WORDS.fullmatch(text)) and not secret_parts(text)
