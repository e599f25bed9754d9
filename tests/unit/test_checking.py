"""What a check finds differs from the registry or not, and no refusal is quoted with a secret."""

import datetime as dt
from typing import Any

import pytest

from registry.catalog.catalog import built_in_exchanges
from registry.checking.answers import Answer, outcome_of, quoted
from registry.checking.findings import CheckOutcome, KeyFacts, differences
from registry.checking.probes import PROBES, Key
from registry.shown import NOT_SHOWN

ANY_KEY = Key(None, built_in_exchanges()["okx"], {}, [])
MAY = dt.datetime(2027, 5, 15, 3, 21, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
IPS = ["203.0.113.7", "198.51.100.0/24"]
TRADES = KeyFacts(may=("read", "trade"))


@pytest.mark.parametrize(
    ("said", "facts", "differs"),
    [
        ({}, KeyFacts(), []),
        ({}, TRADES, []),
        ({"permission": "read_only"}, TRADES, ["permission"]),
        ({"permission": "read_only"}, KeyFacts(may=("read", "withdraw")), ["permission"]),
        ({"permission": "read_only"}, KeyFacts(may=("read",)), []),
        ({}, KeyFacts(may=("read",)), ["permission"]),
        ({}, KeyFacts(may=()), ["permission"]),
        ({}, KeyFacts(expires_at=MAY), ["expires_at"]),
        ({"expires_at": MAY}, KeyFacts(expires_at=MAY + DAY / 2), []),
        ({"expires_at": MAY}, KeyFacts(expires_at=MAY - DAY), ["expires_at"]),
        ({"expires_at": MAY}, KeyFacts(expires_at="never"), ["expires_at"]),
        ({"expires_at": MAY}, KeyFacts(), []),
        ({}, KeyFacts(expires_at="never"), []),
        ({}, KeyFacts(bound=True, addresses=("203.0.113.7",)), []),
        ({"ip_allow_list": IPS}, KeyFacts(), []),
        ({"ip_allow_list": IPS}, KeyFacts(bound=True), []),
        ({"ip_allow_list": IPS}, KeyFacts(bound=True, addresses=tuple(reversed(IPS))), []),
        ({"ip_allow_list": IPS}, KeyFacts(bound=True, addresses=(IPS[0],)), ["ip_allow_list"]),
        ({"ip_allow_list": IPS}, KeyFacts(bound=False), ["ip_allow_list"]),
        ({"exchange_account_id": "7"}, KeyFacts(exchange_account_id="7"), []),
        ({"exchange_account_id": "7"}, KeyFacts(exchange_account_id="8"), ["exchange_account_id"]),
        ({}, KeyFacts(exchange_account_id="8"), []),
    ],
)
def test_a_difference_is_what_the_exchange_says_otherwise(
    said: dict[str, Any], facts: KeyFacts, differs: list[str]
) -> None:
    found = differences({"permission": "full", **said}, facts)
    assert [difference.detail for difference in found] == differs


SECRET = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zv"


@pytest.mark.parametrize("text", [SECRET, SECRET[5:14], SECRET.upper(), f"key={SECRET[3:]}"])
@pytest.mark.parametrize("place", ["msg", "retMsg", "message", "error", "errors"])
def test_a_part_of_a_secret_is_never_quoted(place: str, text: str) -> None:
    said = f'{{"{place}": "Invalid key {text}."}}'
    assert quoted(Answer(400, said), [SECRET]) == NOT_SHOWN


def test_a_secret_of_others_is_not_quoted_either() -> None:
    said = Answer(400, f'{{"msg": "the key {SECRET} is blocked"}}')
    assert quoted(said, ["another"]) == NOT_SHOWN


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("API key has expired", CheckOutcome.EXPIRED),
        ("Expired api_key", CheckOutcome.EXPIRED),
        ("request timestamp expired", CheckOutcome.CLOCK_SKEW),
        ("Your IP is not allowed", CheckOutcome.ADDRESS_NOT_ALLOWED),
        ("Key not permitted from this IP address", CheckOutcome.ADDRESS_NOT_ALLOWED),
        ("no permission to read balances", CheckOutcome.NOT_PERMITTED),
        ("Signature mismatch", CheckOutcome.WRONG_KEY),
        ("too many requests", CheckOutcome.RATE_LIMITED),
        ("shipping is closed", CheckOutcome.UNCLEAR_ANSWER),
    ],
)
def test_the_words_of_an_unknown_exchange_are_understood(text: str, outcome: CheckOutcome) -> None:
    class BaseError(Exception):
        """As ccxt's."""

    assert outcome_of(BaseError(), Answer(200, f'{{"message": "{text}"}}'), {}) is outcome


def test_the_clock_of_the_client_is_not_an_expired_key() -> None:
    assert outcome_of(TimeoutError(), None, {}) is CheckOutcome.NO_ANSWER
    assert outcome_of(ValueError(), None, {}) is CheckOutcome.WRONG_KEY
    assert outcome_of(AttributeError(), None, {}) is CheckOutcome.NOT_CHECKABLE
    assert outcome_of(KeyError("x"), Answer(200, "[]"), {}) is CheckOutcome.UNCLEAR_ANSWER


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ('{"code": "X", "message": "no"}', "no"),
        ('{"code": 7}', "7"),
        ('{"msg": "a\\n\\tb"}', "a b"),
        ('{"msg": "\\ud800 a"}', "? a"),
        ('{"errors": [{"id": "x", "message": "gone"}]}', "gone"),
        ("[" * 900 + "]" * 900, None),
        ('{"msg":' * 900 + "1" + "}" * 900, None),
        ("[" * 99_999, None),
        ("", None),
        ("<p>key</p>", None),
    ],
)
def test_any_answer_is_quoted_on_one_line_or_not_at_all(body: str, says: str | None) -> None:
    assert quoted(Answer(400, body), []) == says


@pytest.mark.parametrize(
    "told",
    ["", "tomorrow", "2036-13-45T00:00:00Z", "nan", "1e300", None, {}, "99999-01-01T00:00:00Z"],
)
def test_a_moment_that_is_none_is_not_told(told: Any) -> None:
    key = {"permissions": {}, "readOnly": 0, "expiredAt": told, "deadlineDay": 5, "ips": []}
    facts = PROBES["bybit"].read([{"result": key}], ANY_KEY)
    assert facts.expires_at in (None, "never")
    kraken = {"permissions": [], "validUntil": told}
    assert PROBES["kraken"].read([{"result": kraken}], ANY_KEY).expires_at in (None, "never")


@pytest.mark.parametrize("told", ["2036-05-15T03:21:05Z", "2036-05-15T05:21:05+02:00"])
def test_a_moment_has_a_time_zone(told: str) -> None:
    key = {"permissions": {}, "readOnly": "1", "expiredAt": told, "ips": ["*"]}
    facts = PROBES["bybit"].read([{"result": key}], ANY_KEY)
    assert facts.expires_at == dt.datetime(2036, 5, 15, 3, 21, 5, tzinfo=dt.UTC)
    assert facts.may == ("read",)


def test_only_addresses_and_ids_of_the_form_of_ones_are_taken_over() -> None:
    key = {"perm": "read_only", "ip": f"203.0.113.7,{SECRET},zzz", "uid": SECRET * 2}
    facts = PROBES["okx"].read([{"data": [key]}], ANY_KEY)
    assert (facts.bound, facts.addresses) == (True, ("203.0.113.7",))
    assert facts.exchange_account_id is None
