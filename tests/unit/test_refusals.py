"""The temporary refusals of a connection, recognised by their texts."""

from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from registry.database.refusals import not_connected, only_reads
from registry.errors import DatabaseUnavailable

AT = 'connection failed: connection to server at "db.example" (10.0.0.1), port 5432 failed: '


def refused(text: str, *, user: str = "bot", database: str = "bots") -> DatabaseUnavailable:
    """The error for a server that says this to who logs in as `user`."""
    at_login: Any = SimpleNamespace(user=user.encode(), db=database.encode())
    return not_connected(psycopg.OperationalError(text, pgconn=at_login), 3)


@pytest.mark.parametrize(
    "answer",
    [
        "Connection refused\n\tIs the server running on that host?",
        "Connection timed out",
        "No route to host",
        "server closed the connection unexpectedly",
        "SSL SYSCALL error: EOF detected",
        "FATAL:  sorry, too many clients already",
        "FATAL:  Entschuldigung, zu viele Verbindungen",
        "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
        'FATAL:  too many connections for role "bot"',
        'FATAL:  too many connections for database "bots"',
        "FATAL:  no more connections allowed (max_client_conn)",
        "FATAL:  client connections exceeded (max_user_client_connections)",
        "FATAL:  server login has been failing, try again later (server_login_retry)",
        "FATAL:  pgbouncer cannot connect to server",
        "FATAL:  query_wait_timeout",
        "FATAL:  pooler is shutting down",
        "FATAL:  the database system is starting up",
        "FATAL:  the database system is shutting down",
        "FATAL:  the database system is in recovery mode",
        "FATAL:  the database system is not yet accepting connections",
        "FATAL:  terminating connection due to administrator command",
        "FATAL:  le système de bases de données se lance",
        "session is read-only",
    ],
)
def test_what_may_pass_is_worth_another_attempt(answer: str) -> None:
    error = refused(AT + answer)
    assert error.passing
    assert error.undone
    assert answer.splitlines()[0] in error.message


@pytest.mark.parametrize(
    "answer",
    [
        'FATAL:  password authentication failed for user "bot"',
        "FATAL:  Passwort-Authentifizierung für Benutzer »bot« fehlgeschlagen",
        "FATAL:  authentification par mot de passe échouée pour l'utilisateur « bot »",
        'FATAL:  role "bot" does not exist',
        'FATAL:  role "bot" is not permitted to log in',
        'FATAL:  database "bots" does not exist',
        "FATAL:  Datenbank »bots« existiert nicht",
        'FATAL:  permission denied for database "bots"',
        'FATAL:  no pg_hba.conf entry for host "10.0.0.2", user "bot", database "bots"',
        "FATAL:  no such database: bots",
        'FATAL:  unrecognized configuration parameter "nosuch"',
        "SSL error: certificate verify failed",
        "SSL error: tlsv1 alert unknown ca",
        "server does not support SSL, but SSL was required",
        "fe_sendauth: no password supplied",
        'invalid port number: "99999"',
    ],
)
def test_what_only_another_address_helps_against_is_an_error_at_once(answer: str) -> None:
    assert not refused(AT + answer).passing


def test_a_host_or_a_socket_that_is_named_like_the_login_does_not_make_a_refusal_final() -> None:
    assert refused(AT + "Connection refused", user="db.example").passing
    socket = 'connection is bad: connection to server on socket "/bot/.s.PGSQL.5432" failed: '
    assert refused(socket + "No such file or directory").passing
    for host in ("bot", "password.example", "db.invalid"):
        unknown = f"failed to resolve host '{host}': [Errno -2] Name or service not known"
        assert refused(unknown).passing


def test_a_full_server_is_told_apart_and_the_address_is_not_blamed() -> None:
    full = refused(AT + "FATAL:  sorry, too many clients already")
    assert full.crowded
    assert "max_connections" in (full.hint or "")
    pooler = refused(AT + "FATAL:  no more connections allowed (max_client_conn)")
    assert "max_client_conn" in (pooler.hint or "")
    away = refused(AT + "Connection refused")
    assert not away.crowded
    assert "DATABASE_URL" in (away.hint or "")


def several(*answers: str) -> str:
    """What psycopg says of an address of several hosts."""
    lines = [
        f"- host: 'db{number}', port: '5432', hostaddr: '10.0.0.{number}': {answer}"
        for number, answer in enumerate(answers)
    ]
    return "\n".join(
        [answers[-1], "Multiple connection attempts failed. All failures were:", *lines]
    )


def test_of_several_servers_each_says_why_and_one_that_may_come_back_is_waited_for() -> None:
    error = refused(several(AT + "Connection refused", AT + "session is read-only"))
    assert error.message.count("db.example") == 2
    assert "refused; " in error.message
    assert error.message.endswith("session is read-only")
    assert error.passing
    assert not refused(several(AT + "x", AT + 'FATAL:  role "bot" does not exist')).passing


def test_only_a_server_that_says_nothing_at_all_is_silent() -> None:
    late = "connection timeout expired"
    assert refused(late).silence == 3
    assert refused(several(late, late)).silence == 3
    assert refused(several(late, AT + "session is read-only")).silence == 0
    assert refused(several(AT + "session is read-only", late)).silence == 0


def test_servers_that_only_read_are_known() -> None:
    standby = AT + "session is read-only"
    assert only_reads(psycopg.OperationalError(standby))
    assert only_reads(psycopg.OperationalError(several(standby, AT + "Connection refused")))
    assert not only_reads(psycopg.OperationalError(AT + "Connection refused"))
