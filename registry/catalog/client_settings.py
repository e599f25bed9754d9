"""The settings of ccxt's client that follow from a credential's fields.

The pure part of making a client: the place of each field, and the settings a caller may add.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from registry.catalog.catalog import FIELDS
from registry.catalog.kinds import SYSTEMS, system_of
from registry.catalog.specification import ExchangeSpec, FieldSpec
from registry.errors import InvalidCredential, InvalidInput

QUIET: Final[Mapping[str, Any]] = {"options.builderFee": False, "options.refSet": True}
"""With these settings a ccxt client approves and pays no builder's fee, and names no referrer."""
CREDENTIALS: Final = tuple(FIELDS)
"""The names of credentials in ccxt's clients."""
_PLACES: Final = {
    **{field.name: name for name, field in FIELDS.items()},
    "secret": "secret",
    "api_secret": "secret",
    "password": "password",
}
_UNSET: Final = object()


def client_settings(
    spec: ExchangeSpec,
    values: Mapping[str, str],
    config: Mapping[str, Any],
    *,
    reading: bool,
) -> dict[str, Any]:
    """The settings for ccxt's constructor: the caller's, between our defaults and the credential's.

    Raises:
        InvalidInput: the caller overrides a setting of the credential, or one that keeps a
            client that only reads from doing more or from printing its requests.
    """
    given = credential_settings(spec, values)
    names = CREDENTIALS if spec.client.needs else ()
    _refuse(config, dict.fromkeys([*given, *names], _UNSET), f"the {spec.name} credential gives it")
    if reading:
        _refuse(config, {**QUIET, "verbose": False}, "this client only reads")
    ours = _nested(given)
    if spec.client.needs:
        # The catalog lists the needed fields, and they were checked.
        ours["requiredCredentials"] = dict.fromkeys(CREDENTIALS, False)
    defaults = {"enableRateLimit": True, **_nested(QUIET)}
    return _merged(_merged(defaults, config), ours)


def credential_settings(spec: ExchangeSpec, values: Mapping[str, str]) -> dict[str, Any]:
    """The fields as settings of ccxt: path -> value."""
    settings: dict[str, Any] = {}
    for name, value in values.items():
        field = spec.fields[name]
        if spec.built_in:
            path = field.ccxt and field.ccxt.format_map(values)
        else:
            path = place_in_client(field)
        if path:
            whole = field.type == "integer" and "." in path
            settings[path] = int(value) if whole else value
    return settings


def is_test_system(spec: ExchangeSpec, said: str | None) -> bool:
    """Whether the field `environment` names the exchange's test system.

    Raises:
        InvalidCredential: it is neither a name of the test system nor of the real one.
    """
    system = "prod" if said is None else system_of(said)
    if system is None:
        known = ", ".join(word for words in SYSTEMS.values() for word in words)
        raise InvalidCredential(
            f"the field environment of {spec.name} names no system that is known",
            hint=f"It may be: {known}. Replace the credential with one of these.",
        )
    return system == "testnet"


def place_in_client(field: FieldSpec) -> str | None:
    """The place of a field of one's own: as its definition says, or by the field's name."""
    return _PLACES.get(field.name) if field.ccxt is None else field.ccxt


def _refuse(config: Mapping[str, Any], settings: Mapping[str, Any], why: str) -> None:
    """Refuses the caller's values that differ from these settings."""
    # ccxt takes api_key for apiKey.
    plain = {
        re.sub("_([a-z])", lambda m: m[1].upper(), key): value for key, value in config.items()
    }
    taken = [path for path, ours in settings.items() if _at(plain, path) not in (_UNSET, ours)]
    if taken:
        raise InvalidInput(
            f"config may not set {', '.join(taken)}: {why}", hint="Leave it out of config."
        )


def _at(settings: Any, path: str) -> Any:
    """The value at a path; a value in a mapping's place counts for every path below."""
    for part in path.split("."):
        if not isinstance(settings, Mapping):
            break
        settings = settings.get(part, _UNSET)
    return settings


def _nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for path, value in settings.items():
        *folders, last = path.split(".")
        here = nested
        for folder in folders:
            here = here.setdefault(folder, {})
        here[last] = value
    return nested


def _merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in more.items():
        inner = merged.get(key)
        folders = isinstance(inner, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(inner or {}, value) if folders else value
    return merged
