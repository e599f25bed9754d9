"""Clients of exchanges with an account's credentials (needs the extra `ccxt`).

    from registry.clients import create_client

    backpack = create_client("main_bot", "backpack")
    backpack.fetch_balance()

With a read-only credential, methods that do more than read raise `OperationRefused` before
anything is sent. That guards against mistakes; the protection is that such a client never
holds a full key. No client approves or pays a fee, names a referrer or registers a key by
itself, as some clients of ccxt would.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn, Self

from registry.catalog.specification import ExchangeSpec
from registry.client_making import class_of, import_ccxt, make_client
from registry.errors import OperationRefused
from registry.events.permissions import Access
from registry.loader import AsyncCredentialLoader, CredentialLoader
from registry.services.releases.releases import ReleasedCredential
from registry.services.releases.resolution import Wish
from registry.subaccounts import Choice


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MARKET: Final = _words(
    """
    load_markets fetch_markets fetch_currencies fetch_ticker fetch_tickers fetch_bids_asks
    fetch_order_book fetch_order_books fetch_l2_order_book fetch_trades fetch_ohlcv
    fetch_mark_price fetch_mark_prices fetch_last_prices fetch_index_ohlcv fetch_mark_ohlcv
    fetch_funding_rate fetch_funding_rates fetch_funding_rate_history fetch_funding_interval
    fetch_funding_intervals fetch_open_interest fetch_open_interests
    fetch_open_interest_history fetch_leverage_tiers fetch_market_leverage_tiers fetch_status
    fetch_time
    """
)
_POSITIONS: Final = _words(
    "fetch_position fetch_positions fetch_positions_for_symbol fetch_positions_risk"
)
_ACCOUNT: Final = _words(
    """
    fetch_balance fetch_accounts fetch_order fetch_orders fetch_open_order fetch_open_orders
    fetch_closed_orders fetch_canceled_orders fetch_order_trades
    fetch_my_trades fetch_my_liquidations fetch_position_history fetch_positions_history
    fetch_funding_history fetch_ledger fetch_ledger_entry fetch_deposits fetch_withdrawals
    fetch_deposits_withdrawals fetch_transfers fetch_trading_fee fetch_trading_fees
    fetch_leverage fetch_leverages fetch_margin_mode fetch_margin_modes fetch_position_mode
    """
)
_HARMLESS: Final = _words(
    """
    close describe market amount_to_precision price_to_precision cost_to_precision
    currency_to_precision milliseconds seconds iso8601 parse8601 parse_timeframe
    """
)
_ALLOWED: Final[Mapping[str, frozenset[str]]] = {
    "read_only": _MARKET | _POSITIONS | _ACCOUNT | _HARMLESS,
    "positions_only": _MARKET | _POSITIONS | _HARMLESS,
}
"""The unified methods of ccxt that each access may call."""

_FACTS: Final = _words(
    """
    id name countries rateLimit has urls timeframes markets markets_by_id symbols currencies
    fees precisionMode timeout
    """
)
"""Readable attributes; neither `apiKey` nor `options`, where ccxt keeps keys and logins."""


def create_client(
    account: str,
    exchange: str,
    *,
    subaccount: Choice = None,
    access: Access | None = None,
    sandbox: bool | None = None,
    config: Mapping[str, Any] | None = None,
    loader: CredentialLoader | None = None,
) -> Any:
    """A ccxt client that is logged in as the account.

    Args:
        account: the account.
        exchange: the exchange.
        subaccount: its number, where there are several; see `CredentialLoader.load`.
        access: a restriction of the use: `read_only` or `positions_only`.
        sandbox: use the exchange's test system; the default is the credential's own field
            `environment`, where it has one.
        config: more of ccxt's configuration, such as `{"options": …}`; no setting that the
            credential gives.
        loader: the source of credentials; the default is `CredentialLoader()`.

    Raises:
        MissingExtra: ccxt or Lighter's signing library is not installed.
        InvalidInput: ccxt lacks the exchange or its test system, or `config` sets a
            protected value.
        InvalidCredential: the credential lacks a field that the client needs, or a field
            is malformed.
        RegistryError: as `CredentialLoader.load`.
    """
    ccxt = import_ccxt("ccxt")
    used = loader or CredentialLoader()
    try:
        spec = used.specification(exchange)
        kind = class_of(ccxt, spec)
        released = used.release_one(account, exchange, Wish.of(subaccount, access))
    finally:
        if loader is None:
            used.close()
    return _made(kind, spec, released, config, sandbox=sandbox)


async def create_async_client(
    account: str,
    exchange: str,
    *,
    subaccount: Choice = None,
    access: Access | None = None,
    sandbox: bool | None = None,
    config: Mapping[str, Any] | None = None,
    loader: AsyncCredentialLoader | None = None,
) -> Any:
    """Like `create_client`, for asyncio; close the client with `await client.close()`."""
    ccxt = import_ccxt("ccxt.async_support")
    used = loader or AsyncCredentialLoader()
    try:
        spec = await used.specification(exchange)
        kind = class_of(ccxt, spec)
        released = await used.release_one(account, exchange, Wish.of(subaccount, access))
    finally:
        if loader is None:
            await used.close()
    return _made(kind, spec, released, config, sandbox=sandbox)


def _made(
    kind: Any,
    spec: ExchangeSpec,
    released: ReleasedCredential,
    config: Mapping[str, Any] | None,
    *,
    sandbox: bool | None,
) -> Any:
    access = released.resolution.access or "read_only"
    client = make_client(kind, spec, released, config or {}, access=access, sandbox=sandbox)
    return client if access == "full" else ReadingClient(client, access)


class ReadingClient:
    """A ccxt client limited to the methods that read."""

    __slots__ = ("_access", "_client")

    def __init__(self, client: Any, access: str) -> None:
        self._client = client
        self._access = access

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # Python and its tools look up many such names
            raise AttributeError(name)
        # ccxt has each method twice: fetch_balance and fetchBalance.
        plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
        if name in _FACTS or plain in _ALLOWED[self._access]:
            return getattr(self._client, name)
        raise OperationRefused(
            f"{name} cannot be used with this {self._client.id} credential: it is {self._access}",
            hint="Only methods that read can be called.",
        )

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.__slots__:
            raise OperationRefused(f"{name} of a {self._access} client cannot be set")
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"ReadingClient({self._client.id}, {self._access})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a ReadingClient is neither copied nor pickled")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()
