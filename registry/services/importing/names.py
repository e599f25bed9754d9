"""Detects a file for another account, by its name or a name in its content.

A key stored under the wrong account trades there unnoticed. So a file that names another account
is refused unless that is allowed. A name counts if an account has it, or if only its number differs
from the right name (`bot_011`, `bot_012`). A name in a place for account names (`.env.NAME`,
`ACCOUNT_NAME=NAME`) also counts, unless it is a usual word of setups.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from registry.database.connection import Database, registry_errors
from registry.database.queries import load_queries
from registry.encryption.secret import Secret
from registry.errors import OtherAccountNamed
from registry.hints import Hint, Option
from registry.values import is_placeholder

_QUERIES = load_queries("registry.execution")

_NAMES: Final = (re.compile(r"\.env[._-](?P<account>.+)"), re.compile(r"(?P<account>[^.].*)\.env"))
_JSON: Final = re.compile(r"(?P<account>[^.].*)\.json")
SPARE: Final = re.compile(
    r"(^|[._\-\d])(bak|backup|old|orig|save|copy|example|sample|template|dist)\d*([._\-]|$)|~$",
    re.IGNORECASE,
)
"""The marks of a copy or a template in a file's name."""
_SAYS_ACCOUNT: Final = re.compile(r"((REGISTRY|BOT|TRADING)_)?ACCOUNT(_NAME)?", re.IGNORECASE)
_SAYS_BOT: Final = re.compile(r"BOT(_NAME)?|INSTANCE(_NAME)?", re.IGNORECASE)
_LIKE_A_NAME: Final = re.compile(r"[^\W\d][\w .-]{0,63}")
_OF_SETUPS: Final = re.compile(
    r"prod(uction)?|dev(elopment)?|test(ing|net)?|mainnet|devnet|stag(e|ing)|local|live|paper|demo"
    r"|sandbox|ci|docker|compose|env|default|shared|common|api|private|secrets?|keys?"
    r"|credentials?|config|settings|example|sample|template|dist|bak|backup|old|new|orig|save"
    r"|copy|te?mp|vault|me"
)
_ALONE: Final = re.compile(r"accounts?|bots?|main|my|name|trading|user")
"""Words that are no account's name alone, but can be a part of one."""

_OF_SECRETS: Final = {
    *("key", "secret", "private", "pk", "password", "passphrase", "token", "mnemonic", "seed"),
    *("apikey", "apisecret", "secretkey", "privatekey", "twofa"),
}
_BESIDE_SECRETS: Final = {"public", "index", "id", "name", "type", "path", "file", "expires"}
_PARTS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")


@dataclass(frozen=True, slots=True)
class NameSaid:
    """A name that may be an account's."""

    where: str
    name: str
    says_account: bool
    """Whether the place is for account names, such as `ACCOUNT_NAME=`."""
    is_public: bool = False
    """Whether it is a file's name, which is not secret."""


def is_secret_name(name: str) -> bool:
    """Whether a variable or a setting of this name holds a secret, as a rule."""
    parts = {part.lower() for part in _PARTS.findall(name)}
    return bool(parts & _OF_SECRETS) and not parts & _BESIDE_SECRETS


def account_of(path: Path) -> str | None:
    """The account that a file is named for: acc1 for `.env.acc1` and `acc1.env`."""
    matches = (pattern.fullmatch(path.name) for pattern in _NAMES)
    return next((match["account"] for match in matches if match), None)


def said_by_path(path: Path) -> list[NameSaid]:
    """The name in a file's own name, without the endings of copies."""
    name = SPARE.sub(".", path.name).rstrip("._-")
    matches = (pattern.fullmatch(name) for pattern in (*_NAMES, _JSON))
    found = next((match["account"] for match in matches if match), None)
    says_account = name.startswith(".env")
    return [] if found is None else [NameSaid(path.name, found, says_account, is_public=True)]


def said_by_values(values: Mapping[str, str], where: str) -> Iterator[NameSaid]:
    """The names in the values of variables such as `ACCOUNT_NAME`."""
    for variable, value in values.items():
        says_account = bool(_SAYS_ACCOUNT.fullmatch(variable))
        name = value.strip()
        if (says_account or _SAYS_BOT.fullmatch(variable)) and _LIKE_A_NAME.fullmatch(name):
            yield NameSaid(f"{variable} in {where}", name, says_account)


def said_by_secrets(variables: Mapping[str, Secret], where: str) -> Iterator[NameSaid]:
    """The same for the variables of an env file."""
    return said_by_values({name: value.reveal() for name, value in variables.items()}, where)


def check_names(
    database: Database, account: str, said: Iterable[NameSaid], exchanges: Iterable[str]
) -> None:
    """Refuses a name that another account has, or that can only be another account's.

    Raises:
        OtherAccountNamed: one of the names is another account's.
    """
    said = [named for named in said if named.name != account]
    if said:
        names = {"names": [named.name.lower() for named in said]}
        with database.connection() as connection, registry_errors(connection):
            rows = connection.execute(_QUERIES["accounts_of_names"], names).fetchall()
        refuse_names(account, said, [row[0] for row in rows], exchanges)


def refuse_names(
    account: str,
    said: Iterable[NameSaid],
    existing: Iterable[str],
    exchanges: Iterable[str],
) -> None:
    """The same for a given list of accounts; errors as `check_names`."""
    others = {name.lower() for name in existing if name != account}
    known = {exchange.lower() for exchange in exchanges}
    for named in said:
        if named.name == account:
            continue
        is_known = named.name.lower() in others or _differs_in_number(named.name, account)
        if is_known or (named.says_account and _is_anothers(named.name, account, known)):
            shown = (
                f"the account {named.name}" if is_known or named.is_public else "another account"
            )
            raise OtherAccountNamed(
                f"{named.where} names {shown}, not {account}",
                hint=Hint(
                    f"If it is for {account} all the same, add ",
                    Option("allow_other_account"),
                    ".",
                ),
            )


def _differs_in_number(name: str, account: str) -> bool:
    named, other = _plain(name), _plain(account)
    numbered = re.search(r"\d", named) and re.search(r"\d", other)
    return (
        bool(numbered) and named != other and re.sub(r"\d", "", named) == re.sub(r"\d", "", other)
    )


def _is_anothers(name: str, account: str, exchanges: Collection[str]) -> bool:
    """Whether a name said to be an account's is another one, and no setup word or exchange."""
    words = re.findall(r"[^\W\d_]+", name.lower())
    of_setups = all(word in exchanges or _OF_SETUPS.fullmatch(word) for word in words)
    alone = len(words) == 1 and _ALONE.fullmatch(words[0])
    is_generic = (of_setups or alone) and not re.search(r"\d", name)
    return _plain(name) != _plain(account) and not is_generic and not is_placeholder(name)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())
