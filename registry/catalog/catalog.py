"""All exchanges: the built-in ones, and the definitions of users."""

import functools
import importlib.resources
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from registry.catalog.specification import ClientSpec, ExchangeSpec, FieldSpec
from registry.catalog.variables import can_carry_a_credential
from registry.errors import ExchangeNotFound
from registry.hints import Blank, Command, Hint
from registry.shown import shown


@functools.cache
def built_in_exchanges() -> Mapping[str, ExchangeSpec]:
    """The exchanges of `exchanges.toml`, by name."""
    text = (
        importlib.resources.files("registry.catalog").joinpath("exchanges.toml").read_text("utf-8")
    )
    return {name: _built_in(name, entry) for name, entry in tomllib.loads(text).items()}


def from_definition(data: Mapping[str, Any]) -> ExchangeSpec:
    """The exchange that an `ExchangeAdded` event defines."""
    entries = [dict(field) for field in data["fields"]]
    for entry in entries:
        # Older logs, and events by hand, may hold other names. No credential is passed in them.
        if not can_carry_a_credential(data["exchange"], entry["env"]):
            entry["env"] = ""
    fields = _fields((entry["name"], entry) for entry in entries)
    return ExchangeSpec(
        data["exchange"], data["display_name"], fields, data.get("ccxt_id"), built_in=False
    )


def specification(name: str, definition: Mapping[str, Any] | None) -> ExchangeSpec:
    """The fields of an exchange: a user's definition, or the built-in one.

    Raises:
        ExchangeNotFound: neither exists.
    """
    if definition is not None:
        return from_definition(definition)
    built_in = built_in_exchanges().get(name)
    if built_in is None:
        raise ExchangeNotFound(
            f"the fields of {shown(name)}'s credentials are not known",
            hint=Hint(
                "Say them with: ",
                Command("add-exchange", shown(name), field=Blank("NAME=ENV_NAME …")),
            ),
        )
    return built_in


def _built_in(name: str, entry: dict[str, Any]) -> ExchangeSpec:
    return ExchangeSpec(
        name,
        entry["display_name"],
        _fields(entry["fields"].items()),
        entry.get("ccxt_id"),
        nonce_per_key=entry.get("nonce_per_key", False),
        client=ClientSpec(**entry.get("client", {})),
    )


def _fields(entries: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, FieldSpec]:
    return {name: FieldSpec(**{**entry, "name": name}) for name, entry in entries}
