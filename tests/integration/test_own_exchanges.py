"""The first use of an exchange of ccxt's, and definitions of exchanges of one's own."""

from contextlib import closing
from typing import Any

import psycopg
import pytest
from support.tables import nothing_written
from support.world import World

from registry import Registry, errors
from registry.catalog.specification import ExchangeSpec
from registry.database.opening import SingleConnection
from registry.database.target import Target
from registry.encryption.secret import Secret

BINANCE: dict[str, Any] = {"api_key": "k7", "secret_key": "s7"}
DESK: dict[str, Any] = {
    "exchange": "desk",
    "field": [
        {"name": "key", "env": "DESK_KEY", "ccxt": "apiKey"},
        {"name": "signing_key", "env": "DESK_SIGNING_KEY", "ccxt": "secret"},
    ],
    "display_name": "The desk",
    "ccxt": "binance",
}
HELD: dict[str, Any] = {"key": "k7", "signing_key": "s7"}


def rows(connection: psycopg.Connection[Any], name: str) -> list[tuple[Any, ...]]:
    query = "SELECT id, display_name FROM dexes WHERE name = %s"
    return connection.execute(query, [name]).fetchall()


def events(connection: psycopg.Connection[Any], name: str) -> list[str]:
    query = """SELECT event_type FROM audit_events
        WHERE stream_type = 'exchange' AND data ->> 'exchange' = %s ORDER BY position"""
    return [row[0] for row in connection.execute(query, [name])]


# ---------------------------------------------------------------- the first use


def test_an_exchange_of_ccxt_gets_its_row_when_it_is_first_used(
    world: World, connection: psycopg.Connection[Any]
) -> None:
    world.account("main_bot")
    world.account("other")
    assert rows(connection, "binance") == []
    world.credential("main_bot", "binance", **BINANCE)
    world.credential("other", "binance", api_key="k8", secret_key="s8")
    ((_, display_name),) = rows(connection, "binance")
    assert display_name == "Binance"
    assert events(connection, "binance") == ["ExchangeAdded"]


def test_a_refused_or_a_dry_run_makes_no_row(world: World, database_url: str) -> None:
    world.account("main_bot")
    with nothing_written(database_url):
        with pytest.raises(errors.InvalidCredential, match="lacks secret_key"):
            world.credential("main_bot", "binance", api_key="k7")
        world.credentials.add("main_bot", "binance", BINANCE, dry_run=True)


def test_a_table_of_the_bot_with_fewer_columns_gets_a_row_too(
    world: World, connection: psycopg.Connection[Any]
) -> None:
    for column in ("display_name", "maker_fee_percent", "taker_fee_percent"):
        connection.execute(f"ALTER TABLE dexes DROP COLUMN {column}".encode())
    world.account("main_bot")
    world.credential("main_bot", "binance", **BINANCE)
    query = "SELECT count(*) FROM dexes WHERE name = 'binance'"
    assert connection.execute(query).fetchone() == (1,)


# ---------------------------------------------------------------- definitions


def test_a_definition_is_corrected_and_what_is_not_named_stays(
    world: World, connection: psycopg.Connection[Any]
) -> None:
    world.exchanges.add(**DESK)
    field = {"name": "key", "env": "DESK_API_KEY", "ccxt": "apiKey"}
    world.exchanges.update("desk", field=[field], nonce_per_key=True)
    spec = world.exchanges.get("desk")
    assert [field.env for field in spec.fields.values()] == ["DESK_API_KEY", "DESK_SIGNING_KEY"]
    assert (spec.display_name, spec.ccxt_id, spec.nonce_per_key) == ("The desk", "binance", True)
    again = world.exchanges.update("desk", nonce_per_key=True)
    assert not again.changed
    assert events(connection, "desk") == ["ExchangeAdded", "ExchangeUpdated"]


def test_a_field_that_a_credential_holds_stays(world: World) -> None:
    world.exchanges.add(**DESK)
    world.account("main_bot")
    world.credential("main_bot", "desk", **HELD)
    secret = {"name": "secret", "env": "DESK_SECRET", "ccxt": "secret"}
    with pytest.raises(errors.ExchangeInUse, match="hold signing_key, such as that of main_bot"):
        world.exchanges.update("desk", field=[secret], without=["signing_key"])
    with pytest.raises(errors.ExchangeInUse, match="hold key, signing_key"):
        world.exchanges.remove("desk")


def test_a_definition_that_nothing_uses_is_removed_and_can_be_made_again(
    world: World, connection: psycopg.Connection[Any]
) -> None:
    world.exchanges.add(**DESK)
    (row,) = rows(connection, "desk")
    world.exchanges.remove("desk")
    with pytest.raises(errors.ExchangeNotFound, match="fields of desk's credentials are not known"):
        world.exchanges.get("desk")
    with pytest.raises(errors.ExchangeNotFound):
        world.exchanges.remove("desk")
    world.exchanges.add(**DESK)
    assert rows(connection, "desk") == [row]
    assert events(connection, "desk") == ["ExchangeAdded", "ExchangeRemoved", "ExchangeAdded"]


def test_a_definition_takes_the_place_of_what_ccxt_says(world: World) -> None:
    fields = [
        {"name": "api_key", "env": "BINANCE_API_KEY"},
        {"name": "secret_key", "env": "BINANCE_API_SECRET"},
    ]
    added = world.exchanges.add("binance", fields, ccxt="binance")
    assert "takes the place of the catalog's" in added.notes[0]
    spec = world.exchanges.get("binance")
    assert [field.env for field in spec.fields.values()] == [
        "BINANCE_API_KEY",
        "BINANCE_API_SECRET",
    ]
    world.exchanges.remove("binance")
    assert world.exchanges.get("binance").generated


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"ccxt": "nosuchexchange"}, "ccxt has no exchange nosuchexchange"),
        ({"ccxt": "okx"}, "ccxt's okx requires password, and none of the fields key, signing"),
        ({"exchange": "lighter"}, "the exchange lighter is built in"),
    ],
)
def test_a_definition_that_cannot_work_is_refused(
    world: World, database_url: str, change: dict[str, Any], why: str
) -> None:
    if "exchange" in change:
        change = {**change, "field": [{"name": "k", "env": "LIGHTER_KEY"}], "ccxt": None}
    with (
        nothing_written(database_url),
        pytest.raises((errors.InvalidInput, errors.ExchangeExists), match=why),
    ):
        world.exchanges.add(**{**DESK, **change})


def test_a_variable_of_another_exchange_is_refused(world: World) -> None:
    world.exchanges.add(**DESK)
    fields = [{"name": "key", "env": "DESK_KEY"}]
    with pytest.raises(errors.InvalidInput, match="the variable DESK_KEY is that of desk"):
        world.exchanges.add("desk 2", fields)
    fields = [{"name": "key", "env": "ASTER_API_KEY"}]
    with pytest.raises(errors.InvalidInput, match="the variable ASTER_API_KEY is that of aster"):
        world.exchanges.add("aster 2", fields)


def test_a_definition_that_goes_meanwhile_is_noticed_by_who_stores_a_credential(
    world: World,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The check under the log's lock sends the command back to decide again."""
    world.exchanges.add(**DESK)
    world.account("main_bot")
    check = ExchangeSpec.check

    def removed_first(spec: ExchangeSpec, given: dict[str, Any]) -> dict[str, Secret]:
        monkeypatch.undo()
        with closing(SingleConnection(Target(database_url))) as other:
            Registry(other).exchanges.remove("desk")
        return check(spec, given)

    monkeypatch.setattr(ExchangeSpec, "check", removed_first)
    with pytest.raises(errors.ExchangeNotFound, match="fields of desk's credentials are not known"):
        world.credential("main_bot", "desk", **HELD)
    assert not world.credentials.list("main_bot")
