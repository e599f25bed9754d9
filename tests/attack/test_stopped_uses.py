"""Threat: Stopped uses.

Somebody has stopped an exchange, an account or a key; a bot that speaks SQL wants it nevertheless.
"""

from collections.abc import Iterator

import pytest
from psycopg import sql
from support.bots import LoginRole
from support.hostile import COLLECT, Connection, collect, events, refusal, request
from support.world import World

WHATS = (
    {"everything": True},
    {"exchange": "backpack"},
    {"account": "mallory"},
    {"credential": ("mallory", "backpack")},
)
FALLBACK = "SELECT public.record_fallback('mallory', %s, 'MALLORY', 'o', 'a', 'h', 'p')"


@pytest.fixture
def mallory(world: World, bot: LoginRole) -> Iterator[Connection]:
    """A bot with a key of its own, and a borrowed one."""
    world.account("lender", "edgex")
    world.account("mallory", "backpack")
    world.share("mallory", "lender", "edgex")
    world.access.grant("mallory", bot.name)
    with bot.connect() as session:
        yield session


def stop(world: World, **what: object) -> None:
    world.stop(**what, reason="a key leaked")  # type: ignore[arg-type]


@pytest.mark.parametrize("what", WHATS, ids=str)
@pytest.mark.parametrize("access", [None, "full", "read_only", "positions_only"])
def test_no_form_of_a_request_gives_what_is_stopped(
    world: World, mallory: Connection, what: dict[str, object], access: str | None
) -> None:
    stop(world, **what)
    rows = mallory.execute(
        "SELECT outcome FROM public.request_release("
        "'mallory', '{backpack}', NULL, %s, NULL, 'a', 'h', 'p')",
        [access],
    ).fetchall()
    assert rows == [("stopped",)] or (access, rows) == ("read_only", [("needs_other_permission",)])
    assert events(world, "CredentialReleased") == []


@pytest.mark.parametrize(
    ("exchange", "what"),
    [
        *(("backpack", what) for what in WHATS),
        ("edgex", {"lender": "lender"}),
        ("edgex", {"account": "lender"}),
        ("edgex", {"credential": ("lender", "edgex"), "permission": "full"}),
    ],
    ids=str,
)
def test_what_was_requested_before_is_not_collected_after(
    world: World, mallory: Connection, exchange: str, what: dict[str, object]
) -> None:
    release = request(mallory, "mallory", exchange)
    stop(world, **what)
    assert collect(mallory, release) == []


def test_an_old_snapshot_does_not_undo_a_stop(world: World, mallory: Connection) -> None:
    release = request(mallory, "mallory")
    mallory.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    mallory.execute("SELECT 1 FROM public.dexes").fetchall()
    stop(world, everything=True)
    assert refusal(mallory, COLLECT, [release]).sqlstate == "40001"


def test_the_environment_cannot_stand_in_for_it(world: World, mallory: Connection) -> None:
    assert mallory.execute(FALLBACK, ["lighter"]).fetchone() == ("ok",)
    for what in ({"everything": True}, {"exchange": "lighter"}, {"account": "mallory"}):
        stop(world, **what)
        (answer,) = mallory.execute(FALLBACK, ["lighter"]).fetchone() or ("",)
        assert answer.startswith("stopped {")
        world.resume()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT public.stop_of(NULL, NULL, NULL, NULL, NULL)",
        "SELECT public.stop_includes('{}', NULL, NULL, NULL, NULL, NULL)",
        "SELECT * FROM public.stops_in_force",
        "SELECT public.append_event(gen_random_uuid(), 'stop', gen_random_uuid(), 1, 'UseResumed',"
        " 1, '{\"scope\": \"all\"}', 'a', NULL, gen_random_uuid(), 0, '', NULL, now())",
        "INSERT INTO public.audit_events (position) VALUES (9)",
        "CREATE OR REPLACE FUNCTION public.stop_of(uuid, integer, uuid, integer, text)"
        " RETURNS jsonb LANGUAGE sql RETURN NULL",
    ],
)
def test_a_bot_can_neither_lift_a_stop_nor_read_those_of_others(
    world: World, mallory: Connection, statement: str
) -> None:
    stop(world, everything=True)
    assert refusal(mallory, statement).sqlstate == "42501"
    assert len(world.stops()) == 1


def test_a_function_of_its_own_does_not_stand_in_for_the_registry_s(
    world: World, mallory: Connection, connection: Connection, bot: LoginRole
) -> None:
    stop(world, everything=True)
    connection.execute(sql.SQL("CREATE SCHEMA AUTHORIZATION {}").format(sql.Identifier(bot.name)))
    mallory.execute(
        "CREATE FUNCTION stop_of(uuid, integer, uuid, integer, text) RETURNS jsonb"
        " LANGUAGE sql RETURN NULL::jsonb"
    )
    mallory.execute("CREATE TEMPORARY VIEW stops_in_force AS SELECT 1 AS position, NULL AS stop")
    with pytest.raises(AssertionError):
        request(mallory, "mallory")
