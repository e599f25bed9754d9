"""Threat: Other versions.

A bot's login asks by SQL for versions that it may not use: pending, retired, another account's, or
one that is taken away between the two steps.
"""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from support.bots import LoginRole
from support.hostile import refusal
from support.world import World

from registry.database.durability import send_flush

Connection = psycopg.Connection[Any]

REQUEST = """SELECT outcome, release_id FROM public.request_version(
    %s, 'aster', %s, NULL, NULL, NULL, 'a', 'h', 'p', NULL, NULL)"""
COLLECT = "SELECT outcome, api_key_encrypted FROM public.collect_version(%s)"


def key(account: str, number: int) -> dict[str, str]:
    return {"api_key": f"{account}-key-{number}", "secret_key": f"{account}-secret-{number}"}


@pytest.fixture
def mallory(world: World, bot: LoginRole) -> Iterator[Connection]:
    """The login of a bot, whose account and another's have versions in each state."""
    for name in ("mallory", "victim"):
        world.account(name)
        world.credentials.add(name, "aster", key(name, 1))
        world.credentials.rotate(name, "aster", key(name, 2), check=False, grace="0h")
        world.credentials.rotate(name, "aster", key(name, 3), check=False)
        world.credentials.rotate(name, "aster", key(name, 4), prepare=True)
    world.access.grant("mallory", bot.name)
    with bot.connect() as session:
        yield session


def ask(session: Connection, account: str, version: int) -> tuple[str, Any]:
    row = session.execute(REQUEST, [account, version]).fetchone()
    assert row is not None
    return row[0], row[1]


def collected(session: Connection, release: Any) -> list[Any]:
    """The answer of step two; before PostgreSQL 17 it may need a flush first."""
    rows = session.execute(COLLECT, [release]).fetchall()
    if [row[0] for row in rows] == ["not_durable"]:
        send_flush(session)
        rows = session.execute(COLLECT, [release]).fetchall()
    return rows


def test_only_the_current_version_and_those_in_grace_are_given(mallory: Connection) -> None:
    given = {version: ask(mallory, "mallory", version)[0] for version in (1, 2, 3, 4, 9)}
    assert given == {
        1: "version_retired",
        2: "ok",
        3: "ok",
        4: "version_pending",
        9: "no_such_version",
    }
    for version in (2, 3):
        _, release = ask(mallory, "mallory", version)
        ((outcome, token),) = collected(mallory, release)
        assert outcome == "ok"
        assert token.startswith("gAAAA")


def test_another_account_s_versions_are_not_told_of(mallory: Connection) -> None:
    answers = [ask(mallory, name, version) for name in ("victim", "nobody") for version in (2, 9)]
    assert answers == [("not_permitted", None)] * 4
    assert ask(mallory, "mallory", -1)[0] == "no_such_version"


def test_a_version_that_is_retired_between_the_steps_is_not_given(
    world: World, mallory: Connection
) -> None:
    _, release = ask(mallory, "mallory", 2)
    world.credentials.rotate("mallory", "aster", retire=True, although_held=True)
    assert collected(mallory, release) == [("changed", None)]


@pytest.mark.parametrize("end", ["deactivate", "revoke", "stop"])
def test_what_is_taken_away_between_the_steps_is_not_given(
    world: World, mallory: Connection, bot: LoginRole, end: str
) -> None:
    _, release = ask(mallory, "mallory", 2)
    if end == "deactivate":
        world.credentials.deactivate("mallory", "aster")
    elif end == "revoke":
        world.access.revoke("mallory", bot.name)
    else:
        world.stop(account="mallory", reason="leaked")
    assert collected(mallory, release) == [("changed", None)]


def test_no_commit_no_former_secret_and_only_once(mallory: Connection) -> None:
    with mallory.transaction(force_rollback=True):
        _, release = ask(mallory, "mallory", 2)
    assert refusal(mallory, COLLECT, release).sqlstate == "RG021"
    with mallory.transaction():
        _, release = ask(mallory, "mallory", 2)
        with pytest.raises(psycopg.Error, match="after the transaction"), mallory.transaction():
            mallory.execute(COLLECT, [release])
    assert collected(mallory, release)[0][0] == "ok"
    assert refusal(mallory, COLLECT, release).sqlstate == "RG021"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM account_exchange_credential_versions",
        "SELECT * FROM credential_versions",
        "SELECT * FROM versions_held()",
        "SELECT * FROM require_not_held(gen_random_uuid(), '{1}', TRUE)",
        "UPDATE account_exchange_credential_versions SET usable_until = now() + interval '1 day'",
    ],
)
def test_a_bot_reads_and_changes_no_version(mallory: Connection, statement: str) -> None:
    assert refusal(mallory, statement).sqlstate == "42501"


def test_an_operator_cannot_extend_a_grace_without_an_event(
    mallory: Connection, connection: Connection
) -> None:
    error = refusal(
        connection,
        "UPDATE account_exchange_credential_versions SET usable_until = now() + interval '1 day'",
    )
    assert error.sqlstate == "RG005"
    assert "rotate-credential" in str(error.diag.message_hint)
