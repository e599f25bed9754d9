"""The configuration formats of other programs, recognised by their shape, and their entries.

freqtrade: https://www.freqtrade.io/en/stable/configuration
passivbot: https://github.com/enarjord/passivbot, api-keys.json.example
ccxt: keys.json of its examples; Coinbase: the key file that it lets people download.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from registry.catalog.client_settings import CREDENTIALS
from registry.services.importing.names import NameSaid, said_by_values
from registry.values import is_placeholder

_SUFFIX: Final = re.compile(r"_perpetual$|_futures$|_spot$")
_OF_COINBASE: Final = re.compile(
    r"organizations/[^/]+/apiKeys/[^/]+|[0-9a-f]{8}(-[0-9a-f]{4,12}){4}"
)
_DEPTH: Final = 5
_FREQTRADE_PARTS: Final = ("ccxt_config", "ccxt_sync_config", "ccxt_async_config")

_ALIASES: Final = {
    "key": "apikey",
    "apisecret": "secret",
    "secretkey": "secret",
    "passphrase": "password",
    "apipassword": "password",
    "address": "walletaddress",
    "wallet": "walletaddress",
    "accountaddress": "walletaddress",
    "userid": "uid",
}
"""Other programs' field names -> names of ccxt; lower case, without separators."""
MEANINGS: Final[Mapping[tuple[str, str], Mapping[str, str]]] = {
    # Paradex has an address on each of two chains; passivbot's is the second one's.
    ("passivbot", "paradex"): {
        "walletaddress": "l2_address",
        "privatekey": "l2_private_key_hex",
    },
    ("hummingbot", "hyperliquid"): {"apikey": "wallet_address", "secret": "private_key"},
}
"""(format, exchange) -> a name in the format -> the field, if the name alone would mislead."""
OF_CCXT: Final = {"freqtrade", "ccxt"}
"""The formats whose names are those of ccxt's clients, whatever they mean elsewhere."""


def plain(name: str) -> str:
    """A name in the common spelling of all formats."""
    bare = name.lower().replace("_", "").replace("-", "")
    return _ALIASES.get(bare, bare)


OWN_OF_CCXT: Final = {plain(name) for name in CREDENTIALS}


@dataclass(frozen=True, slots=True)
class ConfigEntry:
    """One credential of a configuration, with the file's own names."""

    label: str
    exchange: str | None
    """None if the file does not say it."""
    values: Mapping[str, str]
    has_name: bool = False
    """Whether the label was chosen by the user, so that it may be an account's name."""

    @property
    def names(self) -> list[NameSaid]:
        """The names in it that may be an account's."""
        own = [NameSaid(f"the entry {self.label}", self.label, says_account=False)]
        return [*(own if self.has_name else ()), *said_by_values(self.values, self.label)]

    @property
    def is_template(self) -> bool:
        """Whether no value is more than a placeholder or a switch."""
        return all(is_unfilled(*pair) for pair in self.values.items())


Reader: TypeAlias = Callable[[dict[str, Any]], list[ConfigEntry]]


def is_unfilled(name: str, value: str) -> bool:
    """Whether a value is a template's, such as `"secret": "secret"`, or a switch."""
    return is_placeholder(value) or plain(value) == plain(name) or value in ("true", "false")


def _freqtrade(data: dict[str, Any]) -> list[ConfigEntry]:
    exchange = data.get("exchange")
    if not isinstance(exchange, dict):
        return []
    name = exchange.get("name")
    values = texts(exchange, without="name")
    for part in _FREQTRADE_PARTS:
        values |= _ccxt_texts(exchange.get(part), f"{part}.")
    named = isinstance(name, str) and name.strip()
    return [ConfigEntry("exchange", name if named else None, values)] if values or named else []


def _ccxt_texts(config: Any, path: str = "") -> dict[str, str]:
    """The values of a configuration of ccxt, and of the settings within it, by their path."""
    if not isinstance(config, dict) or path.count(".") > _DEPTH:
        return {}
    found = {f"{path}{name}": text for name, text in texts(config).items()}
    for name, inner in config.items():
        found |= _ccxt_texts(inner, f"{path}{name}.")
    return found


def _hummingbot(data: dict[str, Any]) -> list[ConfigEntry]:
    connector = data.get("connector")
    if not isinstance(connector, str):
        return []
    given = data.get("credentials") if isinstance(data.get("credentials"), dict) else data
    found = texts(given or {}, without="connector")
    bare = {name.removeprefix(f"{connector}_"): value for name, value in found.items()}
    return [ConfigEntry(connector, _SUFFIX.sub("", connector), bare)]


def _octobot(data: dict[str, Any]) -> list[ConfigEntry]:
    exchanges = data.get("exchanges")
    entries = exchanges.items() if isinstance(exchanges, dict) else ()
    return [
        ConfigEntry(name, name, texts(entry, without="exchange-type"))
        for name, entry in entries
        if isinstance(entry, dict) and any(key.startswith("api-") for key in entry)
    ]


def _passivbot(data: dict[str, Any]) -> list[ConfigEntry]:
    return [
        ConfigEntry(
            user,
            entry["exchange"],
            _ccxt_texts({name: value for name, value in entry.items() if name != "exchange"}),
            has_name=True,
        )
        for user, entry in data.items()
        if isinstance(entry, dict) and isinstance(entry.get("exchange"), str)
    ]


def _ccxt(data: dict[str, Any]) -> list[ConfigEntry]:
    return [
        ConfigEntry(name, name, _ccxt_texts(entry))
        for name, entry in data.items()
        if isinstance(entry, dict) and _names_a_credential(entry)
    ]


def _coinbase(data: dict[str, Any]) -> list[ConfigEntry]:
    key, secret = data.get("name", data.get("id")), data.get("privateKey")
    if not (isinstance(key, str) and isinstance(secret, str) and _OF_COINBASE.fullmatch(key)):
        return []
    return [ConfigEntry("the key", "coinbase", {"apiKey": key, "secret": secret.strip()})]


def _keys(data: dict[str, Any]) -> list[ConfigEntry]:
    found = _names_a_credential(data)
    return [ConfigEntry("the file", None, _ccxt_texts(data))] if found else []


def _names_a_credential(data: Mapping[str, Any]) -> bool:
    return any(plain(name) in OWN_OF_CCXT for name in texts(data))


FORMATS: Final[Mapping[str, Reader]] = {
    "freqtrade": _freqtrade,
    "hummingbot": _hummingbot,
    "OctoBot": _octobot,
    "passivbot": _passivbot,
    "Coinbase": _coinbase,
    "ccxt": _ccxt,
    "keys": _keys,
}


def texts(data: Mapping[str, Any], *, without: str = "") -> dict[str, str]:
    """The scalar values as text; nested settings are not credentials."""
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in data.items()
        if name != without and isinstance(value, str | int) and str(value).strip()
    }
