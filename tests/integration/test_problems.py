"""One list of what is wrong: each kind comes when it should, with what to do, and goes again."""

import datetime as dt
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.bots import login_role
from support.cli import CommandLine
from support.raw_events import append_raw
from support.registry_tables import add_positions
from support.world import World

from registry import AsyncRegistry, Registry, errors
from registry.hints import Hint
from registry.services.audit.checkpoint_store import CheckpointStore
from registry.services.problems.kinds import KINDS, Problem

Connection = psycopg.Connection[Any]


@pytest.fixture
def auditor(database_url: str, no_key_configured: None) -> Iterator[Registry]:
    """The registry as somebody sees it who has no master key and an auditor's login."""
    with (
        login_role(database_url, "registry_auditor") as role,
        Registry.open(role.address) as opened,
    ):
        yield opened


def kinds(auditor: Registry) -> list[str]:
    return [problem.kind for problem in auditor.problems()]


def the(auditor: Registry) -> Problem:
    (problem,) = auditor.problems()
    return problem


def older(connection: Connection, what: str, span: str) -> None:
    """Makes events older, as no time but the machine's can."""
    connection.execute("SET session_replication_role = replica")
    earlier = f"recorded_at = recorded_at - interval '{span}'"
    connection.execute(f"UPDATE audit_events SET {earlier} WHERE {what}".encode())
    connection.execute("SET session_replication_role = origin")


def checked(connection: Connection, world: World, outcome: str, **more: Any) -> None:
    (row,) = world.credentials.list("bot")
    slot = {"exchange": "aster", "exchange_id": 2, "subaccount_index": None, "permission": "full"}
    data = {"credential_id": str(row["id"]), **slot, "version": row["version"], "outcome": outcome}
    append_raw(connection, "CredentialChecked", ("account", row_account(world)), {**data, **more})


def row_account(world: World) -> uuid.UUID:
    return uuid.UUID(str(world.accounts.get("bot")["id"]))


def released(connection: Connection, world: World, actor: str, purpose: str = "run") -> None:
    (row,) = world.credentials.list("bot")
    data = {
        "account": "bot",
        "exchange": "aster",
        "credential_id": str(row["id"]),
        "credential_version": row["version"],
        "host": actor.rpartition("@")[2] or "nowhere",
        "purpose": purpose,
    }
    stream = ("release", row_account(world))
    append_raw(connection, "CredentialReleased", stream, data, actor=actor)


def test_a_sound_registry_has_no_problems(world: World, auditor: Registry) -> None:
    world.account("bot", "aster", max_positions=5)
    world.account("friend")
    world.share("friend", "bot", "aster")
    assert auditor.problems() == []
    with pytest.raises(errors.AccountNotFound):
        auditor.problems("nobody")


def test_what_expires_is_due_then_expired_and_gone_when_it_is_replaced(
    world: World, auditor: Registry
) -> None:
    world.account("bot", "aster")
    world.credentials.update("bot", "aster", expires_at=dt.datetime.now(dt.UTC) + dt.timedelta(13))
    due = the(auditor)
    assert (due.kind, due.account, due.exchange, due.severity) == ("due", "bot", "aster", "warning")
    assert due.hint.commands().endswith("account-registry rotate-credential bot aster")
    world.credentials.update("bot", "aster", expires_at=dt.datetime(2020, 1, 31, tzinfo=dt.UTC))
    expired = the(auditor)
    assert expired.text == "the key of bot for aster expired on 2020-01-31"
    assert (expired.severity, expired.since) == (
        "critical",
        dt.datetime(2020, 1, 31, tzinfo=dt.UTC),
    )
    assert auditor.problems(kind="due") == []
    world.accounts.deactivate("bot")
    assert auditor.problems() == []


@pytest.mark.parametrize(
    ("outcome", "differences", "said"),
    [("wrong_key", [], ": wrong key"), ("valid", ["permission"], ": differs in permission")],
)
def test_a_check_that_failed_is_a_problem_until_a_check_succeeds_or_the_key_is_another(
    world: World,
    auditor: Registry,
    connection: Connection,
    outcome: str,
    differences: list[str],
    said: str,
) -> None:
    world.account("bot", "aster")
    checked(connection, world, outcome, differences=differences)
    assert (the(auditor).kind, the(auditor).text.endswith(said)) == ("failed_check", True)
    checked(connection, world, "no_answer", differences=[])
    assert auditor.problems() == []
    checked(connection, world, outcome, differences=differences)
    world.credential("bot", "aster", replace=True, api_key="another", secret_key="another-too")
    assert auditor.problems() == []


def test_equal_keys_and_keys_that_come_back_are_problems(world: World, auditor: Registry) -> None:
    world.account("bot", "aster")
    world.account("other")
    fields = {"api_key": "key-of-both", "secret_key": "secret-of-both"}
    world.credentials.replace("bot", "aster", fields)
    world.credentials.add("other", "aster", fields, allow_shared_secret=True)
    common = the(auditor)
    assert (common.kind, common.severity) == ("same_key", "warning")
    assert "key-of-both" not in repr(common)
    assert auditor.problems("other") == auditor.problems("bot") == [common]
    world.credential("bot", "aster", replace=True, api_key="now-1", secret_key="now-2")
    world.credential("bot", "aster", replace=True, api_key="bot-aster-key", secret_key="now-3")
    assert kinds(auditor) == ["key_used_again"]


def test_a_key_that_an_account_receives_in_a_second_place_is_a_problem_for_a_day(
    world: World, auditor: Registry, connection: Connection
) -> None:
    world.account("bot", "aster")
    for purpose in ("run", "check-credential"):
        released(connection, world, "bot@web1", purpose)
    released(connection, world, "root@web9", "check-credential")
    assert auditor.problems() == []
    released(connection, world, "bot@web1")
    released(connection, world, "mallory@laptop", "reveal api_key")
    second = the(auditor)
    assert second.text == "bot received the key for aster as bot@web1 and as mallory@laptop"
    assert second.kind == "second_user"
    older(connection, "actor = 'bot@web1'", "25 hours")
    assert auditor.problems() == []


def test_a_program_that_may_still_hold_an_old_version_is_a_problem_until_it_loads_anew(
    world: World, auditor: Registry
) -> None:
    world.account("bot", "aster")
    world.account("friend")
    world.share("friend", "bot", "aster")
    world.loader.load("friend", "aster")
    world.credentials.reveal("bot", "aster", "api_key")
    new = {"api_key": "the-next-key", "secret_key": "the-next-secret"}
    world.credentials.rotate("bot", "aster", new, check=False, grace="24h")
    assert auditor.problems() == []
    world.credentials.rotate("bot", "aster", retire=True, although_held=True)
    held = the(auditor)
    assert held.text == (
        "friend may still hold version 1 of the key of bot for aster, which is retired"
    )
    assert auditor.problems("bot") == auditor.problems("friend") == [held]
    assert held.hint.commands().endswith("account-registry list-credentials bot --held")
    world.loader.load("friend", "aster")
    assert auditor.problems() == []


def test_a_limit_is_a_problem_from_four_fifths_on(
    world: World, auditor: Registry, connection: Connection
) -> None:
    account = world.account("bot", max_positions=5, max_exposure_usd=2500.5)
    for number in range(4):
        assert auditor.problems() == []
        position = str(uuid.UUID(int=number))
        add_positions(connection, position)
        connection.execute("UPDATE strategy_positions SET account_id = %s", [account])
    assert the(auditor).text == "bot uses 4 of max_positions=5"
    connection.execute("UPDATE strategy_positions SET status = 'closed' WHERE id = %s", [position])
    assert auditor.problems() == []


def test_a_fallback_is_a_problem_until_the_registry_has_the_key(
    world: World, auditor: Registry, connection: Connection
) -> None:
    world.account("bot")
    data = {"account": "bot", "exchange": "aster", "exchange_id": 2, "purpose": "run", "host": "h",
            "client_address": None, "origin": "/srv/bot/.env"}  # fmt: skip
    append_raw(connection, "EnvironmentFallbackUsed", ("release", row_account(world)), data)
    assert the(auditor).text == "bot took its aster key from its environment (1 time)"
    world.credential("bot", "aster")
    released(connection, world, "bot@web1")
    assert auditor.problems() == []


def test_stops_and_what_lists_do_not_allow_are_problems(world: World, auditor: Registry) -> None:
    world.account("bot", "aster")
    stop = world.stop(account="bot", reason="it leaked")
    assert (the(auditor).kind, the(auditor).severity) == ("stopped", "notice")
    world.resume(stop.positions[0])
    world.accounts.update("bot", set={"allowed_exchanges": ["backpack"]})
    assert kinds(auditor) == ["not_allowed"]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE account_exchange_credentials SET data_key_id = gen_random_uuid()",
        "UPDATE accounts SET id = gen_random_uuid() WHERE account_name = 'other'",
        "DELETE FROM accounts WHERE account_name = 'other'",
    ],
)
def test_rows_that_the_newest_events_contradict_are_drift(
    world: World, auditor: Registry, connection: Connection, damage: str
) -> None:
    world.account("bot", "aster")
    world.account("other")
    world.account("gone")
    world.accounts.delete("gone")
    assert auditor.problems() == []
    connection.execute("SET session_replication_role = replica")
    connection.execute(damage.encode())
    assert set(kinds(auditor)) == {"drift"}
    world.rebuild()
    assert auditor.problems() == []


def test_events_that_no_checkpoint_covers_for_a_day_are_a_problem(
    world: World,
    auditor: Registry,
    connection: Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world.account("bot")
    assert auditor.problems() == []
    older(connection, "position = 0", "25 hours")
    assert (the(auditor).kind, "none is known here" in the(auditor).text) == ("no_checkpoint", True)
    CheckpointStore().generate("host/registry")
    world.checkpoint(append=tmp_path / "notes.txt")
    assert auditor.problems() == []
    world.account("other")
    assert auditor.problems() == []
    older(connection, "position = 1", "25 hours")
    assert "the last one covers 1 event" in the(auditor).text
    world.checkpoint(append=tmp_path / "notes.txt")
    CheckpointStore().last_file.unlink()
    assert kinds(auditor) == ["no_checkpoint"]
    assert auditor.problems(checkpoints=tmp_path / "notes.txt") == []


def test_a_consumer_that_has_not_read_for_minutes_is_a_problem(
    world: World, auditor: Registry, connection: Connection, tmp_path: Path
) -> None:
    bookmark = tmp_path / "alerts.json"
    bookmark.write_text('{"position": -1}')
    world.account("bot")
    assert auditor.problems(bookmarks=[bookmark]) == []
    older(connection, "position = 0", "6 minutes")
    (lag,) = auditor.problems(bookmarks=[bookmark])
    assert (lag.kind, lag.text) == ("lag", "the consumer of alerts.json has not read 1 event")
    bookmark.write_text('{"position": 0}')
    assert auditor.problems(bookmarks=[bookmark]) == []
    for text in ("{}", "[1]", '{"position": "0"}', "{"):
        bookmark.write_text(text)
        with pytest.raises(errors.InvalidInput, match="is no bookmark"):
            auditor.problems(bookmarks=[bookmark])


def test_an_asyncio_program_sees_the_same_list(database_url: str, world: World) -> None:
    import asyncio

    world.account("bot", "aster")
    world.stop(account="bot", reason="it leaked")

    async def asked() -> list[Problem]:
        async with AsyncRegistry.open(database_url) as registry:
            found: list[Problem] = await registry.problems()
            return found

    assert asyncio.run(asked()) == world.problems()


def test_the_id_of_a_problem_stays_while_its_text_changes() -> None:
    def limit(text: str, about: str) -> Problem:
        return Problem(kind="limit", account="bot", text=text, hint=Hint(text), about=about)

    first = limit("4 of 5", "max_positions")
    assert first.id == limit("5 of 5", "max_positions").id
    assert first.id != limit("4 of 5", "max_exposure_usd").id


@pytest.fixture
def expired(cli: CommandLine) -> CommandLine:
    cli("create-account", "bot")
    cli.store("bot", "aster", "--expires-at", "2020-01-31")
    return cli


def test_the_verb_lists_them_and_exits_with_6_if_one_is_due(expired: CommandLine) -> None:
    done = expired("list-problems")
    assert done.exit_status == 6
    head, row = done.out.splitlines()
    assert head.split("\t") == ["severity", "problem", "account", "exchange", "since", "what", "do"]
    assert "account-registry rotate-credential bot aster" in row
    (listed,) = expired("list-problems", "bot", "--kind", "expired", "--json").data
    assert listed["severity"] == "critical"
    assert expired("list-problems", "--kind", "due").exit_status == 0
    assert expired("list-problems", "--kind", "dua").exit_status == 2
    assert expired("list-problems", "nobody").exit_status == 3


def test_doctor_shows_the_same_list_and_cuts_a_long_one(expired: CommandLine) -> None:
    from registry.services import doctor

    assert "the key of bot for aster expired on 2020-01-31" in expired("doctor", "--quick").out
    for number in range(2, 8):
        expired.store("bot", "aster", "--subaccount", f"{number}", "--expires-at", "2020-01-31",
                      api_key=f"key-{number}", secret_key=f"secret-{number}")  # fmt: skip
    (found,) = [f for f in expired("doctor", "--json").data if f["check"] == "expiry"]
    assert found["message"].endswith("and 2 more")
    assert found["hint"].endswith("account-registry list-problems --kind expired")
    assert doctor._LISTED == 5


def test_every_kind_says_what_it_means() -> None:
    assert all(kind.means and kind.check for kind in KINDS.values())
