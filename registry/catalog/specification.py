"""The fields of one exchange's credential, and the check of given values."""

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from registry.catalog import pem
from registry.catalog.kinds import FORMS, KINDS, Kind, same_value
from registry.encryption.secret import Secret
from registry.errors import InvalidCredential
from registry.shapes import EVM_ADDRESS, is_phrase, key_shape
from registry.shown import secret_parts
from registry.values import QUOTES, is_placeholder, json_kind

MAX_VALUE: Final = 16_384
_NAME: Final = re.compile(r"[a-z][a-z_0-9]{0,23}")
_INTEGER: Final = re.compile(r"0|[1-9][0-9]{0,18}")
# Fields that may be secret and still identify an account, or are chosen by people, who reuse
# them. The fields of a user-defined exchange have no kinds that say so.
_OF_ACCOUNTS: Final = re.compile(r".*(account|address|wallet|login|uid|user).*")
_CHOSEN: Final = re.compile(r".*(password|passphrase|pin)")


Field = Secret | int | None
"""An input value of a credential's field; None stands for a missing value."""


def fields_of(exchange: str, given: Mapping[str, Any]) -> dict[str, Field]:
    """The input values, with each text wrapped in a `Secret`.

    Raises:
        InvalidCredential: a value is neither a text nor a number; the message names the field.
    """
    fields: dict[str, Field] = {}
    for name, value in given.items():
        if isinstance(value, str):
            fields[name] = Secret(value)
        elif value is None or isinstance(value, Secret | int):
            fields[name] = value
        else:
            wanted = f"the field {_shown(name)} of {exchange} must be a text or a number"
            raise InvalidCredential(f"{wanted}, not {json_kind(value)}")
    return fields


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field of a credential."""

    name: str
    env: str
    """Its variable; empty if a definition names one that is not for credentials."""
    secret: bool = True
    required: bool = True
    type: str = "text"
    default: str | None = None
    ccxt: str | None = None
    formerly: str | None = None
    instead_of: Sequence[str] = ()
    only_with: str | None = None
    form: str | None = None
    kind: str = "text"
    minimum: int = 0
    maximum: int = 10**19 - 1

    def of_exchange(self, exchange: str, ccxt: str | None) -> "FieldSpec":
        """The field of an exchange whose variables begin with its name."""
        return replace(self, env=f"{exchange.upper()}_{self.env}", ccxt=ccxt)

    @property
    def traits(self) -> Kind:
        """The traits of its kind."""
        return KINDS[self.kind]

    @property
    def is_key(self) -> bool:
        """Whether the value is a secret that belongs to one account only."""
        named = _OF_ACCOUNTS.fullmatch(self.name) or _CHOSEN.fullmatch(self.name)
        return self.secret and not named

    @property
    def tells_accounts_apart(self) -> bool:
        """Whether a different value means another account at the exchange."""
        public = not self.secret and self.traits.tells_accounts_apart
        return public or bool(_OF_ACCOUNTS.fullmatch(self.name))

    def is_stand_in(self, value: str) -> bool:
        """Whether the value only stands for a real one: a placeholder, or the field's own name."""
        own = value.strip().lower() in (self.name, self.env.lower())
        return own or is_placeholder(value)

    def has_place(self, given: Collection[str]) -> bool:
        """Whether the field has a meaning together with the given fields."""
        if self.only_with is not None:
            return self.only_with in given
        return not any(name in given for name in self.instead_of)

    def unfit(self, value: str) -> str | None:
        """The form that a client needs, if the value does not have it; else None."""
        form = self.form or self.traits.form or ("integer" if self.type == "integer" else None)
        if form is None:
            return None
        pattern, words = FORMS[form]
        return None if re.fullmatch(pattern, value) else words


@dataclass(frozen=True, slots=True)
class ClientSpec:
    """Settings of an exchange's ccxt client beyond the places of the fields."""

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
    generated: bool = False
    """Whether the fields follow from what ccxt says, so that a user may define others."""

    @property
    def variables(self) -> dict[str, str]:
        """The fields that have a variable, with its name."""
        return {name: field.env for name, field in self.fields.items() if field.env}

    @property
    def nonces(self) -> str | None:
        """That the exchange counts nonces per key, and who says so; None if nobody does."""
        source = "the catalog" if self.built_in else "its definition"
        if self.generated:
            source = "ccxt"
        return f"counted per key, as {source} says" if self.nonce_per_key else None

    def field(self, name: str) -> FieldSpec | None:
        """The field of this name, or the field that had the name in older databases."""
        former = (field for field in self.fields.values() if field.formerly == name)
        return self.fields.get(name) or next(former, None)

    def missing(self, given: Collection[str]) -> list[str]:
        """The required fields that are missing, without a given substitute."""
        present = [field for name, field in self.fields.items() if name in given]
        excused = {name for field in present for name in field.instead_of}
        return [
            name
            for name, field in self.fields.items()
            if field.required and name not in given and name not in excused
        ]

    def defaults(self) -> dict[str, Secret]:
        """The default values of the fields that have one."""
        return {
            name: Secret(field.default)
            for name, field in self.fields.items()
            if field.default is not None
        }

    def keys(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values, or their stand-ins, that are keys of one account; or else all secrets."""
        secret = {name: value for name, value in values.items() if self.fields[name].secret}
        return {name: secret[name] for name in secret if self.fields[name].is_key} or secret

    def telling_apart(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values that identify the account at the exchange."""
        return {
            name: value for name, value in values.items() if self.fields[name].tells_accounts_apart
        }

    def check(self, given: Mapping[str, Any]) -> dict[str, Secret]:
        """The checked credential, with defaults, in the catalog's order.

        Raises:
            InvalidCredential: fields are missing, unknown, placeholders or of the wrong
                type. The message names the fields, never their values.
        """
        self._check_names(given)
        given = {name: value for name, value in given.items() if value is not None}
        return self.check_values(self.defaults() | given)

    def check_values(self, given: Mapping[str, Any]) -> dict[str, Secret]:
        """The given fields, checked one by one and together; errors as `check`."""
        checked = {
            name: self._check_value(field, given[name])
            for name, field in self.fields.items()
            if given.get(name) is not None
        }
        secret = {name: value for name, value in checked.items() if self.fields[name].secret}
        if same := same_value(checked, secret):
            is_secret = "another" if self.fields[same[0]].secret else "none"
            raise InvalidCredential(
                f"the fields {same[0]} and {same[1]} of {self.name} hold the same value",
                hint=f"{same[1]} is a secret, and {same[0]} is {is_secret}. One is misplaced.",
            )
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
                f" {field.name} can be given instead of {' and '.join(field.instead_of)}."
                for field in self.fields.values()
                if field.instead_of
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
            raise InvalidCredential(f"{where} must be {wanted}, not {json_kind(value)}")
        if field.is_stand_in(text):
            what = (
                "is empty" if not text.strip() else "is a template's placeholder, not a real value"
            )
            raise InvalidCredential(f"{where} {what}")
        from registry.catalog.elsewhere import kept_elsewhere  # no loader needs it

        if kept := kept_elsewhere(text):
            raise InvalidCredential(f"{where} is {kept.what}, not a real value")
        if field.type == "integer":
            return Secret(self._number(field, text, where))
        try:
            if field.secret and (found := pem.pem_in(text)) is not None:
                text = pem.normal_pem(found)
            _check_text(text, where)
            self._check_kind(field, text, where)
            return Secret(field.traits.normal(text))
        except ValueError as wrong:
            raise InvalidCredential(f"{where} {wrong}") from None

    def _number(self, field: FieldSpec, text: str, where: str) -> str:
        if not _INTEGER.fullmatch(text):
            raise InvalidCredential(f"{where} must be a whole number, 0 or more")
        if not field.minimum <= int(text) <= field.maximum:
            raise InvalidCredential(
                f"{where} must be a whole number from {field.minimum} to {field.maximum}"
            )
        return text

    def _check_kind(self, field: FieldSpec, text: str, where: str) -> None:
        traits = field.traits
        if found := self._misplaced_key(field, text):
            keys = self._names(lambda spec: spec.secret)
            raise InvalidCredential(
                f"{where} looks like a private key ({found}), which belongs into {keys}",
                hint="Look whether two values are in each other's place. Nothing was stored.",
            )
        if traits.is_private_key and EVM_ADDRESS.fullmatch(text):
            addresses = self._names(lambda spec: spec.traits.is_address)
            place = f"which belongs into {addresses}" if addresses else "not a private key"
            raise InvalidCredential(f"{where} is an address, {place}")
        if traits.is_private_key and is_phrase(text):
            raise InvalidCredential(f"{where} is a seed phrase, not the key of one account")

    def _misplaced_key(self, field: FieldSpec, text: str) -> str | None:
        """The shape of a private key in a field that must not hold one; else None."""
        # A public field of a user-defined exchange may hold a public key, or a hash.
        known = self.built_in or re.search("address|wallet", field.name)
        if field.secret or field.kind == "stark_address" or not known:
            return None
        return key_shape(text)

    def _names(self, wanted: Callable[[FieldSpec], bool]) -> str:
        return " or ".join(name for name, field in self.fields.items() if wanted(field))


def _check_text(text: str, where: str) -> None:
    if text != text.strip():
        raise InvalidCredential(f"{where} starts or ends with a space")
    if len(text) > 1 and text[0] in QUOTES and text[-1] in QUOTES:
        raise InvalidCredential(f"{where} has quotation marks around it, which are none of it")
    if "\n" in text and not text.startswith(pem.BEGIN):
        raise InvalidCredential(f"{where} is wrapped over several lines")
    if len(text) > MAX_VALUE:
        raise InvalidCredential(f"{where} has {MAX_VALUE} characters at most, not {len(text)}")
    for character in text:
        category = unicodedata.category(character)
        if category in {"Cs", "Cf", "Cn"} or (category == "Cc" and character != "\n"):
            raise InvalidCredential(f"{where} holds the character U+{ord(character):04X}")


def _shown(name: str) -> str:
    # Name and value may be swapped: a text that does not look like a name is not shown.
    is_name = _NAME.fullmatch(name) and not secret_parts(name)
    return repr(name) if is_name else "with such a name (it is not shown)"


def is_key(spec: ExchangeSpec | None, field: str) -> bool:
    """Whether a field is a key of one account. One that is not known counts as a secret."""
    known = None if spec is None else spec.field(field)
    return (known or FieldSpec(field, "")).is_key
