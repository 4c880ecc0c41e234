"""What a proxy counts, in the Prometheus text format.  Children are bound once, names are bounded.

No label ever holds a name that a caller chose freely: methods outside the list below are `other`,
and tool names are left out.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
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
"""Beyond it, counts go to the server and the code `other`: a thousand servers in one local role,
say."""
RPC_CODES: Final = range(-32768, -31999)
"""Those that JSON-RPC keeps for itself and for protocols like this one; a server may answer with
any number."""
HTTP_CODES: Final = range(100, 600)


_OF_BACKENDS: Final = {
    "processes_started": "Processes of a stdio server that were started.",
    "processes_evicted": "Idle processes that made room for others at maxProcesses.",
    "sessions_repaired": "Legacy sessions whose process or upstream session was begun anew.",
    "stdout_garbage_lines": "Lines of a stdio server's standard output that were no JSON-RPC.",
}


@dataclass(frozen=True, slots=True)
class Tally:
    """What one backend counts, in the order of the table above."""

    started: Callable[[], None]
    evicted: Callable[[], None]
    repaired: Callable[[], None]
    garbage: Callable[[], None]


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
        self._inflight = self._gauge(
            "ostiary_requests_in_flight", "Calls that wait for their backend."
        )
        self._processes = self._gauge(
            "ostiary_backend_processes", "Live children of a stdio backend."
        )
        self._stdio = {
            name: Counter(f"ostiary_{name}", text, ("server",), registry=self.registry)
            for name, text in _OF_BACKENDS.items()
        }
        self._forwarded = self._counter(
            "ostiary_forwarded_requests",
            "Requests sent on to the pod that owns their session, which counts them too.",
            "outcome",
        )
        self._observed = self._counter(
            "ostiary_policy_observed",
            "Decisions that a policy in Observe mode would have made otherwise: allow or deny.",
            "policy",
            "would",
        )
        self._bound: dict[tuple[str, str, str, str], tuple[Counter, Histogram]] = {}
        self._gauges: dict[str, Gauge] = {}

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, ("server", *labels), registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, ("server",), registry=self.registry)

    def request(
        self, server: str, method: str, outcome: Outcome, code: int | str, seconds: float
    ) -> None:
        """Count one finished request."""
        key = (server, method, outcome, _known_code(code))
        bound = self._bound.get(key)
        if bound is None:
            bound = self._bind(*key)
        bound[0].inc()
        bound[1].observe(seconds)

    def forwarded(self, server: str, outcome: Outcome) -> None:
        self._forwarded.labels(server, outcome).inc()

    def observed(self, server: str, policy: str, would: str) -> None:
        self._observed.labels(server, policy, would).inc()

    def inflight(self, server: str) -> Gauge:
        """Bound once; the caller keeps it."""
        known = self._gauges.get(server)
        if known is None:
            known = self._gauges[server] = self._inflight.labels(server)
        return known

    def processes(self, server: str, count: int) -> None:
        self._processes.labels(server).set(count)

    def tally(self, server: str) -> "Tally":
        """The counts of one backend, bound once."""
        return Tally(**{key: counter.labels(server).inc for key, counter in self._tallies()})

    def _tallies(self) -> Iterator[tuple[str, Counter]]:
        for key, name in zip(Tally.__slots__, _OF_BACKENDS, strict=True):
            yield key, self._stdio[name]

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
            self._requests.labels(shown, known_method, outcome, "other" if full else code),
            self._seconds.labels(shown, known_method),
        )
        if not full and known_method == method:
            self._bound[key] = bound
        return bound


def _known_code(code: int | str) -> str:
    if isinstance(code, int) and code not in RPC_CODES and code not in HTTP_CODES:
        return "other"
    return str(code)


class _Reader(Collector):
    def __init__(self, collect: Callable[[], Iterator[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterator[Metric]:
        return self._collect()


def gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def gauges(name: str, text: str, values: Iterable[tuple[str, float]]) -> Metric:
    """By server."""
    family = GaugeMetricFamily(name, text, labels=("server",))
    for server, value in values:
        family.add_metric((server,), value)
    return family


def member_gauges(name: str, text: str, values: Iterable[tuple[str, str, float]]) -> Metric:
    """By group and by the member's alias in it."""
    family = GaugeMetricFamily(name, text, labels=("server", "member"))
    for group, alias, value in values:
        family.add_metric((group, alias), value)
    return family


def counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)
