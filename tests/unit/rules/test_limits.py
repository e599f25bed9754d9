"""The limits of an account's metadata: their values, and names that look like theirs."""

from typing import Any

import pytest

from registry.errors import InvalidInput
from registry.rules.limits import LIMITS, allows, check_limits


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("max_positions", 0),
        ("max_exposure_usd", 0.5),
        ("max_exposure_usd", 100_000),
        ("allowed_exchanges", []),
        ("allowed_exchanges", ["lighter", "aster"]),
        *((limit, None) for limit in LIMITS),
    ],
)
def test_a_limit_may_be_what_it_means(limit: str, value: Any) -> None:
    check_limits({limit: value})


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("max_positions", -1),
        ("max_positions", 1.5),
        ("max_positions", True),
        ("max_positions", "10"),
        ("max_exposure_usd", -0.5),
        ("max_exposure_usd", "1"),
        ("max_exposure_usd", False),
        ("allowed_exchanges", "lighter"),
        ("allowed_exchanges", {"lighter": True}),
        ("allowed_exchanges", [1]),
        ("allowed_exchanges", [None]),
    ],
)
def test_a_limit_of_another_kind_is_refused_even_as_it_is(limit: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=f"{limit} must be a"):
        check_limits({limit: value}, as_is=True)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("max_positon", "max_positions"),
        ("max_position", "max_positions"),
        ("maxPositions", "max_positions"),
        ("MAX-POSITIONS", "max_positions"),
        ("positions_max", "max_positions"),
        ("max_open_positions", "max_positions"),
        ("m\N{CYRILLIC SMALL LETTER A}x_positions", "max_positions"),
        ("max_exposure", "max_exposure_usd"),
        ("maxExposureUSD", "max_exposure_usd"),
        ("max_exposrue_usd", "max_exposure_usd"),
        ("allowed_exchange", "allowed_exchanges"),
        ("alowed_exchanges", "allowed_exchanges"),
        ("allowed_exchanges ", "allowed_exchanges"),
        ("exchangesAllowed", "allowed_exchanges"),
        ("allowed_dexes", "allowed_exchanges"),
        ("max_number_of_positions", "max_positions"),
        ("MaximumPositions", "max_positions"),
        ("max_total_exposure_usd", "max_exposure_usd"),
        ("permitted_exchanges_list", "allowed_exchanges"),
        ("exchange_allowlist", "allowed_exchanges"),
    ],
)
def test_a_key_that_looks_like_a_limit_is_refused_unless_it_is_meant(key: str, meant: str) -> None:
    with pytest.raises(InvalidInput, match="is no limit that the registry knows") as refusal:
        check_limits({key: 3})
    assert f"Did you mean {meant}?" in (refusal.value.hint or "")
    check_limits({key: 3}, as_is=True)


@pytest.mark.parametrize(
    "key", ["risk_level", "max_position_size", "min_positions", "max_leverage", "exchange", "", "ü"]
)
def test_other_keys_are_free(key: str) -> None:
    check_limits({key: "anything"})


@pytest.mark.parametrize(
    ("metadata", "allowed"),
    [
        ({}, True),
        ({"allowed_exchanges": None}, True),
        ({"allowed_exchanges": ["aster", "lighter"]}, True),
        ({"allowed_exchanges": ["aster"]}, False),
        ({"allowed_exchanges": ["Lighter"]}, False),
        ({"allowed_exchanges": []}, False),
        ({"allowed_exchanges": "lighter"}, False),
        ({"allowed_exchanges": {"lighter": True}}, False),
    ],
)
def test_what_is_no_list_of_names_allows_nothing(metadata: dict[str, Any], allowed: bool) -> None:
    assert allows(metadata, "lighter") is allowed
