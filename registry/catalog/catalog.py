"""All exchanges: those of the catalog, and the definitions of users.

Some of the catalog's are written by hand, in `exchanges.toml`. The others are ccxt's: a script has
written what ccxt says of them to `ccxt.tsv`, and their fields follow from that.
"""

import functools
import importlib.resources
import re
import tomllib
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

from registry.catalog.specification import ClientSpec, ExchangeSpec, FieldSpec
from registry.catalog.variables import can_carry_a_credential
from registry.errors import ExchangeNotFound
from registry.hints import Blank, Command, Hint
from registry.shown import shown

FIELDS: Final = {
    "apiKey": FieldSpec("api_key", "API_KEY"),
    "secret": FieldSpec("secret_key", "SECRET_KEY"),
    "uid": FieldSpec("uid", "UID", secret=False),
    "accountId": FieldSpec("account_id", "ACCOUNT_ID", secret=False),
    "login": FieldSpec("login", "LOGIN"),
    "password": FieldSpec("passphrase", "PASSPHRASE"),
    "twofa": FieldSpec("twofa", "TWOFA"),
    "privateKey": FieldSpec("private_key", "PRIVATE_KEY", kind="long_key"),
    "walletAddress": FieldSpec("wallet_address", "WALLET_ADDRESS", secret=False, kind="wallet"),
    "token": FieldSpec("token", "TOKEN"),
}
"""A credential of ccxt's clients -> the field, and the end of its variable."""
_OTHER_NAMES: Final = {
    "coinbaseadvanced": "coinbase",
    "coinbaseadvancedtrade": "coinbase",
    "dydxv4": "dydx",
    "gateio": "gate",
    "huobi": "htx",
    "okex": "okx",
}
"""Names of other programs, in lower case without separators -> names of the catalog."""
_ENVIRONMENT: Final = FieldSpec(
    "environment", "ENVIRONMENT", secret=False, required=False, kind="environment"
)


class OfCcxt(NamedTuple):
    """What `ccxt.tsv` says of an exchange."""

    id: str
    name: str
    needs: list[str]
    """The credentials that a client requires, by ccxt's names."""
    marks: list[str]


def of_ccxt(name: str) -> OfCcxt | None:
    """What ccxt says of its exchange of this id; None if it has none."""
    line = _lines().get(name)
    if line is None:
        return None
    display_name, *lists = line.split("\t")
    needs, marks = ([] if words == "-" else words.split() for words in lists)
    return OfCcxt(name, display_name, needs, marks)


def has_test_system(ccxt_id: str | None) -> bool:
    """Whether ccxt knows a test system of its exchange of this id."""
    said = of_ccxt(ccxt_id or "")
    return said is not None and "test" in said.marks


class _Catalog(Mapping[str, ExchangeSpec]):
    """The exchanges of the catalog, by name; each is read when it is asked for."""

    def __getitem__(self, name: str) -> ExchangeSpec:
        spec = _in_catalog(name)
        if spec is None:
            raise KeyError(name)
        return spec

    def __iter__(self) -> Iterator[str]:
        yield from _by_hand()
        yield from (name for name in _lines() if name not in _by_hand())

    def __len__(self) -> int:
        return len(_by_hand().keys() | _lines().keys())


_CATALOG: Final = _Catalog()


def built_in_exchanges() -> Mapping[str, ExchangeSpec]:
    """The exchanges of the catalog, by name: first those that are written by hand."""
    return _CATALOG


def meant(name: str, known: Container[str]) -> str:
    """The one of the known exchanges that other programs call so; else the name as it is."""
    plain = re.sub("[^a-z0-9]", "", name.lower())
    candidates = (name, plain, _OTHER_NAMES.get(plain, plain))
    return next((candidate for candidate in candidates if candidate in known), name)


def from_definition(data: Mapping[str, Any]) -> ExchangeSpec:
    """The exchange that an event defines."""
    entries = [dict(field) for field in data["fields"]]
    for entry in entries:
        # Older logs, and events by hand, may hold other names. No credential is passed in them.
        if not can_carry_a_credential(data["exchange"], entry["env"]):
            entry["env"] = ""
    fields = _fields((entry["name"], entry) for entry in entries)
    return ExchangeSpec(
        data["exchange"],
        data["display_name"],
        fields,
        data.get("ccxt_id"),
        nonce_per_key=data.get("nonce_per_key", False),
        built_in=False,
    )


def is_definition(data: Mapping[str, Any] | None) -> bool:
    """Whether an event of an exchange defines fields; the first use of one of ccxt's does not."""
    return data is not None and bool(data.get("fields"))


def known(name: str, definition: Mapping[str, Any] | None) -> ExchangeSpec | None:
    """The fields of an exchange: a user's definition, or else the catalog's; None without both."""
    if definition is not None and is_definition(definition):
        return from_definition(definition)
    return built_in_exchanges().get(name)


def specification(name: str, definition: Mapping[str, Any] | None) -> ExchangeSpec:
    """The fields of an exchange, as `known`.

    Raises:
        ExchangeNotFound: they are not known.
    """
    spec = known(name, definition)
    if spec is None:
        raise ExchangeNotFound(
            f"the fields of {shown(name)}'s credentials are not known",
            hint=Hint(
                "Say them with: ",
                Command("add-exchange", shown(name), field=Blank("NAME=ENV_NAME …")),
            ),
        )
    return spec


@functools.lru_cache(256)
def _in_catalog(name: str) -> ExchangeSpec | None:
    said = of_ccxt(name)
    if said is None and name not in _by_hand():
        return None
    entry = _by_hand().get(name, {})
    if said is None or "fields" in entry:
        fields, ccxt_id = _fields(entry["fields"].items()), entry.get("ccxt_id")
    else:
        fields, ccxt_id = _fields_of_ccxt(said), said.id
    return ExchangeSpec(
        name,
        entry.get("display_name") or (said.name if said else name),
        fields,
        ccxt_id,
        nonce_per_key=entry.get("nonce_per_key", said is not None and "nonce" in said.marks),
        client=ClientSpec(**entry.get("client", {})),
        generated="fields" not in entry,
    )


def _fields_of_ccxt(said: OfCcxt) -> dict[str, FieldSpec]:
    places = [(FIELDS[name], name) for name in said.needs]
    if "base64" in said.marks:
        places.append((replace(FIELDS["secret"], kind="base64"), "secret"))
    return {
        field.name: field.of_exchange(said.id, ccxt=place)
        for field, place in [*places, (_ENVIRONMENT, None)]
    }


def _fields(entries: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, FieldSpec]:
    return {name: FieldSpec(**{**entry, "name": name}) for name, entry in entries}


@functools.cache
def _by_hand() -> Mapping[str, dict[str, Any]]:
    return tomllib.loads(_text("exchanges.toml"))


@functools.cache
def _lines() -> Mapping[str, str]:
    """Id -> the rest of its line in `ccxt.tsv`, below the heading."""
    lines = (line.partition("\t") for line in _text("ccxt.tsv").splitlines()[1:])
    return {name: rest for name, _, rest in lines}


def _text(name: str) -> str:
    return importlib.resources.files("registry.catalog").joinpath(name).read_text("utf-8")
