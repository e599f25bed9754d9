"""Showing a secret to a person: one field, and never without a release event."""

import json

from support.cli import CommandLine

ASTER = {"api_key": "the-api-key-1", "secret_key": "the-secret-1"}


def with_credential(cli: CommandLine) -> None:
    cli("create-account", "bot")
    cli("add-credential", "bot", "aster", "--from-json", "-", stdin=json.dumps(ASTER))


def test_one_field_is_shown_and_recorded_as_a_release(cli: CommandLine) -> None:
    with_credential(cli)
    shown = cli("reveal-credential", "bot", "aster", "--field", "api_key")
    assert (shown.exit_status, shown.out) == (0, "the-api-key-1\n")
    (event,) = cli("history", "bot", "--type", "CredentialReleased", "--json").data
    assert event["data"]["purpose"] == "reveal api_key"


def test_without_a_field_nothing_is_shown_and_nothing_released(cli: CommandLine) -> None:
    with_credential(cli)
    refused = cli("reveal-credential", "bot", "aster", "--json")
    assert (refused.exit_status, refused.error["code"]) == (2, "invalid_input")
    assert "the-" not in refused.out + refused.err
    assert cli("history", "--type", "CredentialReleased", "--json").data == []


def test_no_field_is_shown_of_what_cannot_be_released(cli: CommandLine) -> None:
    with_credential(cli)
    cli("deactivate-credential", "bot", "aster")
    refused = cli("reveal-credential", "bot", "aster", "--field", "api_key")
    assert refused.exit_status == 5
    assert "the-api-key-1" not in refused.out + refused.err
