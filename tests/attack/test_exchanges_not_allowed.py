"""Threat: Exchanges not allowed.

An account's list (`allowed_exchanges` of its metadata) names the exchanges that it may use; a bot
or an operator that speaks SQL wants another one.
"""

import datetime as dt
import uuid
from collections.abc import Iterator

import psycopg
import pytest
from support.appending import append
from support.bots import LoginRole, login_role
from support.hostile import COLLECT, REQUEST, Connection, collect, events, refusal, request
from support.world import World

from projections import project
from projections.sql_sink import apply_to_tables
from registry.events.credentials import CredentialAdded
from registry.events.sharing import SharingGranted
from registry.events.stored import Stream
from registry.log.append import NewEvent

OPEN = """INSERT INTO public.strategy_positions (id, strategy_name, symbol_id, long_dex_id,
    short_dex_id, size_usd, entry_long_rate, entry_short_rate, entry_divergence, opened_at,
    status, account_id)
    SELECT gen_random_uuid(), 'probe', s.id, l.id, r.id, 1, 0, 0, 0, '2026-01-01', %(status)s,
        (SELECT account_id FROM public.session_account('mallory'))
    FROM public.symbols AS s, public.dexes AS l, public.dexes AS r
    WHERE l.name = %(long)s AND r.name = %(short)s LIMIT 1"""
MOVE = """UPDATE strategy_positions SET {} =
    (SELECT d.id FROM public.dexes AS d WHERE d.name = 'backpack')"""


@pytest.fixture
def mallory(world: World, bot: LoginRole, connection: Connection) -> Iterator[Connection]:
    """A bot with keys, own and borrowed, for exchanges that its account may not use."""
    world.account("lender", "edgex")
    world.account("mallory", "backpack", "aster")
    world.share("mallory", "lender", "edgex")
    world.access.grant("mallory", bot.name)
    connection.execute("INSERT INTO public.symbols (symbol) VALUES ('BTC') ON CONFLICT DO NOTHING")
    with bot.connect() as session:
        yield session


def narrow(world: World, account: str = "mallory", *allowed: str) -> None:
    exchanges = list(allowed or ("aster", "lighter"))
    world.accounts.update(account, set={"allowed_exchanges": exchanges}, cascade=True)


def open_position(session: Connection, long: str, short: str, status: str | None = "open") -> None:
    session.execute(OPEN, {"long": long, "short": short, "status": status})


@pytest.mark.parametrize("lender", [None, "lender"])
@pytest.mark.parametrize("access", [None, "full", "read_only", "positions_only"])
def test_no_form_of_a_request_gives_what_is_not_allowed(
    world: World, mallory: Connection, lender: str | None, access: str | None
) -> None:
    narrow(world)
    rows = mallory.execute(
        "SELECT exchange, outcome, credential_id, version FROM public.request_release("
        "'mallory', %s, NULL, %s, %s, 'a', 'h', 'p')",
        [["backpack", "edgex"], access, lender],
    ).fetchall()
    assert rows == [
        ("backpack", "exchange_not_allowed", None, None),
        ("edgex", "exchange_not_allowed", None, None),
    ]
    assert events(world, "CredentialReleased") == []


def test_the_lender_s_list_holds_for_its_borrowers(world: World, mallory: Connection) -> None:
    narrow(world, "lender")
    answers = mallory.execute(REQUEST, ["mallory", None]).fetchall()
    assert {row[0]: row[1] for row in answers} == {
        "aster": "ok",
        "backpack": "ok",
        "edgex": "exchange_not_allowed",
    }


@pytest.mark.parametrize(
    ("exchange", "narrowed"),
    [("backpack", "mallory"), ("edgex", "mallory"), ("edgex", "lender")],
)
def test_what_was_requested_before_is_not_collected_after(
    world: World, mallory: Connection, exchange: str, narrowed: str
) -> None:
    release = request(mallory, "mallory", exchange)
    narrow(world, narrowed)
    assert collect(mallory, release) == []


def test_an_old_snapshot_does_not_keep_an_old_list(world: World, mallory: Connection) -> None:
    release = request(mallory, "mallory")
    mallory.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    mallory.execute("SELECT 1 FROM public.dexes").fetchall()
    narrow(world)
    assert refusal(mallory, COLLECT, [release]).sqlstate == "40001"


def test_the_environment_cannot_stand_in_for_it(world: World, mallory: Connection) -> None:
    narrow(world)
    fallback = "SELECT public.record_fallback('mallory', %s, 'MALLORY', 'o', 'a', 'h', 'p')"
    answers = {
        exchange: mallory.execute(fallback, [exchange]).fetchone()
        for exchange in ("grvt", "backpack", "lighter")
    }
    assert answers == {
        "grvt": ("exchange_not_allowed",),
        "backpack": ("exchange_not_allowed",),
        "lighter": ("ok",),
    }


def test_a_position_cannot_be_opened_there_by_any_way(
    world: World, mallory: Connection, connection: Connection
) -> None:
    narrow(world)
    connection.execute("ALTER TABLE strategy_positions ALTER COLUMN status DROP NOT NULL")
    for sides in (("aster", "backpack"), ("backpack", "lighter")):
        for status in ("open", "Closed", None):
            with pytest.raises(psycopg.Error, match="may not use backpack") as caught:
                open_position(mallory, *sides, status)
            assert caught.value.sqlstate == "RG026"
    # As closed it may be noted, and not be opened then.
    open_position(mallory, "aster", "backpack", "closed")
    with pytest.raises(psycopg.Error, match="may not use backpack"):
        mallory.execute("UPDATE strategy_positions SET status = 'open'")
    with pytest.raises(psycopg.Error, match="may not use backpack"):
        mallory.execute("UPDATE strategy_positions SET status = NULL")


@pytest.mark.parametrize("side", ["long_dex_id", "short_dex_id"])
def test_an_open_position_cannot_be_moved_there(
    world: World, mallory: Connection, side: str
) -> None:
    narrow(world)
    open_position(mallory, "aster", "lighter")
    for more in ("", ", size_usd = 0", ", status = 'open'"):
        with pytest.raises(psycopg.Error, match="may not use backpack"):
            mallory.execute((MOVE.format(side) + more).encode())
    mallory.execute("UPDATE strategy_positions SET long_dex_id = short_dex_id")


def test_an_open_position_there_cannot_be_enlarged(world: World, mallory: Connection) -> None:
    open_position(mallory, "aster", "backpack")
    narrow(world)
    for size in ("2", "-2", "'NaN'", "'Infinity'"):
        with pytest.raises(psycopg.Error):
            mallory.execute(f"UPDATE strategy_positions SET size_usd = {size}".encode())
    mallory.execute("UPDATE strategy_positions SET size_usd = 0.5, status = 'closed'")


def test_the_list_of_another_account_is_not_told(world: World, mallory: Connection) -> None:
    victim = world.account("victim", allowed_exchanges=["aster"])
    open_position(mallory, "aster", "backpack")
    with pytest.raises(psycopg.Error) as caught:
        mallory.execute("UPDATE strategy_positions SET account_id = %s", [victim])
    assert "victim" not in str(caught.value)
    copied = OPEN.replace("(SELECT account_id FROM public.session_account('mallory'))", "%(to)s")
    for exchange in ("lighter", "backpack"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as refused:
            mallory.execute(
                copied.encode(),
                {"to": victim, "long": "aster", "short": exchange, "status": "open"},
            )
        assert "victim" not in str(refused.value)


@pytest.mark.parametrize("function", ["account_allows(%s, 1)", "require_allowed(%s, 1)"])
def test_a_bot_cannot_ask_for_the_list_itself(
    world: World, mallory: Connection, function: str
) -> None:
    error = refusal(mallory, f"SELECT public.{function}", uuid.uuid4())
    assert error.sqlstate == "42501"


@pytest.mark.parametrize("kind", ["credential", "share"])
def test_an_operator_that_appends_by_hand_is_refused_too(
    world: World, mallory: Connection, database_url: str, kind: str
) -> None:
    world.shares.revoke("mallory", "edgex")
    world.credentials.remove("mallory", "backpack")
    narrow(world)
    account, lender = world.accounts.get("mallory"), world.accounts.get("lender")
    row, key = uuid.uuid4(), uuid.uuid4()
    exchange = "edgex" if kind == "share" else "backpack"
    (exchange_id,) = mallory.execute(
        "SELECT d.id FROM public.dexes AS d WHERE d.name = %s", [exchange]
    ).fetchone() or (0,)
    slot = {"exchange": exchange, "exchange_id": exchange_id}
    event = (
        SharingGranted.model_validate(
            {
                **slot,
                "share_id": row,
                "lender_id": lender["id"],
                "lender": "lender",
                "sharing_type": "full",
            }
        )
        if kind == "share"
        else CredentialAdded.model_validate(
            {
                **slot,
                "credential_id": row,
                "subaccount_index": None,
                "permission": "full",
                "version": 9,
                "data_key_id": key,
                "tokens": {"public_key": "x", "secret_key": "y"},
                "fingerprints": {"public_key": "f" * 64, "secret_key": "e" * 64},
            }
        )
    )
    stream = Stream("account", account["id"])
    with (
        login_role(database_url, "registry_operator") as role,
        role.connect() as operator,
        pytest.raises(psycopg.Error, match=f"mallory may not use {exchange}") as caught,
        operator.transaction(),
    ):
        append(operator, stream=stream, version=account["version"] + 1, event=event)
        stored = NewEvent(stream, account["version"] + 1, event).stored(dt.datetime.now(dt.UTC))
        apply_to_tables(operator, project(stored)[0])
    assert caught.value.sqlstate == "RG026"
