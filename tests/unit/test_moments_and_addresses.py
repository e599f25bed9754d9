"""Moments and IP addresses, as texts from outside."""

import datetime as dt

import pytest

from registry.errors import InvalidInput
from registry.values import ip_allow_list, moment


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2030-01-31T12:00:00Z", "2030-01-31T12:00:00+00:00"),
        ("2030-01-31T12:00:00+02:00", "2030-01-31T10:00:00+00:00"),
        (" 2030-01-31 12:00:00.25Z ", "2030-01-31T12:00:00.250000+00:00"),
        ("2030-01-31", "2030-01-31T00:00:00+00:00"),
    ],
)
def test_a_moment_is_told_in_utc(text: str, utc: str) -> None:
    assert moment(text, "the expiry").isoformat() == utc


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("tomorrow", "the expiry 'tomorrow' is not a moment"),
        ("", "is not a moment"),
        ("2030-13-01", "is not a moment"),
        ("2030-01-31T12:00:00", "says no time zone"),
        ("0001-01-01T00:00:00+14:00", "out of range"),
        ("9999-12-31T23:59:59-01:00", "out of range"),
    ],
)
def test_a_text_that_could_mean_several_moments_or_none_is_refused(text: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        moment(text, "the expiry")


def test_a_moment_without_a_time_zone_is_refused_from_a_program_too() -> None:
    with pytest.raises(InvalidInput, match="says no time zone"):
        moment(dt.datetime(2030, 1, 1), "the expiry")  # noqa: DTZ001 - that is the point


def test_addresses_and_networks_are_told_in_their_canonical_form() -> None:
    given = [" 203.0.113.7", "203.0.113.0/24", "2001:DB8:0::1", "2001:db8::/32", "10.0.0.1/32"]
    assert ip_allow_list(given) == [
        "203.0.113.7",
        "203.0.113.0/24",
        "2001:db8::1",
        "2001:db8::/32",
        "10.0.0.1",
    ]


@pytest.mark.parametrize(
    "address", ["", "localhost", "203.0.113.7/24", "300.1.1.1", "fe80::1%eth0"]
)
def test_what_is_neither_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput, match="is not an IP address or network"):
        ip_allow_list(["203.0.113.7", address])
