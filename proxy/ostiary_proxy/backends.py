"""All backends of this proxy: started and stopped as the config says, and reported.

A backend lives on across configs for as long as its own part of the config is the same.  Whatever
is open is decided again with each new config.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Final, Self

from ostiary_proxy.config import HttpBackend, ServerReport
from ostiary_proxy.exchange import Cut, Exchange, Refused, failed
from ostiary_proxy.http_backend import HttpServer
from ostiary_proxy.policy import Deny, Target, decide
from ostiary_proxy.runtime import Endpoint, Runtime, Snapshot
from ostiary_proxy.stdio_backend import StdioServer
from ostiary_proxy.supervisor import Backend, Supervised

_ADMITTED: Final = (Target("protocol"),)
DRAIN_POLL_SECONDS: Final = 0.05
Key = tuple[str, str]


class Backends:
    """The backends of one process.  Enter it before the first request."""

    def __init__(self, *, runtime: Runtime, now: Callable[[], float] = time.time) -> None:
        self._runtime = runtime
        self._now = now
        self._tasks = asyncio.TaskGroup()
        self._running: dict[Key, tuple[Supervised, asyncio.Task[None]]] = {}
        self._by_path: dict[str, Supervised] = {}
        self._applied: Snapshot | None = None
        self._subscribers: list[Callable[[], None]] = []
        self._stop_watching: Callable[[], None] = lambda: None

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._stop_watching = self._runtime.subscribe(self._on_runtime)
        self._on_runtime()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop_watching()
        for supervised, task in self._running.values():
            _cut(supervised.open, "draining")
            task.cancel()
        self._running.clear()
        await self._tasks.__aexit__(None, None, None)

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Called when a report changed; returns the way to stop that."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    def reports(self) -> tuple[ServerReport, ...]:
        return tuple(supervised.report() for supervised, _ in self._running.values())

    def ready(self) -> bool:
        """Every HTTP backend has answered once; a stdio one starts when it is needed."""
        return all(
            supervised.answered_once
            for supervised, _ in self._running.values()
            if isinstance(supervised.endpoint.server.backend, HttpBackend)
        )

    @property
    def in_flight(self) -> int:
        """Calls that are open; streams held for the server's own messages are none."""
        return sum(
            not exchange.holding
            for supervised, _ in self._running.values()
            for exchange in supervised.open
        )

    def apply(self, snapshot: Snapshot) -> None:
        """Start what is new, stop what is gone, keep the rest; decide again what is open."""
        if snapshot is self._applied:
            return
        self._applied = snapshot
        wanted = {endpoint.backend_key: endpoint for endpoint in snapshot.endpoints.values()}
        for key in self._running.keys() - wanted.keys():
            _, task = self._running.pop(key)
            task.cancel()
        for key, endpoint in wanted.items():
            if key in self._running:
                self._running[key][0].endpoint = endpoint
            else:
                self._start(key, endpoint)
        self._by_path = {
            endpoint.server.path: self._running[key][0] for key, endpoint in wanted.items()
        }
        self._revoke()
        self._changed()

    def _revoke(self) -> None:
        """Whoever may no longer do what is still running is cut off."""
        for supervised, _ in self._running.values():
            for exchange in tuple(supervised.open):
                if not _allowed(exchange, supervised):
                    exchange.interrupt("revoked")

    async def serve(self, exchange: Exchange) -> None:
        assert exchange.endpoint is not None
        supervised = self._by_path.get(exchange.endpoint.server.path)
        if supervised is None:
            raise Refused(failed(503, "The server was just replaced.", "Unavailable"))
        if exchange.snapshot is not self._applied and not _allowed(exchange, supervised):
            # The config changed while the body was on its way.
            raise Refused(failed(403, "Access was just revoked.", "Revoked"))
        await supervised.serve(exchange)

    async def drain(self) -> None:
        """End the held streams with a result; returns when nothing is open."""
        for supervised, _ in self._running.values():
            _cut({exchange for exchange in supervised.open if exchange.holding}, "draining")
        # Plain sets of the hot path: an event would cost every call something.
        while any(supervised.open for supervised, _ in self._running.values()):  # noqa: ASYNC110
            await asyncio.sleep(DRAIN_POLL_SECONDS)

    def _on_runtime(self) -> None:
        snapshot = self._runtime.snapshot
        if snapshot is not None:
            self.apply(snapshot)

    def _start(self, key: Key, endpoint: Endpoint) -> None:
        supervised: Supervised | None = None

        def look_again() -> None:
            if supervised is not None:
                supervised.look_again()

        supervised = Supervised(endpoint, self._backend(endpoint, look_again), self._changed)
        self._running[key] = (supervised, self._spawn(supervised.run()))

    def _backend(self, endpoint: Endpoint, look_again: Callable[[], None]) -> Backend:
        server, pod = endpoint.server, self._runtime.pod_uid
        if isinstance(server.backend, HttpBackend):
            return HttpServer(
                server.backend,
                server.uid,
                pod,
                name=f"{server.namespace}/{server.name}",
                now=self._now,
                on_trouble=look_again,
                spawn=self._spawn,
            )
        return StdioServer(
            server.backend,
            server.uid,
            pod,
            name=f"{server.namespace}/{server.name}",
            now=self._now,
            on_trouble=look_again,
            spawn=self._spawn,
        )

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        return self._tasks.create_task(work)

    def _changed(self) -> None:
        for callback in tuple(self._subscribers):
            callback()


def _allowed(exchange: Exchange, supervised: Supervised) -> bool:
    """By the rules that are in force now."""
    caller, rules = exchange.caller, supervised.endpoint.rules
    assert caller is not None
    return not any(
        isinstance(decide(target, caller, rules), Deny) for target in exchange.targets or _ADMITTED
    )


def _cut(exchanges: set[Exchange], why: Cut) -> None:
    for exchange in tuple(exchanges):
        exchange.interrupt(why)
