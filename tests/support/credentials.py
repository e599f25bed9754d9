"""Made-up credentials of each built-in exchange, in a valid form."""

from collections.abc import Mapping
from typing import Final

from registry.encryption.secret import Secret

FIELDS: Final[dict[str, dict[str, str]]] = {
    "lighter": {
        "private_key": "lighter-secret",
        "account_index": "281474976710656",
        "api_key_index": "3",
    },
    "aster": {"api_key": "aster-key", "secret_key": "aster-secret"},
    "backpack": {"public_key": "backpack-public", "secret_key": "backpack-secret"},
    "paradex": {
        "l1_address": "0x00000000000000000000000000000000000000A1",
        "l2_private_key_hex": "0x0badc0de5badc0de5badc0de5badc0de5badc0de5badc0de5badc0de5badc0de",
        "l2_address": "0x00000000000000000000000000000000000000B2",
        "environment": "testnet",
    },
    "edgex": {
        "account_id": "543210987654321",
        "stark_private_key": "0x0feedface0feedface",
        "base_url": "https://edgex.example",
        "ws_url": "wss://edgex.example",
    },
    "grvt": {
        "trading_account_id": "8765432109",
        "private_key": "0x0c0ffee00c0ffee0",
        "api_key": "grvtKey3m2n1b",
        "environment": "testnet",
    },
    "hyperliquid": {
        "wallet_address": "0x00000000000000000000000000000000000000C3",
        "private_key": "0x0decade50decade50decade50decade50decade50decade50decade50decade5",
    },
}

ENV_FILE: Final = """\
# made-up values
API_KEY_PRIVATE_KEY=lighter-secret
LIGHTER_ACCOUNT_INDEX=281474976710656
LIGHTER_API_KEY_INDEX=3
BACKPACK_PUBLIC_KEY="backpack-public"
BACKPACK_SECRET_KEY='backpack-secret'
export PARADEX_L1_ADDRESS=0x00000000000000000000000000000000000000A1
PARADEX_L2_PRIVATE_KEY=0x0badc0de5badc0de5badc0de5badc0de5badc0de5badc0de5badc0de5badc0de
"""
"""An env file with complete credentials of three exchanges."""


def secrets(fields: Mapping[str, str]) -> dict[str, Secret]:
    """Fields as secrets."""
    return {name: Secret(value) for name, value in fields.items()}
