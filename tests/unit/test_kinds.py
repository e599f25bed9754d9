"""Values are checked by the kind of their field, and stored in one form."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from registry.catalog.catalog import built_in_exchanges, from_definition
from registry.errors import InvalidCredential

BINANCE = built_in_exchanges()["binance"]
EC = ec.generate_private_key(ec.SECP256R1())
ED25519 = ed25519.Ed25519PrivateKey.generate()
SECRET = base64.b64encode(bytes(range(64))).decode()
RSA = rsa.generate_private_key(65537, 2048)


def pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    return str(key.private_bytes(Encoding.PEM, form, NoEncryption()).decode())


def stored(value: str, **fields: str) -> str:
    """The secret key that is stored for the given one."""
    checked = BINANCE.check({"api_key": "k7", "secret_key": value, **fields})
    return checked["secret_key"].reveal()


def refusal(value: str, field: str = "secret_key") -> str:
    with pytest.raises(InvalidCredential) as refused:
        BINANCE.check({"api_key": "k7", "secret_key": "s7", field: value})
    assert len(value) < 11 or value not in f"{refused.value.message}{refused.value.hint}"
    return refused.value.message


KRAKEN, NADO = (built_in_exchanges()[name] for name in ("kraken", "nado"))
WALLET = "0x" + "a1" * 20


def test_a_secret_that_ccxt_reads_as_base64_is_base64() -> None:
    wrong = "the field secret_key of kraken is not 16 or more characters of base64"
    for value in ("not base64!!", "hR4nBv66TjUz15WsQe38Gx=", f"{SECRET}="):
        with pytest.raises(InvalidCredential, match=wrong):
            KRAKEN.check({"api_key": "k7", "secret_key": value})
    assert KRAKEN.check({"api_key": "k7", "secret_key": SECRET})["secret_key"].reveal() == SECRET


def test_a_private_key_of_an_exchange_of_ccxt_is_long() -> None:
    for value in ("zz", "two words of a phrase that is not one of these seed phrases"):
        with pytest.raises(InvalidCredential, match="the field private_key of nado is not a key"):
            NADO.check({"wallet_address": WALLET, "private_key": value})
    assert NADO.check({"wallet_address": WALLET, "private_key": "17" * 32})


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ('"hR4nBv66TjUz15Ws"', "has quotation marks around it"),
        ("'hR4nBv66TjUz15Ws'", "has quotation marks around it"),
        ("\u201chR4nBv66TjUz15Ws\u201d", "has quotation marks around it"),
        ("hR4nBv66\nTjUz15Ws", "is wrapped over several lines"),
    ],
)
def test_what_stays_of_a_file_is_no_part_of_a_value(value: str, why: str) -> None:
    """Docker leaves quotation marks in variables, and JSON may hold a line's end."""
    assert why in refusal(value)


def test_a_secret_that_was_pasted_twice_is_refused_by_both_fields() -> None:
    both = "the fields api_key and secret_key of binance hold the same value"
    with pytest.raises(InvalidCredential, match=both):
        BINANCE.check({"api_key": SECRET, "secret_key": SECRET})


# ---------------------------------------------------------------- keys in PEM

COPIED: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "without a newline at the end": str.strip,
    "with newlines around it": lambda text: f"\n{text}\n\n",
    "with CRLF": lambda text: text.replace("\n", "\r\n"),
    "with \\n in two characters": lambda text: text.replace("\n", "\\n"),
    "with \\r\\n in four characters": lambda text: text.replace("\n", "\\r\\n"),
    "in double quotes": lambda text: f'"{text}"',
    "in single quotes, with \\n": lambda text: "'" + text.replace("\n", "\\n") + "'",
    "on one line, with blanks": lambda text: text.replace("\n", " "),
    "indented": lambda text: text.replace("\n", "\n    "),
    "in base64 once more": lambda text: base64.b64encode(text.encode()).decode(),
    "in base64, in lines": lambda text: base64.encodebytes(text.encode()).decode(),
    "without its first and last line": lambda text: "".join(text.splitlines()[1:-1]),
    "in longer lines": lambda text: text.replace("\n", "").replace("-----M", "-----\nM"),
}


@pytest.mark.parametrize("key", [EC, ED25519, RSA], ids=["EC", "Ed25519", "RSA"])
@pytest.mark.parametrize("copied", COPIED.values(), ids=COPIED)
def test_a_key_in_pem_is_stored_in_one_form(copied: Callable[[str], str], key: Any) -> None:
    text = pem(key)
    kept = stored(copied(text))
    assert kept == stored(text) == kept.strip()
    loaded = load_pem_private_key(kept.encode(), None)
    assert loaded.public_key() == key.public_key()


def test_both_forms_of_an_ec_key_are_one_which_ccxt_takes() -> None:
    """ccxt looks for `EC PRIVATE KEY`."""
    traditional = pem(EC, PrivateFormat.TraditionalOpenSSL)
    assert stored(pem(EC)) == stored(traditional) == traditional.strip()
    assert stored("".join(traditional.splitlines()[1:-1])) == traditional.strip()


def test_the_parameters_that_openssl_writes_before_an_ec_key_are_left_out() -> None:
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    assert stored(parameters + pem(EC)) == stored(pem(EC))


WRONG = {
    "is a PEM of another kind (public key)": EC.public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    .decode(),
    "is a PEM of another kind (certificate)": (
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
    ),
    "is a PEM of another kind (openssh private key)": ED25519.private_bytes(
        Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()
    ).decode(),
    "is encrypted with a passphrase": EC.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"p")
    ).decode(),
    "is encrypted with a passphrase, not": EC.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"p")
    ).decode(),
    "is a key in PEM form, but none for EC, Ed25519 or RSA": pem(
        x25519.X25519PrivateKey.generate()
    ),
    "is a damaged key in PEM form": pem(EC).replace("\n", "\nAAAA", 2),
    "is not one whole key in PEM form": pem(EC)[:-30],
}


@pytest.mark.parametrize(("why", "value"), WRONG.items(), ids=WRONG)
def test_another_pem_is_refused_with_the_reason(why: str, value: str) -> None:
    assert refusal(value).startswith(f"the field secret_key of binance {why}")


def test_two_keys_in_one_value_are_refused() -> None:
    assert "is not one whole key" in refusal(pem(EC) + pem(ED25519))


# ---------------------------------------------------------------- what stands for a value


@pytest.mark.parametrize(
    "value",
    [
        *("key", "secret", "passphrase", "wallet_address", "REDACTED", "your.api.key"),
        *("0x_your_starknet_private_key", "0xYourPrivateKeyHere", "yourApiKey", "<secret>"),
        *("0" * 64, "0x" + "0" * 64, "BINANCE_SECRET_KEY", "secret_key", "MY_API_KEY"),
        *("enter your api key", "paste_secret_here", "xxxx-xxxx", "••••••••"),
    ],
)
def test_a_placeholder_is_refused(value: str) -> None:
    assert "is a template's placeholder, not a real value" in refusal(value)


@pytest.mark.parametrize(
    "value",
    [
        "ENC[AES256_GCM,data:p673w==,iv:YY=,tag:OH==,type:str]",
        "encrypted:BDb7t3QkTRp2Cz7v",
        "op://vault/binance/secret",
        "${BINANCE_SECRET}",
        "$BINANCE_SECRET",
        "$(pass show binance)",
        "%BINANCE_SECRET%",
        "{{ binance_secret }}",
        "vault:secret/data/binance#key",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:binance",
        "gAAAAABk" + "Zm9v" * 30 + "==",
        "$ANSIBLE_VAULT;1.1;AES256\n6231",
    ],
)
def test_a_reference_or_a_ciphertext_is_refused(value: str) -> None:
    assert refusal(value).endswith(", not a real value")


@pytest.mark.parametrize(
    "value",
    [
        "keystone77",
        "pa$$word",
        "a${b",
        "secret7",
        "keyA1b2C3",
        "my-desk-2",
        "tok_9f3a",
        "0x0badc0de",
    ],
)
def test_a_value_that_can_be_real_is_kept(value: str) -> None:
    assert stored(value) == value


# ---------------------------------------------------------------- other kinds


@pytest.mark.parametrize(
    ("said", "system"),
    [
        *((said, "prod") for said in ("prod", "PROD", "production", "mainnet", "Live")),
        *((said, "testnet") for said in ("testnet", "TESTNET", "test", "sandbox")),
    ],
)
def test_an_environment_is_stored_under_one_name(said: str, system: str) -> None:
    checked = BINANCE.check({"api_key": "k7", "secret_key": "s7", "environment": said})
    assert checked["environment"].reveal() == system


@pytest.mark.parametrize("said", ["main", "staging", "dev", "prod2", "true", "1", "not prod"])
def test_any_other_environment_is_refused(said: str) -> None:
    assert "names no system that is known; it may be prod, " in refusal(said, "environment")


KEY = base64.b64encode(bytes(range(32))).decode()
SOLANA = "7EcDhSYGxXyscszYEp35KHN8vvw3svAuLKTzXwCFLtV"


@pytest.mark.parametrize(
    ("kind", "right", "wrong", "why"),
    [
        ("address", "0x" + "aB" * 20, "0x" + "a" * 39, "0x and 40 hexadecimal digits"),
        ("solana_address", SOLANA, SOLANA[:20], "32 to 44 characters in base 58"),
        ("stark_address", "0x0" + "a" * 63, "zz", "64 hexadecimal digits at most"),
        ("wallet", SOLANA, "0xabc", "an address of Ethereum"),
        ("private_key", "9f3a" * 16, "9f3a" * 15, "64 hexadecimal digits"),
        ("base64_key", KEY, KEY[:-4], "32 or 64 bytes in base64"),
        ("pem", pem(ED25519), "nonsense", "a private key in PEM form"),
    ],
)
def test_a_field_of_ones_own_is_checked_by_its_kind(
    kind: str, right: str, wrong: str, why: str
) -> None:
    fields = [{"name": "value", "env": "OWN_VALUE", "kind": kind}]
    spec = from_definition({"exchange": "own", "display_name": "Own", "fields": fields})
    assert spec.check({"value": right})
    with pytest.raises(InvalidCredential, match=f"the field value of own is not {why}"):
        spec.check({"value": wrong})


@pytest.mark.parametrize(("index", "is_right"), [("0", True), ("254", True), ("255", False)])
def test_a_number_is_in_its_range(index: str, is_right: bool) -> None:
    lighter = built_in_exchanges()["lighter"]
    if is_right:
        assert lighter.check_values({"api_key_index": index})
    else:
        with pytest.raises(InvalidCredential, match="a whole number from 0 to 254"):
            lighter.check_values({"api_key_index": index})


def test_the_account_of_lighter_is_never_guessed() -> None:
    """Account 0 is somebody's."""
    with pytest.raises(InvalidCredential, match="lacks account_index"):
        built_in_exchanges()["lighter"].check({"private_key": "0b" * 40})
