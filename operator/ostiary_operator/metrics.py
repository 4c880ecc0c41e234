"""What the operator counts, and the one port that tells: /metrics, /healthz, /readyz.

Every metric once, with its unit in its name.  Holds no figure that decides anything.
"""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

log = logging.getLogger(__name__)

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)


class Metrics:
    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self.queue_depth = Gauge(
            "ostiary_queue_depth", "Keys that wait for a worker.", registry=registry
        )
        self.reconciles = Histogram(
            "ostiary_reconcile_seconds",
            "Seconds of a reconcile, by kind and result (ok, retry, error).",
            ["kind", "result"],
            buckets=SECONDS,
            registry=registry,
        )
        self.events = Counter(
            "ostiary_watch_events_total", "Watch events, by kind.", ["kind"], registry=registry
        )
        self.objects = Gauge(
            "ostiary_cached_objects", "Objects seen by the last list.", ["kind"], registry=registry
        )
        self.writes = Counter(
            "ostiary_writes_total",
            "Writes to the API server, by kind and verb.",
            ["kind", "verb"],
            registry=registry,
        )
        self.polls = Counter(
            "ostiary_report_polls_total",
            "Polls of our proxies' status, by result (report, unchanged, failed).",
            ["result"],
            registry=registry,
        )
        self.proxies = Gauge(
            "ostiary_polled_proxies", "Proxies whose status is polled.", registry=registry
        )
        self.leader = Gauge("ostiary_leader", "1 while this replica leads.", registry=registry)
        self._count_issuers(registry)

    def _count_issuers(self, registry: CollectorRegistry) -> None:
        self.issuer_keys = Gauge(
            "ostiary_issuer_keys",
            "Keys held of an OIDC issuer of the settings; 0: none of its tokens is taken.",
            ["issuer"],
            registry=registry,
        )
        self.issuer_fetches = Counter(
            "ostiary_issuer_fetches_total",
            "Fetches of an OIDC issuer's keys, by result (ok, failed).",
            ["issuer", "result"],
            registry=registry,
        )

    def issuer_fetched(self, name: str, result: str, keys: int) -> None:
        self.issuer_fetches.labels(name, result).inc()
        self.issuer_keys.labels(name).set(keys)

    def forget_issuer(self, name: str) -> None:
        """It is in the settings no more, or is another by the same name."""
        self.issuer_keys.remove_by_labels({"issuer": name})
        self.issuer_fetches.remove_by_labels({"issuer": name})


@asynccontextmanager
async def serve(
    metrics: Metrics, *, port: int, ready: Callable[[], bool], host: str | None = None
) -> AsyncIterator[int]:
    """Answer until left; yields the port, which is chosen freely where `port` is 0."""

    async def text(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics.registry), content_type="text/plain")

    async def alive(_: web.Request) -> web.Response:
        # That the loop answers at all is the proof.
        return web.Response(text="ok\n")

    async def fit(_: web.Request) -> web.Response:
        done = ready()
        return web.Response(text="ok\n" if done else "starting\n", status=200 if done else 503)

    app = web.Application()
    app.add_routes([web.get("/metrics", text), web.get("/healthz", alive), web.get("/readyz", fit)])
    # No connection is kept: each would be a task that kopf waits for at its end.
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=0, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        # Where port 0 was asked for, both families got one of their own: name IPv4's.
        bound = int(min(runner.addresses, key=len)[1])
        log.info("serving metrics", extra={"port": bound})
        yield bound
    finally:
        await runner.cleanup()
