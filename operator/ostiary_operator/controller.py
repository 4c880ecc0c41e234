"""Cache, queue and workers: events become keys, keys are reconciled until they are done.

Knows no kind: `route` says whose keys a change concerns, `reconcile` does one key's work.  Level
triggered: a key says only *what* to look at, so a lost event costs a delay, never a state.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final, Literal

from .cache import Cache, Change, name_of
from .cluster import ApiError, Cluster, Listing
from .metrics import Metrics
from .resources import Manifest, Resource
from .workqueue import Workqueue

RESYNC_SECONDS: Final = 600.0
RELIST_SETTLE_SECONDS: Final = 2.0
"""A watch that lists anew tells nothing of what vanished: this long after, we list ourselves."""
WORKERS: Final = 8
SOONEST_LOOK_SECONDS: Final = 0.1
"""A reconcile that asks for another look at once must not keep the loop from everybody else."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Key:
    """One object to reconcile; with an empty name, the kind's list to compare."""

    resource: Resource
    namespace: str = ""
    name: str = ""

    @property
    def is_list(self) -> bool:
        return not self.name


Queue = Workqueue[Key]
Route = Callable[[Change], Iterable[Key]]
Reconcile = Callable[[Key], Awaitable[float | None]]
"""Returns after how many seconds to look again, if it is worth it; raises to be retried."""


class Controller:
    def __init__(
        self,
        *,
        cluster: Cluster,
        cache: Cache,
        queue: Queue,
        metrics: Metrics,
        watched: tuple[Resource, ...],
        roots: tuple[Resource, ...],
        route: Route,
        reconcile: Reconcile,
        resync_seconds: float = RESYNC_SECONDS,
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._queue = queue
        self._metrics = metrics
        self._watched = watched
        self._roots = roots
        self._route = route
        self._reconcile = reconcile
        self._resync_seconds = resync_seconds
        self.working = asyncio.Event()
        """Set once the workers run."""
        metrics.queue_depth.set_function(lambda: queue.depth)

    def observe(
        self,
        resource: Resource,
        event: Literal["ADDED", "MODIFIED", "DELETED"] | None,
        manifest: Manifest,
    ) -> None:
        """One watch event; None stands for an object of a (re)list.  Never raises, never waits."""
        self._metrics.events.labels(resource.kind).inc()
        if event is None:
            self._queue.add_after(Key(resource), RELIST_SETTLE_SECONDS)
        change = (
            self._cache.lose(resource, manifest)
            if event == "DELETED"
            else self._cache.see(resource, manifest)
        )
        if change:
            self._spread(change)

    async def fill(self) -> None:
        """The first resync: until it is through, nothing may be rendered from a half-full cache."""
        for resource in self._watched:
            await self._list(resource)

    async def work(self, workers: int = WORKERS) -> None:
        """Until the queue is closed; a key in hand is finished first."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(workers):
                tasks.create_task(self._worker())
            self.working.set()

    def take(self, resource: Resource, listing: Listing) -> None:
        """A list for the truth, but for what a watch has seen since."""
        self._metrics.objects.labels(resource.kind).set(len(listing.manifests))
        for change in self._cache.replace(resource, listing.manifests, listing.version):
            self._spread(change)

    async def _list(self, resource: Resource) -> None:
        self.take(resource, await self._cluster.list(resource))
        if resource in self._roots:
            for manifest in self._cache.all(resource):
                self._queue.add(Key(resource, *name_of(manifest)))
        self._queue.add_after(Key(resource), self._resync_seconds)

    def _spread(self, change: Change) -> None:
        for key in self._route(change):
            self._queue.add(key)

    async def _worker(self) -> None:
        while (key := await self._queue.get()) is not None:
            began = perf_counter()
            result = await self._one(key)
            self._queue.done(key)
            self._metrics.reconciles.labels(
                "List" if key.is_list else key.resource.kind, result
            ).observe(perf_counter() - began)

    async def _one(self, key: Key) -> str:
        try:
            if key.is_list:
                await self._list(key.resource)
                delay = None
            else:
                delay = await self._reconcile(key)
        except ApiError as err:
            # Ordinary: a conflict, a quota, an API server that restarts.
            pause = self._queue.retry(key)
            log.info("retrying", extra={**_fields(key), "reason": str(err), "seconds": pause})
            return "retry"
        except Exception:  # the worker loop: one object's trouble must not stop the others
            pause = self._queue.retry(key)
            log.exception("failed", extra={**_fields(key), "seconds": pause})
            return "error"
        self._queue.forget(key)
        if delay is not None:
            self._queue.add_after(key, max(SOONEST_LOOK_SECONDS, delay))
        return "ok"


def _fields(key: Key) -> dict[str, Any]:
    return {"kind": key.resource.kind, "namespace": key.namespace, "object": key.name}
