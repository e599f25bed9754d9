"""Threat: Login of a bot.

Who has the address of one bot, made by `add-bot`, wants another account, or to keep its own.
"""

import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from support.world import World

from registry.encryption.keyring import MasterKeyring
from registry.encryption.secret import Secret
from registry.errors import NotPermitted, RegistryError
from registry.loader import CredentialLoader
from registry.registry import Registry

Connection = psycopg.Connection[Any]

THIEF, OTHER = (f"{name}_{os.getpid()}" for name in ("thief", "other"))
"""Roles belong to the whole server, on which other processes run these tests too."""


@pytest.fixture
def address(world: World, connection: Connection) -> Iterator[str]:
    """The address of the login `THIEF`, which may use the account of this name."""
    world.account(THIEF, "aster")
    world.account("victim", "aster", "backpack")
    made = world.access.add_bot(THIEF).address
    assert made is not None
    yield made.reveal()
    connection.execute(f"DROP OWNED BY {THIEF}")
    connection.execute(f"DROP ROLE {THIEF}")


def test_it_loads_its_own_account_and_no_other(address: str, keyring: MasterKeyring) -> None:
    with CredentialLoader(address, keyring=keyring) as loader:
        assert loader.load_account_credentials(THIEF)["aster"]["api_key"]
        with pytest.raises(NotPermitted):
            loader.load_account_credentials("victim")


@pytest.mark.parametrize(
    "statement",
    [
        "GRANT registry_operator TO {THIEF}",
        "GRANT registry_owner TO CURRENT_USER",
        "GRANT registry_bot TO CURRENT_USER WITH ADMIN OPTION",
        "ALTER ROLE {THIEF} CREATEROLE",
        "ALTER ROLE postgres PASSWORD 'x'",
        "CREATE ROLE accomplice LOGIN",
        "SET ROLE registry_operator",
        "SET SESSION AUTHORIZATION postgres",
        "INSERT INTO public.account_access VALUES (NULL, NULL, 'x', now())",
        "DELETE FROM public.account_access",
        "SELECT * FROM public.account_access",
        "SELECT rolpassword FROM pg_authid",
    ],
)
def test_it_cannot_change_what_it_may(address: str, statement: str) -> None:
    with psycopg.connect(address, autocommit=True) as login:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            login.execute(statement.replace("{THIEF}", THIEF).encode())


def test_the_commands_for_access_are_refused_to_it(
    address: str, keyring: MasterKeyring, connection: Connection
) -> None:
    with Registry.open(address) as thief:
        for change in (
            lambda: thief.access.grant("victim", THIEF),
            lambda: thief.access.add_bot("victim"),
            lambda: thief.access.revoke(THIEF, THIEF),
            lambda: thief.access.remove_bot(THIEF),
            lambda: thief.access.add_bot(THIEF, new_password=True),
        ):
            with pytest.raises(RegistryError):
                change()
    granted = connection.execute("SELECT role_name FROM account_access").fetchall()
    assert granted == [(THIEF,)]


def test_a_session_that_was_open_before_ends_with_the_login(
    world: World, address: str, connection: Connection
) -> None:
    with psycopg.connect(address, autocommit=True) as session:
        removed = world.access.remove_bot(THIEF)
        assert (removed.sessions_ended, removed.kept) == (1, None)
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(address)
    connection.execute(f"CREATE ROLE {THIEF}")  # for the end of the fixture


def test_its_password_is_in_no_event_and_no_outcome(
    world: World, address: str, connection: Connection
) -> None:
    password = str(conninfo_to_dict(address)["password"])
    rows = connection.execute("SELECT e::text FROM audit_events AS e").fetchall()
    assert password not in str(rows)
    assert "SCRAM" not in str(rows)
    assert "://" not in repr(world.access.add_bot(THIEF, new_password=True))


def test_what_cannot_be_kept_is_not_made(world: World, connection: Connection) -> None:
    world.account(OTHER, "aster")

    def full(_: Secret) -> None:
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        world.access.add_bot(OTHER, keep=full)
    assert connection.execute(f"SELECT to_regrole('{OTHER}')").fetchone() == (None,)
