"""The fields of one exchange's credential, and whether given values are such a credential."""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from registry.encryption.secret import Secret
from registry.errors import InvalidCredential
from registry.shown import secret_parts
from registry.values import is_placeholder

MAX_VALUE: Final = 16_384
_NAME: Final = re.compile(r"[a-z][a-z_0-9]{0,23}")
_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,99}")
# What decides which code a program runs, whom it trusts and where it connects to, and the
# registry's own settings: never a credential.
_STEERING: Final = re.compile(
    r"(LD_|DYLD_|PYTHON|PERL|RUBY|NODE_|JAVA_|JDK_|BASH|GIT_|SSH_|GLIBC_|MALLOC_|OPENSSL_|SSL_).*"
    r"|.*(PATH|_PROXY|_OPTIONS|_BUNDLE|_CERT_FILE)"
    r"|HOME|IFS|ENV|SHELL|TMPDIR|EDITOR|PAGER|PS4|PROMPT_COMMAND"
    r"|REGISTRY_.*|CREDENTIAL_ENCRYPTION_KEY.*|DATABASE_URL.*|PG[A-Z]+"
)
_INTEGER: Final = re.compile(r"0|[1-9][0-9]{0,18}")
FORMS: Final[Mapping[str, tuple[str, str]]] = {
    "address": (r"0x[0-9a-fA-F]{40}", "0x and 40 hexadecimal digits"),
    "base64": (r"[A-Za-z0-9+/]{43}=|[A-Za-z0-9+/]{86}==", "32 or 64 bytes in base64"),
    "felt": (r"(0x)?[0-9a-fA-F]{1,64}", "64 hexadecimal digits at most"),
    "hex32": (r"(0x)?[0-9a-fA-F]{64}", "64 hexadecimal digits"),
    "hex40": (r"(0x)?[0-9a-fA-F]{80}", "80 hexadecimal digits"),
    "integer": (r"[0-9]{1,19}", "a whole number"),
}
"""What values look like with which an exchange's client can work, and how that is said."""


def can_carry_a_credential(variable: str) -> bool:
    """Whether a credential may be passed in an environment variable of this name.

    A definition of an exchange names variables, and whoever can define one must not be able
    to choose what a bot's program loads.
    """
    return bool(_VARIABLE.fullmatch(variable)) and not _STEERING.fullmatch(variable)


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field of a credential."""

    name: str
    env: str
    secret: bool = True
    required: bool = True
    type: str = "text"
    default: str | None = None
    ccxt: str | None = None
    formerly: str | None = None
    instead_of: Sequence[str] = ()
    only_with: str | None = None
    form: str | None = None

    def has_place(self, given: Collection[str]) -> bool:
        """Whether the field says anything beside those that are given."""
        if self.only_with is not None:
            return self.only_with in given
        return not any(name in given for name in self.instead_of)

    def unfit(self, value: str) -> str | None:
        """How the value should look for a client to work with it, where it does not."""
        form = self.form or ("integer" if self.type == "integer" else None)
        if form is None:
            return None
        pattern, words = FORMS[form]
        return None if re.fullmatch(pattern, value) else words


@dataclass(frozen=True, slots=True)
class ClientSpec:
    """What ccxt's client of an exchange needs beyond the places of the fields."""

    needs: Sequence[str] = ()
    why: str | None = None
    hook: str | None = None
    unsent: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ExchangeSpec:
    """An exchange as the catalog knows it."""

    name: str
    display_name: str
    fields: Mapping[str, FieldSpec]
    ccxt_id: str | None = None
    nonce_per_key: bool = False
    built_in: bool = True
    client: ClientSpec = ClientSpec()

    def field(self, name: str) -> FieldSpec | None:
        """The field of this name, or the one that had it in older databases."""
        former = (one for one in self.fields.values() if one.formerly == name)
        return self.fields.get(name) or next(former, None)

    def missing(self, given: Collection[str]) -> list[str]:
        """The required fields that are not given, nor another instead of them."""
        present = [one for name, one in self.fields.items() if name in given]
        excused = {name for one in present for name in one.instead_of}
        return [
            name
            for name, one in self.fields.items()
            if one.required and name not in given and name not in excused
        ]

    def check(self, given: Mapping[str, Any]) -> dict[str, Secret]:
        """The credential that the values are, defaults filled in, in the catalog's order.

        Raises:
            InvalidCredential: fields are missing, unknown, placeholders or of the wrong
                type. The message names the fields, never their values.
        """
        self._check_names(given)
        checked = {}
        for name, field in self.fields.items():
            value = given.get(name)
            if value is None:
                value = field.default
            if value is not None:
                checked[name] = self._check_value(field, value)
        return checked

    def _check_names(self, given: Mapping[str, Any]) -> None:
        known = ", ".join(self.fields)
        unknown = sorted(given.keys() - self.fields.keys())
        if unknown:
            raise InvalidCredential(
                f"{self.name} has no field {', '.join(map(_shown, unknown))}",
                hint=f"Its fields are: {known}.",
            )
        missing = self.missing([name for name, value in given.items() if value is not None])
        if missing:
            instead = [
                f" {one.name} can be given instead of {' and '.join(one.instead_of)}."
                for one in self.fields.values()
                if one.instead_of
            ]
            raise InvalidCredential(
                f"the {self.name} credential lacks {', '.join(missing)}",
                hint=f"Its fields are: {known}.{''.join(instead)}",
            )

    def _check_value(self, field: FieldSpec, value: Any) -> Secret:
        where = f"the field {field.name} of {self.name}"
        if isinstance(value, Secret):
            text = value.reveal()
        elif isinstance(value, int) and not isinstance(value, bool) and field.type == "integer":
            text = str(value)
        elif isinstance(value, str):
            text = value
        else:
            wanted = "a text" if field.type == "text" else "a whole number"
            raise InvalidCredential(f"{where} must be {wanted}, not {_kind(value)}")
        if field.type == "integer":
            if not _INTEGER.fullmatch(text):
                raise InvalidCredential(f"{where} must be a whole number, 0 or more")
            return Secret(text)
        _check_text(text, where)
        return Secret(text)


def _check_text(text: str, where: str) -> None:
    if is_placeholder(text):
        what = "is empty" if not text.strip() else "is a template's placeholder, not a real value"
        raise InvalidCredential(f"{where} {what}")
    if text != text.strip():
        raise InvalidCredential(f"{where} starts or ends with a space")
    if len(text) > MAX_VALUE:
        raise InvalidCredential(f"{where} has {MAX_VALUE} characters at most, not {len(text)}")
    for character in text:
        category = unicodedata.category(character)
        if category in {"Cs", "Cf", "Cn"} or (category == "Cc" and character != "\n"):
            raise InvalidCredential(f"{where} holds the character U+{ord(character):04X}")


def _shown(name: str) -> str:
    # Name and value may have been mixed up: what does not look like a name is not shown.
    is_name = _NAME.fullmatch(name) and not secret_parts(name)
    return repr(name) if is_name else "with such a name (it is not shown)"


def _kind(value: Any) -> str:
    names = {list: "an array", dict: "an object", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
