"""The settings of ccxt's client that follow from a credential's fields.

What is pure of making a client: which field goes where, and what a caller may add.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from registry.catalog.specification import ExchangeSpec, FieldSpec
from registry.errors import InvalidCredential, InvalidInput

QUIET: Final[Mapping[str, Any]] = {"options.builderFee": False, "options.refSet": True}
"""By these each client of ccxt approves and pays no builder's fee and names no referrer."""
CREDENTIALS: Final = (
    *("apiKey", "secret", "uid", "accountId", "login", "password", "twofa"),
    *("privateKey", "walletAddress", "token"),
)
"""What ccxt calls the credentials of its clients."""
_OTHER_NAMES: Final = {"secret_key": "secret", "api_secret": "secret", "passphrase": "password"}
_SYSTEMS: Final = {
    "prod": ("prod", "production", "mainnet", "live"),
    "test": ("testnet", "test", "sandbox"),
}
"""What the field `environment` may say, in any case, and which system that is."""
_UNSET: Final = object()


def client_settings(
    spec: ExchangeSpec,
    values: Mapping[str, str],
    config: Mapping[str, Any],
    *,
    reading: bool,
) -> dict[str, Any]:
    """What ccxt's constructor is given: the caller's settings between ours.

    Raises:
        InvalidInput: the caller sets what the credential gives, or what keeps a client
            that only reads from doing more or from printing what it sends.
    """
    given = credential_settings(spec, values)
    names = CREDENTIALS if spec.client.needs else ()
    _refuse(config, dict.fromkeys([*given, *names], _UNSET), f"the {spec.name} credential gives it")
    if reading:
        _refuse(config, {**QUIET, "verbose": False}, "this client only reads")
    ours = _nested(given)
    if spec.client.needs:
        # The catalog knows what is needed, and it was looked at.
        ours["requiredCredentials"] = dict.fromkeys(CREDENTIALS, False)
    defaults = {"enableRateLimit": True, **_nested(QUIET)}
    return _merged(_merged(defaults, config), ours)


def credential_settings(spec: ExchangeSpec, values: Mapping[str, str]) -> dict[str, Any]:
    """Where ccxt has the fields: path -> value."""
    settings: dict[str, Any] = {}
    for name, value in values.items():
        field = spec.fields[name]
        if spec.built_in:
            path = field.ccxt and field.ccxt.format_map(values)
        else:
            path = field.ccxt or _own_name(field)
        if path:
            whole = field.type == "integer" and "." in path
            settings[path] = int(value) if whole else value
    return settings


def is_test_system(spec: ExchangeSpec, said: str | None) -> bool:
    """Whether the field `environment` names the exchange's test system.

    Raises:
        InvalidCredential: it is neither a name of the test system nor of the real one.
    """
    for system, names in _SYSTEMS.items():
        if ("prod" if said is None else said.lower()) in names:
            return system == "test"
    known = ", ".join(name for names in _SYSTEMS.values() for name in names)
    raise InvalidCredential(
        f"the field environment of {spec.name} names no system that is known",
        hint=f"It may be: {known}. Replace the credential with one of these.",
    )


def _own_name(field: FieldSpec) -> str | None:
    """What ccxt calls a field for which nobody said it: by its name."""
    known = {re.sub("[A-Z]", lambda m: f"_{m[0].lower()}", name): name for name in CREDENTIALS}
    return (known | _OTHER_NAMES).get(field.name)


def _refuse(config: Mapping[str, Any], settings: Mapping[str, Any], why: str) -> None:
    """Refuses what the caller sets otherwise than here."""
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
    """What is set there; a value in the place of a folder is set for all that was in it."""
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
