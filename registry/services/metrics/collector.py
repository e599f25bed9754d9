"""The figures as a collector of prometheus_client."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import version
from typing import Any, Final

from registry.errors import MissingExtra
from registry.services.metrics.figures import Figures, Reading
from registry.services.problems.kinds import KINDS

try:
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        InfoMetricFamily,
        Metric,
    )
    from prometheus_client.registry import Collector
except ImportError:
    raise MissingExtra.of("prometheus_client", "prometheus-client") from None

MOST_SERIES: Final = 5000
"""How many series a metric may have, unless another number is given."""
_PREFIX: Final = "account_registry"
_SLOT: Final = ("account", "exchange", "subaccount", "permission")

Samples = Iterable[tuple[Sequence[str], float]]


class RegistryCollector(Collector):
    """Collects the figures whenever Prometheus asks."""

    def __init__(self, read: Callable[[], Reading], most: int = MOST_SERIES) -> None:
        self._read = read
        self._most = most

    def describe(self) -> Iterator[Metric]:
        """Nothing: a registration must not read a database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The metrics of the present reading."""
        reading = self._read()
        figures = reading.figures
        is_up = float(figures is not None)
        yield _gauge("up", "Whether the registry's database could be read.", [((), is_up)])
        what = "How long reading the registry took."
        yield _gauge("reading_duration_seconds", what, [((), reading.seconds)])
        what = "When the registry was read."
        yield _gauge("reading_timestamp_seconds", what, [((), reading.at.timestamp())])
        about = {"version": version("account-registry")}
        if figures is not None:
            about["migration"] = f"{figures.migration:03}"
        yield InfoMetricFamily(_PREFIX, "The program, and the schema's migration.", about)
        if figures is None:
            return
        yield from _whole(figures)
        left_out: list[tuple[Sequence[str], float]] = []
        for metric in _each(figures):
            more = len(metric.samples) - self._most
            if more > 0:
                del metric.samples[self._most :]
                left_out.append(((metric.name.removeprefix(f"{_PREFIX}_"),), more))
            yield metric
        what = "Series of a metric beyond what was allowed."
        yield _gauge("series_left_out", what, left_out, "metric")


def text_of(collector: Collector) -> str:
    """What Prometheus would read, as its text format 0.0.4."""
    return generate_latest(of_its_own(collector)).decode()


def of_its_own(collector: Collector) -> CollectorRegistry:
    """A registry of prometheus_client with nothing else in it."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return registry


def _gauge(name: str, help_: str, samples: Samples, *labels: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"{_PREFIX}_{name}", help_, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _whole(figures: Figures) -> Iterator[Metric]:
    """Metrics with few series, however large the registry is."""
    total = CounterMetricFamily(f"{_PREFIX}_log_events", "Events in the log.")
    total.add_metric((), figures.events)
    yield total
    if figures.newest_event is not None:
        when = figures.newest_event.timestamp()
        what = "When the newest event was recorded."
        yield _gauge("log_newest_event_timestamp_seconds", what, [((), when)])
    if figures.covered is not None:
        what = "Events that the last checkpoint known here covers."
        yield _gauge("checkpoint_events", what, [((), figures.covered)])
    active = Counter("active" if a.is_active else "inactive" for a in figures.accounts)
    states = ("active", "inactive")
    what = "Accounts by state."
    yield _gauge("accounts", what, [((state,), active[state]) for state in states], "state")
    yield _gauge("shares", "Shares of credentials.", [((), figures.shares)])
    yield _gauge("stops", "Stops in force.", [((), figures.stops)])
    found = Counter(problem.kind for problem in figures.problems)
    problems = [((name, kind.severity), found[name]) for name, kind in KINDS.items()]
    what = "Problems by kind."
    yield _gauge("problems", what, problems, "kind", "severity")
    unread = [((name,), count) for name, count in figures.unread.items()]
    what = "Events that a consumer of the log has not read."
    yield _gauge("consumer_unread_events", what, unread, "consumer")


def _each(figures: Figures) -> Iterator[Any]:
    """Metrics with a series for each account, exchange or credential."""
    of_exchange = Counter(
        (c.exchange, "active" if c.is_active else "inactive") for c in figures.credentials
    )
    what = "Credentials by exchange and state."
    yield _gauge("credentials", what, sorted(of_exchange.items()), "exchange", "state")
    named = Counter(
        (problem.account, problem.kind) for problem in figures.problems if problem.account
    )
    what = "Problems of an account, by kind."
    yield _gauge("account_problems", what, sorted(named.items()), "account", "kind")
    accounts = figures.accounts
    what = "Open positions of an account."
    opened = [((a.name,), a.open_positions) for a in accounts]
    yield _gauge("account_open_positions", what, opened, "account")
    what = "What the open positions of an account are worth together, in US dollars."
    worth = [((a.name,), float(a.exposure_usd)) for a in accounts]
    yield _gauge("account_exposure_usd", what, worth, "account")
    limits = [
        ((a.name, limit), float(most))
        for a in accounts
        for limit in ("max_positions", "max_exposure_usd")
        if (most := getattr(a, limit)) is not None
    ]
    yield _gauge("account_limit", "A limit of an account.", limits, "account", "limit")
    for name, help_, moments in (
        (
            "credential_expiry_timestamp_seconds",
            "When a credential in use expires.",
            [(c, c.expires_at) for c in figures.credentials if c.is_active],
        ),
        (
            "credential_last_release_timestamp_seconds",
            "When a credential was last released.",
            [(c, c.last_released) for c in figures.credentials],
        ),
    ):
        told = [
            (
                (c.account, c.exchange, "" if c.subaccount is None else f"{c.subaccount}",
                 c.permission),
                moment.timestamp(),
            )
            for c, moment in moments
            if moment is not None
        ]  # fmt: skip
        yield _gauge(name, help_, told, *_SLOT)
