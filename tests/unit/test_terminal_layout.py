"""What `monitor` makes of a filter that is typed, and of the room that there is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from registry.services.views.described import VIEWS
from registry.terminal.filtering import parse, typed
from registry.terminal.fitting import GAP, cut, fit
from registry.terminal.table import bar

WORDS = st.text("ab=:* _'[]テ\u0301", min_size=1).map(lambda t: " ".join(t.split())).filter(bool)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", {}),
        ("btc perp", {"text": "btc perp"}),
        ("account=grid_* state=near its limit", {"account": "grid_*", "state": "near its limit"}),
        ("btc exchange: aster", {"text": "btc", "exchange": "aster"}),
        ("state=", {}),
        ("subaccount=3", {"text": "subaccount=3"}),
        ("state=expired state=ok", {"state": "ok"}),
    ],
)
def test_a_typed_filter_means_what_the_address_of_the_page_would(
    text: str, meant: dict[str, str]
) -> None:
    assert parse(text) == meant


@given(st.dictionaries(st.sampled_from(["account", "exchange", "state", "text"]), WORDS))
def test_a_filter_that_is_shown_can_be_typed_again(meant: dict[str, str]) -> None:
    assert parse(typed(meant)) == meant


@given(st.sampled_from(sorted(VIEWS)), st.integers(0, 250), st.data())
def test_columns_never_need_more_room_than_there_is(name: str, room: int, data: Any) -> None:
    columns = VIEWS[name].columns
    row = st.lists(st.text("-a ", max_size=70), min_size=len(columns), max_size=len(columns))
    cells = data.draw(st.lists(row, max_size=3))
    places = fit(columns, cells, room)
    assert sum(place.width + GAP for place in places) - GAP <= max(0, room)
    assert all(place.width > 0 for place in places)
    names = [place.column.name for place in places]
    if room >= 12:
        assert {"account", "state"} <= set(names)
    assert [place.number for place in places] == sorted(place.number for place in places)


@given(st.text(max_size=60), st.integers(0, 30), st.booleans())
def test_a_text_is_cut_to_exactly_its_cells(text: str, width: int, right: bool) -> None:
    shown = cut(text, width, right=right)
    assert cell_len(shown) == width
    assert cell_len(text) > width or text in shown


@pytest.mark.parametrize(
    ("part", "shown"), [(0, ""), (0.01, ""), (0.5, "━━╸"), (1, "━━━━━"), (7, "━━━━━")]
)
def test_a_part_of_a_limit_is_a_bar(part: float, shown: str) -> None:
    assert bar(part) == shown.ljust(5)
