"""All backends of this proxy: started and stopped as the config says, and reported.

A backend lives on across configs for as long as its own part of the config is the same.  Whatever
is open is decided again with each new config.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Final, Self

from ostiary_proxy import long_calls
from ostiary_proxy.addresses import Resolve, by_dns
from ostiary_proxy.care import Care, Carer, contained
from ostiary_proxy.config import MCP_PORT, ServerReport, drift
from ostiary_proxy.exchange import Cut, Exchange, Refused, failed
from ostiary_proxy.open_streams import is_held
from ostiary_proxy.policy import Target
from ostiary_proxy.replicas import Replicas
from ostiary_proxy.runtime import Endpoint, Runtime, Snapshot
from ostiary_proxy.standing import allowed, check

DRAIN_POLL_SECONDS: Final = 0.05
DECIDED_AT_ONCE: Final = 1000
"""Decisions between two turns of the loop when a new config is put in force."""
Key = tuple[str, str]


class Backends:
    """The backends of one process.  Enter it before the first request."""

    def __init__(
        self,
        *,
        runtime: Runtime,
        now: Callable[[], float] = time.time,
        resolve: Resolve = by_dns,
        port: Callable[[], int] = lambda: MCP_PORT,
    ) -> None:
        """`resolve`: a name to its addresses; `port`: the MCP port of this pod, and of each other
        of its servers."""
        self._runtime = runtime
        self._replicas = Replicas(runtime, resolve=resolve, port=port, spawn=self._aside)
        self._carer = Carer(
            runtime,
            now=now,
            resolve=resolve,
            port=port,
            spawn=self._aside,
            changed=self._changed,
        )
        self._tasks = asyncio.TaskGroup()
        self._running: dict[Key, tuple[Care, asyncio.Task[None]]] = {}
        self._replaced: list[Care] = []
        self._by_path: dict[str, Care] = {}
        self._applied: Snapshot | None = None
        self._subscribers: list[Callable[[], None]] = []
        self._stop_watching: Callable[[], None] = lambda: None
        self._telling: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._stop_watching = self._runtime.subscribe(self._on_runtime)
        self._telling = self._spawn(long_calls.tell(self._open))
        self._on_runtime()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop_watching()
        if self._telling is not None:
            self._telling.cancel()
        for supervised, task in self._running.values():
            _cut(supervised.open, "draining")
            task.cancel()
        self._running.clear()
        self._replicas.close()
        await self._tasks.__aexit__(None, None, None)

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Called when a report changed; returns the way to stop that."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    def reports(self) -> tuple[ServerReport, ...]:
        counts = self._runtime.observations
        return tuple(
            report.model_copy(update={"observed": counts.of(f"{report.namespace}/{report.name}")})
            for report in (it.report() for it, _ in self._running.values() if it.reported)
        )

    def unapproved(self) -> Iterator[tuple[str, int]]:
        """By server with a pinned tool set, the tools that nobody approved as they stand."""
        for supervised, _ in self._running.values():
            server, seen = supervised.endpoint.server, supervised.seen
            if server.tools.pin.mode != "Off" and seen is not None:
                found = drift(server.tools.pin, seen.digest, seen.tools)
                yield f"{server.namespace}/{server.name}", len(found.unapproved)

    def members(self) -> Iterator[tuple[str, str, float]]:
        """By group and alias: 1 for a member that lists what it has."""
        for report in self.reports():
            for member in report.members:
                group = f"{report.namespace}/{report.name}"
                yield group, member.alias, float(member.state == "Ready")

    def ready(self) -> bool:
        """Every backend has answered once: a rollout waits for that, so that no call meets a
        process that is still starting, and a version that never answers replaces nothing.  What
        runs elsewhere starts with no pod of ours, and is not waited for."""
        return all(_is_up(supervised) for supervised, _ in self._running.values())

    @property
    def in_flight(self) -> int:
        """Calls that are open; streams held for the server's own messages are none."""
        return sum(not exchange.holding for it in self._all for exchange in it.open)

    def apply(self, snapshot: Snapshot) -> None:
        """Start what is new, stop what is gone, keep the rest; decide again what is open."""
        if snapshot is self._applied:
            return
        self._applied = snapshot
        wanted = {endpoint.backend_key: endpoint for endpoint in snapshot.endpoints.values()}
        for key in self._running.keys() - wanted.keys():
            supervised, task = self._running.pop(key)
            self._replaced.append(supervised)
            task.cancel()
        for key, endpoint in wanted.items():
            if key in self._running:
                self._running[key][0].endpoint = endpoint
            else:
                self._start(key, endpoint)
        self._by_path = {
            endpoint.server.path: self._running[key][0] for key, endpoint in wanted.items()
        }
        self._replaced = [it for it in self._replaced if it.open]
        for supervised in self._replaced:
            # What is still open of it is judged by the rules of what stands in its place.
            now = snapshot.endpoints.get(supervised.endpoint.server.path)
            if now is None:
                _cut(supervised.open, "revoked")
            else:
                supervised.endpoint = now
        for endpoint in wanted.values():
            self._runtime.observations.keep(
                f"{endpoint.server.namespace}/{endpoint.server.name}",
                frozenset(it.policy for it in endpoint.rules.observed),
            )
        self._replicas.apply({endpoint.server.pods for endpoint in wanted.values()})
        self._spawn(self._revoke())
        self._changed()

    @property
    def _all(self) -> list[Care]:
        """With those that were replaced while something was open."""
        return [*(supervised for supervised, _ in self._running.values()), *self._replaced]

    def _open(self) -> list[Exchange]:
        return [exchange for supervised in self._all for exchange in supervised.open]

    async def _revoke(self) -> None:
        """Whoever may no longer do what is still running, or waits for an answer, is cut off.

        A few at a time: thousands of streams must not hold the loop for everybody else."""
        decided = 0
        for targets in self._recheck():
            # Arguments may be looked at, which costs more than names.
            decided += DECIDED_AT_ONCE if _bear_args(targets) else max(1, len(targets))
            if decided >= DECIDED_AT_ONCE:
                decided = 0
                await asyncio.sleep(0)

    def _recheck(self) -> Iterator[tuple[Target, ...]]:
        """Yields what each decision was about."""
        for supervised in self._all:
            for exchange in tuple(supervised.open):
                if not allowed(exchange, supervised.endpoint):
                    exchange.interrupt("revoked")
                yield exchange.targets
            yield from supervised.recheck(supervised.endpoint)

    async def known(self, exchange: Exchange) -> None:
        """Wait until it can be decided whether a pinned tool is as it was approved, and of a
        group, whose a name is."""
        assert exchange.endpoint is not None
        rules = exchange.endpoint.rules
        supervised = self._by_path.get(exchange.endpoint.server.path)
        if supervised is not None and (rules.group is not None or rules.pinned.mode != "Off"):
            await supervised.known(exchange)

    async def serve(self, exchange: Exchange) -> None:
        assert exchange.endpoint is not None
        supervised = self._by_path.get(exchange.endpoint.server.path)
        if supervised is None:
            raise Refused(failed(503, "The server was just replaced.", "Unavailable"))
        if exchange.snapshot is not self._applied:
            # The config changed while the body was on its way.
            check(exchange, supervised.endpoint)
        if exchange.headerless:
            supervised.write_headers(exchange)
        if not await self._elsewhere(exchange, supervised):
            await supervised.serve(exchange)

    async def _elsewhere(self, exchange: Exchange, supervised: Care) -> bool:
        """Served by the pod that owns its session; open here like any other meanwhile."""
        exchange.holding = is_held(exchange)
        supervised.open.add(exchange)
        try:
            ready = supervised.answered_once and supervised.endpoint.sealer.complete
            return await self._replicas.serve(exchange, ready, starting=not _is_up(supervised))
        finally:
            supervised.open.discard(exchange)

    async def drain(self) -> None:
        """End the held streams with a result; returns when nothing is open."""
        for supervised in self._all:
            _cut({exchange for exchange in supervised.open if exchange.holding}, "draining")
        # Plain sets of the hot path: an event would cost every call something.
        while any(supervised.open for supervised in self._all):  # noqa: ASYNC110
            await asyncio.sleep(DRAIN_POLL_SECONDS)

    def _on_runtime(self) -> None:
        snapshot = self._runtime.snapshot
        if snapshot is not None:
            self.apply(snapshot)

    def _start(self, key: Key, endpoint: Endpoint) -> None:
        supervised = self._carer.make(endpoint)
        self._running[key] = (supervised, self._spawn(supervised.run()))

    def _aside(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """What serves one client or one process: its trouble is nobody else's."""
        return self._spawn(contained(work))

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        return self._tasks.create_task(work)

    def _changed(self) -> None:
        for callback in tuple(self._subscribers):
            callback()


def _is_up(supervised: Care) -> bool:
    """It has answered once, or it runs elsewhere and starts with no pod of ours."""
    return supervised.answered_once or supervised.endpoint.outside is not None


def _cut(exchanges: set[Exchange], why: Cut) -> None:
    for exchange in tuple(exchanges):
        exchange.interrupt(why)


def _bear_args(targets: tuple[Target, ...]) -> bool:
    return any(target.args for target in targets)
