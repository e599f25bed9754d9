"""Every error has a stable code and a documented exit code."""

import inspect

import psycopg
import pytest

from registry import errors
from registry.database.errors import connection_lost, translate
from registry.errors import ExitStatus, RegistryError

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, RegistryError)
]


def test_the_exit_codes_are_the_documented_ones() -> None:
    assert {status.name: status.value for status in ExitStatus} == {
        "DONE": 0,
        "FAILED": 1,
        "USAGE": 2,
        "NOT_FOUND": 3,
        "CONFLICT": 4,
        "REFUSED": 5,
        "VERIFICATION": 6,
        "UNAVAILABLE": 7,
    }


def test_every_code_is_in_snake_case_and_stands_for_one_error() -> None:
    codes = {kind("x").code for kind in KINDS}
    assert len(codes) == len(KINDS)
    for code in codes:
        assert code == code.lower()
        assert code.replace("_", "").isalpha()


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        (errors.InvalidInput, "invalid_input", 2),
        (errors.InvalidCredential, "invalid_credential", 2),
        (errors.NothingToImport, "nothing_to_import", 2),
        (errors.AccountNotFound, "account_not_found", 3),
        (errors.ExchangeNotFound, "exchange_not_found", 3),
        (errors.CredentialNotFound, "credential_not_found", 3),
        (errors.AccountExists, "account_exists", 4),
        (errors.CredentialExists, "credential_exists", 4),
        (errors.ExchangeExists, "exchange_exists", 4),
        (errors.StaleVersion, "stale_version", 4),
        (errors.CommandIdReused, "command_id_reused", 4),
        (errors.MigrationChanged, "migration_changed", 4),
        (errors.AccountInactive, "account_inactive", 5),
        (errors.CredentialInactive, "credential_inactive", 5),
        (errors.AccountInUse, "account_in_use", 5),
        (errors.LogIsAppendOnly, "log_is_append_only", 5),
        (errors.DirectWriteRefused, "direct_write_refused", 5),
        (errors.PermissionDenied, "permission_denied", 5),
        (errors.ConfirmationNeeded, "confirmation_needed", 5),
        (errors.DatabaseUnavailable, "database_unavailable", 7),
        (errors.ServerFailing, "server_failing", 7),
        (errors.NotMigrated, "not_migrated", 7),
        (errors.SchemaTooNew, "schema_too_new", 7),
        (errors.MasterKeyMissing, "master_key_missing", 7),
        (errors.MasterKeyMalformed, "master_key_malformed", 7),
        (errors.MasterKeyWrong, "master_key_wrong", 7),
        (errors.CannotDecrypt, "cannot_decrypt", 7),
    ],
)
def test_a_code_and_its_exit_code_stay(kind: type[RegistryError], code: str, status: int) -> None:
    assert (kind("x").code, int(kind("x").exit_status)) == (code, status)


def test_an_error_keeps_its_message_and_hint() -> None:
    error = errors.AccountNotFound("there is no account x", hint="Make one.")
    assert (str(error), error.message, error.hint) == (
        "there is no account x",
        "there is no account x",
        "Make one.",
    )


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("DO $$BEGIN RAISE EXCEPTION USING ERRCODE='RG001'; END$$", errors.StaleVersion),
        ("DO $$BEGIN RAISE EXCEPTION USING ERRCODE='RG002'; END$$", errors.CommandApplied),
        ("DO $$BEGIN RAISE EXCEPTION USING ERRCODE='RG003'; END$$", errors.CommandIdReused),
        ("DO $$BEGIN RAISE EXCEPTION USING ERRCODE='RG004'; END$$", errors.LogIsAppendOnly),
        ("DO $$BEGIN RAISE EXCEPTION USING ERRCODE='RG005'; END$$", errors.DirectWriteRefused),
        ("DO $$BEGIN RAISE EXCEPTION USING ERRCODE='40001'; END$$", errors.StaleVersion),
        ("DO $$BEGIN RAISE EXCEPTION USING ERRCODE='40P01'; END$$", errors.StaleVersion),
        ("DO $$BEGIN RAISE EXCEPTION USING ERRCODE='57P01'; END$$", errors.DatabaseUnavailable),
        ("DO $$BEGIN RAISE EXCEPTION USING ERRCODE='25006'; END$$", errors.DatabaseUnavailable),
        ("DO $$BEGIN RAISE EXCEPTION USING ERRCODE='25P03'; END$$", errors.DatabaseUnavailable),
        *(
            (f"DO $$BEGIN RAISE EXCEPTION USING ERRCODE='{state}'; END$$", errors.ServerFailing)
            for state in ("53000", "53100", "53200", "53400", "57014", "58000", "58030", "58P01")
        ),
        ("DO $$BEGIN RAISE EXCEPTION USING ERRCODE='42501'; END$$", errors.PermissionDenied),
        ("SELECT * FROM nowhere", errors.NotMigrated),
        ("SELECT nothing() ", errors.NotMigrated),
        ("SELECT 1/0", errors.InvalidInput),
        ("SELECT 'x'::integer", errors.InvalidInput),
        ("SELECT pg_sleep(1)::nonsense", errors.NotMigrated),
    ],
)
def test_a_database_error_is_told_apart_by_its_sqlstate(
    connection: psycopg.Connection[object], sql: str, kind: type[Exception]
) -> None:
    with pytest.raises(psycopg.Error) as raised:
        connection.execute(sql)
    assert type(translate(raised.value)) is kind


def test_the_detail_of_a_database_error_is_never_passed_on(
    connection: psycopg.Connection[object],
) -> None:
    with pytest.raises(psycopg.Error) as raised:
        connection.execute(
            "DO $$BEGIN RAISE unique_violation USING DETAIL='canary', CONSTRAINT='other'; END$$"
        )
    translated = translate(raised.value)
    assert isinstance(translated, errors.InvalidInput)
    assert "canary" not in translated.message + (translated.hint or "")


def test_a_lost_connection_is_one_without_a_sqlstate_or_of_a_class_for_it() -> None:
    assert connection_lost(psycopg.OperationalError("server closed the connection"))
    assert connection_lost(psycopg.errors.AdminShutdown())
    assert not connection_lost(psycopg.errors.UniqueViolation())
    assert not connection_lost(psycopg.ProgrammingError("no sqlstate"))
