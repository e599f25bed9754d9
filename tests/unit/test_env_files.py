"""Reading an env file: exactly that file, all of it or nothing."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support.credentials import ENV_FILE, FIELDS

from registry.catalog.catalog import built_in_exchanges
from registry.encryption.secret import Secret
from registry.errors import InvalidCredential, InvalidInput, NothingToImport
from registry.services.importing.elsewhere import MAX_FILE
from registry.services.importing.env_files import (
    EnvImport,
    find_credentials,
    read_env_file,
)
from registry.services.importing.options import import_inputs
from registry.subaccounts import Subaccounts

ADDRESS = f"0x{'c' * 40}"
SPECS = list(built_in_exchanges().values())


def read(folder: Path, text: str | bytes) -> dict[str, str]:
    path = folder / "some.env"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return {name: value.reveal() for name, value in read_env_file(path).items()}


def find(*, held: set[str] | None = None, **variables: str) -> EnvImport:
    secrets = {name: Secret(value) for name, value in variables.items()}
    return find_credentials(secrets, SPECS, held=held or set())


def revealed(found: EnvImport) -> dict[str, dict[str, str]]:
    return {
        e: {n: v.reveal() for n, v in fields.items()} for e, fields in found.credentials.items()
    }


def test_the_usual_forms_of_a_line_are_understood(tmp_path: Path) -> None:
    text = "\ufeffA=1\nexport B = two words \n# no\n\nC='x # y'\nD=\"a\\nb\" # why\nE=\nexport F\n"
    assert read(tmp_path, text) == {
        "A": "1",
        "B": "two words",
        "C": "x # y",
        "D": "a\nb",
        "E": "",
    }


def test_nothing_is_filled_in_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pain 1: another account's keys must not come in by way of the environment."""
    monkeypatch.setenv("ASTER_API_KEY", "of-another-account")
    assert read(tmp_path, "A=${ASTER_API_KEY}\nB=$ASTER_API_KEY\n") == {
        "A": "${ASTER_API_KEY}",
        "B": "$ASTER_API_KEY",
    }


def test_a_file_that_is_not_there_is_an_error_and_no_other_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pain 1: a missing env file must not fall back to the project's `.env`."""
    (tmp_path / ".env").write_text("ASTER_API_KEY=x\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput, match=r"cannot read main\.env: No such file"):
        read_env_file(Path("main.env"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("A=1\nwhat is this\nB=2\n", "line 2 is not NAME=VALUE"),
        ("A='open\n", "line 1 is not NAME=VALUE"),
        (b"A=\xff\xfe\n", "is not UTF-8 text"),
        (b"A=" + b"x" * MAX_FILE, "larger than such a file can be"),
    ],
)
def test_a_file_that_is_no_env_file_is_refused(tmp_path: Path, text: str | bytes, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        read(tmp_path, text)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="directory"):
        read_env_file(tmp_path)


def test_complete_credentials_are_found_by_their_variables(tmp_path: Path) -> None:
    path = tmp_path / "bot.env"
    path.write_text(ENV_FILE + "TELEGRAM_TOKEN=x\nLOG_LEVEL=info\n")
    found = find_credentials(read_env_file(path), SPECS)
    assert revealed(found)["backpack"] == FIELDS["backpack"]
    assert list(found.credentials) == ["lighter", "backpack", "paradex"]
    assert found.other_names == ("LOG_LEVEL", "TELEGRAM_TOKEN")
    assert found.absent == {"paradex": ("l2_address", "environment")}


def test_an_incomplete_credential_stops_everything_and_is_named() -> None:
    """Pain 2: an incomplete set of fields must not be skipped in silence."""
    with pytest.raises(InvalidCredential) as refused:
        find(
            ASTER_API_KEY="k7",
            BACKPACK_PUBLIC_KEY="p7",
            BACKPACK_SECRET_KEY="s7",
            EDGEX_STARK_PRIVATE_KEY="e7",
        )
    assert refused.value.message == (
        "incomplete credentials: aster: ASTER_SECRET_KEY is missing; "
        "edgex: EDGEX_ACCOUNT_ID is missing"
    )


def test_a_placeholder_beside_a_real_value_stops_everything_and_is_named() -> None:
    """Pain 3: placeholders must not be stored as keys."""
    with pytest.raises(InvalidCredential, match="ASTER_SECRET_KEY is a placeholder"):
        find(ASTER_API_KEY="k7", ASTER_SECRET_KEY="your_aster_secret_here")


def test_an_exchange_with_nothing_real_is_skipped_and_said() -> None:
    found = find(
        BACKPACK_PUBLIC_KEY="p7",
        BACKPACK_SECRET_KEY="s7",
        ASTER_API_KEY="",
        ASTER_SECRET_KEY="your_aster_secret_here",
        PARADEX_ENVIRONMENT="prod",
    )
    assert list(found.credentials) == ["backpack"]
    assert found.skipped == {
        "aster": "no real value in ASTER_API_KEY, ASTER_SECRET_KEY",
        "paradex": "only public values; PARADEX_L2_PRIVATE_KEY is missing",
    }


@pytest.mark.parametrize(
    "variables",
    [{}, {"LOG_LEVEL": "info"}, {"ASTER_API_KEY": "your_key_here"}, {"ASTER_API_KEY": ""}],
)
def test_a_file_without_a_credential_is_an_error(variables: dict[str, Any]) -> None:
    """Pain 2: an empty file must not leave an empty account and say that all is well."""
    with pytest.raises(NothingToImport, match="the file holds no complete credential"):
        find(**variables)


def test_where_the_account_has_the_credential_already_the_file_may_have_a_part_of_it() -> None:
    """Pain 4: fields that the file does not name must not be lost."""
    found = find(held={"aster"}, ASTER_SECRET_KEY="new7")
    assert revealed(found) == {"aster": {"secret_key": "new7"}}
    assert found.absent == {"aster": ("api_key",)}
    with pytest.raises(InvalidCredential, match="ASTER_SECRET_KEY is a placeholder"):
        find(held={"aster"}, ASTER_API_KEY="k7", ASTER_SECRET_KEY="changeme")


def test_a_wallet_s_key_is_a_credential_without_the_pair_that_it_stands_for() -> None:
    key = "a7" * 32
    assert revealed(find(ASTER_PRIVATE_KEY=key)) == {"aster": {"private_key": key}}
    with pytest.raises(InvalidCredential, match="aster: ASTER_SECRET_KEY is missing"):
        find(ASTER_API_KEY="k7")


def test_an_import_goes_to_the_full_credential_without_a_subaccount_unless_one_is_named() -> None:
    found = find(ASTER_API_KEY="k7", ASTER_SECRET_KEY="s7")
    for named, expected in ([], None), (["0"], 0), (["aster=3"], 3):
        (one,) = import_inputs(found.credentials, Subaccounts.parse(named))
        assert one.slot.permission == "full"
        assert one.slot.subaccount_index == expected


@pytest.mark.parametrize("value", ["first\nsecond", "first\n"])
def test_a_value_over_several_lines_is_refused_unless_it_is_pem(value: str) -> None:
    with pytest.raises(InvalidCredential, match="BACKPACK_SECRET_KEY is wrapped over several"):
        find(BACKPACK_PUBLIC_KEY="p7", BACKPACK_SECRET_KEY=value)
    key = Ed25519PrivateKey.generate()
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem = key.private_bytes(*form).decode().strip()
    found = find(BACKPACK_PUBLIC_KEY="p7", BACKPACK_SECRET_KEY=pem)
    assert revealed(found)["backpack"]["secret_key"] == pem


@pytest.mark.parametrize(
    ("variables", "what"),
    [
        ({"HYPERLIQUID_TESTNET": "true"}, "system"),
        ({"HYPERLIQUID_USE_TESTNET": "1"}, "system"),
        ({"HYPERLIQUID_MAINNET": "false"}, "system"),
        ({"HYPERLIQUID_NETWORK": "Testnet"}, "system"),
        ({"HYPERLIQUID_API_URL": "https://api.hyperliquid-testnet.xyz"}, "system"),
        ({"HYPERLIQUID_IS_VAULT": "yes"}, "account"),
        ({"HYPERLIQUID_VAULT": f"0x{'d' * 40}"}, "account"),
        ({"HYPERLIQUID_SUBACCOUNT": "desk"}, "account"),
        ({"HYPERLIQUID_SUB_ACCOUNT_ID": "3"}, "account"),
        ({"HYPERLIQUID_ACCOUNT_ADDRESS": f"0x{'e' * 40}"}, "account"),
        ({"hyperliquid_testnet": "true"}, "system"),
        ({"VAULT_ADDRESS": f"0x{'d' * 40}"}, "account"),
    ],
)
def test_a_variable_that_says_which_account_or_system_is_never_dropped(
    variables: dict[str, Any], what: str
) -> None:
    own: dict[str, Any] = {
        "HYPERLIQUID_WALLET_ADDRESS": ADDRESS,
        "HYPERLIQUID_PRIVATE_KEY": "a7" * 32,
    }
    with pytest.raises(InvalidCredential, match=f"says which {what} of hyperliquid is traded"):
        find(**own, **variables)


@pytest.mark.parametrize(
    "variables",
    [
        {"HYPERLIQUID_TESTNET": "false"},
        {"HYPERLIQUID_TESTNET": ""},
        {"HYPERLIQUID_NETWORK": "mainnet"},
        {"HYPERLIQUID_ENV": "prod"},
        {"HYPERLIQUID_API_URL": "https://api.hyperliquid.xyz/latest"},
        {"HYPERLIQUID_ACCOUNT_ADDRESS": f"0x{'C' * 40}"},
        {"HYPERLIQUID_SUBACCOUNT": "0"},
        {"HYPERLIQUID_ACCOUNT_NAME": "main"},
        {"HYPERLIQUID_LEVERAGE": "3"},
        {"ENVIRONMENT": "development", "TESTNET": "false"},
    ],
)
def test_a_variable_that_says_what_holds_anyway_is_no_problem(variables: dict[str, Any]) -> None:
    own: dict[str, Any] = {
        "HYPERLIQUID_WALLET_ADDRESS": ADDRESS,
        "HYPERLIQUID_PRIVATE_KEY": "a7" * 32,
    }
    assert list(find(**own, **variables).credentials) == ["hyperliquid"]


def test_an_account_s_number_without_the_exchange_s_name_is_not_taken_for_0() -> None:
    key: dict[str, Any] = {"API_KEY_PRIVATE_KEY": "b7" * 40, "LIGHTER_API_KEY_INDEX": "4"}
    with pytest.raises(InvalidCredential, match="ACCOUNT_INDEX says which account of lighter"):
        find(**key, ACCOUNT_INDEX="41")
    found = find(**key, ACCOUNT_INDEX="41", LIGHTER_ACCOUNT_INDEX="41")
    assert revealed(found)["lighter"]["account_index"] == "41"


def test_a_subaccount_that_a_file_names_is_the_chosen_one() -> None:
    own = {"BACKPACK_PUBLIC_KEY": "p7", "BACKPACK_SECRET_KEY": "s7", "BACKPACK_SUBACCOUNT": "3"}
    secrets = {name: Secret(value) for name, value in own.items()}
    for chosen in (None, 2):
        with pytest.raises(InvalidCredential, match="BACKPACK_SUBACCOUNT says which account"):
            find_credentials(secrets, SPECS, subaccount={"backpack": chosen}.get)
    assert find_credentials(secrets, SPECS, subaccount={"backpack": 3}.get).credentials


def test_an_environment_that_is_a_field_is_kept_and_a_switch_may_repeat_it() -> None:
    paradex: dict[str, Any] = {
        "PARADEX_L1_ADDRESS": FIELDS["paradex"]["l1_address"],
        "PARADEX_L2_PRIVATE_KEY": FIELDS["paradex"]["l2_private_key_hex"],
    }
    found = find(**paradex, PARADEX_ENVIRONMENT="testnet", PARADEX_TESTNET="1", USE_TESTNET="1")
    assert revealed(found)["paradex"]["environment"] == "testnet"
    with pytest.raises(InvalidCredential, match="PARADEX_TESTNET says which system"):
        find(**paradex, PARADEX_TESTNET="1")


@pytest.mark.parametrize(
    "variables",
    [
        {"LIGHTER_ACCOUNT_INDEX": "4", "LIGHTER_API_PRIVATE_KEY": "l7" * 16},
        {"GRVT_API_SECRET": "g7" * 16},
        {"BACKPACK_API_KEY": "b7" * 16},
        {"HYPERLIQUID_PK": "h7" * 16},
    ],
)
def test_a_missing_secret_is_told_with_the_variable_that_looks_like_it(
    variables: dict[str, Any],
) -> None:
    *_, alike = variables
    with pytest.raises(InvalidCredential, match=rf"is missing \({alike} looks like it\)"):
        find(**variables)
    found = find(ASTER_API_KEY="k7", ASTER_SECRET_KEY="s7", **variables)
    assert list(found.credentials) == ["aster"]
    assert found.left_out == (alike.partition("_")[0].lower(),)


def test_names_that_may_be_pieces_of_secrets_are_only_counted() -> None:
    found = find(ASTER_API_KEY="k7", ASTER_SECRET_KEY="s7", LOG="1", dGhpcyBpcyBhIHNlY3JldA="x")
    assert (found.other_names, found.hidden_names) == (("LOG",), 1)


def test_the_account_that_an_import_makes_is_described_as_bots_do() -> None:
    found = find(
        PARADEX_L1_ADDRESS=FIELDS["paradex"]["l1_address"],
        PARADEX_L2_PRIVATE_KEY=FIELDS["paradex"]["l2_private_key_hex"],
    )
    account = found.account("bot7")
    assert account.details["wallet_address"] == FIELDS["paradex"]["l1_address"]
    assert account.details["description"] == "Account from .env: bot7"
    assert account.details["metadata"] == {
        "source": "env_file",
        "max_positions": 10,
        "max_exposure_usd": 100_000,
    }
    assert (
        find(ASTER_API_KEY="k7", ASTER_SECRET_KEY="s7").account("b").details["wallet_address"]
        is None
    )


def test_no_value_is_in_an_error() -> None:
    with pytest.raises(InvalidCredential) as refused:
        find(ASTER_API_KEY="canary7", EDGEX_ACCOUNT_ID="canary7")
    assert "canary7" not in refused.value.message + (refused.value.hint or "")
