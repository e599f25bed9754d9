"""Imports credentials from the JSON configuration of other bots, which holds keys in plain text.

The formats are recognised by their shape: passivbot's `api-keys.json`, freqtrade's
`config.json`, and files like hummingbot's (`connector`, and keys with its name).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from registry.catalog.specification import ExchangeSpec, FieldSpec
from registry.encryption.secret import Secret
from registry.errors import (
    InvalidCredential,
    InvalidInput,
    NothingToImport,
    RegistryError,
    together,
)
from registry.hints import Blank, Command, Hint, Option
from registry.machine import text_of_file
from registry.services.changes.credentials import CredentialInput
from registry.services.importing.env_files import MAX_FILE
from registry.services.importing.names import NameSaid, said_by_path, said_by_values
from registry.services.importing.options import import_inputs
from registry.subaccounts import NOT_CHOSEN, Subaccounts
from registry.values import parse_json

_ALIASES: Final = {
    "key": "apikey",
    "apisecret": "secret",
    "secretkey": "secret",
    "passphrase": "password",
    "address": "walletaddress",
    "wallet": "walletaddress",
    "userid": "uid",
}
"""Other programs' field names -> names of ccxt; lower case, without separators."""
_SUFFIX: Final = re.compile(r"_perpetual$|_futures$|_spot$")
_NAME: Final = re.compile(
    r"[a-z]+([_.-][a-z]+)*[_.-]?[0-9]{0,4}|[a-z]{2,}([A-Z][a-z]{2,}){1,3}|\w{1,7}", re.ASCII
)
"""The form of usual names: pair_whitelist, walletAddress, hl_01."""
_KEYSTORE: Final = re.compile(r"7b22[0-9a-f]{40,}", re.IGNORECASE)
"""A JSON keystore in hexadecimal: hummingbot's form of encrypted secrets."""


@dataclass(frozen=True, slots=True)
class ConfigEntry:
    """One credential of a configuration, with the file's own names."""

    label: str
    exchange: str
    values: Mapping[str, str]
    has_name: bool = False
    """Whether the label was chosen by the user, so that it may be an account's name."""

    @property
    def names(self) -> list[NameSaid]:
        """The names in it that may be an account's."""
        own = [NameSaid(f"the entry {self.label}", self.label, says_account=False)]
        return [*(own if self.has_name else ()), *said_by_values(self.values, self.label)]


@dataclass(frozen=True, slots=True)
class ConfigImport:
    """The content of a configuration for one account."""

    format: str
    credentials: Mapping[str, Mapping[str, Secret]]
    """Exchange -> field -> value."""
    ignored: tuple[str, ...]
    """Names in it that are not fields, if they may be shown."""

    def inputs(self, subaccounts: Subaccounts = NOT_CHOSEN) -> list[CredentialInput]:
        """The credentials as input of the service; errors as `import_inputs`."""
        return import_inputs(self.credentials, subaccounts)


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A parsed configuration."""

    format: str
    entries: Sequence[ConfigEntry]
    names: Sequence[NameSaid]
    """Names outside of the entries that may be an account's."""


def read_config(path: Path) -> ConfigFile:
    """Reads a file, and recognises its format and the credentials in it.

    Raises:
        InvalidInput: it is not JSON, or the format is unknown.
    """
    data = parse_json(text_of_file(path, limit=MAX_FILE), str(path))
    for name, reader in _FORMATS.items():
        entries = reader(data) if isinstance(data, dict) else []
        if entries:
            said = said_by_values(_texts(data, without="name"), path.name)
            return ConfigFile(name, entries, [*said_by_path(path), *said])
    raise InvalidInput(
        f"{path} is of no format that is known",
        hint="Known are passivbot's api-keys.json, freqtrade's config.json, and JSON with "
        "a connector and its keys.",
    )


def _freqtrade(data: dict[str, Any]) -> list[ConfigEntry]:
    exchange = data.get("exchange")
    if not isinstance(exchange, dict) or not isinstance(exchange.get("name"), str):
        return []
    return [ConfigEntry("exchange", exchange["name"], _texts(exchange, without="name"))]


def _hummingbot(data: dict[str, Any]) -> list[ConfigEntry]:
    connector = data.get("connector")
    if not isinstance(connector, str):
        return []
    given = data.get("credentials") if isinstance(data.get("credentials"), dict) else data
    texts = _texts(given or {}, without="connector")
    plain = {name.removeprefix(f"{connector}_"): value for name, value in texts.items()}
    return [ConfigEntry(connector, _SUFFIX.sub("", connector), plain)]


def _passivbot(data: dict[str, Any]) -> list[ConfigEntry]:
    return [
        ConfigEntry(user, entry["exchange"], _texts(entry, without="exchange"), has_name=True)
        for user, entry in data.items()
        if isinstance(entry, dict) and isinstance(entry.get("exchange"), str)
    ]


_FORMATS: Final = {"freqtrade": _freqtrade, "hummingbot": _hummingbot, "passivbot": _passivbot}


def _texts(data: Mapping[str, Any], *, without: str) -> dict[str, str]:
    """The scalar values as text; nested settings are not credentials."""
    return {
        name: str(value)
        for name, value in data.items()
        if name != without and (isinstance(value, str) or type(value) is int) and str(value).strip()
    }


def choose(entries: Sequence[ConfigEntry], label: str | None) -> list[ConfigEntry]:
    """All entries, or the entry with this label.

    Raises:
        InvalidInput: no entry has this label, or several are for the same exchange.
    """
    labels = ", ".join(entry.label for entry in entries)
    if label is not None:
        chosen = [entry for entry in entries if entry.label == label]
        if not chosen:
            raise InvalidInput(f"the file has no entry {label!r}", hint=f"It has: {labels}.")
        return chosen
    exchanges = [entry.exchange for entry in entries]
    twice = next((name for name in exchanges if exchanges.count(name) > 1), None)
    if twice is not None:
        raise InvalidInput(
            f"the file has several entries for {twice}",
            hint=Hint("Say which with ", Option("entry", ...), f": {labels}."),
        )
    return list(entries)


def match_fields(
    format_name: str, entries: Iterable[ConfigEntry], specs: Mapping[str, ExchangeSpec]
) -> ConfigImport:
    """The entries as credentials; `specs` has the exchange of each entry.

    Raises:
        InvalidCredential: a value is encrypted, or two values are for the same field.
        NothingToImport: no value is a field.
    """
    credentials: dict[str, dict[str, Secret]] = {}
    ignored: list[str] = []
    problems: list[RegistryError] = []
    for entry in entries:
        fields: dict[str, Secret] = {}
        for name, value in entry.values.items():
            field = _field(specs[entry.exchange], name)
            where = f"{entry.label}.{_shown(name)}"
            if field is None:
                ignored.append(where)
            elif _KEYSTORE.match(value):
                problems.append(
                    InvalidCredential(
                        f"{where} is encrypted by another program",
                        hint=Hint(
                            "Export it in plain there, or type it in: ",
                            Command("add-credential", Blank("ACCOUNT"), Blank("EXCHANGE")),
                        ),
                    )
                )
            elif field.name in fields:
                problems.append(
                    InvalidCredential(f"{entry.label} has the field {field.name} twice")
                )
            else:
                fields[field.name] = Secret(value)
        if fields:
            credentials[entry.exchange] = fields
    if problems:
        raise together(problems)
    if not credentials:
        raise NothingToImport("the file holds no field of an exchange that is known")
    return ConfigImport(format_name, credentials, tuple(ignored))


def _field(spec: ExchangeSpec, name: str) -> FieldSpec | None:
    by_name = {
        _plain(known): field
        for field in spec.fields.values()
        for known in (field.ccxt, field.env, field.name)
        if known
    }
    wanted = _plain(name)
    # If the only secret field is a private key, `secret` means that key.
    return by_name.get(wanted) or (by_name.get("privatekey") if wanted == "secret" else None)


def _shown(name: str) -> str:
    """A name of a configuration, or a placeholder if the name could be a secret value."""
    return name if _NAME.fullmatch(name) else "(a name that is not shown)"


def _plain(name: str) -> str:
    plain = name.lower().replace("_", "").replace("-", "")
    return _ALIASES.get(plain, plain)
