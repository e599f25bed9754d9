"""Asks exchanges about keys: at once, but within the rate limit of each, and with reads only."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from registry.catalog.kinds import system_of
from registry.catalog.specification import ExchangeSpec
from registry.checking.answers import Answer, no_answer, outcome_of, quoted
from registry.checking.findings import CheckOutcome, KeyFacts
from registry.checking.probes import PROBES, PUBLIC_READS, Key, KeyRefused, Probe
from registry.client_making import class_of, import_ccxt, make_client
from registry.errors import InvalidCredential, InvalidInput, MissingExtra, RegistryError
from registry.services.releases.releases import ReleasedCredential

ClientConfig = Mapping[str, Mapping[str, Any]]
"""Exchange -> more settings of its ccxt client, such as a proxy or a timeout."""

_AT_ONCE: Final = 8
"""Keys of one exchange that are asked about at the same time."""


class Finding(NamedTuple):
    """What asking about a key has found."""

    outcome: CheckOutcome
    facts: KeyFacts = KeyFacts()
    why: str | None = None
    hint: str | None = None


class ToAsk(NamedTuple):
    """A released credential that an exchange is asked about."""

    spec: ExchangeSpec
    released: ReleasedCredential


@dataclass(slots=True)
class _Exchange:
    """What the clients of one exchange share: connections, the rate limit and the markets."""

    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    first: Any = None
    session: Any = None
    with_markets: Any = None
    limited: bool = False
    """Whether it has said that it is asked too often; then it is left alone."""

    def take_in(self, client: Any) -> None:
        """Lets a new client share."""
        if self.first is None:
            import aiohttp

            client.open()
            # No cookies: one account's login must not serve another's.
            self.session = aiohttp.ClientSession(
                connector=client.tcp_connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=client.aiohttp_trust_env,
            )
            client.session.detach()
            self.first, client.tcp_connector = client, None
        client.own_session = False
        client.timeout_on_exit = 0
        client.session = self.session
        client.ssl_context = self.first.ssl_context
        client.throttler = self.first.throttler

    async def load_markets(self, client: Any) -> None:
        """Gives the client the markets, which are loaded once."""
        async with self.lock:
            if self.with_markets is None:
                await client.load_markets()
                self.with_markets = client
            else:
                client.set_markets_from_exchange(self.with_markets)


def unaskable(spec: ExchangeSpec) -> str | None:
    """Why the exchange cannot be asked about any key; None if it can.

    Raises:
        MissingExtra: ccxt is not installed.
    """
    try:
        class_of(import_ccxt("ccxt.async_support"), spec)
    except InvalidInput as problem:
        return problem.message
    public = "anybody may read what its client reads, so that no answer speaks of the key"
    return public if spec.ccxt_id in PUBLIC_READS else None


async def ask(keys: Sequence[ToAsk], config: ClientConfig) -> list[Finding]:
    """What the exchanges, which can be asked, say of each key; in this order."""
    ccxt = import_ccxt("ccxt.async_support")
    async with _exchanges() as exchanges:
        asked = (_ask(ccxt, exchanges, key, config) for key in keys)
        return await asyncio.gather(*asked)


@contextlib.asynccontextmanager
async def _exchanges() -> AsyncIterator[dict[tuple[str, str], _Exchange]]:
    exchanges: dict[tuple[str, str], _Exchange] = {}
    try:
        yield exchanges
    finally:
        for exchange in exchanges.values():
            if exchange.session is not None:
                await exchange.session.close()


async def _ask(
    ccxt: Any, exchanges: dict[tuple[str, str], _Exchange], key: ToAsk, config: ClientConfig
) -> Finding:
    spec, released = key
    said = released.fields.get("environment")
    system = (said and system_of(said.reveal())) or "prod"
    exchange = exchanges.setdefault((spec.name, system), _Exchange())
    async with exchange.turns:
        if exchange.limited:
            why = "it was not asked: the exchange limits requests"
            return Finding(CheckOutcome.RATE_LIMITED, why=why)
        try:
            kind, mine = class_of(ccxt, spec), config.get(spec.name, {})
            client = make_client(kind, spec, released, mine, access="read_only", sandbox=None)
            exchange.take_in(client)
        except (MissingExtra, InvalidCredential) as problem:
            return Finding(CheckOutcome.NOT_CHECKABLE, why=problem.message, hint=problem.hint)
        except RegistryError as problem:
            return Finding(CheckOutcome.NOT_CHECKABLE, why=problem.message)
        except Exception as problem:  # noqa: BLE001 - of ccxt's constructors and signing libraries
            why = f"no client can be made with it ({type(problem).__name__})"
            return Finding(CheckOutcome.NOT_CHECKABLE, why=why)
        try:
            found = await _finding(ccxt, exchange, Key.of(client, spec, released.fields))
        finally:
            await client.close()
        exchange.limited |= found.outcome is CheckOutcome.RATE_LIMITED
        return found


async def _finding(ccxt: Any, exchange: _Exchange, key: Key) -> Finding:
    client = key.client
    probe = PROBES.get(key.spec.ccxt_id or "")
    answers = _watched(client)
    try:
        facts = None
        if probe is not None:
            # The test systems of some exchanges lack the calls.
            with contextlib.suppress(ccxt.NotSupported):
                facts = await _facts(probe, key)
        if facts is None:
            await exchange.load_markets(client)
            answers.clear()
            await client.fetch_balance()
            _check_form(answers[-1].parsed())
    except KeyRefused as refused:
        return Finding(refused.outcome, why=refused.why)
    except Exception as problem:  # noqa: BLE001 - ccxt's errors, and those of malformed answers
        answer = answers[-1] if answers else None
        outcome = outcome_of(problem, answer, probe.codes if probe else {})
        return Finding(outcome, why=_why(key, outcome, problem, answer))
    return Finding(CheckOutcome.VALID, facts or KeyFacts())


async def _facts(probe: Probe, key: Key) -> KeyFacts:
    answers = []
    for method, parameters in probe.calls:
        answers.append(await getattr(key.client, method)(parameters(key)))
        _check_form(answers[-1])
    return probe.read(answers, key)


def _check_form(answer: Any) -> None:
    if not isinstance(answer, dict | list):
        raise TypeError("an answer is no JSON")


def _watched(client: Any) -> list[Answer]:
    """The answer to the client's last request, once it comes."""
    answers: list[Answer] = []
    ask, taken = client.fetch, client.on_rest_response

    async def fetch(*request: Any, **more: Any) -> Any:
        answers.clear()
        return await ask(*request, **more)

    def keep(status: int, reason: str, url: str, method: str, headers: Any, *rest: Any) -> Any:
        answers.append(Answer(status, rest[0]))
        return taken(status, reason, url, method, headers, *rest)

    client.fetch, client.on_rest_response = fetch, keep
    return answers


def _why(key: Key, outcome: CheckOutcome, problem: BaseException, answer: Answer | None) -> str:
    name = key.spec.display_name
    if outcome is CheckOutcome.NO_ANSWER:
        return f"{name} {no_answer(problem)}"
    if outcome is CheckOutcome.NOT_CHECKABLE:
        return f"ccxt's client fails before it sends anything ({type(problem).__name__})"
    if answer is None:
        return "no request can be signed with it"
    if answer.is_html:
        return f"{name} answered with a web page (HTTP {answer.status})"
    said = quoted(answer, key.secrets)
    return f"{name} says: {said}" if said else f"{name} answered HTTP {answer.status}"
