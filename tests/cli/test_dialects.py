"""Each dialect of a file: its keys come in exactly, or it is refused by a name and with a way."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support.cli import CommandLine
from support.opened import opened
from support.pieces import shown_pieces
from support.tables import nothing_written

A, S, P = "mQ8vZt31LkXw92PdYc70", "hR4nBv66TjUz15WsQe38Gx", "oP2mNb77RrKk"
WALLET, VAULT = "0x7106759d786b55307189507aafa242c0f43bfd2b", "0x" + "9f" * 20
KEY = "0x48598363bf88ec0410337457147660b613e775ec42cef5f2b3800db8b5817087"
NAME = "organizations/12345678-1111-2222-3333-444455556666/apiKeys/87654321-1111-2222-3333-4444"
PAIR = {"api_key": A, "secret_key": S}
BOTH = {"binance": PAIR}
WALLETS = {"wallet_address": WALLET, "private_key": KEY}


def pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    return str(key.private_bytes(Encoding.PEM, form, NoEncryption()).decode())


EC = ec.derive_private_key(0x1F2E3D4C5B6A79880123456789ABCDEF, ec.SECP256R1())
PEM = pem(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(7, 39))))
EC_PEM = pem(EC, PrivateFormat.TraditionalOpenSSL)


@dataclass(frozen=True)
class Case:
    """A file's text, and what an import of it stores or says."""

    name: str
    text: str
    stored: dict[str, dict[str, str]] = field(default_factory=dict)
    says: str = ""
    options: tuple[str, ...] = ()


def env(name: str, secret: str, key: str = A) -> Case:
    """An env file of a dialect that is read."""
    text = f"BINANCE_API_KEY={key}\nBINANCE_SECRET_KEY={secret}\n"
    return Case(f"{name}.env", text, {"binance": {**PAIR, "secret_key": S}})


def not_env(name: str, secret: str, says: str) -> Case:
    return Case(f"{name}.env", f"BINANCE_API_KEY={A}\nBINANCE_SECRET_KEY={secret}\n", says=says)


def of_pem(name: str, secret: str) -> Case:
    text = f"BINANCE_API_KEY={A}\nBINANCE_SECRET_KEY={secret}\n"
    return Case(f"{name}.env", text, {"binance": {**PAIR, "secret_key": PEM.strip()}})


def config(name: str, data: object, stored: dict[str, dict[str, str]] | str, *options: str) -> Case:
    text = data if isinstance(data, str) else json.dumps(data)
    if isinstance(stored, str):
        return Case(name, text, says=stored, options=options)
    return Case(name, text, stored, options=options)


def freqtrade(**exchange: object) -> dict[str, object]:
    return {"dry_run": True, "exchange": exchange}


def variables(prefix: str, **values: str) -> str:
    return "".join(f"{prefix}{name}={value}\n" for name, value in values.items())


FREQTRADE = variables("FREQTRADE__EXCHANGE__", KEY=A, SECRET=S)
SHAPE = "has quotation marks that do not close, or are none of an env file"
SOPS = "ENC[AES256_GCM,data:abc,iv:def,tag:ghi,type:str]"
MARKED = "has a blank in it or marks around it, and no quotes"
QUOTES = {
    "guillemets": "«»",
    "low": "„“",
    "acute": "\u00b4\u00b4",
    "wide": "\uff02\uff02",
    "single": "\u2018\u2019",
    "primes": "\u2033\u2033",
}

CASES = [
    # --- env files that are read
    env("plain", S),
    env("comment behind", f"{S}  # the key"),
    env("space around", f" {S} "),
    env("double quotes", f'"{S}"'),
    env("single quotes", f"'{S}'"),
    Case("exported.env", f"export BINANCE_API_KEY={A}\nexport BINANCE_SECRET_KEY='{S}'\n", BOTH),
    Case("crlf.env", f"BINANCE_API_KEY={A}\r\nBINANCE_SECRET_KEY={S}\r\n", BOTH),
    Case("bom.env", f"\ufeffBINANCE_API_KEY={A}\r\nBINANCE_SECRET_KEY='{S}'\r\n", BOTH),
    Case("old-mac.env", f"BINANCE_API_KEY={A}\rBINANCE_SECRET_KEY={S}\r", BOTH),
    Case("old.env", f"#BINANCE_API_KEY=x\nBINANCE_API_KEY={A}\nBINANCE_SECRET_KEY={S}", BOTH),
    of_pem("pem in double quotes", f'"{PEM}"'),
    of_pem("pem in single quotes", f"'{PEM}'"),
    of_pem("pem, newlines written", PEM.replace("\n", "\\n")),
    of_pem("pem, newlines written in quotes", '"' + PEM.replace("\n", "\\n") + '"'),
    of_pem("pem, newlines written twice", '"' + PEM.replace("\n", "\\\\n") + '"'),
    of_pem("pem in base64", base64.b64encode(PEM.encode()).decode()),
    of_pem("pem without its first and last line", "".join(PEM.splitlines()[1:-1])),
    # --- env files that are refused
    *(
        not_env(f"quotes, {name}", f"{pair[0]}{S}{pair[1]}", SHAPE)
        for name, pair in QUOTES.items()
    ),
    not_env("backticks", f"`{S}`", SHAPE),
    not_env("backslash", f"{S}\\", "ends in a backslash"),
    not_env("goes on", f"{S}\\\n  {S}", "ends in a backslash"),
    not_env("semicolon", f"{S};", f"BINANCE_SECRET_KEY (line 2) {MARKED}"),
    not_env("comma", f"{S},", f"BINANCE_SECRET_KEY (line 2) {MARKED}"),
    not_env("export behind", f"{S}; export BINANCE_SECRET_KEY", MARKED),
    *(
        not_env(f"mark {number}", text, f"BINANCE_SECRET_KEY (line 2) {MARKED}")
        for number, text in enumerate(
            (f"$'{S}'", f"({S})", f"<{S}>", f'\\"{S}\\"', f"r'{S}'", f"={S}", f">{S}", f"[{S}]",
             f"{S} // live", f"{S} -- old", f"{S} {S}", f"{S} && x")
        )
    ),
    Case("one-line.env", f"export BINANCE_API_KEY={A} BINANCE_SECRET_KEY={S}\n", says=MARKED),
    Case("behind-another.env", f"HOST=x BINANCE_API_KEY={A}\n", says=f"HOST (line 1) {MARKED}"),
    not_env("pem without quotes", PEM, "line 3 is not NAME=VALUE, and may be the rest of BINANCE_"),
    Case("fish.env", f"set -x BINANCE_API_KEY {A}\n", says="line 1 is not NAME=VALUE"),
    Case("yaml.env", f"BINANCE_API_KEY: {A}\n", says="line 1 is not NAME=VALUE"),
    not_env("invisible", f"{S}\u200b", "secret_key of binance holds the character U+200B"),
    not_env("twice", f"{S}\nBINANCE_SECRET_KEY={S}", "sets BINANCE_SECRET_KEY more than once"),
    # --- encrypted, or a reference
    not_env("sops", SOPS, "sops decrypt FILE | account-registry import-env"),
    not_env("dotenvx", "encrypted:BF9" + S, "dotenvx decrypt --stdout -f FILE |"),
    not_env("op", "op://vault/item/field", "op inject -i FILE |"),
    not_env("vault", "vault:secret/data/x#key", "is a reference to another program's secret"),
    not_env("compose", "${MY_SECRET}", "envsubst < FILE |"),
    not_env("compose default", f"${{MY_SECRET:-{S}}}", "filled in by another program"),
    not_env("template", "{{ doppler.SECRET }}", "type it in: account-registry add-credential"),
    not_env("run secrets", "/run/secrets/binance", "is the name of a file"),
    Case("age.env", "age-encryption.org/v1\n-> X25519 abc\n", says="is encrypted by age"),
    Case("gpg.env", "-----BEGIN PGP MESSAGE-----\n\nabc\n", says="gpg --decrypt FILE |"),
    Case("ansible.env", "$ANSIBLE_VAULT;1.1;AES256\n6231\n", says="ansible-vault view FILE |"),
    config(
        "sops.yaml",
        f"binance:\n    api_key: {SOPS}\nsops:\n    mac: x\n",
        "sops decrypt --output-type json FILE | account-registry import-config",
    ),
    config("sops.json", {"data": SOPS, "sops": {"mac": "x"}}, "sops decrypt --output-type json"),
    config(
        "ansible.yml", "key: !vault |\n  $ANSIBLE_VAULT;1.1\n", "key in", "--exchange", "binance"
    ),
    config("compose.yml", "e:\n  BINANCE_API_KEY: ${X}\n", "BINANCE_API_KEY in "),
    config("keys.toml", f'[binance]\napiKey = "{A}"\n', "Keys in YAML or TOML are typed in"),
    config("twice.json", f'{{"key": "{A}", "key": "{S}"}}', "stands twice in one JSON object"),
    # --- names of other programs for variables
    Case(
        "names.env",
        f"BINANCE_API_KEY={A}\nBINANCE_API_SECRET={S}\n",
        says="BINANCE_SECRET_KEY is missing (BINANCE_API_SECRET looks like it)",
    ),
    Case("other names.env", variables("OKX_", KEY=A, SECRET=S, PASS=P), says="OKX_API_KEY is miss"),
    Case("gemini.env", f"GEMINI_API_KEY={A}\n", says="gemini: GEMINI_SECRET_KEY is missing)"),
    Case("test.env", f"BINANCE_API_KEY={A}\nBINANCE_SECRET_KEY={S}\nBINANCE_TESTNET=1\n",
         says="BINANCE_TESTNET says which system of binance is traded"),
    # --- freqtrade
    config("comments.json", f'{{"exchange": {{"name": "binance", // ours\n "key": "{A}",'
           f' "secret": "{S}", "pair_whitelist": ["A/B",],}},}}', BOTH),
    config("okx.json", freqtrade(name="okx", key=A, secret=S, password=P),
           {"okx": {**PAIR, "passphrase": P}}),
    config("gateio.json", freqtrade(name="gateio", key=A, secret=S), {"gate": PAIR}),
    config("capital.json", freqtrade(name="Binance", key=A, secret=S), BOTH),
    config("ccxt.json", freqtrade(name="binance", key="", secret="", ccxt_config={
        "apiKey": A, "secret": S, "options": {"defaultType": "swap"}}), BOTH),
    config("two.json", freqtrade(name="binance", key=A, secret=S, ccxt_config={"secret": P}),
           "exchange has the field secret_key twice"),
    config("urls.json", freqtrade(name="binance", key=A, secret=S, ccxt_config={
        "urls": {"api": {"public": "https://testnet.binance.vision/api"}}}),
        "exchange.ccxt_config.urls.api.public says which system is traded"),
    config("pem.json", freqtrade(name="coinbase", key=NAME, secret=EC_PEM),
           {"coinbase": {"api_key": NAME, "secret_key": EC_PEM.strip()}}),
    Case("ft.env", f"FREQTRADE__EXCHANGE__NAME=binance\n{FREQTRADE}", BOTH),
    Case("ft-small.env", f"FREQTRADE__EXCHANGE__NAME=binance\n{FREQTRADE}".replace(
        "EXCHANGE", "exchange"), BOTH),
    Case("ft-nameless.env", FREQTRADE, says="Without it, say: --exchange"),
    Case("ft-told.env", FREQTRADE, BOTH, options=("--exchange", "binance")),
    Case("ft-wallet.env", variables("FREQTRADE__EXCHANGE__", NAME="hyperliquid",
         WALLET_ADDRESS=WALLET, PRIVATE_KEY=KEY, CCXT_CONFIG__OPTIONS__VAULTADDRESS=VAULT),
         {"hyperliquid": {**WALLETS, "vault_address": VAULT}}),
    # --- passivbot
    config("api-keys.json", {
        "referrals": {"hyperliquid": "https://x"},
        "binance_01": {"exchange": "binance", "key": A, "secret": S},
        "okx_01": {"exchange": "okx", "key": "key", "secret": "secret", "passphrase": "x"},
        "hl": {"exchange": "hyperliquid", "wallet_address": WALLET, "private_key": KEY,
               "is_vault": False}}, {**BOTH, "hyperliquid": WALLETS}),
    config("vault.json", {"v": {"exchange": "hyperliquid", "wallet_address": VAULT,
           "private_key": KEY, "is_vault": True}},
           {"hyperliquid": {"wallet_address": VAULT, "private_key": KEY, "vault_address": VAULT}}),
    config("several.json", {"a": {"exchange": "bybit", "key": A, "secret": S},
           "b": {"exchange": "bybit", "key": S, "secret": A}}, "Say which with --entry: a, b."),
    config("entry.json", {"a": {"exchange": "bybit", "key": S, "secret": A},
           "b": {"exchange": "bybit", "key": A, "secret": S}}, {"bybit": PAIR}, "--entry", "b"),
    # --- ccxt, Coinbase
    config("keys.json", {"okx": {"apiKey": A, "secret": S, "password": P, "timeout": 3000},
           "hyperliquid": {"walletAddress": WALLET, "privateKey": KEY}},
           {"okx": {**PAIR, "passphrase": P}, "hyperliquid": WALLETS}),
    config("snake.json", {"binance": {"api_key": A, "api_secret": S}}, BOTH),
    config("sdk.json", {"secret_key": KEY, "account_address": WALLET, "keystore_path": ""},
           {"hyperliquid": WALLETS}, "--exchange", "hyperliquid"),
    config("no-format.json", {"exchanges": [{"apiKey": A}]}, "is of no format that is known"),
    config("sandbox.json", {"binance": {"apiKey": A, "secret": S, "options": {
        "sandboxMode": True}}}, "binance.options.sandboxMode says which system"),
    config("cdp_api_key.json", {"name": NAME, "privateKey": pem(EC)},
           {"coinbase": {"api_key": NAME, "secret_key": EC_PEM.strip()}}),
    config("cdp-cut.json", {"name": NAME, "privateKey": EC_PEM[:100]}, "is not one whole key in"),
    # --- hummingbot, OctoBot
    config("binance.yml", f"connector: binance\nbinance_api_key: 7b22{'63' * 40}\n",
           "binance_api_key in "),
    config("plain.yml", f"connector: binance\nbinance_api_key: {A}\n", "Keys in YAML or TOML"),
    config("gate_io.json", {"connector": "gate_io", "gate_io_api_key": A, "gate_io_secret_key": S},
           {"gate": PAIR}),
    config("octobot.json", {"exchanges": {"okx": {"api-key": A, "api-secret": S,
           "api-password": P, "sandboxed": False}}}, {"okx": {**PAIR, "passphrase": P}}),
    config("octobot-test.json", {"exchanges": {"okx": {"api-key": A, "api-secret": S,
           "api-password": P, "sandboxed": True}}}, "okx.sandboxed says which system is traded"),
    config("fernet.json", {"exchanges": {"okx": {"api-key": "gAAAAAB" + "x" * 60}}},
           "okx.api-key is encrypted by another program (OctoBot, or Fernet)"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_dialect_is_read_exactly_or_refused_by_name(
    cli: CommandLine, database_url: str, case: Case
) -> None:
    path = cli.folder / case.name
    path.write_bytes(case.text.encode())
    verb, option = (
        ("import-env", "--env-file") if path.suffix == ".env" else ("import-config", "--file")
    )
    arguments = (verb, "bot", option, str(path), "--create", *case.options)
    if case.stored:
        result = cli(*arguments)
        assert result.exit_status == 0, result.err
        held = opened(database_url, cli.master_key)
        assert {exchange: fields for (_, exchange, _), fields in held.items()} == case.stored
    else:
        with nothing_written(database_url):
            result = cli(*arguments)
        assert result.exit_status == 2
        assert case.says in result.err
        assert len(result.err.splitlines()) <= 2
    assert shown_pieces([A, S, P, KEY, PEM, EC_PEM], result) == set()
