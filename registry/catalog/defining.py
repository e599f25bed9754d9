"""The rules for a user's definition of an exchange."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Any, Final

from registry.catalog.catalog import built_in_exchanges, from_definition, meant, of_ccxt
from registry.catalog.client_settings import CREDENTIALS, place_in_client
from registry.catalog.kinds import KINDS
from registry.catalog.variables import HINT, can_carry_a_credential
from registry.errors import InvalidInput
from registry.shapes import refuse_keys_within
from registry.shown import shown
from registry.values import exchange_name, short_text

_FIELD_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,49}")
_OPTION: Final = re.compile(r"options(\.[A-Za-z][A-Za-z0-9]{0,49}){1,4}")


@dataclass(frozen=True, slots=True)
class Definition:
    """The definition of an exchange, as the caller gives it."""

    name: str
    display_name: str
    fields: Sequence[Mapping[str, Any]]
    """As `registry.events.exchanges.FieldDefinition`."""
    ccxt_id: str | None = None
    nonce_per_key: bool = False

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Definition":
        """The definition in an event."""
        return cls(
            data["exchange"],
            data["display_name"],
            data["fields"],
            data.get("ccxt_id"),
            nonce_per_key=data.get("nonce_per_key", False),
        )

    def of_event(self) -> dict[str, Any]:
        """The fields of the event, without those that say nothing."""
        said = {"exchange": self.name, **self.content()}
        return {name: value for name, value in said.items() if value not in (None, False)}

    def content(self) -> dict[str, Any]:
        """The content of the command that gives it."""
        content = {**asdict(self), "fields": [dict(given) for given in self.fields]}
        del content["name"]
        return content


def check_definition(definition: Definition) -> None:
    """Checks all that can be seen without other definitions.

    Raises:
        InvalidInput: a name is not acceptable, there is no field, ccxt has no such exchange, or
            requires a credential that none of the fields is.
    """
    refuse_keys_within(
        [definition.name, definition.ccxt_id, *map(dict, definition.fields)],
        "the definition of an exchange",
    )
    exchange_name(definition.name)
    short_text(definition.display_name, "a display name", limit=100)
    if not definition.fields:
        raise InvalidInput("an exchange's credential needs one field at least")
    for given in definition.fields:
        _check_field(definition.name, given)
    for part in ("name", "env"):
        names = [given[part] for given in definition.fields]
        if len(set(names)) != len(names):
            raise InvalidInput(f"two fields have the same {part}")
    if definition.ccxt_id is not None:
        _check_ccxt(definition, definition.ccxt_id)


def _check_field(exchange: str, given: Mapping[str, Any]) -> None:
    if not _FIELD_NAME.fullmatch(given["name"]):
        raise InvalidInput(
            f"{given['name']!r} is not a field name",
            hint="It looks like api_key: a-z, 0-9 and _.",
        )
    if not can_carry_a_credential(exchange, given["env"]):
        raise InvalidInput(
            f"{given['env']!r} is not the name of a variable for a credential of {exchange}",
            hint=HINT,
        )
    if given.get("kind", "text") not in KINDS:
        raise InvalidInput(
            f"the field {given['name']} has a kind that is not known",
            hint=f"It may be: {', '.join(KINDS)}.",
        )
    place = given.get("ccxt")
    if place is not None and place not in CREDENTIALS and not _OPTION.fullmatch(place):
        raise InvalidInput(
            f"the field {given['name']} has a place that ccxt's clients do not have",
            hint=f"It may be: {', '.join(CREDENTIALS)}, or a setting such as options.vaultAddress.",
        )


def _check_ccxt(definition: Definition, ccxt_id: str) -> None:
    known = of_ccxt(ccxt_id)
    if known is None:
        ids = [spec.ccxt_id for spec in built_in_exchanges().values() if spec.ccxt_id]
        close = get_close_matches(meant(ccxt_id, ids), ids, n=3, cutoff=0.6)
        raise InvalidInput(
            f"ccxt has no exchange {shown(ccxt_id)}",
            hint=f"Did you mean {' or '.join(close)}?" if close else None,
        )
    fields = from_definition({"exchange": definition.name, **definition.content()}).fields.values()
    places = [place_in_client(field) for field in fields]
    twice = sorted({place for place in places if place and places.count(place) > 1})
    if twice:
        raise InvalidInput(f"two fields are ccxt's {', '.join(twice)}")
    lacking = [name for name in known.needs if name not in places]
    if lacking:
        names = ", ".join(field.name for field in fields)
        raise InvalidInput(
            f"ccxt's {ccxt_id} requires {', '.join(lacking)}, and none of the fields {names} is "
            "that",
            hint=f"Say which one is, such as: NAME=VARIABLE:ccxt={lacking[0]}.",
        )


def check_variables(definition: Definition, others: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuses the variables of other exchanges: of the catalog, and of other definitions.

    Raises:
        InvalidInput: an import or `run` would take one value for two exchanges.
    """
    mine = {given["env"] for given in definition.fields}
    for name, env in _variables(others):
        if env in mine and name != definition.name:
            raise InvalidInput(
                f"the variable {env} is that of {name}",
                hint="Give each exchange variables of its own.",
            )


def _variables(others: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for spec in (*built_in_exchanges().values(), *map(from_definition, others.values())):
        for field in spec.fields.values():
            yield spec.name, field.env
