"""What a proxy counts, in the Prometheus text format.  Children are bound once, names are bounded.

No label ever holds a name that a caller chose freely: methods outside the list below are `other`,
and tool names are left out.
"""

from collections.abc import Callable, Iterator
from typing import Final, Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics import Counter, Gauge, Histogram
from prometheus_client.registry import Collector, CollectorRegistry

CONTENT_TYPE: Final = b"text/plain; version=1.0.0; charset=utf-8; escaping=underscores"
Outcome = Literal["allowed", "denied", "error"]

KNOWN_METHODS: Final = frozenset(
    {
        "completion/complete",
        "initialize",
        "logging/setLevel",
        "notifications/cancelled",
        "notifications/initialized",
        "notifications/progress",
        "notifications/roots/list_changed",
        "ping",
        "prompts/get",
        "prompts/list",
        "resources/list",
        "resources/read",
        "resources/subscribe",
        "resources/templates/list",
        "resources/unsubscribe",
        "server/discover",
        "subscriptions/listen",
        "tools/call",
        "tools/list",
        # What has no method: an answer of the client's, the two other verbs, and a refusal
        # before the body was read.
        "response",
        "GET",
        "DELETE",
        "",
    }
)
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)
MOST_CHILDREN: Final = 2000
"""Beyond it, counts go to the server `other`: a thousand servers in one local role, say."""


class Metrics:
    """The counters of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "ostiary_requests",
            "Requests answered, by outcome and by HTTP status or JSON-RPC error.",
            ("server", "method", "outcome", "code"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "ostiary_request_seconds",
            "From the request's head to the end of its answer.",
            ("server", "method"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._inflight = Gauge(
            "ostiary_requests_in_flight",
            "Calls that wait for their backend.",
            ("server",),
            registry=self.registry,
        )
        self._processes = Gauge(
            "ostiary_backend_processes",
            "Live children of a stdio backend.",
            ("server",),
            registry=self.registry,
        )
        self._bound: dict[tuple[str, str, str, str], tuple[Counter, Histogram]] = {}
        self._gauges: dict[str, Gauge] = {}

    def request(
        self, server: str, method: str, outcome: Outcome, code: int | str, seconds: float
    ) -> None:
        """Count one finished request."""
        key = (server, method, outcome, str(code))
        bound = self._bound.get(key)
        if bound is None:
            bound = self._bind(*key)
        bound[0].inc()
        bound[1].observe(seconds)

    def inflight(self, server: str) -> Gauge:
        """Bound once; the caller keeps it."""
        known = self._gauges.get(server)
        if known is None:
            known = self._gauges[server] = self._inflight.labels(server)
        return known

    def processes(self, server: str, count: int) -> None:
        self._processes.labels(server).set(count)

    def watch(self, collect: Callable[[], Iterator[Metric]]) -> None:
        """Ask for figures that live elsewhere whenever somebody reads the metrics."""
        self.registry.register(_Reader(collect))

    def text(self) -> bytes:
        return generate_latest(self.registry)

    def _bind(self, server: str, method: str, outcome: str, code: str) -> tuple[Counter, Histogram]:
        key = (server, method, outcome, code)
        known_method = method if method in KNOWN_METHODS else "other"
        full = len(self._bound) >= MOST_CHILDREN
        shown = "other" if full else server
        bound = (
            self._requests.labels(shown, known_method, outcome, code),
            self._seconds.labels(shown, known_method),
        )
        if not full and known_method == method:
            self._bound[key] = bound
        return bound


class _Reader(Collector):
    def __init__(self, collect: Callable[[], Iterator[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterator[Metric]:
        return self._collect()


def gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)
