"""Threat: Malformed events.

An operator appends, by SQL, events that no command would make: to break the readers of the log,
or to create rows that no event explains.
"""

import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from support.bots import LoginRole, login_role
from support.cli import CommandLine
from support.credentials import FIELDS
from support.raw_events import append_raw

Connection = psycopg.Connection[Any]

APPEND = """SELECT append_event(gen_random_uuid(), 'account', gen_random_uuid(), 0, %s, 1, %s,
    %s, %s, gen_random_uuid(), 0, sha256(''), NULL, now())"""


@pytest.fixture
def operator(database_url: str) -> Iterator[LoginRole]:
    """A login role of an operator."""
    with login_role(database_url, "registry_operator") as role:
        yield role


@pytest.fixture
def session(operator: LoginRole, cli: CommandLine) -> Iterator[Connection]:
    """An operator with SQL, on a registry with an account and a credential."""
    cli("create-account", "bot")
    assert cli.store("bot", "aster").exit_status == 0
    assert FIELDS["aster"]
    with operator.connect() as connection:
        yield connection


def id_of(connection: Connection, name: str) -> uuid.UUID:
    row = connection.execute("SELECT id FROM accounts WHERE account_name = %s", [name]).fetchone()
    assert row is not None
    account_id: uuid.UUID = row[0]
    return account_id


def append(session: Connection, event_type: str, data: str, reason: str | None = None) -> int:
    row = session.execute(APPEND, [event_type, data, "mallory", reason]).fetchone()
    assert row is not None
    position: int = row[0]
    return position


@pytest.mark.parametrize(
    "data",
    [
        '{"a": "\\u0000"}',
        '{"a": {"b": ["\\u0000"]}}',
        '{"a": "\\ud800"}',
        '{"a": 1e999999}',
        '{"a": 1e400}',
        f'{{"a": {"9" * 5000}}}',
        f'{{"a": {"[" * 65}{"]" * 65}}}',
        f'{{"a": {"[" * 9000}{"]" * 9000}}}',
        "[]",
        "null",
        '"text"',
    ],
    ids=lambda data: data[:24],
)
def test_data_that_would_break_the_readers_of_the_log_is_refused(
    session: Connection, cli: CommandLine, data: str
) -> None:
    """An event stays for ever: one that no reader can read would hide all others."""
    with pytest.raises(psycopg.Error) as refused:
        append(session, "AccountUpdated", data)
    assert (refused.value.sqlstate or "")[:2] in ("22", "23", "54")
    assert cli("history", "--json").exit_status == 0


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "10000-01-01", "4700-01-01 BC"])
def test_a_time_that_would_break_the_readers_of_the_log_is_refused(
    session: Connection, cli: CommandLine, moment: str
) -> None:
    with pytest.raises(psycopg.Error) as refused:
        session.execute(
            APPEND.replace("now()", f"'{moment}'").encode(),
            ["AccountUpdated", "{}", "mallory", None],
        )
    assert refused.value.sqlstate == "23514"
    assert cli("history", "--json").exit_status == 0


MALFORMED = pytest.mark.parametrize(
    ("event_type", "data"),
    [
        ("AccountCreated", "{}"),
        ("AccountRenamed", '{"account_name": "x"}'),
        ("CredentialAdded", '{"tokens": 5}'),
        ("CredentialAdded", '{"credential_id":"x","version":1,"data_key_id":"y","tokens":{}}'),
        ("CredentialAdded", '{"credential_id":"x","version":"z","data_key_id":"y","tokens":{}}'),
        ("CredentialAdded", '{"credential_id":"x","version":1,"data_key_id":"y"\t,"tokens":{}}'),
        ("CredentialAdded", '{"credential_id":[],"version":1.5,"data_key_id":"y\\tz","tokens":{}}'),
        ("CredentialReleased", '{"tokens": {}}'),
        ("SharingGranted", '{"share_id": []}'),
        ("PositionsLinked", '{"positions": 7}'),
        ("CredentialSecretsDestroyed", '{"data_key_ids": "x"}'),
        ("SomethingNew", '{"anything": true}'),
    ],
)


@MALFORMED
def test_a_malformed_event_is_refused(
    session: Connection, cli: CommandLine, event_type: str, data: str
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        append(session, event_type, data)
    assert len(cli("history", "--json").data) == 2


@pytest.mark.parametrize("version", [2, 999, 2**31 - 1])
def test_an_event_that_claims_to_be_of_a_newer_program_is_refused(
    session: Connection, version: int
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match=f"version {version}"):
        session.execute(
            APPEND.replace("%s, 1, %s", f"%s, {version}, %s").encode(),
            ["AccountDeactivated", "{}", "mallory", None],
        )


@pytest.mark.parametrize("version", [4, 1000, 2**31 - 2, 2**31, 10**400])
def test_a_version_after_which_there_might_be_no_other_is_refused(
    session: Connection, cli: CommandLine, version: int
) -> None:
    """A slot's next version is one more than its highest."""
    with pytest.raises(psycopg.Error) as refused:
        session.execute(
            "SELECT append_event(gen_random_uuid(), 'account', e.stream_id, 2, "
            "'CredentialReplaced', 1, (e.data::jsonb || %s::jsonb)::json, 'mallory', NULL, "
            "gen_random_uuid(), 0, sha256(''), NULL, now()) FROM audit_events AS e "
            "WHERE event_type = 'CredentialAdded'",
            [f'{{"version": {version}}}'],
        )
    assert (refused.value.sqlstate or "")[:2] in ("22", "23")
    assert cli.store("bot", "aster", "--label", "x", verb="replace-credential").exit_status == 0


@MALFORMED
def test_one_that_the_owner_wrote_hides_no_other_and_is_named(
    session: Connection, connection: Connection, cli: CommandLine, event_type: str, data: str
) -> None:
    position = append_raw(connection, event_type, ("account", uuid.uuid4()), data)
    for output in ((), ("--json",)):
        shown = cli("history", *output)
        assert shown.exit_status == 0, shown.err
        assert "CredentialAdded" in shown.out or "added aster" in shown.out
        assert event_type in shown.out
    verdict = cli("verify", "--json")
    assert verdict.exit_status in (0, 6), verdict.err
    if event_type != "CredentialSecretsDestroyed":
        named = [f for f in verdict.data["failures"] if f["position"] == position]
        assert any("does not count" in failure["message"] for failure in named)


@MALFORMED
def test_one_that_the_owner_wrote_does_not_keep_an_account_from_being_stopped(
    session: Connection,
    connection: Connection,
    operator: LoginRole,
    cli: CommandLine,
    event_type: str,
    data: str,
) -> None:
    assert cli("grant-access", "bot", "--role", operator.name).exit_status == 0
    append_raw(connection, event_type, ("account", id_of(connection, "bot")), data)
    for verb in (
        ("deactivate-credential", "bot", "aster"),
        ("revoke-access", "bot", "--role", operator.name),
        ("deactivate-account", "bot"),
    ):
        done = cli(*verb)
        assert done.exit_status == 0, done.err


@pytest.mark.parametrize(
    "command",
    [
        ("deactivate-account", "bot"),
        ("rebuild", "--check"),
        ("rebuild", "--yes"),
        ("list-accounts", "--as-of", "2"),
        ("show-account", "bot", "--as-of", "2"),
        ("rollback", "--to", "1", "--yes"),
        ("migrate", "down", "--yes"),
        ("verify",),
    ],
    ids=" ".join,
)
def test_nobody_decides_about_what_a_newer_program_wrote(
    session: Connection, connection: Connection, cli: CommandLine, command: tuple[str, ...]
) -> None:
    """What it means is not known, so leaving it out would be wrong."""
    cli("create-account", "other")
    stream = ("account", id_of(connection, "bot"))
    append_raw(connection, "AccountUpdated", stream, {}, schema_version=999)
    if command[-1] == "2":
        command = (*command[:-1], "3")
    refused = cli(*command, "--json")
    assert (refused.exit_status, refused.error["code"]) == (7, "schema_too_new")
    assert "a newer program wrote AccountUpdated in version 999" in refused.error["message"]
    assert cli("history", "bot").exit_status == 0


def test_an_event_that_is_well_formed_and_fits_nothing_changes_nothing_and_is_named(
    session: Connection, cli: CommandLine
) -> None:
    data = """{"credential_id": "00000000-0000-4000-8000-00000000000f", "exchange": "aster",
        "exchange_id": 2, "subaccount_index": null, "permission": "full"}"""
    session.execute(
        "SELECT append_event(gen_random_uuid(), 'account', a.id, 2, 'CredentialDeactivated', 1, "
        "%s, 'mallory', NULL, gen_random_uuid(), 0, sha256(''), NULL, now()) FROM accounts AS a",
        [data],
    )
    assert cli("deactivate-account", "bot").exit_status == 0
    verdict = cli("verify")
    assert verdict.exit_status == 6
    assert "FAILED   events: position 2: CredentialDeactivated of account" in verdict.out
    assert "changes a row that no event has made (appended by" in verdict.out


def test_a_row_that_is_changed_beside_an_unrelated_event_is_named(
    session: Connection, cli: CommandLine
) -> None:
    """What remains: the tables trust the transaction. The log does not."""
    with session.transaction():
        append(session, "AccountReactivated", "{}")
        session.execute("UPDATE accounts SET metadata = '{\"max_positions\": 9999}'")
    verdict = cli("verify", "--json")
    assert verdict.exit_status == 6
    assert "metadata" in verdict.out


def test_access_that_is_given_without_its_event_is_named(
    session: Connection, cli: CommandLine
) -> None:
    with session.transaction():
        append(session, "AccountReactivated", "{}")
        session.execute(
            "INSERT INTO account_access SELECT gen_random_uuid(), id, 'mallory', now() "
            "FROM accounts"
        )
    verdict = cli("verify", "--json")
    assert verdict.exit_status == 6
    assert "account_access" in verdict.out


def test_the_record_names_the_login_whatever_actor_it_claims(
    session: Connection, cli: CommandLine, operator: LoginRole
) -> None:
    append(session, "AccountReactivated", "{}")
    event = cli("history", "--json").data[-1]
    assert (event["actor"], event["recorded_by"]) == ("mallory", operator.name)


def test_keys_are_changed_and_destroyed_only_together_with_their_event(
    session: Connection,
) -> None:
    event = "gen_random_uuid()"
    for call in (
        f"SELECT destroy_data_keys({event})",
        f"SELECT rewrap_data_keys({event}, '{{}}', '{{}}', '{{}}', 'x')",
        f"SELECT rewrap_registry_key({event}, 'fingerprint', 'x', 'y', 'z')",
    ):
        with pytest.raises(psycopg.Error) as refused:
            session.execute(call.encode())
        assert refused.value.sqlstate == "RG005"


def test_an_event_that_names_the_keys_of_another_credential_does_not_destroy_them(
    session: Connection,
) -> None:
    before = session.execute("SELECT count(*) FROM credential_data_keys").fetchone()
    with session.transaction():
        row = session.execute(
            """WITH k AS (SELECT json_build_object('credential_id', gen_random_uuid(),
                    'exchange', 'aster', 'exchange_id', 2, 'subaccount_index', NULL,
                    'permission', 'full', 'versions', ARRAY[1],
                    'data_key_ids', json_agg(id)) AS data FROM credential_data_keys)
            SELECT append_event('00000000-0000-4000-8000-0000000000ff', 'account',
                gen_random_uuid(), 0, 'CredentialSecretsDestroyed', 1, k.data, 'mallory', NULL,
                gen_random_uuid(), 0, sha256(''), NULL, now()) FROM k"""
        ).fetchone()
        assert row is not None
        assert session.execute(
            "SELECT destroy_data_keys('00000000-0000-4000-8000-0000000000ff')"
        ).fetchone() == (0,)
    assert session.execute("SELECT count(*) FROM credential_data_keys").fetchone() == before
