"""The verbs that store and change credentials."""

import datetime as dt
import json
from typing import Any

import psycopg
import pytest
from support.cli import CommandLine
from support.credentials import FIELDS
from support.tables import nothing_written

DETAILS = (
    *("--label", "main", "--expires-at", "2030-01-31T12:00:00+02:00"),
    *("--ip", "203.0.113.7", "--ip", "2001:DB8::/32", "--exchange-account", "acct-7"),
)


def the_credential(cli: CommandLine, account: str = "bot") -> dict[str, Any]:
    (credential,) = cli("list-credentials", account, "--json").data
    found: dict[str, Any] = credential
    return found


@pytest.mark.parametrize("exchange", FIELDS)
def test_a_credential_of_each_exchange_is_stored_and_listed_without_its_values(
    bot: CommandLine, exchange: str
) -> None:
    stored = bot.store("bot", exchange, *DETAILS, "--subaccount", "2", "--json")
    assert (stored.exit_status, stored.err) == (0, "")
    assert stored.data["account"] == "bot"
    assert stored.data["exchange"] == exchange
    credential = the_credential(bot)
    assert (credential["exchange"], credential["subaccount_index"]) == (exchange, 2)
    assert (credential["permission"], credential["version"]) == ("full", 1)
    assert sorted(credential["fields"]) == sorted(FIELDS[exchange])
    assert credential["expires_at"] == "2030-01-31T10:00:00Z"
    assert credential["ip_allow_list"] == ["203.0.113.7", "2001:db8::/32"]
    assert (credential["label"], credential["exchange_account_id"]) == ("main", "acct-7")
    for value in filter(lambda value: len(value) > 1, FIELDS[exchange].values()):
        assert value not in bot("list-credentials").out + bot("history", "--json").out


def test_the_shape_of_a_listed_credential(bot: CommandLine) -> None:
    bot.store("bot", "aster")
    assert set(the_credential(bot)) == {
        "id",
        "account_name",
        "exchange",
        "subaccount_index",
        "permission",
        "version",
        "is_active",
        "account_is_active",
        "label",
        "expires_at",
        "ip_allow_list",
        "exchange_account_id",
        "last_used",
        "created_at",
        "updated_at",
        "fields",
        "same_key_in",
        "used_before",
        "checked",
        "stop",
    }


def test_fields_are_read_from_a_file_too(bot: CommandLine) -> None:
    path = bot.file("aster.json", "\ufeff" + json.dumps(FIELDS["aster"]))
    assert bot("add-credential", "bot", "aster", "--from-json", path).exit_status == 0


def test_tokens_of_the_bot_s_own_fields_have_their_own_columns(
    bot: CommandLine, connection: psycopg.Connection[Any]
) -> None:
    bot.store("bot", "grvt")
    row = connection.execute(
        "SELECT api_key_encrypted, secret_key_encrypted, additional_credentials_encrypted "
        "FROM account_exchange_credentials"
    ).fetchone()
    assert row is not None
    assert row[0].startswith("gAAAA")
    assert row[1] is None
    assert sorted(row[2]) == ["environment", "private_key", "trading_account_id"]
    assert all(token.startswith("gAAAA") for token in row[2].values())


def test_answers_for_people(bot: CommandLine) -> None:
    assert bot.store("bot", "aster").out == "Added a credential of bot for aster (event 1).\n"
    replaced = bot.store("bot", "aster", verb="replace-credential", api_key="other7")
    assert replaced.out == ("Replaced the credential of bot for aster, version 1→2 (event 2).\n")
    same = bot.store("bot", "aster", verb="replace-credential", api_key="other7")
    assert same.out == "Nothing to change: it is already like this.\n"
    updated = bot("update-credential", "bot", "aster", "--label", "x")
    assert updated.out == "Updated the credential of bot for aster (event 3).\n"
    for verb, number in (("deactivate", 4), ("reactivate", 5)):
        done = bot(f"{verb}-credential", "bot", "aster")
        assert done.out == f"{verb.title()}d the credential of bot for aster (event {number}).\n"
    removed = bot("remove-credential", "bot", "aster", "--yes")
    assert removed.out == "Removed the credential of bot for aster (event 6).\n"
    assert bot("list-credentials").err == "There are no credentials.\n"


def test_a_replaced_credential_has_the_next_version_and_keeps_its_details(bot: CommandLine) -> None:
    bot.store("bot", "aster", "--label", "main")
    before = the_credential(bot)
    bot.store("bot", "aster", verb="replace-credential", api_key="other7")
    after = the_credential(bot)
    assert (after["version"], after["label"], after["id"]) == (2, "main", before["id"])


def test_a_replacement_must_be_complete(bot: CommandLine, database_url: str) -> None:
    bot.store("bot", "aster")
    with nothing_written(database_url):
        refused = bot(
            *("replace-credential", "bot", "aster", "--from-json", "-", "--json"),
            stdin='{"api_key": "other7"}',
        )
    assert (refused.exit_status, refused.error["code"]) == (2, "invalid_credential")
    assert refused.error["message"] == "the aster credential lacks secret_key"


def test_details_are_changed_and_cleared(bot: CommandLine) -> None:
    bot.store("bot", "aster", *DETAILS)
    arguments = [part for d in ("label", "expires-at", "ip") for part in ("--clear", d)]
    assert bot("update-credential", "bot", "aster", *arguments).exit_status == 0
    credential = the_credential(bot)
    assert credential["label"] is credential["expires_at"] is credential["ip_allow_list"] is None
    assert credential["exchange_account_id"] == "acct-7"


def test_a_key_that_only_reads_is_a_slot_of_its_own(bot: CommandLine) -> None:
    bot.store("bot", "backpack")
    reads = bot.store("bot", "backpack", "--permission", "read_only", public_key="reader7")
    assert reads.exit_status == 0
    assert [c["permission"] for c in bot("list-credentials", "--json").data] == [
        "full",
        "read_only",
    ]
    bot("remove-credential", "bot", "backpack", "--permission", "read_only", "--yes")
    assert the_credential(bot)["permission"] == "full"


def test_a_credential_stops_with_its_account(bot: CommandLine) -> None:
    bot.store("bot", "aster")
    bot("deactivate-account", "bot")
    credential = the_credential(bot)
    assert (credential["is_active"], credential["account_is_active"]) == (True, False)
    assert "\tno\t" in bot("list-credentials").out


def test_credentials_are_listed_by_account_and_exchange(bot: CommandLine) -> None:
    bot("create-account", "other")
    for account in ("other", "bot"):
        for exchange in ("paradex", "aster"):
            bot.store(account, exchange)
    listed = bot("list-credentials", "--json").data
    assert [(c["account_name"], c["exchange"]) for c in listed] == [
        ("bot", "aster"),
        ("bot", "paradex"),
        ("other", "aster"),
        ("other", "paradex"),
    ]
    only = bot("list-credentials", "--exchange", "aster", "--json").data
    assert [c["account_name"] for c in only] == ["bot", "other"]
    shown = bot("show-account", "bot", "--json").data
    assert [c["exchange"] for c in shown["credentials"]] == ["aster", "paradex"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("update-credential", "bot", "aster", "--label", "x"),
        ("deactivate-credential", "bot", "aster"),
        ("remove-credential", "bot", "aster"),
    ],
)
def test_a_dry_run_changes_nothing(
    bot: CommandLine, database_url: str, arguments: tuple[str, ...]
) -> None:
    bot.store("bot", "aster")
    with nothing_written(database_url):
        assert bot(*arguments, "--dry-run").out.startswith("Would have ")


def test_a_dry_run_of_the_first_credential_stores_no_key(
    bot: CommandLine, database_url: str
) -> None:
    with nothing_written(database_url):
        assert bot.store("bot", "aster", "--dry-run").out.startswith("Would have added")
        refused = bot.store("bot", "aster", "--dry-run", api_key="changeme")
    assert refused.exit_status == 2


def test_removing_asks_first(bot: CommandLine, database_url: str) -> None:
    bot.store("bot", "aster")
    with nothing_written(database_url):
        assert bot("remove-credential", "bot", "aster").exit_status == 5


def test_the_same_command_id_stores_once_and_other_secrets_are_another_command(
    bot: CommandLine, database_url: str
) -> None:
    options = ("--command-id", "00000000-0000-4000-8000-000000000001", "--json")
    first = bot.store("bot", "aster", *options).data
    with nothing_written(database_url):
        again = bot.store("bot", "aster", *options).data
        other = bot.store("bot", "aster", *options, secret_key="another7")
    assert again["replayed"]
    assert again["events"] == first["events"]
    assert (other.exit_status, other.error["code"]) == (4, "command_id_reused")


def test_the_second_key_of_the_ring_still_opens_and_the_first_wraps(
    bot: CommandLine, connection: psycopg.Connection[Any]
) -> None:
    """Pain 22: another master key must not make stored keys unreadable."""
    bot.store("bot", "aster")
    new = bot("generate-key").out.strip()
    both = f"{new},{bot.master_key}"
    bot.environment["CREDENTIAL_ENCRYPTION_KEY"] = both
    assert bot.store("bot", "backpack").exit_status == 0
    merged = bot("import-env", "bot", "--env-file", bot.file("a.env", "ASTER_API_KEY=new7\n"))
    assert merged.exit_status == 0  # it keeps secret_key, which the older master key opens
    rows = connection.execute("SELECT count(DISTINCT master_key_id) FROM credential_data_keys")
    assert rows.fetchone() == (2,)


def test_a_former_key_that_returns_is_said_and_stored(bot: CommandLine) -> None:
    first, second = ({"api_key": f"k{n}9", "secret_key": f"s{n}9"} for n in (1, 2))
    bot.store("bot", "aster", **first)
    bot.store("bot", "aster", verb="replace-credential", **second)
    back = bot.store("bot", "aster", verb="replace-credential", **first)
    assert back.exit_status == 0
    assert "Note: aster gets back the api_key and secret_key of its version 1" in back.err
    bot("remove-credential", "bot", "aster", "--yes")
    again = bot.store("bot", "aster", **second)
    assert "Note: aster gets back the api_key and secret_key of its version 2" in again.err


def replaced(cli: CommandLine, key: str, *options: str) -> str:
    fields = json.dumps({**FIELDS["aster"], "secret_key": key})
    done = cli("replace-credential", "bot", "aster", "--from-json", "-", *options, stdin=fields)
    assert done.exit_status == 0, done.err
    return done.err


def test_a_new_key_does_not_inherit_the_end_of_the_old_one_and_that_is_said(
    bot: CommandLine,
) -> None:
    bot.store("bot", "aster", "--expires-at", "2030-01-31")
    err = replaced(bot, "another-secret")
    assert "the expiry 2030-01-31 00:00Z was the old key's and is cleared" in err
    assert "account-registry update-credential bot aster --expires-at TIME" in err
    assert the_credential(bot)["expires_at"] is None
    assert replaced(bot, "third-secret", "--expires-at", "2031-01-31") == ""
    assert replaced(bot, "fourth-secret", "--expires-at", "2031-01-31") == ""
    assert the_credential(bot)["expires_at"] == "2031-01-31T00:00:00Z"


def test_an_expiry_may_be_told_by_its_distance_and_a_past_one_is_noted(bot: CommandLine) -> None:
    stored = bot.store("bot", "aster", "--expires-at", "90d")
    assert stored.err == ""
    ends = dt.datetime.fromisoformat(the_credential(bot)["expires_at"])
    assert abs(ends - dt.datetime.now(dt.UTC) - dt.timedelta(days=90)) < dt.timedelta(hours=1)
    past = bot("update-credential", "bot", "aster", "--expires-at", "2020-01-31")
    assert "Note: the expiry of bot for aster, 2020-01-31 00:00Z, is past" in past.err
    assert past.exit_status == 0


def test_the_same_command_sent_again_is_the_same_whenever_its_span_begins(
    bot: CommandLine,
) -> None:
    bot.store("bot", "aster")
    again = ("update-credential", "bot", "aster", "--expires-at", "90d", "--json")
    named = (*again, "--command-id", "0198c7a5-0000-7000-8000-000000000001")
    assert [bot(*named).data["replayed"] for _ in range(2)] == [False, True]
