"""Everybody whose tokens proxies take: the cluster itself, and the OIDC issuers of the settings.

Follows the settings as they stand: an issuer that is written there is asked at once, one that is
taken away is trusted no more with the next document.  What was good is kept in a ConfigMap of the
operator's own namespace, so that neither a restart nor an issuer that is down forgets a key; the
documents in other namespaces are never believed, since others may write there.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from ostiary_proxy.config import Issuer

from .api import FIELD_MANAGER, LABEL_MANAGED_BY, LABEL_NAME, PRODUCT
from .cluster import ApiError, Cluster, Missing
from .issuers import ClusterIssuer
from .metrics import Metrics
from .oidc_issuers import OidcIssuers, Wanted
from .resources import CONFIG_MAPS
from .settings import ClusterSettings

CONFIG_MAP: Final = "ostiary-issuers"
KEY: Final = "issuers.json"
RETRY_SECONDS: Final = 5.0
"""When the ConfigMap could not be written."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where what was good is kept."""

    cluster: Cluster
    namespace: str


class Trust:
    def __init__(
        self,
        *,
        cluster_issuer: ClusterIssuer,
        settings: Callable[[], ClusterSettings],
        place: Place,
        clock: Callable[[], float],
        metrics: Metrics,
        changed: Callable[[], None],
        told: Callable[[], None] = lambda: None,
        loopback: bool = False,
    ) -> None:
        """`changed`: other keys, or others' keys; `told`: `silent` is another."""
        self._cluster_issuer = cluster_issuer
        self._place = place
        self._changed = changed
        self._told = told

        def wanted() -> Wanted:
            said = settings()
            return Wanted(said.issuers, said.clusterCIDRs, loopback)

        self._others = OidcIssuers(
            wanted=wanted,
            clock=clock,
            on_result=metrics.issuer_fetched,
            on_gone=metrics.forget_issuer,
        )
        self._kept: str | None = None

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        cluster = self._cluster_issuer.issuers
        taken = {it.issuer for it in cluster}
        # Whoever may write the settings is not thereby the cluster.
        return (*cluster, *(it for it in self._others.issuers if it.issuer not in taken))

    @property
    def silent(self) -> dict[str, str]:
        """Of issuers that give no keys just now, by URL: what is so, in a sentence."""
        return self._others.silent

    def look_again(self, key_ids: Iterable[str]) -> None:
        named = tuple(key_ids)
        self._cluster_issuer.look_again(named)
        self._others.look_again(named)

    async def start(self) -> None:
        """Raises ApiError.  Before the cache is full, so the ConfigMap is asked for."""
        try:
            place = self._place
            manifest = await place.cluster.get(CONFIG_MAPS, place.namespace, CONFIG_MAP)
            self._kept = (manifest.get("data") or {}).get(KEY)
        except Missing:
            self._kept = None
        before = _parsed(self._kept or "")
        await self._cluster_issuer.fetch()
        self._cluster_issuer.remember(before)
        self._others.remember(before)

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._cluster_issuer.run())
            tasks.create_task(self._others.run(self._changed, self._keep, self._told))

    async def _keep(self) -> float | None:
        """Seconds after which to try again; None: it is kept."""
        text = _text(self.issuers)
        if text == self._kept:
            return None
        namespace = self._place.namespace
        manifest: dict[str, Any] = {
            "apiVersion": CONFIG_MAPS.api_version,
            "kind": CONFIG_MAPS.kind,
            "metadata": {
                "name": CONFIG_MAP,
                "namespace": namespace,
                "labels": {LABEL_NAME: PRODUCT, LABEL_MANAGED_BY: PRODUCT},
            },
            "data": {KEY: text},
        }
        try:
            await self._place.cluster.apply(CONFIG_MAPS, manifest, manager=FIELD_MANAGER)
        except ApiError as err:
            log.warning("token keys could not be kept", extra={"reason": err.message})
            return RETRY_SECONDS
        self._kept = text
        return None


def _text(issuers: Iterable[Issuer]) -> str:
    """Keys alone: what else is known of an issuer is in the settings."""
    return json.dumps(
        [{"kind": it.kind, "issuer": it.issuer, "keys": list(it.keys)} for it in issuers],
        sort_keys=True,
    )


def _parsed(text: str) -> tuple[Issuer, ...]:
    try:
        found = json.loads(text)
        return tuple(Issuer.model_validate(it) for it in found)
    except (ValueError, TypeError):
        return ()
