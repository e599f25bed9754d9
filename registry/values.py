"""Checks of input values, and the text of each refusal."""

import ipaddress
import math
import re
import unicodedata
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from registry.errors import InvalidInput
from registry.shapes import refuse_key, refuse_key_as_address
from registry.shown import is_secret, shown

MAX_NAME: Final = 255
MAX_EXCHANGE_NAME: Final = 50
MAX_PLACEHOLDER: Final = 64
MAX_TEXT: Final = 10_000
MAX_REASON: Final = 1_000
MAX_METADATA_BYTES: Final = 64 * 1024
MAX_METADATA_DEPTH: Final = 32
# RFC 7493 section 2.2: beyond this, readers of JSON may see another number.
MAX_EXACT_INTEGER: Final = 2**53 - 1

INVISIBLE: Final = {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}
# Letters, marks and a symbol that are invisible, or only change the character before them: the
# Default_Ignorable_Code_Point characters in other categories, and the blank of Braille.
_SHOWS_NOTHING: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
# Scripts with many letters that look alike. A word that mixes them is a mistake or a trick:
# https://www.unicode.org/reports/tr39/ (Mixed_Script_Detection), for the names that matter most.
_LOOK_ALIKE: Final = ("LATIN", "CYRILLIC", "GREEK")
_WORD: Final = re.compile(r"[^\W\d_]+")
# At its start a name would be an option or another text to a shell; elsewhere too, without quotes.
_STARTS: Final = "-~#="
_STEERS: Final = "$`*?|&;<>"


def account_name(name: str) -> str:
    """Checks an account's name: visible characters in one spelling, and no secret.

    Raises:
        InvalidInput: it breaks a rule of `_name`, or looks like a secret.
    """
    refuse_secret(name, "an account name")
    return _name(name, "an account name")


def new_account_name(name: str) -> str:
    """The name of a new account; adopted ones may be what this refuses.

    Raises:
        InvalidInput: see `account_name`, or a shell would take it for something else.
    """
    account_name(name)
    if trap := shell_trap(name):
        raise InvalidInput(f"an account name cannot {trap}, which steers a shell")
    return name


def shell_trap(name: str) -> str | None:
    """What a shell would take for something else in a name that is typed without quotes."""
    if name[0] in _STARTS:
        return f"start with {name[0]}"
    found = next((character for character in name if character in _STEERS), None)
    return None if found is None else f"hold {found}"


def exchange_name(name: str) -> str:
    """The name of an exchange in `dexes`, 50 characters at most; see `account_name`."""
    refuse_secret(name, "an exchange name")
    _name(name, "an exchange name")
    if len(name) > MAX_EXCHANGE_NAME:
        raise InvalidInput(
            f"an exchange name has {MAX_EXCHANGE_NAME} characters at most, not {len(name)}"
        )
    return name


def _name(name: str, what: str) -> str:
    if not name.strip():
        raise InvalidInput(f"{what} cannot be blank")
    if name != name.strip():
        raise InvalidInput(
            f"{what} cannot start or end with a space", hint=f"Try {name.strip()!r}."
        )
    if len(name) > MAX_NAME:
        raise InvalidInput(f"{what} has {MAX_NAME} characters at most, not {len(name)}")
    for character in name:
        category = unicodedata.category(character)
        if category in INVISIBLE or _SHOWS_NOTHING.match(character):
            raise InvalidInput(f"{what} cannot hold the invisible character U+{ord(character):04X}")
        if category == "Zs" and character != " ":
            raise InvalidInput(
                f"{what} cannot hold the space U+{ord(character):04X}", hint="Use a plain space."
            )
    if name != unicodedata.normalize("NFC", name):
        raise InvalidInput(
            f"{what} must be in Unicode's composed form (NFC), so that it has one spelling"
        )
    for word in _WORD.findall(name):
        _refuse_mixed_scripts(word, what)
    return name


def refuse_secret(text: str, what: str) -> None:
    """Refuses a secret as a text for people, which is stored in plain.

    Raises:
        InvalidInput: it has the form of a secret.
    """
    if is_secret(text):
        raise InvalidInput(
            f"{what} cannot look like a secret (it is not shown)",
            hint="It would stay in the history in plain text, for ever.",
        )


def _refuse_mixed_scripts(word: str, what: str) -> None:
    first: dict[str, str] = {}
    for letter in word:
        script = unicodedata.name(letter, "").partition(" ")[0]
        if script in _LOOK_ALIKE:
            first.setdefault(script, letter)
    if len(first) > 1:
        mixed = " and ".join(
            f"{script.capitalize()} (U+{ord(letter):04X})" for script, letter in first.items()
        )
        raise InvalidInput(
            f"{what} cannot mix letters that look alike in a word: {word!r} has {mixed}"
        )


def short_text(text: str, what: str, *, limit: int = MAX_NAME, is_id: bool = False) -> str:
    """A text for people: not blank, no secret, of a limited length, without control characters.

    An id may look as random as a secret, but not like a private key.

    Raises:
        InvalidInput: the text breaks one of these rules.
    """
    if not is_id:
        refuse_secret(text, what)
    if not text.strip():
        raise InvalidInput(f"{what} cannot be blank")
    if len(text) > limit:
        raise InvalidInput(f"{what} has {limit} characters at most, not {len(text)}")
    for character in text:
        category = unicodedata.category(character)
        if category in {"Cc", "Cs"} and character not in "\n\t":
            raise InvalidInput(f"{what} cannot hold the control character U+{ord(character):04X}")
    refuse_key(text, what)
    return text


def wallet_address(address: str) -> str:
    """A wallet's address: visible characters without spaces.

    Raises:
        InvalidInput: it is blank, padded, over-long, a placeholder, or may be a private key.
    """
    refuse_key_as_address(address)
    _name(address, "a wallet address")
    if any(character.isspace() for character in address):
        raise InvalidInput("a wallet address cannot hold spaces")
    if is_placeholder(address):
        raise InvalidInput(f"{address!r} is a placeholder, not a wallet address")
    return address


QUOTES: Final = (
    "'\"`\u00b4\u2032\u2033\u00ab\u00bb\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2039\u203a"
    "\u300c\u300d\u301d\u301e\uff02\uff07"
)
"""Quotation marks of all kinds; the first two are those of programs."""


def is_placeholder(value: str) -> bool:
    """Whether a value is the placeholder of a template."""
    bare = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", value.strip().strip("<>[]{}()\"'`"))
    plain = re.sub(r"[-.: _]+", "_", bare.lower().removeprefix("0x")).strip("_")
    return (
        plain in _PLACEHOLDERS
        or (len(plain) < MAX_PLACEHOLDER and bool(_TEMPLATE.fullmatch(plain)))
        or set(plain) <= {"x", "_"}
        or set(plain) in ({"*"}, {"•"})
        or (len(plain) >= _LONG_VALUE and set(plain) == {"0"})
    )


_PLACEHOLDERS: Final = {
    *("", "changeme", "change_me", "placeholder", "example", "todo", "tbd", "none", "null"),
    *("replace_me", "replaceme", "insert_here", "dummy", "fixme", "undefined", "nil", "n/a"),
    *("changeit", "sample", "fake", "mock"),
    *("redacted", "hidden", "masked", "censored", "removed", "filtered"),
    *("key", "secret", "password", "passphrase", "token", "uid", "address", "wallet_address"),
    *("api_key", "secret_key", "private_key", "public_key", "api_secret", "apikey", "apisecret"),
    *("my_key", "my_secret", "my_api_key", "my_private_key", "mnemonic", "seed_phrase"),
}
_TEMPLATE: Final = re.compile(
    r"(your|my|enter|insert|put|paste|replace|change|add|fill|set|test|dummy|fake|sample|example|mock"
    r"|todo|some)_.*(key|secret|password|phrase|token|address|index|id|uid|account|here|value|this|me"
    r"|in)|([a-z0-9]{1,9}_)?your_.*|.*_here|<.*>"
)
_LONG_VALUE: Final = 16
"""So many zeros are no value that an exchange made."""


def metadata(value: Any) -> dict[str, Any]:
    """An account's metadata: a JSON object that every reader of JSON reads alike.

    Raises:
        InvalidInput: it is not an object, too large, or holds a value that JSON or
            PostgreSQL cannot carry exactly.
    """
    import orjson

    if not isinstance(value, dict):
        raise InvalidInput(
            f"metadata must be a JSON object, not {json_kind(value)}",
            hint="""It looks like '{"max_positions": 10, "max_exposure_usd": 100000}'.""",
        )
    _check_json(value, "metadata", depth=0)
    size = len(orjson.dumps(value))
    if size > MAX_METADATA_BYTES:
        raise InvalidInput(f"metadata has {MAX_METADATA_BYTES} bytes at most, not {size}")
    return value


def parse_metadata(text: str) -> dict[str, Any]:
    """Metadata from JSON text.

    Raises:
        InvalidInput: it is not strict JSON (a duplicate key, NaN), or see `metadata`.
    """
    return metadata(parse_json(text, "metadata"))


def parse_json(text: str, what: str) -> Any:
    """Parses strict JSON: no duplicate keys, no NaN, no number or text that would change.

    Raises:
        InvalidInput: the text is not strict JSON.
    """
    import json

    if not text.strip():
        raise InvalidInput(f"{what} is not JSON: it is empty")
    try:
        parsed = json.loads(
            text,
            parse_float=_exact_float,
            parse_constant=_no_constant,
            object_pairs_hook=_no_key_twice,
        )
        # RFC 8259 section 8.2: an escape can name a lone surrogate, which UTF-8 cannot encode.
        json.dumps(parsed, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise InvalidInput(
            f"{what} is not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        ) from None
    except RecursionError:
        raise InvalidInput(f"{what} is nested too deeply") from None
    except UnicodeEncodeError:
        raise InvalidInput(f"{what} holds half a character (a lone surrogate)") from None
    except ValueError:  # an integer with thousands of digits
        raise InvalidInput(f"{what} holds a number that JSON cannot carry exactly") from None
    return parsed


def json_or_text(text: str, what: str) -> Any:
    """The value that a text says in JSON, and the text itself where it is no JSON.

    Raises:
        InvalidInput: it is JSON, and see `parse_json`.
    """
    import json

    try:
        json.loads(text)
    except json.JSONDecodeError:
        return text
    except (RecursionError, ValueError):
        pass
    return parse_json(text, what)


def _exact_float(text: str) -> float:
    number = float(text)
    try:
        exact = math.isfinite(number) and Decimal(repr(number)) == Decimal(text)
    except InvalidOperation:  # an exponent beyond even Decimal's
        exact = False
    if not exact:
        raise InvalidInput(
            "the input holds a number that JSON cannot carry exactly", hint="Write it as a string."
        )
    return number


def _no_constant(text: str) -> Any:
    raise InvalidInput(f"{text} is not JSON")


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise InvalidInput(f"the key {shown(repr(key))} stands twice in one JSON object")
        values[key] = value
    return values


def _check_json(value: Any, where: str, *, depth: int) -> None:
    if depth > MAX_METADATA_DEPTH:
        raise InvalidInput(f"metadata is nested more than {MAX_METADATA_DEPTH} levels deep")
    match value:
        case str():
            _check_json_text(value, where)
        case bool() | int() | float() | None:
            _check_json_number(value, where)
        case list():
            for item in value:
                _check_json(item, where, depth=depth + 1)
        case dict():
            for key, item in value.items():
                _check_json_text(key, where)
                _check_json(item, f"{where[:MAX_NAME]}.{key}", depth=depth + 1)
        case _:
            raise InvalidInput(f"{where} holds a {type(value).__name__}, which JSON does not have")


def _check_json_number(value: Any, where: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput(f"{where} holds a number that is not finite")
    # Whole numbers in the form of 1e22 too: PostgreSQL shows them as integers.
    if isinstance(value, int | float) and abs(value) > MAX_EXACT_INTEGER:
        kind = "an integer" if isinstance(value, int) else "a number"
        raise InvalidInput(
            f"{where} holds {kind} that JSON cannot carry exactly",
            hint="Write numbers beyond 9007199254740991 as strings.",
        )


def _check_json_text(text: Any, where: str) -> None:
    if not isinstance(text, str):
        raise InvalidInput(f"{where} holds a key that is not a text")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidInput(f"{where} holds a character that PostgreSQL cannot store")


def json_kind(value: Any) -> str:
    """JSON's name for the type of a value."""
    names = {list: "an array", dict: "an object", str: "a string", bool: "true or false"}
    return "null" if value is None else names.get(type(value), "a number")


def subaccount_index(index: int) -> int:
    """A subaccount's number: 0 to the largest integer of PostgreSQL.

    Raises:
        InvalidInput: it is out of this range.
    """
    if not 0 <= index <= 2**31 - 1:
        raise InvalidInput(f"a subaccount is numbered 0 to 2147483647, not {index}")
    return index


def ip_allow_list(addresses: list[str]) -> list[str]:
    """IP addresses and networks, in their canonical form.

    Raises:
        InvalidInput: a text is neither.
    """
    return [_ip(address) for address in addresses]


def _ip(address: str) -> str:
    try:
        # A zone (%) has a meaning on this machine only, and may be any text.
        network = ipaddress.ip_network("" if "%" in address else address.strip())
    except ValueError:
        raise InvalidInput(
            f"{address!r} is not an IP address or network",
            hint="It looks like 203.0.113.7 or 203.0.113.0/24.",
        ) from None
    single = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if single else str(network)
