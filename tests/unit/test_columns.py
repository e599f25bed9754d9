"""A table follows from the type of its rows."""

import datetime as dt
from typing import Annotated, Any, TypedDict

import pytest

from projections.columns import NEEDED, OWN_TIME, Column, columns_of
from projections.rows import Insert, Patch, Table
from registry.events.stored import StoredEvent


def is_short(value: str) -> bool:
    return len(value) < 3


class ThingRow(TypedDict):
    """A row of a made-up table."""

    key: Annotated[str, Column("uuid", original=True)]
    holder: Annotated[str, Column("uuid", account=True)]
    name: Annotated[str, Column("varchar(4)", is_short)]
    token: Annotated[str | None, Column("text", secret=True)]
    note: Annotated[str | None, Column("text", detail=True)]
    due: Annotated[str | None, Column("timestamp", detail=True)]
    count: Annotated[int, Column("integer", default=7)]
    since: Annotated[str, Column("timestamp", default=OWN_TIME)]


def things() -> Table:
    return Table.of("things", ThingRow, key="key", owner="holder", unique=("name",))


ID = "00000000-0000-0000-0000-000000000001"


def event(**data: Any) -> StoredEvent:
    return StoredEvent("stream", 1, "ThingMade", 1, "2030-01-01 00:00:00", data)


def test_a_declaration_gives_every_attribute_of_a_table() -> None:
    table = things()
    assert (table.name, table.key, table.owner, table.unique) == (
        "things",
        "key",
        "holder",
        ("name",),
    )
    assert table.columns == {
        "key": "uuid",
        "holder": "uuid",
        "name": "varchar",
        "token": "text",
        "note": "text",
        "due": "timestamp",
        "count": "integer",
        "since": "timestamp",
    }
    assert table.details == ("note", "due")
    assert table.secret == frozenset({"token"})
    assert table.accounts == ("holder",)
    assert table.moments == ("due", "since")
    assert table.needed == ("key", "holder", "name")
    assert table.blank == {
        "key": NEEDED,
        "holder": NEEDED,
        "name": NEEDED,
        "token": None,
        "note": None,
        "due": None,
        "count": 7,
        "since": OWN_TIME,
    }


def test_a_column_can_be_null_where_the_type_says_so() -> None:
    declared = columns_of(ThingRow)
    nullable = [name for name, column in declared.items() if column.nullable]
    assert nullable == ["token", "note", "due"]
    assert [name for name, column in declared.items() if column.original] == ["key"]
    assert declared["name"] == Column("varchar(4)", is_short)
    assert (declared["name"].kind, declared["count"].default) == ("varchar", 7)


def test_a_nullable_column_keeps_the_default_that_it_names() -> None:
    class Row(TypedDict):
        flag: Annotated[bool | None, Column("boolean", default=True)]

    assert columns_of(Row)["flag"] == Column("boolean", default=True, nullable=True)


def test_a_new_row_holds_own_values_then_told_ones_then_defaults() -> None:
    told = event(name="ab", due="2030-02-01T00:00:00Z", holder="another", more="x")
    made = things().insert(told, ID, holder="mine")
    assert made == Insert(
        things(),
        ID,
        {
            "key": ID,
            "holder": "mine",
            "name": "ab",
            "token": None,
            "note": None,
            "due": "2030-02-01 00:00:00",
            "count": 7,
            "since": "2030-01-01 00:00:00",
        },
    )
    assert list(made.values) == list(things().columns)
    since = things().insert(event(name="ab", since="2029-01-01T00:00:00Z"), ID, holder="mine")
    assert since.values["since"] == "2029-01-01 00:00:00"


def test_a_new_row_without_a_needed_value_is_an_error_that_names_it() -> None:
    with pytest.raises(KeyError, match="name"):
        things().insert(event(), ID, holder="mine")


def test_a_patch_holds_own_values_told_details_and_the_time() -> None:
    told = event(note=None, due="2030-02-01T00:00:00Z", count=9)
    assert things().patch(told, ID, name="x") == Patch(
        things(),
        ID,
        {
            "name": "x",
            "note": None,
            "due": "2030-02-01 00:00:00",
            "updated_at": "2030-01-01 00:00:00",
        },
    )


def test_details_of_a_row_read_as_events_hold_them() -> None:
    moment = dt.datetime(2030, 2, 1, tzinfo=dt.UTC)
    assert things().details_in({"note": "n", "due": "2030-02-01 00:00:00"}) == {
        "note": "n",
        "due": moment,
    }
    assert things().details_in({"note": None, "due": None}) == {"note": None, "due": None}
    assert things().details_in({"note": None, "due": "soon"})["due"] == "soon"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("ab", ""),
        ("abc", "name cannot be what it says"),
        ("abcde", "name cannot hold what it says"),
        (5, "name cannot hold what it says"),
        (None, "it lacks name"),
    ],
)
def test_a_value_that_does_not_fit_is_told_by_kind(value: Any, why: str) -> None:
    assert things().misfit({"name": value}) == why


def test_a_table_without_secrets_is_another_table() -> None:
    seen = things().without_secrets()
    assert "token" not in seen.columns
    assert seen.secret == frozenset()
    assert seen != things()
