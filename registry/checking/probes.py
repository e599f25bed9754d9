"""What exchanges can be asked about a key: for each, its calls, and how their answers are read.

All calls are ccxt's and read only. An exchange that is not here is asked by one signed read.
"""

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Self

from registry.catalog.specification import ExchangeSpec
from registry.checking.findings import CheckOutcome, KeyFacts
from registry.encryption.secret import Secret
from registry.errors import InvalidInput
from registry.events.credentials import Right
from registry.shown import shown
from registry.values import ip_allow_list

WRONG, EXPIRED = CheckOutcome.WRONG_KEY, CheckOutcome.EXPIRED
ADDRESS, SKEW = CheckOutcome.ADDRESS_NOT_ALLOWED, CheckOutcome.CLOCK_SKEW
LIMIT, SERVER = CheckOutcome.RATE_LIMITED, CheckOutcome.SERVER_ERROR


class Key(NamedTuple):
    """A key that is asked about."""

    client: Any
    """Its ccxt client."""
    spec: ExchangeSpec
    fields: Mapping[str, str]
    secrets: Sequence[str]
    """The values among the fields that nobody may see, and those of fields that are not known."""

    @classmethod
    def of(cls, client: Any, spec: ExchangeSpec, released: Mapping[str, Secret]) -> Self:
        """Builds it from what was released."""
        known = [(spec.field(name), value.reveal()) for name, value in released.items()]
        fields = {field.name: value for field, value in known if field is not None}
        return cls(client, spec, fields, [v for field, v in known if not field or field.secret])

    @property
    def signer(self) -> str:
        """The address of a wallet's key, or of an agent's."""
        return str(self.client.eth_get_address_from_private_key(self.client.privateKey)).lower()


class KeyRefused(Exception):
    """An answer without an error says that the key does not work."""

    def __init__(self, outcome: CheckOutcome, why: str) -> None:
        super().__init__(why)
        self.outcome = outcome
        self.why = why


Call = tuple[str, Callable[[Key], Mapping[str, Any]]]
"""The method of ccxt, and its parameters."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What one exchange is asked."""

    tells: str
    """What it tells, for the page of exchanges."""
    calls: Sequence[Call]
    read: Callable[[Sequence[Any], Key], KeyFacts]
    """The facts in the answers.

    Raises:
        KeyRefused: the key does not work.
    """
    codes: Mapping[str, CheckOutcome] = field(default_factory=dict)
    """The exchange's codes or words for a refusal."""


def _nothing(_: Key) -> Mapping[str, Any]:
    return {}


def _rights(**may: Any) -> tuple[Right, ...]:
    names: tuple[Right, ...] = ("read", "trade", "withdraw")
    return tuple(name for name in names if may.get(name))


def _addresses(told: Sequence[Any]) -> tuple[str, ...]:
    """The addresses among what is told; anything else may be anything."""
    found: list[str] = []
    for text in told:
        try:
            found += ip_allow_list([str(text).strip()])
        except InvalidInput:
            continue
    return tuple(found)


def _account_id(told: Any) -> str | None:
    text = str(told or "")
    return text if re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}", text) and shown(text) == text else None


def _moment(told: Any) -> dt.datetime | None:
    """A moment that is told in seconds, or as ISO 8601."""
    try:
        if isinstance(told, str) and "T" in told:
            return dt.datetime.fromisoformat(told).astimezone(dt.UTC)
        return dt.datetime.fromtimestamp(float(told), dt.UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def _codes(
    meanings: Mapping[CheckOutcome, Sequence[str]],
) -> Mapping[str, CheckOutcome]:
    return {code: outcome for outcome, codes in meanings.items() for code in codes}


def _binance(answers: Sequence[Any], _: Key) -> KeyFacts:
    key, account = answers
    trade = (
        "SpotAndMarginTrading",
        "Margin",
        "Futures",
        "VanillaOptions",
        "PortfolioMarginTrading",
    )
    ends = key.get("tradingAuthorityExpirationTime")
    return KeyFacts(
        may=_rights(
            read=key["enableReading"],
            trade=any(key.get(f"enable{name}") for name in trade),
            withdraw=key["enableWithdrawals"],
        ),
        bound=key["ipRestrict"] is True,
        expires_at=_moment(int(ends) / 1000) if ends else None,
        exchange_account_id=_account_id(account.get("uid")),
    )


_BYBIT_TRADES: Final = (
    *("ContractTrade", "Spot", "Options", "Derivatives", "CopyTrading", "BlockTrade"),
)


def _bybit(answers: Sequence[Any], _: Key) -> KeyFacts:
    key = answers[0]["result"]
    granted = key["permissions"]
    writes = int(key["readOnly"]) == 0
    bound = [ip for ip in key.get("ips") or [] if ip != "*"]
    ends = str(key.get("expiredAt") or "")
    # A key that is bound to addresses does not end; then the moment is that of 1970.
    never = not ends or ends.startswith("1970") or int(key.get("deadlineDay") or 0) < 0
    return KeyFacts(
        may=_rights(
            read=True,
            trade=writes and any(granted.get(name) for name in _BYBIT_TRADES),
            withdraw=writes and "Withdraw" in (granted.get("Wallet") or []),
        ),
        bound=bool(bound),
        addresses=_addresses(bound),
        expires_at="never" if never else _moment(ends),
        exchange_account_id=_account_id(key.get("userID")),
    )


def _okx(answers: Sequence[Any], _: Key) -> KeyFacts:
    key = answers[0]["data"][0]
    granted = [part.strip() for part in key["perm"].split(",")]
    bound = [part for part in str(key.get("ip") or "").split(",") if part.strip()]
    return KeyFacts(
        may=_rights(read=True, trade="trade" in granted, withdraw="withdraw" in granted),
        bound=bool(bound),
        addresses=_addresses(bound),
        exchange_account_id=_account_id(key.get("uid")),
    )


def _kraken(answers: Sequence[Any], _: Key) -> KeyFacts:
    key = answers[0]["result"]
    granted = " ".join(key["permissions"]).lower().replace("_", "-").split()
    bound = key.get("ipAllowlist") or []
    ends = str(key.get("validUntil") or "0")
    return KeyFacts(
        may=_rights(
            read=any(name.startswith("query") for name in granted),
            trade=any(name.startswith(("modify-", "create-", "close-")) for name in granted),
            withdraw=any("withdraw" in name for name in granted),
        ),
        bound=bool(bound),
        addresses=_addresses(bound),
        expires_at="never" if ends == "0" else _moment(ends),
    )


def _coinbase(answers: Sequence[Any], _: Key) -> KeyFacts:
    (key,) = answers
    return KeyFacts(
        may=_rights(read=key["can_view"], trade=key["can_trade"], withdraw=key["can_transfer"]),
        exchange_account_id=_account_id(key.get("portfolio_uuid")),
    )


def _hyperliquid(answers: Sequence[Any], key: Key) -> KeyFacts:
    signer, agents, vault = answers
    wallet = key.fields["wallet_address"].lower()
    _check_signer(signer, key.signer, wallet)
    if "vault_address" in key.fields:
        _check_vault(vault, wallet)
    if key.signer == wallet:
        return KeyFacts(may=("read", "trade", "withdraw"), exchange_account_id=_account_id(wallet))
    own = [agent for agent in agents if str(agent.get("address")).lower() == key.signer]
    ends = _moment(int(own[0]["validUntil"]) / 1000) if own else None
    return KeyFacts(may=("read", "trade"), expires_at=ends, exchange_account_id=_account_id(wallet))


def _check_signer(told: Mapping[str, Any], signer: str, wallet: str) -> None:
    role = told["role"]
    if role == "missing":
        raise KeyRefused(WRONG, "the key is of no wallet and no agent that the exchange knows")
    if signer == wallet:
        return
    if role != "agent":
        raise KeyRefused(WRONG, "the key is of another wallet, and no agent")
    if str(told["data"]["user"]).lower() != wallet:
        raise KeyRefused(WRONG, "the key is of an agent of another wallet")


def _check_vault(told: Mapping[str, Any], wallet: str) -> None:
    if told["role"] not in ("vault", "subAccount"):
        raise KeyRefused(WRONG, "vault_address is neither a vault nor a subaccount")
    master = (told.get("data") or {}).get("master", wallet)
    if str(master).lower() != wallet:
        raise KeyRefused(WRONG, "vault_address is a subaccount of another wallet")


def _user_role(key: Key) -> Mapping[str, Any]:
    return {"type": "userRole", "user": key.signer}


def _agents(key: Key) -> Mapping[str, Any]:
    return {"type": "extraAgents", "user": key.fields["wallet_address"]}


def _vault_role(key: Key) -> Mapping[str, Any]:
    vault = key.fields.get("vault_address", key.fields["wallet_address"])
    return {"type": "userRole", "user": vault}


def _account_index(key: Key) -> Mapping[str, Any]:
    return {"account_index": key.fields["account_index"]}


def _valid(_: Sequence[Any], key: Key) -> KeyFacts:
    return KeyFacts(exchange_account_id=_account_id(key.fields.get("account_index")))


_BINANCE: Final = Probe(
    "what it may do, bound to addresses, when trading ends, account",
    [("sapi_get_account_apirestrictions", _nothing), ("private_get_account", _nothing)],
    _binance,
    # Binance has one answer for a wrong key, an address and a permission, which names all three.
    _codes({WRONG: ["-2014", "-2015", "-1022"], SKEW: ["-1021"], LIMIT: ["-1003"]}),
)
_BYBIT: Final = Probe(
    "what it may do, addresses, expiry, account",
    [("private_get_v5_user_query_api", _nothing)],
    _bybit,
    _codes(
        {
            WRONG: ["10003", "10004", "10007"],
            EXPIRED: ["33004"],
            ADDRESS: ["10009", "10010"],
            SKEW: ["10002"],
            LIMIT: ["10006", "10018"],
            SERVER: ["10016"],
        }
    ),
)
_OKX: Final = Probe(
    "what it may do, addresses, account",
    [("private_get_account_config", _nothing)],
    _okx,
    _codes(
        {
            WRONG: ["50101", "50105", "50111", "50113", "50119"],
            ADDRESS: ["50110"],
            SKEW: ["50102", "50112"],
            LIMIT: ["50011"],
            SERVER: ["50001", "50013"],
        }
    ),
)
_KRAKEN: Final = Probe(
    "what it may do, addresses, expiry",
    [("private_post_getapikeyinfo", _nothing)],
    _kraken,
    _codes(
        {
            WRONG: ["EAPI:Invalid key", "EAPI:Invalid signature"],
            SKEW: ["EAPI:Invalid nonce"],
            LIMIT: ["EAPI:Rate limit exceeded", "EGeneral:Temporary lockout"],
            SERVER: ["EService:Unavailable", "EService:Busy", "EGeneral:Internal error"],
        }
    ),
)

PROBES: Final[Mapping[str, Probe]] = {
    **dict.fromkeys(("binance", "binanceusdm", "binancecoinm"), _BINANCE),
    **dict.fromkeys(("bybit", "bybiteu", "bybitid"), _BYBIT),
    **dict.fromkeys(("okx", "okxus", "myokx"), _OKX),
    "kraken": _KRAKEN,
    "coinbase": Probe(
        "what it may do, portfolio",
        [("v3_private_get_brokerage_key_permissions", _nothing)],
        _coinbase,
    ),
    "hyperliquid": Probe(
        "whose wallet or agent it is, what it may do, expiry of a named agent",
        [
            ("public_post_info", _user_role),
            ("public_post_info", _agents),
            ("public_post_info", _vault_role),
        ],
        _hyperliquid,
    ),
    "backpack": Probe(
        "whether it is valid",
        [("private_get_api_v1_account", _nothing)],
        _valid,
        _codes({WRONG: ["UNAUTHORIZED", "INVALID_SIGNATURE"]}),
    ),
    "lighter": Probe(
        "whether it is valid, account",
        [("private_get_accountlimits", _account_index)],
        _valid,
    ),
}
"""By ccxt's id of the exchange."""

PUBLIC_READS: Final = frozenset({"dydx", "nado", "pacifica"})
"""Exchanges whose balances anybody may read, so that reading them says nothing of a key."""
