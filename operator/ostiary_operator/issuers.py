"""The cluster's own token issuer and its public keys, as proxies need them to verify offline.

Fetched from the API server every minute, and at once (at most every half minute) when a proxy
reports a key id that it does not know.  A key goes only after every good fetch of ten minutes
lacked it; a failed fetch drops nothing.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from ostiary_proxy.config import Issuer

from .cluster import ApiError, Cluster

FETCH_SECONDS: Final = 60.0
SOONEST_SECONDS: Final = 30.0
DROP_AFTER_SECONDS: Final = 600.0
PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

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
        self._keys: dict[str, dict[str, Any]] = {}
        self._absent: dict[str, float] = {}
        self._fetched = float("-inf")
        self._again = asyncio.Event()

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        keys = tuple(self._keys[kid] for kid in sorted(self._keys))
        return (Issuer(kind="kubernetes", issuer=self._name, keys=keys),)

    def remember(self, issuers: Iterable[Issuer]) -> None:
        """Keys that proxies have been told of before this process began."""
        for issuer in issuers:
            if issuer.issuer == self._name:
                for key in issuer.keys:
                    self._keys.setdefault(str(key.get("kid", "")), dict(key))

    def look_again(self, key_ids: Iterable[str]) -> None:
        if any(kid not in self._keys for kid in key_ids):
            self._again.set()

    async def fetch(self) -> None:
        """Raises ApiError; on success `issuers` is what to ship."""
        discovery = await self._cluster.read("/.well-known/openid-configuration")
        found = await self._cluster.read("/openid/v1/jwks")
        before = self.issuers
        now = self._fetched = self._clock()
        self._name = str(discovery["issuer"])
        listed = {str(key["kid"]): _public(key) for key in found.get("keys", ()) if key.get("kid")}
        self._keys |= listed
        for kid in list(self._keys):
            if kid in listed:
                self._absent.pop(kid, None)
            elif now - self._absent.setdefault(kid, now) >= DROP_AFTER_SECONDS:
                del self._keys[kid], self._absent[kid]
        if self.issuers != before:
            log.info("token keys", extra={"issuer": self._name, "keys": len(self._keys)})
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


def _public(key: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in key.items() if name not in PRIVATE_MEMBERS}
