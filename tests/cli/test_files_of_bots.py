"""Files as people have them: each comes in exactly, or is refused by the name of a field."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.cli import CommandLine
from support.opened import opened
from support.tables import nothing_written

FILES = Path(__file__).resolve().parents[1] / "bot_files"

WALLET, VAULT, KEY = (
    json.loads((FILES / name).read_text())[entry][where]
    for name, entry, where in (
        ("passivbot-api-keys.json", "hl_wallet", "wallet_address"),
        ("passivbot-vault.json", "hl_vault", "wallet_address"),
        ("passivbot-api-keys.json", "hl_wallet", "private_key"),
    )
)
HYPERLIQUID = {"wallet_address": WALLET, "private_key": KEY}
OF_VAULT = {"wallet_address": VAULT, "private_key": KEY, "vault_address": VAULT}


def content(name: str) -> str:
    return (FILES / name).read_text(encoding="utf-8-sig")


def value(name: str, pattern: str) -> str:
    """The text of a file that a pattern's group finds."""
    found = re.search(pattern, content(name))
    assert found is not None
    return found[1]


BACKPACK = {
    "public_key": value("windows.env", "PUBLIC_KEY=(\\S+)"),
    "secret_key": value("windows.env", 'SECRET_KEY="(\\S+)"'),
}
PRIVATE = json.loads(content("freqtrade-private.json"))["exchange"]
OCTOBOT = json.loads(content("octobot-plain.json"))["exchanges"]["aster"]
GRVT = json.loads(content("ccxt-keys.json"))["grvt"]
COINBASE, ED25519 = (json.loads(content(f"coinbase-{kind}.json")) for kind in ("ecdsa", "ed25519"))


@dataclass(frozen=True)
class Sample:
    """A file, with what an import of it stores, or what it says instead."""

    name: str
    stored: dict[str, dict[str, str]] = field(default_factory=dict)
    says: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    exit_status: int = 0


def refused(name: str, *says: str, options: tuple[str, ...] = ()) -> Sample:
    return Sample(name, says=says, options=options, exit_status=2)


SAMPLES = [
    Sample("freqtrade-with-comments.json", {"hyperliquid": HYPERLIQUID}),
    Sample(
        "freqtrade-main.json",
        {"aster": {"api_key": PRIVATE["key"], "secret_key": PRIVATE["secret"]}},
        says=("freqtrade-private.json (freqtrade)",),
    ),
    refused("freqtrade-private.json", "does not say which exchange", "--exchange"),
    Sample(
        "freqtrade-private.json",
        {"aster": {"api_key": PRIVATE["key"], "secret_key": PRIVATE["secret"]}},
        options=("--exchange", "aster"),
    ),
    Sample("freqtrade-ccxt-config.json", {"hyperliquid": {**HYPERLIQUID, "vault_address": VAULT}}),
    refused("freqtrade-sandbox.json", "exchange.ccxt_config.sandbox says which system is traded"),
    refused(
        "freqtrade-passphrase-without-a-field.json",
        "exchange.password could be a secret, and aster has no field for it",
    ),
    Sample("freqtrade.env", {"hyperliquid": HYPERLIQUID}),
    refused("freqtrade-without-exchange.env", "FREQTRADE__EXCHANGE__NAME does not say"),
    Sample(
        "passivbot-api-keys.json",
        {"hyperliquid": HYPERLIQUID},
        says=("skipped    bybit_01: only placeholders in it", "skipped    okx_01: only"),
    ),
    Sample("passivbot-vault.json", {"hyperliquid": OF_VAULT}),
    refused("passivbot-paradex.json", "paradex credential lacks l1_address"),
    refused("passivbot-subaccount.json", "gr.subaccount says which account is traded"),
    Sample(
        "ccxt-keys.json",
        {
            "backpack": BACKPACK,
            "grvt": {
                "trading_account_id": GRVT["options"]["accountId"],
                "private_key": GRVT["secret"],
                "api_key": GRVT["apiKey"],
                "environment": "prod",
            },
        },
    ),
    refused(
        "ccxt-lighter-wallet-key.json", "lighter.privateKey could be a secret, and lighter has no"
    ),
    Sample(
        "coinbase-ecdsa.json",
        {"coinbase": {"api_key": COINBASE["name"], "secret_key": COINBASE["privateKey"].strip()}},
    ),
    Sample(
        "coinbase-ed25519.json",
        {"coinbase": {"api_key": ED25519["id"], "secret_key": ED25519["privateKey"]}},
    ),
    refused("octobot-config.json", "aster.api-key is encrypted", "aster.api-secret is encrypted"),
    Sample(
        "octobot-plain.json",
        {"aster": {"api_key": OCTOBOT["api-key"], "secret_key": OCTOBOT["api-secret"]}},
    ),
    refused(
        "hummingbot-hyperliquid_perpetual.yml",
        "hyperliquid_perpetual_api_key in ",
        "is encrypted by another program (hummingbot)",
    ),
    Sample("hummingbot-plain.json", {"hyperliquid": OF_VAULT}),
    refused(
        "sops.json", "sops.json is encrypted by sops", "--output-type json FILE | account-registry"
    ),
    refused("sops.env", "the value of ASTER_API_KEY (line 1) is encrypted by sops"),
    refused("dotenvx.env", "the value of BACKPACK_SECRET_KEY (line 4) is encrypted by dotenvx"),
    refused(
        "one-password.env",
        "the value of ASTER_SECRET_KEY (line 2) is a reference to 1Password",
        "op inject -i FILE | account-registry import-env ACCOUNT --env-file -",
    ),
    refused("compose.env", "ASTER_API_KEY (line 1) is filled in by another program"),
    refused("ansible-vault.env", "is encrypted by ansible-vault", "ansible-vault view FILE |"),
    refused("age.env", "is encrypted by age", "age --decrypt -i KEY-FILE FILE |"),
    Sample("windows.env", {"backpack": BACKPACK}, says=("ignored    what is no exchange's",)),
    Sample(
        "every-dialect.env",
        {
            "aster": {"api_key": 'a#b c"d$e=f', "secret_key": 'with "quotes" and # inside'},
            "backpack": BACKPACK,
        },
    ),
    Sample(
        "template-with-backpack-filled.env",
        {"backpack": BACKPACK},
        says=("skipped    edgex: only public values; EDGEX_STARK_PRIVATE_KEY has no real value",),
    ),
    refused("testnet.env", "HYPERLIQUID_TESTNET says which system of hyperliquid is traded"),
    refused("testnet-for-all.env", "USE_TESTNET says that a test system is traded"),
    Sample("vault.env", {"hyperliquid": {**HYPERLIQUID, "vault_address": VAULT}}),
    refused(
        "names-of-another-bot.env",
        "API_KEY_PRIVATE_KEY is missing (LIGHTER_API_PRIVATE_KEY looks like it)",
        "BACKPACK_SECRET_KEY is missing (BACKPACK_API_KEY, BACKPACK_API_SECRET look like it)",
    ),
    refused("wrapped.env", "line 3 is not NAME=VALUE, and may be the rest of BACKPACK_SECRET_KEY"),
    refused("continued.env", "the value of ASTER_API_KEY (line 1) ends in a backslash"),
    refused("curly-quotes.env", "the value of ASTER_API_KEY (line 1) has quotation marks"),
    refused("dollar.env", "the value of ASTER_SECRET_KEY (line 2) holds a $"),
]


@pytest.fixture(autouse=True)
def others(cli: CommandLine) -> None:
    """Exchanges that a file may name, if they are not known anyway."""
    if "coinbase" not in {row["exchange"] for row in cli("exchanges", "--json").data}:
        fields = (
            "--field",
            "api_key=COINBASE_API_KEY",
            "--field",
            "secret_key=COINBASE_SECRET_KEY",
        )
        assert cli("add-exchange", "coinbase", *fields).exit_status == 0


def imported(cli: CommandLine, sample: Sample) -> tuple[str, ...]:
    is_env = sample.name.endswith(".env")
    option = ("import-env", "bot", "--env-file") if is_env else ("import-config", "bot", "--file")
    return (*option, str(FILES / sample.name), "--create", *sample.options)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_file_comes_in_exactly_or_is_refused_by_name(
    cli: CommandLine, database_url: str, sample: Sample
) -> None:
    if sample.exit_status:
        with nothing_written(database_url):
            result = cli(*imported(cli, sample))
    else:
        result = cli(*imported(cli, sample))
    assert result.exit_status == sample.exit_status, result.err
    for text in sample.says:
        assert text in result.out + result.err
    stored = {
        exchange: fields
        for (_, exchange, _), fields in opened(database_url, cli.master_key).items()
    }
    assert stored == sample.stored


def test_every_file_has_a_sample() -> None:
    assert {path.name for path in FILES.iterdir()} == {sample.name for sample in SAMPLES}
