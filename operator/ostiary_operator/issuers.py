"""The cluster's own token issuer and its public keys, as proxies need them to verify offline.

Fetched from the API server every minute, and at once (at most every half minute) when a proxy
reports a key id that it does not know.  When a key goes is `token_keys`.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final

from ostiary_proxy.config import Issuer

from .cluster import ApiError, Cluster
from .token_keys import TokenKeys

FETCH_SECONDS: Final = 60.0
SOONEST_SECONDS: Final = 30.0

log = logging.getLogger(__name__)


class ClusterIssuer:
    def __init__(
        self,
        *,
        cluster: Cluster,
        clock: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._changed = changed
        self._name = ""
        self._keys = TokenKeys()
        self._fetched = float("-inf")
        self._again = asyncio.Event()

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        return (Issuer(kind="kubernetes", issuer=self._name, keys=self._keys.all),)

    def remember(self, issuers: Iterable[Issuer]) -> None:
        """Keys that proxies have been told of before this process began."""
        for issuer in issuers:
            if issuer.kind == "kubernetes" and issuer.issuer == self._name:
                self._keys.remember(issuer.keys)

    def look_again(self, key_ids: Iterable[str]) -> None:
        if self._keys.lack(key_ids):
            self._again.set()

    async def fetch(self) -> None:
        """Raises ApiError; on success `issuers` is what to ship."""
        discovery = await self._cluster.read("/.well-known/openid-configuration")
        found = await self._cluster.read("/openid/v1/jwks")
        before = self.issuers
        now = self._fetched = self._clock()
        self._name = str(discovery["issuer"])
        self._keys.take(found.get("keys", ()), now)
        if self.issuers != before:
            log.info("token keys", extra={"issuer": self._name, "keys": len(self._keys.all)})
            self._changed()

    async def run(self) -> None:
        """For ever."""
        while True:
            await self._pause()
            try:
                await self.fetch()
            except ApiError as err:
                log.warning("token keys were not fetched", extra={"reason": str(err)})

    async def _pause(self) -> None:
        self._again.clear()
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                await self._again.wait()
        except TimeoutError:
            return
        await asyncio.sleep(max(0.0, self._fetched + SOONEST_SECONDS - self._clock()))
