"""The verb `whose-key`: whose a key that was found somewhere is, or was."""

import json
from typing import Any

import pytest
from support.cli import CommandLine, Result
from support.terminal import type_into_a_terminal

from registry import Registry
from registry.encryption.keyring import generate_master_key
from registry.errors import InvalidInput

KEY = "7a" * 32


def store(cli: CommandLine, verb: str, key: str, *options: str) -> None:
    fields = json.dumps({"private_key": key, "account_index": 4711})
    done = cli(verb, "bot", "lighter", "--from-json", "-", *options, stdin=fields)
    assert done.exit_status == 0, done.err


@pytest.fixture
def rotated(bot: CommandLine) -> CommandLine:
    """An account that held two keys at Lighter, and holds none now."""
    store(bot, "add-credential", f"0x{KEY}", "--subaccount", "3")
    store(bot, "replace-credential", "0x" + "5c" * 32)
    bot("remove-credential", "bot", "lighter", "--yes")
    return bot


def told(result: Result) -> list[tuple[Any, ...]]:
    assert result.exit_status == 0, result.err
    names = ("account_name", "exchange", "subaccount_index", "field", "version")
    return [tuple(found[name] for name in names) for found in result.data]


@pytest.mark.parametrize(
    "written", [f"0x{KEY}", f" 0x{KEY}\r\n", KEY, KEY.upper(), f"0x{KEY.upper()}"]
)
def test_a_value_is_found_in_any_version_however_it_is_written(
    rotated: CommandLine, written: str
) -> None:
    found = rotated("whose-key", "-", "--json", stdin=written)
    assert told(found) == [("bot", "lighter", 3, "private_key", 1)]
    recorded = {e["position"]: e["recorded_at"] for e in rotated("history", "--json").data}
    assert (found.data[0]["since"], found.data[0]["until"]) == (recorded[1], recorded[2])


def test_a_version_that_is_held_has_no_end_and_one_of_a_deleted_account_has_one(
    rotated: CommandLine,
) -> None:
    store(rotated, "add-credential", KEY)
    *_, held = rotated("whose-key", "-", "--json", stdin=KEY).data
    assert (held["version"], held["until"]) == (1, None)
    rotated("delete-account", "bot", "--yes")
    *_, gone = rotated("whose-key", "-", "--json", stdin=KEY).data
    assert (gone["account_name"], gone["until"] is None) == ("bot", False)


def test_a_fingerprint_of_the_history_is_found_with_and_without_its_field_and_no_master_key(
    rotated: CommandLine,
) -> None:
    whole = rotated("history", "--json").data[1]["data"]["fingerprints"]["private_key"]
    without = {"CREDENTIAL_ENCRYPTION_KEY": ""}
    for text in (whole, whole[:8], f"private_key#{whole[:8]}"):
        found = rotated("whose-key", "--fingerprint", text, "--json", **without)
        assert told(found) == [("bot", "lighter", 3, "private_key", 1)]
    other = rotated("whose-key", "--fingerprint", f"account_index#{whole[:8]}", **without)
    assert other.out == "No credential of this registry holds it, or ever did.\n"
    assert rotated("whose-key", "-", stdin=KEY, **without).exit_status == 7


def test_a_value_is_asked_for_on_a_terminal_and_never_shown(rotated: CommandLine) -> None:
    status, shown = type_into_a_terminal(rotated, ["whose-key"], [f"{KEY}\n"])
    assert (status, "lighter" in shown, KEY in shown) == (0, True, False)


def test_what_was_never_stored_belongs_to_nobody(cli: CommandLine) -> None:
    for _ in range(2):
        nobody = cli("whose-key", "-", stdin="never-stored-1")
        assert nobody.out == "No credential of this registry holds it, or ever did.\n"
        cli("create-account", "bot")
        cli.store("bot", "aster")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((KEY,), "takes no argument but -"),
        (("-", "--fingerprint", "6e5bec8c"), "takes no argument but -"),
        (("--fingerprint", KEY), "this is not a fingerprint"),
        (("--fingerprint", "6e5b"), "this is not a fingerprint"),
        (("-",), "it is empty"),
        ((), "there is no terminal to ask for the value on"),
    ],
)
def test_what_may_be_a_secret_is_no_argument_and_is_not_said_again(
    rotated: CommandLine, arguments: tuple[str, ...], message: str
) -> None:
    for options in ((), ("--json",)):
        refused = rotated("whose-key", *arguments, *options, stdin=" \n")
        assert refused.exit_status == 2
        assert message in refused.err
        assert KEY not in refused.err + refused.out


def test_a_program_asks_by_value_or_by_fingerprint(rotated: CommandLine) -> None:
    with Registry.open(rotated.environment["DATABASE_URL"], key=rotated.master_key) as registry:
        (found,) = registry.credentials.whose_key(KEY)
        assert registry.credentials.whose_key(fingerprint=found["fingerprint"]) == [found]
        for given in ({}, {"value": KEY, "fingerprint": "6e5bec8c"}):
            with pytest.raises(InvalidInput, match="either a value or a fingerprint"):
                registry.credentials.whose_key(**given)
    other = generate_master_key().reveal()
    wrong = rotated("whose-key", "-", stdin=KEY, CREDENTIAL_ENCRYPTION_KEY=other)
    assert wrong.exit_status == 7
