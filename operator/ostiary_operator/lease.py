"""Leader election on one Lease: acquire, renew, release.

Only the holder runs controllers.  Losing it is fatal by design: the process exits, because a
leader that only pauses may still have a write in flight.  Whether a holder is dead is judged by
how long *we* have seen the Lease unchanged, never by comparing clocks of two machines.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from .cluster import ApiError, Cluster, Missing, Taken
from .resources import LEASES, Manifest

DURATION: Final = 15
"""Seconds without a renewal after which another replica may take over.  What follows is meant for
this duration, and shrinks or grows with it."""
RENEW_EVERY: Final = 4.0
TRY_AGAIN_AFTER: Final = 1.0
GIVE_UP_AFTER: Final = 11.0
"""Less than DURATION: we stop before anybody else may start."""
LOOK_EVERY: Final = 2.0
"""A replica in waiting looks this often."""

log = logging.getLogger(__name__)


class LeaseLost(Exception):
    """Somebody else leads, or may soon: stop at once."""


class Lease:
    def __init__(
        self,
        *,
        cluster: Cluster,
        namespace: str,
        name: str,
        identity: str,
        clock: Callable[[], float],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        duration: int = DURATION,
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._clock = clock
        self._now = now
        self._duration = duration
        self._scale = duration / DURATION
        self._held: Manifest | None = None
        self._seen = ("", 0.0)
        """The Lease's resourceVersion, and when it was first seen."""

    async def acquire(self) -> None:
        """Return as the leader, however long it takes."""
        waiting = False
        while not await self._try():
            if not waiting:
                log.info("waiting for the lease", extra={"lease": self._name})
                waiting = True
            await asyncio.sleep(LOOK_EVERY * self._scale)
        log.info("leading", extra={"lease": self._name, "identity": self._identity})

    async def hold(self) -> None:
        """Renew for ever; raises LeaseLost."""
        renewed, pause = self._clock(), RENEW_EVERY
        while True:
            await asyncio.sleep(pause * self._scale)
            # Before the write, not after it: others count from the write.
            began = self._clock()
            try:
                async with asyncio.timeout(renewed + GIVE_UP_AFTER * self._scale - began):
                    await self._renew()
                renewed, pause = began, RENEW_EVERY
            except (ApiError, TimeoutError) as err:
                log.warning("the lease was not renewed", extra={"reason": str(err)})
                pause = TRY_AGAIN_AFTER
            if self._clock() - renewed >= (GIVE_UP_AFTER - TRY_AGAIN_AFTER) * self._scale:
                raise LeaseLost("the lease could not be renewed in time")

    async def release(self) -> None:
        """Let the next replica start at once; a failure costs it the lease's duration."""
        if self._held is None:
            return
        try:
            async with asyncio.timeout(2):
                await self._give_up(self._held)
        except (ApiError, TimeoutError) as err:
            log.warning("the lease was not released", extra={"reason": str(err)})
        self._held = None

    async def _give_up(self, held: Manifest) -> None:
        free = {**self._spec(), "holderIdentity": ""}
        try:
            await self._write(held, free)
        except Taken:
            # A renewal was cut off by the end of this process, and had arrived.
            found = await self._cluster.get(LEASES, self._namespace, self._name)
            if found.get("spec", {}).get("holderIdentity") == self._identity:
                await self._write(found, free)

    async def _try(self) -> bool:
        try:
            found = await self._cluster.get(LEASES, self._namespace, self._name)
            if not self._is_free(found):
                return False
            self._held = await self._write(found, self._spec())
        except Missing:
            return await self._found()
        except ApiError as err:
            # Taken: another replica was faster.  Anything else: it is looked at again.
            if not isinstance(err, Taken):
                log.warning("the lease cannot be had", extra={"reason": str(err)})
            return False
        return True

    async def _found(self) -> bool:
        manifest = {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": self._spec(),
        }
        try:
            self._held = await self._cluster.create(LEASES, manifest, manager=self._identity)
        except ApiError as err:
            log.warning("the lease cannot be made", extra={"reason": str(err)})
            return False
        return True

    async def _renew(self) -> None:
        assert self._held is not None, "renewed before it was acquired"
        try:
            self._held = await self._write(self._held, self._spec())
        except (Taken, Missing):
            found = await self._cluster.get(LEASES, self._namespace, self._name)
            if found.get("spec", {}).get("holderIdentity") != self._identity:
                raise LeaseLost("another replica holds the lease") from None
            self._held = found

    async def _write(self, lease: Manifest, spec: dict[str, Any]) -> Manifest:
        """Fails with Taken when anybody wrote since `lease` was read."""
        changed = {**lease, "spec": {**lease.get("spec", {}), **spec}}
        return await self._cluster.replace(LEASES, changed, manager="ostiary-lease")

    def _spec(self) -> dict[str, Any]:
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self._duration,
            "renewTime": self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }

    def _is_free(self, lease: Manifest) -> bool:
        spec = lease.get("spec", {})
        version = lease["metadata"]["resourceVersion"]
        if not spec.get("holderIdentity"):
            return True
        if self._seen[0] != version:
            self._seen = (version, self._clock())
            return False
        return self._clock() - self._seen[1] > float(spec.get("leaseDurationSeconds") or DURATION)
