"""Makes a ccxt client from a credential, so that the client does nothing unasked.

The catalog holds all settings that data can express. The hooks here do the rest, at most one
for each exchange.
"""

import importlib
import importlib.metadata
import inspect
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from registry.catalog.catalog import has_test_system
from registry.catalog.client_settings import client_settings, is_test_system
from registry.catalog.specification import ExchangeSpec
from registry.errors import InvalidCredential, InvalidInput, MissingExtra
from registry.hints import Blank, Command, Hint
from registry.services.releases.releases import ReleasedCredential
from registry.services.releases.resolution import Resolution

_LIGHTER_LIBRARY: Final = "lighter-sdk==1.1.6"
_LIGHTER_INDEXES: Final = range(4, 255)
"""The indexes of API keys that ccxt uses; it silently replaces any other by 254."""


def import_ccxt(module: str) -> Any:
    """ccxt, or its part for asyncio.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MissingExtra.of("ccxt") from None


def class_of(ccxt: Any, spec: ExchangeSpec) -> Any:
    """The class of ccxt for an exchange.

    Raises:
        InvalidInput: there is none.
    """
    if spec.ccxt_id is None or spec.ccxt_id not in ccxt.exchanges:
        hint: str = Hint(
            "An exchange of your own names it: ",
            Command("add-exchange", Blank("EXCHANGE"), ccxt=Blank("ID")),
        )
        if spec.built_in:
            hint = "CredentialLoader().load(…) gives the credential for a client of your own."
        raise InvalidInput(f"there is no ccxt client for {spec.name}", hint=hint)
    return getattr(ccxt, spec.ccxt_id)


def make_client(
    kind: Any,
    spec: ExchangeSpec,
    released: ReleasedCredential,
    config: Mapping[str, Any],
    *,
    access: str,
    sandbox: bool | None,
) -> Any:
    """A client of ccxt that can sign for the credential and does nothing by itself.

    Raises:
        InvalidCredential: the credential lacks a field that the client needs, or one is malformed.
        InvalidInput: the caller's settings collide with ours; there is no test system.
        MissingExtra: the client needs a package that is not installed.
    """
    known = ((spec.field(name), value) for name, value in released.fields.items())
    values = {field.name: value.reveal() for field, value in known if field is not None}
    _check(spec, values, released.resolution)
    is_test = is_test_system(spec, values.get("environment"))
    client = kind(client_settings(spec, values, config, reading=access != "full"))
    _check_by_ccxt(client, spec)
    _silence(client, spec)
    if sandbox or (sandbox is None and is_test):
        if not has_test_system(spec.ccxt_id):
            raise InvalidInput(f"ccxt knows no test system of {spec.name}")
        client.set_sandbox_mode(True)
    if spec.client.hook:
        _HOOKS[spec.client.hook](client, values, access)
    return client


def _check(spec: ExchangeSpec, values: Mapping[str, str], resolution: Resolution) -> None:
    holder = resolution.holder
    which = {
        "subaccount": resolution.subaccount_index,
        "permission": "read_only" if resolution.permission == "read_only" else None,
    }
    replace = Command("replace-credential", holder, spec.name, **which)
    again = Hint("Give all its fields anew: ", replace)
    lacking = [name for name in spec.client.needs if name not in values]
    if lacking:
        why = f"; {spec.client.why}" if spec.client.why else ""
        raise InvalidCredential(
            f"a client of {spec.name} needs {', '.join(lacking)}, "
            f"which the credential of {holder} does not have{why}",
            hint=again,
        )
    for name in values:
        unfit = spec.fields[name].unfit(values[name])
        if unfit:
            raise InvalidCredential(
                f"the field {name} of {spec.name} is not {unfit}; no client works with it",
                hint=again,
            )


def _check_by_ccxt(client: Any, spec: ExchangeSpec) -> None:
    """Checks the fields that ccxt itself requires, where the catalog lists none."""
    lacking = [
        name
        for name, needed in client.requiredCredentials.items()
        if needed and not getattr(client, name, None)
    ]
    if lacking:
        raise InvalidCredential(
            f"ccxt's client for {spec.name} needs {', '.join(lacking)}, and none of the fields "
            f"{', '.join(spec.fields)} is that",
            hint="Fields named api_key, secret_key, passphrase, uid, private_key and "
            "wallet_address are; what the credential has no field for can be in config.",
        )


def _silence(client: Any, spec: ExchangeSpec) -> None:
    # With the fee off, one client still signs an approval of 0 %, and names ccxt in orders.
    approve = getattr(client, "handle_builder_fee_approval", None)
    if approve is not None and not client.options["builderFee"]:
        client.handle_builder_fee_approval = _nothing(inspect.iscoroutinefunction(approve))
    unsent = spec.client.unsent
    if unsent:
        client.set_headers = lambda headers: {
            name: value for name, value in headers.items() if unsent.get(name) != value
        }


def _nothing(asynchronous: bool) -> Callable[..., Any]:
    async def later(*_: Any) -> bool:
        return False

    return later if asynchronous else lambda *_: False


# ---------------------------------------------------------------- hooks of exchanges


def _lighter(client: Any, values: Mapping[str, str], access: str) -> None:
    """Lets Lighter's library sign for orders and their history; positions are public."""
    if access == "positions_only":
        return
    options = client.options
    if options["apiKeyIndex"] not in _LIGHTER_INDEXES:
        raise InvalidCredential(
            "ccxt trades on Lighter with API keys 4 to 254 only; "
            "api_key_index is another, and it would silently take 254",
            hint="Make an API key with such an index at Lighter, and replace the credential.",
        )
    options["libraryPath"] = options["libraryPath"] or _lighter_library()
    account, index = (options[name] for name in ("accountIndex", "apiKeyIndex"))
    try:
        signer = client.load_lighter_library_helper(
            options["libraryPath"], options["chainId"], values["private_key"], index, account, True
        )
    except Exception as problem:  # noqa: BLE001 - ccxt raises plain exceptions here
        raise InvalidInput(
            f"Lighter's signing library does not take the key: {problem}",
            hint=f"It is to fit this version of ccxt: pip install --no-deps {_LIGHTER_LIBRARY}",
        ) from None
    options["auths"][str(account)][str(index)]["signer"] = signer


def _lighter_library() -> str:
    try:
        package = importlib.metadata.distribution("lighter-sdk")
    except importlib.metadata.PackageNotFoundError:
        raise MissingExtra(
            "a client of lighter needs Lighter's signing library, which is not installed; "
            "only with access positions_only it does not",
            hint=f"Run: pip install --no-deps {_LIGHTER_LIBRARY}, "
            "or name the file in config: options.libraryPath.",
        ) from None
    machine = platform.machine().lower()
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    folder = Path(str(package.locate_file("lighter/signers")))
    # Each library has its header in the same folder.
    name = f"lighter-signer-{platform.system().lower()}-{machine}"
    files = [file for file in folder.glob(f"{name}.*") if file.suffix != ".h"]
    if not files:
        raise MissingExtra(
            f"lighter-sdk has no signing library for {platform.system()} on {machine}",
            hint="Name a file in config: options.libraryPath.",
        )
    return str(files[0])


def _aster(client: Any, values: Mapping[str, str], _access: str) -> None:
    """Lets the key of an agent sign for the user's wallet."""
    if "user_address" in values:
        client.options |= {
            "signerAddress": client.eth_get_address_from_private_key(client.privateKey),
            # By this hash ccxt knows that the wallet's address belongs to the key.
            "privateKeyHashForCachedWalletAddress": client.hash(
                client.encode(client.privateKey), "keccak", "hex"
            ),
        }


def _grvt(client: Any, _values: Mapping[str, str], _access: str) -> None:
    """Logs in with the API key and its signer; ccxt would log in as a wallet."""
    client.sign_in = client.sign_in_with_api_key


def _hyperliquid(client: Any, _values: Mapping[str, str], _access: str) -> None:
    """Lets a client that trades for a vault also read the vault."""
    client.walletAddress = client.options.get("vaultAddress") or client.walletAddress


_HOOKS: Final[Mapping[str, Callable[[Any, Mapping[str, str], str], None]]] = {
    "lighter": _lighter,
    "aster": _aster,
    "grvt": _grvt,
    "hyperliquid": _hyperliquid,
}
