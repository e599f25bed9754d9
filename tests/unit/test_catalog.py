"""The built-in exchanges, and the fields of a credential for each."""

from typing import Any

import pytest
from support.credentials import FIELDS

from registry.catalog.catalog import built_in_exchanges, from_definition, specification
from registry.encryption.secret import Secret
from registry.errors import ExchangeNotFound, InvalidCredential

EXCHANGES = {name: built_in_exchanges()[name] for name in FIELDS}
REQUIRED = [
    (e, f.name) for e, spec in EXCHANGES.items() for f in spec.fields.values() if f.required
]
OPTIONAL = [
    (e, f.name) for e, spec in EXCHANGES.items() for f in spec.fields.values() if not f.required
]
TEXTS = [
    (e, f.name) for e, spec in EXCHANGES.items() for f in spec.fields.values() if f.type == "text"
]
INTEGERS = [
    (e, f.name)
    for e, spec in EXCHANGES.items()
    for f in spec.fields.values()
    if f.type == "integer"
]


def revealed(checked: dict[str, Secret]) -> dict[str, str]:
    return {name: value.reveal() for name, value in checked.items()}


def test_the_exchanges_of_the_bot_are_built_in() -> None:
    assert list(built_in_exchanges())[:7] == [
        "lighter",
        "aster",
        "backpack",
        "paradex",
        "edgex",
        "grvt",
        "hyperliquid",
    ]


def test_which_fields_are_secret() -> None:
    secret = {
        name: [f.name for f in e.fields.values() if f.secret] for name, e in EXCHANGES.items()
    }
    assert secret == {
        "lighter": ["private_key"],
        "aster": ["api_key", "secret_key", "private_key"],
        "backpack": ["secret_key"],
        "paradex": ["l2_private_key_hex"],
        "edgex": ["stark_private_key"],
        "grvt": ["private_key", "api_key"],
        "hyperliquid": ["private_key"],
    }


def test_no_two_fields_are_read_from_the_same_variable() -> None:
    names = [field.env for spec in EXCHANGES.values() for field in spec.fields.values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_a_complete_credential_is_accepted_in_the_catalog_s_order(exchange: str) -> None:
    spec = EXCHANGES[exchange]
    given = dict(reversed(FIELDS[exchange].items()))
    assert list(revealed(spec.check(given)).items()) == [
        (name, FIELDS[exchange][name]) for name in spec.fields if name in FIELDS[exchange]
    ]


@pytest.mark.parametrize(("exchange", "field"), REQUIRED)
def test_a_missing_field_is_named(exchange: str, field: str) -> None:
    given = {name: value for name, value in FIELDS[exchange].items() if name != field}
    with pytest.raises(InvalidCredential, match=f"the {exchange} credential lacks {field}"):
        EXCHANGES[exchange].check(given)


def test_a_field_may_stand_for_others() -> None:
    aster = EXCHANGES["aster"]
    assert list(aster.check({"private_key": "0a" * 32})) == ["private_key"]
    with pytest.raises(InvalidCredential, match="lacks api_key, secret_key") as refused:
        aster.check({"user_address": "0x" + "0a" * 20})
    assert "private_key can be given instead of api_key and secret_key" in (
        refused.value.hint or ""
    )
    with pytest.raises(InvalidCredential, match="lacks secret_key"):
        aster.check({"api_key": "aster-key", "private_key": None})


@pytest.mark.parametrize(("exchange", "field"), OPTIONAL)
def test_an_optional_field_has_its_default_or_is_left_out(exchange: str, field: str) -> None:
    given = {name: value for name, value in FIELDS[exchange].items() if name != field}
    assert revealed(EXCHANGES[exchange].check(given)).get(field) == (
        EXCHANGES[exchange].fields[field].default
    )


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_an_unknown_field_is_named_with_those_that_are_known(exchange: str) -> None:
    with pytest.raises(InvalidCredential, match=f"{exchange} has no field 'extra'") as refused:
        EXCHANGES[exchange].check({**FIELDS[exchange], "extra": "x"})
    for name in EXCHANGES[exchange].fields:
        assert name in (refused.value.hint or "")


def test_an_unknown_field_that_may_be_a_value_is_not_shown() -> None:
    """Pain 20: name and value mixed up must not print the key."""
    with pytest.raises(InvalidCredential) as refused:
        EXCHANGES["aster"].check({"AKIA7canary7Value/": "api_key"})
    assert "canary" not in refused.value.message


@pytest.mark.parametrize(("exchange", "field"), TEXTS)
@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("your_key_here", "is a template's placeholder"),
        ("changeme", "is a template's placeholder"),
        ("", "is empty"),
        ("  ", "is empty"),
        (" padded7", "starts or ends with a space"),
        ("padded7\n", "starts or ends with a space"),
        ("x" * 16_385 + "y", "16384 characters at most"),
        ("a\x00b", r"U\+0000"),
        ("a\tb", r"U\+0009"),
        ("a\u200bb", r"U\+200B"),
        ("a\ud800b", r"U\+D800"),
        (7, "must be a text, not a number"),
        (True, "not true or false"),
        (["x"], "not an array"),
        ({"x": "y"}, "not an object"),
    ],
)
def test_a_value_that_is_no_credential_is_refused_by_its_field(
    exchange: str, field: str, value: Any, why: str
) -> None:
    """Pain 3: placeholders must not be stored as keys."""
    with pytest.raises(InvalidCredential, match=f"the field {field} of {exchange} .*{why}"):
        EXCHANGES[exchange].check({**FIELDS[exchange], field: value})


@pytest.mark.parametrize(("exchange", "field"), INTEGERS)
@pytest.mark.parametrize(
    "value", ["", "-1", "1.0", "01", "1\n", "x", "\uff11", 1.0, True, "9" * 20, -1]
)
def test_a_number_must_be_whole_and_not_negative(exchange: str, field: str, value: Any) -> None:
    with pytest.raises(InvalidCredential, match=f"the field {field} of {exchange}"):
        EXCHANGES[exchange].check({**FIELDS[exchange], field: value})


@pytest.mark.parametrize("value", [7, "7", Secret("7")])
def test_a_number_may_come_as_a_number_or_as_text_and_is_kept_as_text(value: Any) -> None:
    given = {**FIELDS["lighter"], "account_index": value}
    assert revealed(EXCHANGES["lighter"].check(given))["account_index"] == "7"


def test_a_value_is_never_in_the_error() -> None:
    for value in ("  canary7 ", "canary7\x00", "canary7" * 3000):
        with pytest.raises(InvalidCredential) as refused:
            EXCHANGES["aster"].check({"api_key": value, "secret_key": "x7"})
        assert "canary" not in refused.value.message + (refused.value.hint or "")


def test_a_user_s_definition_goes_before_the_built_in_one() -> None:
    data = {
        "exchange": "aster",
        "display_name": "Aster",
        "fields": [{"name": "uid", "env": "ASTER_UID", "secret": False, "type": "integer"}],
    }
    spec = specification("aster", data)
    assert (list(spec.fields), spec.built_in) == (["uid"], False)
    assert revealed(from_definition(data).check({"uid": 5})) == {"uid": "5"}


def test_an_exchange_without_known_fields_says_how_to_define_them() -> None:
    with pytest.raises(
        ExchangeNotFound, match="the fields of nowhere's credentials are not known"
    ) as e:
        specification("nowhere", None)
    assert 'exchanges.add("nowhere"' in (e.value.hint or "")


# ---------------------------------------------------------------- the shapes of values

KEY = "9f3a" * 16
ADDRESS = "0x" + "a1" * 20
PHRASE = "abandon ability able about above absent absorb abstract absurd abuse access accident"


def refusal(exchange: str, **changed: str) -> str:
    with pytest.raises(InvalidCredential) as refused:
        EXCHANGES[exchange].check({**FIELDS[exchange], **changed})
    for value in changed.values():
        assert value not in f"{refused.value.message}{refused.value.hint}"
    return refused.value.message


@pytest.mark.parametrize(
    ("exchange", "field", "value", "why"),
    [
        ("hyperliquid", "wallet_address", f"0x{KEY}", "which belongs into private_key"),
        ("hyperliquid", "wallet_address", KEY, "which belongs into private_key"),
        ("hyperliquid", "wallet_address", PHRASE, "(a seed phrase), which belongs into"),
        ("hyperliquid", "wallet_address", "0xabc", "is not 0x and 40 hexadecimal digits"),
        ("hyperliquid", "wallet_address", ADDRESS[2:], "is not 0x and 40 hexadecimal digits"),
        ("hyperliquid", "private_key", ADDRESS, "which belongs into wallet_address"),
        ("hyperliquid", "private_key", "0x1111", "is not 64 hexadecimal digits"),
        ("hyperliquid", "private_key", "zz", "is not 64 hexadecimal digits"),
        ("hyperliquid", "private_key", KEY[:-1], "is not 64 hexadecimal digits"),
        ("hyperliquid", "private_key", PHRASE, "is a seed phrase"),
        ("paradex", "l1_address", f"0x{KEY}", "which belongs into l2_private_key_hex"),
        ("paradex", "l2_private_key_hex", ADDRESS, "belongs into l1_address or l2_address"),
        ("paradex", "l2_private_key_hex", "0x1111", "is not 56 to 64 hexadecimal digits"),
        ("paradex", "l2_address", PHRASE, "is not 64 hexadecimal digits at most"),
        ("paradex", "environment", KEY, "which belongs into l2_private_key_hex"),
        ("lighter", "private_key", ADDRESS, "is an address, not a private key"),
        ("lighter", "private_key", PHRASE, "is a seed phrase"),
        ("edgex", "stark_private_key", PHRASE, "is a seed phrase"),
        ("edgex", "base_url", KEY, "which belongs into stark_private_key"),
        ("grvt", "trading_account_id", KEY, "which belongs into private_key or api_key"),
        ("backpack", "public_key", f"0x{KEY}", "which belongs into secret_key"),
    ],
)
def test_a_value_of_another_shape_is_refused(
    exchange: str, field: str, value: str, why: str
) -> None:
    message = refusal(exchange, **{field: value})
    assert message.startswith(f"the field {field} of {exchange} ")
    assert why in message


@pytest.mark.parametrize(
    ("exchange", "field", "value"),
    [
        ("hyperliquid", "private_key", KEY),
        ("hyperliquid", "private_key", f"0x{KEY.upper()}"),
        ("paradex", "l2_private_key_hex", f"0x{KEY[:61]}"),
        ("paradex", "l2_address", f"0x0{KEY[:63]}"),
        ("lighter", "private_key", KEY + KEY[:16]),
        ("backpack", "public_key", "Mm1ko0xLQMqoOVGXNkR0PBGPIk8O5jBlVgCiKn6+Fe0="),
    ],
)
def test_a_value_of_the_right_shape_is_accepted(exchange: str, field: str, value: str) -> None:
    assert EXCHANGES[exchange].check({**FIELDS[exchange], field: value})


@pytest.mark.parametrize("address", [f"0x{KEY[1:]}", f"0x0{KEY[1:].upper()}"])
def test_a_public_value_that_is_the_secret_one_is_refused(address: str) -> None:
    message = refusal("paradex", l2_private_key_hex="0" + KEY[1:], l2_address=address)
    assert message == (
        "the fields l2_address and l2_private_key_hex of paradex hold the same value"
    )


def test_a_public_value_of_an_exchange_of_one_s_own_may_be_any_hash() -> None:
    fields = [
        {"name": "public_key", "env": "OWN_PUBLIC_KEY", "secret": False},
        {"name": "wallet_address", "env": "OWN_ADDRESS", "secret": False, "required": False},
        {"name": "secret", "env": "OWN_SECRET"},
    ]
    spec = from_definition({"exchange": "own", "display_name": "Own", "fields": fields})
    given = {"public_key": KEY, "secret": "s7"}
    assert spec.check(given)
    with pytest.raises(InvalidCredential, match="wallet_address of own looks like a private key"):
        spec.check({**given, "wallet_address": f"0x{KEY}"})


def test_which_public_fields_tell_accounts_at_an_exchange_apart() -> None:
    apart = {name: list(spec.telling_apart(spec.fields)) for name, spec in EXCHANGES.items()}
    assert apart == {
        "lighter": ["account_index"],
        "aster": ["user_address"],
        "backpack": [],
        "paradex": ["l1_address", "l2_address", "environment"],
        "edgex": ["account_id"],
        "grvt": ["trading_account_id", "environment"],
        "hyperliquid": ["wallet_address", "vault_address"],
    }


def test_all_secrets_of_the_built_in_exchanges_are_keys_of_one_account() -> None:
    for spec in EXCHANGES.values():
        assert list(spec.keys(spec.fields)) == [f.name for f in spec.fields.values() if f.secret]
