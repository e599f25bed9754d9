"""Keys are checked with the exchange, against servers that check each signature without ccxt."""

import asyncio
import datetime as dt
import time
import uuid
from typing import Any, get_args

import pytest
from support.exchange_answers import ANSWERS, CREDENTIALS, WALLET, WALLET_KEY
from support.exchange_server import Answer, Reply, Request, serving
from support.key_answers import AGENT, KEYS, OTHERS, RIGHT, answering, hyperliquid
from support.world import CALLER, World

from registry import AsyncRegistry, errors
from registry.catalog.catalog import built_in_exchanges
from registry.catalog.specification import ExchangeSpec
from registry.checking.asking import ToAsk, ask, unaskable
from registry.checking.findings import Checked, CheckOutcome, KeyFacts
from registry.events.credentials import CheckResult
from registry.services.releases.releases import ReleasedCredential, ReleaseService
from registry.services.releases.resolution import Resolution, Wish

pytest.importorskip("ccxt")


def checked(world: World, exchange: str, answer: Answer, **config: Any) -> Checked:
    """What the check of main_bot's key finds if the exchange answers like this."""
    with serving(exchange, answer) as server:
        server.trading = True  # Kraken's reads are POST
        settings = {**server.config(), **config}
        (found,) = world.credentials.check("main_bot", exchange, client_config={exchange: settings})
        return found


def holds(world: World, exchange: str, *, permission: Any = "full", **fields: Any) -> None:
    world.account("main_bot")
    world.credential("main_bot", exchange, permission=permission, **{**KEYS[exchange], **fields})


TOLD = {
    "binance": (("read", "trade"), True, (), None, "354937868"),
    "bybit": (
        ("read", "trade", "withdraw"),
        False,
        (),
        dt.datetime(2036, 5, 15, 3, 21, 5, tzinfo=dt.UTC),
        "24617703",
    ),
    "okx": (("read", "trade"), True, ("203.0.113.7", "198.51.100.0/24"), None, "44705892"),
    "kraken": (("read",), False, (), dt.datetime.fromtimestamp(2100000000, dt.UTC), None),
    "coinbase": (("read", "trade"), None, (), None, "5ac1b2a4-0000-4000-8000-000000000000"),
    "hyperliquid": (
        ("read", "trade"),
        None,
        (),
        dt.datetime.fromtimestamp(2100000000, dt.UTC),
        WALLET,
    ),
    "backpack": (None, None, (), None, None),
    "lighter": (None, None, (), None, "77"),
}


@pytest.mark.parametrize("exchange", KEYS)
def test_the_rights_of_a_working_key_are_told_and_another_is_wrong(
    world: World, exchange: str
) -> None:
    holds(world, exchange)
    with serving(exchange, answering(exchange)) as server:
        server.trading = True
        config = {exchange: server.config()}
        (found,) = world.credentials.check("main_bot", client_config=config)
        sent = {(request.method, request.path) for request in server.requests}
    assert (found.outcome, found.why) == (CheckOutcome.VALID, None)
    facts = found.facts
    told = (facts.may, facts.bound, facts.addresses, facts.expires_at, facts.exchange_account_id)
    assert told == TOLD[exchange]
    # Nothing but the calls of the table was sent.
    method = "POST" if exchange in ("hyperliquid", "kraken") else "GET"
    assert sent == {(method, path) for path in RIGHT.get(exchange, {"/info": None})}

    world.credential("main_bot", exchange, replace=True, **{**KEYS[exchange], **OTHERS[exchange]})
    found = checked(world, exchange, answering(exchange))
    assert found.outcome is CheckOutcome.WRONG_KEY
    assert found.why


# ---------------------------------------------------------------- what else can come

HTML = "<!DOCTYPE html><html><title>Attention required</title></html>"
REFUSALS = {
    ("binance", "address_not_allowed"): Reply(403, {"code": 0, "msg": "IP not in whitelist"}),
    ("binance", "clock_skew"): Reply(
        400, {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}
    ),
    ("binance", "rate_limited"): Reply(418, {"code": -1003, "msg": "Way too much request weight."}),
    ("bybit", "expired"): Reply(200, {"retCode": 33004, "retMsg": "Your api key has expired."}),
    ("bybit", "address_not_allowed"): Reply(
        200, {"retCode": 10010, "retMsg": "Unmatched IP, please check your API key's bound IP"}
    ),
    ("bybit", "clock_skew"): Reply(200, {"retCode": 10002, "retMsg": "invalid request timestamp"}),
    ("bybit", "rate_limited"): Reply(200, {"retCode": 10006, "retMsg": "Too many visits!"}),
    ("bybit", "server_error"): Reply(200, {"retCode": 10016, "retMsg": "Server error."}),
    ("bybit", "unclear_answer"): Reply(200, {"retCode": 99999, "retMsg": "moon"}),
    ("okx", "address_not_allowed"): Reply(
        401, {"code": "50110", "msg": "Your IP 192.0.2.1 is not in the whitelist"}
    ),
    ("okx", "clock_skew"): Reply(401, {"code": "50102", "msg": "Timestamp request expired"}),
    ("okx", "rate_limited"): Reply(429, {"code": "50011", "msg": "Too Many Requests"}),
    ("okx", "server_error"): Reply(503, {"code": "50001", "msg": "Service temporarily down"}),
    ("kraken", "clock_skew"): Reply(200, {"error": ["EAPI:Invalid nonce"]}),
    ("kraken", "rate_limited"): Reply(200, {"error": ["EAPI:Rate limit exceeded"]}),
    ("kraken", "not_permitted"): Reply(200, {"error": ["EGeneral:Permission denied"]}),
    ("kraken", "server_error"): Reply(200, {"error": ["EService:Unavailable"]}),
    ("coinbase", "not_permitted"): Reply(
        403, {"error": "PERMISSION_DENIED", "message": "Missing required scopes"}
    ),
    ("backpack", "clock_skew"): Reply(
        400, {"code": "INVALID_CLIENT_REQUEST", "message": "Request has expired"}
    ),
    ("lighter", "server_error"): Reply(500, "oops"),
    **{(exchange, "html_answer"): Reply(200, HTML) for exchange in KEYS},
    ("kraken", "html_answer"): Reply(403, HTML),
    ("okx", "html_answer"): Reply(404, HTML),
    **{(exchange, "rate_limited"): Reply(429, HTML) for exchange in ("hyperliquid", "coinbase")},
    **{(exchange, "server_error"): Reply(502, HTML) for exchange in ("hyperliquid", "binance")},
    **{(exchange, "unclear_answer"): Reply(200, {}) for exchange in ("coinbase", "hyperliquid")},
}


@pytest.mark.parametrize(
    "exchange", ["okx", *(pytest.param(e, marks=pytest.mark.slow) for e in KEYS if e != "okx")]
)
def test_each_refusal_has_a_word(world: World, exchange: str) -> None:
    holds(world, exchange)
    for outcome, reply in [(o, reply) for (name, o), reply in REFUSALS.items() if name == exchange]:
        found = checked(world, exchange, lambda _, reply=reply: reply)  # type: ignore[misc]
        assert (found.outcome, found.facts) == (CheckOutcome(outcome), KeyFacts()), reply
        assert found.why


def test_an_exchange_that_does_not_answer_in_time_gave_no_answer(world: World) -> None:
    holds(world, "bybit")
    found = checked(world, "bybit", lambda _: Reply(200, {}, seconds=1), timeout=200)
    assert (found.outcome, found.why) == (CheckOutcome.NO_ANSWER, "Bybit did not answer in time")


def test_the_answer_to_another_request_says_nothing(world: World) -> None:
    """Binance is asked twice; a key is not judged by the first answer if there is no second one."""
    holds(world, "binance")
    late = Reply(200, {}, seconds=1)

    def answer(request: Request) -> Any:
        first = request.path.startswith("/sapi")
        return RIGHT["binance"][request.path] if first else late

    found = checked(world, "binance", answer, timeout=300)
    assert (found.outcome, found.facts) == (CheckOutcome.NO_ANSWER, KeyFacts())


def test_who_cannot_be_reached_gave_no_answer(world: World) -> None:
    holds(world, "okx")
    for url, why in (
        ("http://127.0.0.1:1", "OKX refused the connection"),
        ("http://nowhere.invalid", "OKX has an address that is not known here"),
    ):
        config = {"okx": {"urls": {"api": {"rest": url}}}}
        (found,) = world.credentials.check("main_bot", client_config=config)
        assert (found.outcome, found.why) == (CheckOutcome.NO_ANSWER, why)


def test_an_exchange_without_a_client_is_not_checkable(world: World) -> None:
    world.account("main_bot", "edgex")
    (found,) = world.credentials.check("main_bot")
    assert (found.outcome, found.why) == (
        CheckOutcome.NOT_CHECKABLE,
        "there is no ccxt client for edgex",
    )
    assert list(world.history("main_bot", event_type="CredentialReleased")) == []


def test_a_key_of_no_form_cannot_sign(world: World) -> None:
    holds(world, "coinbase", secret_key="not base64!")
    found = checked(world, "coinbase", answering("coinbase"))
    assert (found.outcome, found.why) == (
        CheckOutcome.WRONG_KEY,
        "no request can be signed with it",
    )


def test_a_client_that_cannot_be_made_stops_no_other_check(world: World) -> None:
    holds(world, "okx")
    world.credential("main_bot", "bybit", **KEYS["bybit"])
    with serving("okx", answering("okx")) as server:
        config = {"okx": server.config(), "bybit": {"cafile": "/nowhere.pem"}}
        found = world.credentials.check(client_config=config)
    assert [one.outcome.value for one in found] == ["not_checkable", "valid"]


def test_an_exchange_without_calls_of_its_own_is_asked_by_one_signed_read(world: World) -> None:
    world.account("main_bot")
    world.credential("main_bot", "aster", **CREDENTIALS["aster"])
    with serving("aster", ANSWERS["aster"]) as server:
        config = {"aster": {**server.config(), "options": {"defaultType": "swap"}}}
        (found,) = world.credentials.check("main_bot", client_config=config)
        assert found.outcome is CheckOutcome.VALID
        assert "signature" in server.requests[-1].query
        assert not server.changes


def test_the_markets_of_an_exchange_are_loaded_once_for_all_keys(world: World) -> None:
    world.account("main_bot")
    for number in range(3):
        world.credential("main_bot", "aster", subaccount=number, **CREDENTIALS["aster"])
    with serving("aster", ANSWERS["aster"]) as server:
        config = {"aster": {**server.config(), "options": {"defaultType": "swap"}}}
        found = world.credentials.check("main_bot", client_config=config)
        loads = [r.path for r in server.requests if r.path == "/fapi/v3/exchangeInfo"]
    assert [one.outcome for one in found] == [CheckOutcome.VALID] * 3
    assert len(loads) == 1


def test_a_login_of_one_key_is_no_login_of_another(world: World) -> None:
    """GRVT logs in with a cookie."""
    world.account("main_bot")
    for number, key in enumerate(("grvt-key-one", "grvt-key-two")):
        fields: dict[str, Any] = {**CREDENTIALS["grvt"], "api_key": key}
        world.credential("main_bot", "grvt", subaccount=number, **fields)
    with serving("grvt", ANSWERS["grvt"]) as server:
        found = world.credentials.check("main_bot", client_config={"grvt": server.config()})
        logins = [r for r in server.requests if r.path == "/auth/api_key/login"]
    assert [one.outcome for one in found] == [CheckOutcome.VALID] * 2
    assert {request.json()["api_key"] for request in logins} == {"grvt-key-one", "grvt-key-two"}
    assert not any("session" in request.headers.get("Cookie", "") for request in logins)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (401, CheckOutcome.WRONG_KEY),
        (429, CheckOutcome.RATE_LIMITED),
        (500, CheckOutcome.SERVER_ERROR),
    ],
)
def test_the_refusal_of_any_exchange_of_ccxt_is_understood(
    status: int, outcome: CheckOutcome
) -> None:
    """The first request to most of these is for markets, and is refused alike."""
    specs = [spec for spec in built_in_exchanges().values() if spec.generated]
    keys = [ToAsk(spec, made_up(spec)) for spec in specs if unaskable(spec) is None]
    with serving("any", lambda _: Reply(status, {"code": "x", "msg": "Bad API key"})) as server:
        server.trading = True
        config = {key.spec.name: server.config(exchange=key.spec.ccxt_id) for key in keys}
        found = list(asyncio.run(ask(keys, config)))
        # A busy machine loses a connection now and then: such keys are asked about again.
        lost = [n for n, one in enumerate(found) if one.outcome is CheckOutcome.NO_ANSWER]
        for n, one in zip(lost, asyncio.run(ask([keys[n] for n in lost], config)), strict=True):
            found[n] = one
    names = {one.outcome: key.spec.name for key, one in zip(keys, found, strict=True)}
    assert names.keys() == {outcome}, names
    assert len(keys) > 90


def made_up(spec: ExchangeSpec) -> ReleasedCredential:
    """A complete credential of values that no exchange knows."""
    forms = {"wallet_address": WALLET, "private_key": "17" * 32, "uid": "12345"}
    required = [field.name for field in spec.fields.values() if field.required]
    forms |= {n: "bWFkZS11cC1rZXk3" for n in required if spec.fields[n].kind == "base64"}
    return ReleasedCredential(
        resolution=Resolution(account="bot", exchange=spec.name, outcome="ok", wish=Wish()),
        release_id=uuid.UUID(int=0),
        position=0,
        fields=spec.check({name: forms.get(name, f"made-up-{name}7") for name in required}),
        subaccount_index=None,
    )


def test_where_anybody_may_read_a_read_proves_nothing(world: World) -> None:
    world.account("main_bot")
    fields: dict[str, Any] = {"wallet_address": WALLET, "private_key": "17" * 32}
    world.credential("main_bot", "dydx", **fields)
    (found,) = world.credentials.check("main_bot")
    assert found.outcome is CheckOutcome.NOT_CHECKABLE


def test_wallets_and_agents_of_hyperliquid_are_told_apart(world: World) -> None:
    world.account("main_bot")
    other = "0x" + "e5" * 20
    key, agent = "0x" + WALLET_KEY, KEYS["hyperliquid"]["private_key"]
    sub = {"role": "subAccount", "data": {"master": other}}
    cases: list[tuple[dict[str, str], dict[str, Any], CheckOutcome]] = [
        ({"private_key": key}, {}, CheckOutcome.VALID),
        ({"private_key": agent}, {AGENT: {"role": "missing"}}, CheckOutcome.WRONG_KEY),
        ({"private_key": agent}, {AGENT: {"role": "user"}}, CheckOutcome.WRONG_KEY),
        (
            {"private_key": agent},
            {AGENT: {"role": "agent", "data": {"user": other}}},
            CheckOutcome.WRONG_KEY,
        ),
        ({"vault_address": other}, {other: sub}, CheckOutcome.WRONG_KEY),
        ({"vault_address": other}, {other: {"role": "vault"}}, CheckOutcome.VALID),
    ]
    for number, (fields, roles, outcome) in enumerate(cases):
        given: dict[str, Any] = {**KEYS["hyperliquid"], **fields}
        world.credential("main_bot", "hyperliquid", replace=number > 0, **given)
        found = checked(world, "hyperliquid", hyperliquid(**roles))
        assert (found.outcome, number) == (outcome, number)
        assert ("withdraw" in (found.facts.may or ())) == (number == 0)


def test_the_keys_of_one_exchange_share_its_rate_limit(world: World) -> None:
    world.account("main_bot")
    for number in range(4):
        fields: dict[str, Any] = {name: f"{v}-{number}" for name, v in KEYS["okx"].items()}
        world.credential("main_bot", "okx", subaccount=number, **fields)
    arrived: list[float] = []

    def answer(_: Request) -> Any:
        arrived.append(time.monotonic())
        return RIGHT["okx"]["/api/v5/account/config"]

    with serving("okx", answer) as server:
        config = {**server.config(), "enableRateLimit": True, "rateLimit": 50}
        found = world.credentials.check("main_bot", client_config={"okx": config})
    assert [one.outcome for one in found] == [CheckOutcome.VALID] * 4
    # The call costs four times the limit, and the first one is free.
    assert arrived[-1] - arrived[0] > 2 * 4 * 0.05


def test_whoever_limits_requests_is_left_alone(world: World) -> None:
    world.account("main_bot")
    for number in range(30):
        fields = {**KEYS["okx"], "api_key": f"okx-{number}", "secret_key": f"secret-{number}"}
        world.credential("main_bot", "okx", subaccount=number, **fields)
    with serving("okx", lambda _: Reply(429, {"code": "50011", "msg": "slow"})) as server:
        found = world.credentials.check("main_bot", client_config={"okx": server.config()})
        assert {one.outcome for one in found} == {CheckOutcome.RATE_LIMITED}
        assert len(server.requests) < 10


# ---------------------------------------------------------------- nothing secret, nothing changed


def test_an_answer_that_repeats_the_key_is_not_shown(world: World) -> None:
    holds(world, "okx")
    for value in ("okx-key7", "okx-secret7", "okx words 7", "X-SECRET7"):
        reply = Reply(400, {"code": "7", "msg": f"bad {value}"})
        found = checked(world, "okx", lambda _, reply=reply: reply)  # type: ignore[misc]
        assert value.lower() not in repr(found).lower()


def test_a_long_answer_is_cut(world: World) -> None:
    holds(world, "okx")
    reply = Reply(400, {"code": "7", "msg": "no no " * 1000})
    found = checked(world, "okx", lambda _: reply)
    assert len(found.why or "") < 150


def test_an_account_id_that_could_be_a_secret_is_dropped(world: World) -> None:
    holds(world, "okx")
    told = {"uid": "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A", "perm": ""}
    found = checked(world, "okx", lambda _: {"code": "0", "data": [{**told, "ip": "zzz"}]})
    assert (found.facts.exchange_account_id, found.facts.addresses) == (None, ())


# ---------------------------------------------------------------- what the registry says


def test_what_differs_is_named_with_the_command_that_corrects_it(world: World) -> None:
    world.account("main_bot")
    details: dict[str, Any] = {"exchange_account_id": "1", "ip_allow_list": ["203.0.113.8"]}
    world.credentials.add("main_bot", "okx", KEYS["okx"], permission="read_only", **details)
    found = checked(world, "okx", answering("okx"))
    assert found.outcome is CheckOutcome.VALID
    assert [difference.text for difference in found.differences] == [
        "the registry says read_only, and the key may trade",
        "it is bound to 203.0.113.7, 198.51.100.0/24, the registry says 203.0.113.8",
        "it is of the exchange's account 44705892, the registry says 1",
    ]
    assert str(found.correction).endswith(
        'update("main_bot", "okx", permission="read_only", exchange_account_id="44705892")'
    )


def test_a_key_that_may_withdraw_is_warned_of(world: World) -> None:
    holds(world, "bybit")
    found = checked(world, "bybit", answering("bybit"))
    assert found.warnings == ("the key may withdraw, which no bot needs",)


# ---------------------------------------------------------------- which keys


def test_a_key_with_counted_nonces_that_is_in_use_is_left_out(world: World) -> None:
    holds(world, "kraken")
    world.credentials.reveal("main_bot", "kraken", "api_key")
    with serving("kraken", answering("kraken")) as server:
        server.trading = True
        config = {"kraken": server.config()}
        (found,) = world.credentials.check("main_bot", client_config=config)
        assert found.outcome is CheckOutcome.IN_USE
        assert not server.requests
        (found,) = world.credentials.check("main_bot", even_in_use=True, client_config=config)
        assert found.outcome is CheckOutcome.VALID


def test_the_release_of_a_check_makes_no_key_one_in_use(world: World) -> None:
    holds(world, "kraken")
    for _ in range(2):
        assert checked(world, "kraken", answering("kraken")).outcome is CheckOutcome.VALID


def test_a_check_warns_nobody_of_a_second_user(world: World) -> None:
    holds(world, "kraken")
    world.account("borrower")
    world.share("borrower", "main_bot", "kraken")
    checked(world, "kraken", answering("kraken"))
    service = ReleaseService(world.database, world.keyring)
    assert service.release_one("borrower", "kraken", Wish(), CALLER).warnings() == []
    world.credentials.reveal("main_bot", "kraken", "api_key")
    assert service.release_one("borrower", "kraken", Wish(), CALLER).warnings() != []


def test_all_credentials_of_all_accounts_are_checked_each_by_its_own_place(world: World) -> None:
    world.account("main_bot", "edgex")
    world.account("other_bot")
    for place, key in enumerate(("1", "2", "3")):
        fields = {**KEYS["okx"], "api_key": f"okx-key-of-{key}", "secret_key": f"secret-of-{key}"}
        for permission in ("full", "read_only"):
            named = {name: f"{value}-{permission}" for name, value in fields.items()}
            world.credential("other_bot", "okx", subaccount=place, permission=permission, **named)  # type: ignore[arg-type]
    with serving("okx", answering("okx")) as server:
        found = world.credentials.check(client_config={"okx": server.config()})
        asked = {request.headers["OK-ACCESS-KEY"] for request in server.requests}
    assert len(found) == 7
    assert asked == {f"okx-key-of-{n}-{p}" for n in "123" for p in ("full", "read_only")}
    assert {(one.account_name, one.outcome.value) for one in found} == {
        ("main_bot", "not_checkable"),
        ("other_bot", "wrong_key"),
    }


def test_a_stopped_key_is_not_released_for_a_check_either(world: World) -> None:
    holds(world, "okx")
    world.stop(account="main_bot", reason="leaked")
    (found,) = world.credentials.check("main_bot")
    assert found.outcome is CheckOutcome.NOT_RELEASED
    assert "leaked" in (found.why or "")


def test_an_inactive_key_is_not_released_and_beside_another_left_out(world: World) -> None:
    holds(world, "okx")
    world.credentials.deactivate("main_bot", "okx")
    (found,) = world.credentials.check("main_bot")
    assert found.outcome is CheckOutcome.NOT_RELEASED
    assert "is inactive" in (found.why or "")
    assert world.credentials.check() == []
    world.credential("main_bot", "edgex")
    assert [one.exchange for one in world.credentials.check("main_bot")] == ["edgex"]


def test_what_is_not_there_cannot_be_checked(world: World) -> None:
    world.account("main_bot")
    for account, exchange in (("main_bot", None), ("main_bot", "okx"), ("nobody", None)):
        with pytest.raises(errors.NotFound):
            world.credentials.check(account, exchange)
    assert world.credentials.check() == []


def test_a_program_of_asyncio_awaits_the_check(world: World) -> None:
    holds(world, "okx")

    async def asked(config: Any) -> list[Checked]:
        found: list[Checked] = await AsyncRegistry(world).credentials.check(client_config=config)
        return found

    with serving("okx", answering("okx")) as server:
        (found,) = asyncio.run(asked({"okx": server.config()}))
    assert found.outcome is CheckOutcome.VALID


def test_a_check_within_a_loop_says_how(world: World) -> None:
    holds(world, "okx")

    async def inside() -> None:
        world.credentials.check("main_bot")

    with pytest.raises(errors.InvalidInput, match="asyncio"):
        asyncio.run(inside())


# ---------------------------------------------------------------- what is recorded


def test_a_recorded_check_is_shown_with_the_credential_until_it_is_replaced(world: World) -> None:
    holds(world, "bybit", permission="read_only")
    with serving("bybit", answering("bybit")) as server:
        config = {"bybit": server.config()}
        world.credentials.check("main_bot", client_config=config)
        assert world.credentials.list("main_bot")[0]["checked"] is None
        world.credentials.check("main_bot", client_config=config, record=True, reason="audit")
    (shown,) = world.credentials.list("main_bot")
    assert shown["checked"]["outcome"] == "valid"
    assert shown["checked"]["differences"] == ["permission", "expires_at"]
    assert world.accounts.get("main_bot")["credentials"][0]["checked"] == shown["checked"]
    (event,) = world.history("main_bot", event_type="CredentialChecked")
    assert event["data"]["may"] == ["read", "trade", "withdraw"]
    assert event["reason"] == "audit"
    fields: dict[str, Any] = {"api_key": "bybit-key8", "secret_key": "bybit-secret8"}
    world.credential("main_bot", "bybit", replace=True, permission="read_only", **fields)
    assert world.credentials.list("main_bot")[0]["checked"] is None
    assert world.verify().failures == []


def test_what_was_not_asked_is_not_recorded(world: World) -> None:
    world.account("main_bot", "edgex")
    world.credentials.check("main_bot", record=True)
    assert list(world.history("main_bot", event_type="CredentialChecked")) == []


def test_the_log_knows_every_outcome_of_an_exchange_that_was_asked() -> None:
    asked = {outcome.value for outcome in CheckOutcome if outcome.was_asked}
    assert set(get_args(CheckResult)) == asked
