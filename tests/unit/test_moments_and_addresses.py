"""Moments and IP addresses, as texts from outside."""

import datetime as dt

import pytest

from registry.errors import InvalidInput
from registry.moments import duration, moment
from registry.values import ip_allow_list


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


NOW = dt.datetime(2030, 1, 31, 12, 30, 15, 9, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("now", "2030-01-31T12:30:15.000009+00:00"),
        ("Today", "2030-01-31T00:00:00+00:00"),
        ("yesterday", "2030-01-30T00:00:00+00:00"),
        ("-1d", "2030-01-30T12:30:15.000009+00:00"),
        ("-36h", "2030-01-30T00:30:15.000009+00:00"),
        (" -30min ", "2030-01-31T12:00:15.000009+00:00"),
        ("+2w", "2030-02-14T12:30:15.000009+00:00"),
        ("tomorrow", "2030-02-01T00:00:00+00:00"),
        ("2 days", "2030-01-29T12:30:15.000009+00:00"),
    ],
)
def test_a_moment_may_be_told_by_its_distance_from_now(
    monkeypatch: pytest.MonkeyPatch, text: str, utc: str
) -> None:
    monkeypatch.setattr("registry.moments.now", lambda: NOW)
    assert moment(text, "--since").isoformat() == utc


def test_a_span_without_a_sign_goes_where_what_is_asked_lies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("registry.moments.now", lambda: NOW)
    whole = NOW.replace(microsecond=0)
    assert moment("90d", "the expiry", ahead=True) == whole + dt.timedelta(days=90)
    assert moment("2w", "--since") == moment("-2w", "--since") == NOW - dt.timedelta(weeks=2)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("14d", 14),
        ("2w", 14),
        ("36h", 1.5),
        ("1440min", 1),
        ("86400s", 1),
        (" 7D ", 7),
        ("2weeks", 14),
        ("1 day", 1),
    ],
)
def test_a_span_is_seconds_minutes_hours_days_or_weeks(text: str, days: float) -> None:
    assert duration(text, "--due") == dt.timedelta(days=days)


@pytest.mark.parametrize(
    "text", ["2months", "3m", "1y", "-14d", "+1d", "14", "d", "", "123456d", "²d"]
)
def test_what_is_no_span_is_refused_with_the_forms_that_are(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not a span of time") as refused:
        duration(text, "--due")
    assert refused.value.hint == "It looks like 10s, 30min, 36h, 14d or 2w."


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("soon", "the expiry 'soon' is not a moment"),
        ("3m", "is not a moment"),
        ("-99999w", "out of range"),
        ("0001-06-01", "out of range"),
        ("1969-12-31", "out of range"),
        ("2200-01-01", "out of range"),
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
