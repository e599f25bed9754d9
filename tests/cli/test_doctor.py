"""The verb `doctor`."""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.bots import login_role
from support.cli import CommandLine

from registry.commands.doctor import exit_status
from registry.services import doctor


@pytest.fixture
def sound(bot: CommandLine) -> CommandLine:
    """A registry with a credential."""
    assert bot.store("bot", "aster").exit_status == 0
    return bot


def findings(cli: CommandLine, **environment: str) -> dict[str, str]:
    found = cli("doctor", "--json", **environment).data
    return {finding["check"]: finding["grade"] for finding in found}


def test_doctor_finds_nothing_wrong_with_a_sound_registry(sound: CommandLine) -> None:
    found = findings(sound)
    # The server of the tests loses nothing that anybody would miss.
    assert {check for check, grade in found.items() if grade != "ok"} <= {"durability"}
    assert set(found) >= {
        "master key",
        "database",
        "clock",
        "schema",
        "objects",
        "data keys",
        "log",
    }
    assert sound("doctor").exit_status == sound("doctor", "--json").exit_status


ELSEWHERE = (
    "CREATE TRIGGER audit_events_append_only BEFORE UPDATE ON dexes "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()"
)
"""A trigger of the same name where it guards nothing."""


@pytest.mark.parametrize(
    ("damage", "check"),
    [
        ("ALTER TABLE accounts DISABLE TRIGGER accounts_only_by_event", "objects"),
        ("DROP TRIGGER audit_events_append_only ON audit_events", "objects"),
        (f"DROP TRIGGER audit_events_append_only ON audit_events; {ELSEWHERE}", "objects"),
        (
            "CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS trigger "
            "LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
            "objects",
        ),
        ("DROP FUNCTION session_account_locked(text)", "objects"),
        (
            "CREATE OR REPLACE FUNCTION release_claim(p_text text, p_length integer DEFAULT 255) "
            "RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN 'here'",
            "objects",
        ),
        (
            "CREATE OR REPLACE FUNCTION session_accounts() RETURNS SETOF uuid "
            "LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp "
            "BEGIN ATOMIC SELECT a.id FROM public.accounts AS a; END",
            "objects",
        ),
        ("ALTER FUNCTION audit_refuse_change() RESET search_path", "objects"),
        ("ALTER FUNCTION session_accounts() SECURITY INVOKER", "objects"),
        ("ALTER TABLE strategy_positions DISABLE ROW LEVEL SECURITY", "objects"),
        ("DROP POLICY registry_bots_own ON strategy_positions", "objects"),
        ("UPDATE audit_head SET size = 99", "log"),
        ("UPDATE registry_keys SET wrapped_key = 'damaged'", "data keys"),
        ("UPDATE registry_migrations SET checksum = 'x' WHERE number = 3", "schema"),
        ("UPDATE registry_migrations SET number = 999 WHERE number = 3", "schema"),
    ],
)
def test_doctor_finds_what_is_damaged(
    sound: CommandLine, connection: psycopg.Connection[Any], damage: str, check: str
) -> None:
    connection.execute(damage.encode())
    assert findings(sound)[check] == "failed"
    assert sound("doctor").exit_status == 1


@pytest.mark.parametrize("group", ["registry_operator", "registry_auditor"])
def test_doctor_finds_the_same_functions_for_who_does_not_own_them(
    sound: CommandLine, connection: psycopg.Connection[Any], database_url: str, group: str
) -> None:
    with login_role(database_url, group) as role:
        assert findings(sound, DATABASE_URL=role.address)["objects"] == "ok"
        connection.execute("ALTER FUNCTION session_accounts() SECURITY INVOKER")
        assert findings(sound, DATABASE_URL=role.address)["objects"] == "failed"


def test_doctor_finds_keys_that_do_not_fit(sound: CommandLine) -> None:
    assert findings(sound, CREDENTIAL_ENCRYPTION_KEY="")["master key"] == "failed"
    assert findings(sound, CREDENTIAL_ENCRYPTION_KEY="x")["master key"] == "failed"
    other = "A" * 43 + "="
    assert findings(sound, CREDENTIAL_ENCRYPTION_KEY=other)["data keys"] == "failed"


def test_doctor_says_that_the_database_is_down(cli: CommandLine, tmp_path: Path) -> None:
    found = findings(cli, DATABASE_URL=f"postgresql:///x?host={tmp_path}")
    assert found == {"master key": "ok", "database": "failed"}


def found(cli: CommandLine, check: str) -> tuple[str, str]:
    """The grade and the messages of a check."""
    findings = [f for f in cli("doctor", "--json").data if f["check"] == check]
    (grade,) = {finding["grade"] for finding in findings} or {"ok"}
    return grade, "; ".join(finding["message"] for finding in findings)


@pytest.mark.parametrize(
    ("grades", "status"),
    [
        ({"ok", "skipped", "warning"}, 0),
        ({"ok", "due"}, 6),
        ({"ok", "damaged", "warning"}, 6),
        ({"due", "damaged", "failed"}, 1),
    ],
)
def test_doctor_ends_with_1_for_how_it_is_set_up_and_with_6_for_what_it_holds(
    grades: set[str], status: int
) -> None:
    assert exit_status(grades) == status


def test_doctor_names_what_has_expired_or_will_soon_if_it_is_in_use(sound: CommandLine) -> None:
    assert found(sound, "problems")[0] == "ok"
    sound("update-credential", "bot", "aster", "--expires-at", "2020-01-31")
    expected = ("due", "the key of bot for aster expired on 2020-01-31")
    assert found(sound, "expiry") == expected
    sound("update-credential", "bot", "aster", "--expires-at", "13d")
    assert found(sound, "expiry")[1].startswith("the key of bot for aster expires on")
    sound("deactivate-credential", "bot", "aster")
    assert found(sound, "expiry")[0] == "ok"


def test_doctor_names_rows_that_are_not_as_the_log_says_unless_it_is_to_be_quick(
    sound: CommandLine, connection: psycopg.Connection[Any]
) -> None:
    assert found(sound, "tables")[0] == "ok"
    connection.execute("SET session_replication_role = replica")
    connection.execute("UPDATE accounts SET description = 'damaged'")
    grade, message = found(sound, "tables")
    assert (grade, "1 row not as the log says, such as: " in message) == ("damaged", True)
    quick = {f["check"]: f for f in sound("doctor", "--quick", "--json").data}
    assert quick["tables"]["grade"] == "skipped"
    assert "account-registry doctor --full" in quick["tables"]["hint"]
    assert sound("doctor", "--quick", "--full").exit_status == 2


def test_what_a_long_log_leaves_out_is_named_with_the_command_that_does_it(
    sound: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_COMPARED", 1)
    skipped = {f["check"]: f["message"] for f in sound("doctor", "--json").data
               if f["grade"] == "skipped"}  # fmt: skip
    assert set(skipped) == {"tables"}
    assert "the log has 2 events" in skipped["tables"]
    full = {f["check"]: f["grade"] for f in sound("doctor", "--full", "--json").data}
    assert full["tables"] == "ok"


def test_doctor_names_accounts_that_hold_the_same_key(sound: CommandLine) -> None:
    assert found(sound, "keys in common")[0] == "ok"
    sound("create-account", "other")
    sound.store("other", "aster", "--allow-shared-secret")
    grade, message = found(sound, "keys in common")
    assert grade == "warning"
    assert message == "bot and other hold the same api_key and secret_key for aster"


def test_doctor_and_the_list_name_two_slots_that_hold_the_same_key(sound: CommandLine) -> None:
    assert [one["same_key_in"] for one in sound("list-credentials", "--json").data] == [[]]
    sound.store("bot", "aster", "--subaccount", "3", secret_key="another-secret")
    message = "bot holds the same api_key for aster and aster subaccount 3"
    assert found(sound, "keys in common") == ("warning", message)
    sound("create-account", "other")
    sound.store("other", "aster", api_key="another-key", secret_key="another-secret")
    _, message = found(sound, "keys in common")
    assert "bot and other hold the same secret_key for aster subaccount 3 and aster" in message
    listed = sound("list-credentials", "--json").data
    held = {
        (one["account_name"], one["subaccount_index"]): [
            (other["account_name"], other["subaccount_index"], other["fields"])
            for other in one["same_key_in"]
        ]
        for one in listed
        if one["exchange"] == "aster"
    }
    assert held == {
        ("bot", None): [("bot", 3, ["api_key"])],
        ("bot", 3): [("bot", None, ["api_key"]), ("other", None, ["secret_key"])],
        ("other", None): [("bot", 3, ["secret_key"])],
    }
    shown = sound("list-credentials", "other").out
    assert "same key in" in shown
    assert "bot aster subaccount 3" in shown


def test_doctor_names_a_key_that_is_in_use_again(sound: CommandLine) -> None:
    def checks() -> list[str]:
        return [f["message"] for f in sound("doctor", "--json").data if "again" in f["check"]]

    for number, key in enumerate(("key-b", "key-b", "key-a", "key-a"), start=2):
        fields = {"api_key": key, "secret_key": f"secret-{number}"}
        sound.store("bot", "aster", verb="replace-credential", **fields)
        assert checks() == []
    sound.store("bot", "aster", verb="replace-credential", api_key="key-b", secret_key="secret-6")
    assert checks() == ["bot for aster holds the api_key of its version 3 again"]
    sound("remove-credential", "bot", "aster", "--yes")
    assert checks() == []
    sound.store("bot", "aster", api_key="key-b", secret_key="secret-7")
    assert checks() == ["bot for aster holds the api_key of its version 6 again"]


def test_a_key_that_comes_back_elsewhere_is_named_when_it_comes_and_from_then_on(
    sound: CommandLine,
) -> None:
    def given_up() -> list[str]:
        return [f["message"] for f in sound("doctor", "--json").data if "again" in f["check"]]

    key = {"api_key": "key-x", "secret_key": "secret-x"}
    sound("create-account", "first")
    sound("create-account", "second")
    sound.store("first", "aster", **key)
    sound("remove-credential", "first", "aster", "--yes")
    told = sound.store("first", "aster", "--subaccount", "4", **key)
    same = "the api_key and secret_key"
    held = "first for aster held the same api_key and secret_key before, in version 1"
    assert held in told.err
    assert given_up() == [
        f"first for aster subaccount 4 holds {same} that first for aster held in version 1"
    ]
    (listed,) = sound("list-credentials", "first", "--json").data
    (before,) = listed["used_before"]
    assert (before["account_name"], before["subaccount_index"], before["version"]) == (
        "first",
        None,
        1,
    )
    assert "used before" in sound("list-credentials", "first").out
    sound("delete-account", "first", "--cascade", "--yes")
    assert held in sound.store("second", "aster", **key).err
    assert given_up() == [
        f"second for aster holds {same} that first for aster subaccount 4 held in version 1"
    ]


def test_a_public_value_that_accounts_have_in_common_is_no_key(bot: CommandLine) -> None:
    fields = ("--field", "api_key=DESK_API_KEY", "--field", "venue=DESK_VENUE:public")
    assert bot("add-exchange", "desk", *fields).exit_status == 0
    bot("create-account", "other")
    for account in ("bot", "other"):
        values = f'{{"api_key": "key-of-{account}-1", "venue": "north"}}'
        done = bot("add-credential", account, "desk", "--from-json", "-", stdin=values)
        assert done.exit_status == 0, done.err
    assert found(bot, "keys in common")[0] == "ok"
