"""Files of any format with secrets in any place: no piece of one is shown, whatever is refused."""

import json
import string
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.cli import CommandLine
from support.pieces import shown_pieces

LETTERS = string.ascii_letters + string.digits
SECRETS = st.one_of(
    st.text("0123456789abcdef", min_size=32, max_size=64).map(lambda text: f"0x{text}"),
    st.text(LETTERS, min_size=24, max_size=64),
    st.text(LETTERS + "+/", min_size=40, max_size=86).map(lambda text: f"{text}=="),
    st.text(LETTERS + "-_", min_size=32, max_size=64),
    st.text(LETTERS + "+/", min_size=64, max_size=64).map(
        lambda text: f"-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n"
    ),
)
WRAPPED = st.sampled_from(
    ["{}", "ENC[AES256_GCM,data:{},type:str]", "encrypted:{}", "op://vault/{}", "${{}}",
     "$({})", "vault:{}", "awssm:{}", "7b22{}", "gAAAAA{}", "`{}`", "file:{}", " {} ",
     "{}\\", "{}\n", "'{}'", "{};", "{} A_KEY={}", "https://{}.testnet/{}"]
)  # fmt: skip
NAMES = st.sampled_from(
    ["key", "secret", "password", "apiKey", "privateKey", "private_key", "walletAddress", "uid",
     "vaultAddress", "subaccount", "testnet", "is_vault", "sandbox", "name", "api-key", "other"]
)  # fmt: skip
EXCHANGES = st.sampled_from(["aster", "hyperliquid", "lighter", "paradex", "grvt", "nowhere"])


@st.composite
def configurations(draw: st.DrawFn) -> tuple[list[str], str]:
    """The secrets, and the text of a configuration that has them in it."""
    secrets = draw(st.lists(SECRETS, min_size=1, max_size=4))
    values = [draw(WRAPPED).replace("{}", secret) for secret in secrets]
    # Some stand in the place of names, labels and exchanges.
    names = [draw(st.one_of(NAMES, st.just(value))) for value in values]
    entry: dict[str, Any] = dict(zip(names, draw(st.permutations(values)), strict=True))
    exchange = draw(st.one_of(EXCHANGES, EXCHANGES, st.sampled_from(values)))
    label = draw(st.one_of(st.just("hl_01"), st.sampled_from(secrets)))
    config: Any = draw(
        st.sampled_from([
            {"exchange": {**entry, "name": exchange}},
            {"exchange": {"name": exchange, "ccxt_config": entry}},
            {"exchange": {"name": exchange, "ccxt_config": {"urls": {values[0]: entry}}}},
            {"exchange": entry},
            {"add_config_files": [values[0]], "exchange": entry},
            {label: {"exchange": exchange, **entry}},
            {label: {"exchange": exchange, **entry}, "b": {"exchange": exchange, "key": "k7"}},
            {"connector": exchange, **entry},
            {"exchanges": {exchange: {"api-key": values[0], **entry}}},
            {exchange: {"apiKey": values[0], **entry}},
            {"apiKey": values[0], **entry},
            {"id": values[0], "privateKey": values[-1]},
            {"name": f"organizations/a/apiKeys/{secrets[0]}", "privateKey": values[-1]},
            {"sops": {"mac": values[0]}, **entry},
            entry,
        ])
    )  # fmt: skip
    text = json.dumps(config, indent=draw(st.sampled_from([None, 2])))
    if draw(st.booleans()):
        text = text.replace("}", ",}", 1).replace("{", "{ // " + secrets[0] + "\n", 1)
    if draw(st.integers(0, 4)) == 0:
        text = "\n".join(f"{name}: {value}" for name, value in entry.items())
    return secrets, text


@given(
    case=configurations(),
    options=st.sampled_from([(), ("--exchange", "aster"), ("--json",), ("--debug",)]),
)
def test_no_piece_of_a_secret_in_a_configuration_is_shown(
    cli: CommandLine, case: tuple[list[str], str], options: tuple[str, ...]
) -> None:
    secrets, text = case
    path = cli.file("config.json", text)
    arguments = ("import-config", "bot", "--file", path, "--create", "--dry-run", *options)
    assert shown_pieces(secrets, cli(*arguments)) == set()


@given(secret=SECRETS, form=WRAPPED, name=st.sampled_from(
    ["ASTER_SECRET_KEY", "HYPERLIQUID_VAULT", "LIGHTER_PK", "FREQTRADE__EXCHANGE__KEY", "TESTNET",
     "FREQTRADE__EXCHANGE__NAME", "ACCOUNT_NAME", "GRVT_ENVIRONMENT", "EDGEX_BASE_URL",
     "BINANCE_SECRET_KEY", "BINANCE_API_SECRET", "OKX_TESTNET", "freqtrade__exchange__secret"]
), quote=st.sampled_from(["", "'", '"', "`", "\u201c"]))  # fmt: skip
def test_no_piece_of_a_secret_in_an_env_file_is_shown(
    cli: CommandLine, secret: str, form: str, name: str, quote: str
) -> None:
    text = f"ASTER_API_KEY=k7\n{name}={quote}{form.replace('{}', secret)}{quote}\n"
    folder = cli.folder / "bots"
    folder.mkdir(exist_ok=True)
    (folder / "bot.env").write_text(text)
    path = str(folder / "bot.env")
    for arguments in (
        ("import-env", "bot", "--env-file", path, "--create", "--dry-run"),
        ("import-env", "--dir", str(folder), "--create", "--dry-run", "--json"),
    ):
        assert shown_pieces([secret], cli(*arguments)) == set()
