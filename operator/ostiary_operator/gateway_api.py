"""HTTPRoutes, of a cluster that may not know them: found by discovery, then listed and watched.

The Gateway API is installed by whoever runs the cluster, and may come and go while the operator
runs.  Until it is there nothing of it is listed or watched.  kopf looks for kinds at its start
alone, so the watch is ours: a list, what happens after it, and a list again.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from .cluster import ApiError, Cluster, Gone, Listing, Missing
from .controller import Controller
from .resources import HTTP_ROUTES

LOOK_SECONDS: Final = 30.0
"""Between two looks while the kind is not there."""
PAUSE_SECONDS: Final = 1.0
"""After a list or a watch that failed, and between two that end at once."""
_EMPTY: Final = Listing((), 2**63)
"""Nothing is left, whatever was seen before."""

log = logging.getLogger(__name__)


class GatewayApi:
    def __init__(
        self,
        *,
        cluster: Cluster,
        controller: Controller,
        changed: Callable[[], None],
        seconds: float = LOOK_SECONDS,
    ) -> None:
        """`changed`: the kind has come or gone."""
        self._cluster = cluster
        self._controller = controller
        self._changed = changed
        self._seconds = seconds
        self.present = False
        self._version = 0

    async def look(self) -> None:
        """Is it there, and what of it?  Raises ApiError."""
        listing = await self._list() if await self._is_served() else None
        self._controller.take(HTTP_ROUTES, listing or _EMPTY)
        self._version = listing.version if listing else 0
        before, self.present = self.present, listing is not None
        if self.present != before:
            log.info("gateway api", extra={"present": self.present})
            self._changed()

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                if self.present:
                    await self._follow()
                else:
                    await asyncio.sleep(self._seconds)
                await self.look()
            except ApiError as err:
                log.info("gateway api", extra={"reason": err.message})
                await asyncio.sleep(PAUSE_SECONDS)

    async def _follow(self) -> None:
        """Until the API server ends the watch, in its own time."""
        try:
            async for event in self._cluster.watch(HTTP_ROUTES, self._version):
                self._controller.observe(HTTP_ROUTES, event.type, event.manifest)
        except (Gone, Missing):
            pass
        await asyncio.sleep(PAUSE_SECONDS)

    async def _is_served(self) -> bool:
        try:
            served = await self._cluster.read(f"/apis/{HTTP_ROUTES.api_version}")
        except Missing:
            return False
        return any(it.get("name") == HTTP_ROUTES.plural for it in served.get("resources") or ())

    async def _list(self) -> Listing | None:
        try:
            return await self._cluster.list(HTTP_ROUTES)
        except Missing:
            return None
