"""Values beside a key that decide which account or which system is traded.

A file may say `is_vault: true`, `HYPERLIQUID_TESTNET=1` or name a subaccount. If such a value has
no place in the credential, the key would trade elsewhere than it does now: so it is not dropped.
"""

import re
from collections.abc import Mapping
from typing import Final

from registry.encryption.secret import Secret
from registry.hints import Command, Hint, Option
from registry.values import is_placeholder

HINTS: Final = {
    "account": Hint(
        "Nothing was imported. See what an exchange has fields for: ",
        Command("exchanges"),
        ". A number may be a subaccount's: ",
        Option("subaccount", ...),
        ". Or take the line out of the file.",
    ),
    "secret": Hint(
        "Nothing was imported. See what an exchange has fields for: ",
        Command("exchanges"),
        ". Or take the line out of the file.",
    ),
    "system": "Nothing was imported. Take the line out of the file, if the key is for the main "
    "system. The field environment, where there is one, says which it is.",
}
_NO: Final = {"", "0", "false", "f", "no", "n", "off", "none", "null", "disabled"}
_MAIN: Final = {"prod", "production", "main", "mainnet", "live", "real"}
_TEST_FLAG: Final = re.compile(
    r"(is|use|enable)?(testnet|test|sandbox(ed)?|demo|paper|devnet|simulat(ed|ion|or))"
    r"(mode|trading|net|enabled|env|environment)?"
)
_MAIN_FLAG: Final = re.compile(r"(is|use|enable)?(mainnet|live|prod(uction)?)(mode|trading)?")
_SYSTEM: Final = re.compile(
    r"(api|trading|exchange)?(env(ironment)?|network|net|system|chain|chainname|cluster|mode|server"
    r"|domain|(base|api|rest|ws|wss|websocket|rpc)*(url|uri|host|hostname|endpoint))"
)
_TEST: Final = re.compile(
    r"(?<![a-z])(test(net)?|sandbox|demo|paper|stag(e|ing)|dev(net|elopment)?|sepolia|goerli"
    r"|simulat\w*)(?![a-z])"
)
_ADDRESS: Final = re.compile(r"(https?|wss?)://")
_FOR_ALL: Final = re.compile(r"testnet|sandbox|sepolia|goerli")
_VAULT_FLAG: Final = re.compile(r"(is|use)vault")
_ACCOUNT: Final = re.compile(
    r"(vault|sub|main|master|trading|funding|wallet|user|owner|account)*"
    r"(account|vault|wallet|user|portfolio|strategy|uid|address)(address|id|index|name|number|no)?"
    r"|(api)?keyindex|l[12]address"
)
_IDENTIFIER: Final = re.compile(r"0x[0-9a-f]{6,}|[0-9]+", re.IGNORECASE)


def is_vault(name: str, value: str) -> bool:
    """Whether it says that the wallet's address is a vault's."""
    return bool(_VAULT_FLAG.fullmatch(_plain(name))) and _is_yes(value)


def dropped(
    name: str, value: str, fields: Mapping[str, Secret], subaccount: int | None = None
) -> str | None:
    """What a value that is no field decides (an account or a system), if that would be lost.

    `name` is without the exchange's; `subaccount` is the one that the caller chose.
    """
    plain, said = _plain(name), value.strip().lower()
    if is_placeholder(said) or said in _NO | _MAIN:
        return "system" if _MAIN_FLAG.fullmatch(plain) and said in _NO - {""} else None
    of_system = _SYSTEM.fullmatch(plain) or _ADDRESS.match(said)
    if _TEST_FLAG.fullmatch(plain) or (of_system and _TEST.search(said)):
        chosen = fields.get("environment")
        return None if chosen and _TEST.search(chosen.reveal().lower()) else "system"
    if _VAULT_FLAG.fullmatch(plain):
        return None if "vault_address" in fields else "account"
    if not _ACCOUNT.fullmatch(plain):
        return None
    kept = {field.reveal().strip().lower() for field in fields.values()}
    names_one = "vault" in plain or plain.startswith("sub") or _IDENTIFIER.fullmatch(said)
    return "account" if names_one and said not in {*kept, str(subaccount)} else None


def for_all(name: str, value: str) -> bool:
    """Whether a variable of no exchange says that a test system is traded."""
    plain, said = _plain(name), value.strip().lower()
    is_flag = _TEST_FLAG.fullmatch(plain) and _FOR_ALL.search(plain) and _is_yes(value)
    return bool(is_flag or (_SYSTEM.fullmatch(plain) and _FOR_ALL.search(said)))


def _is_yes(value: str) -> bool:
    return value.strip().lower() not in _NO | _MAIN and not is_placeholder(value)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
