"""Reconcile one MCPGroup, and say what was found of it and of each member.

What every root with children goes through is in `keeper`.  Who is a member is `memberships`' word;
how each member stands, the gateway's proxies tell.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ostiary_proxy.config import ObservedReport

from .api import MCPAccessPolicy, MCPAccessToken, MCPGroup
from .controller import Key
from .keeper import Keeper, Office, Said
from .models import Models
from .produce import Producer, Product
from .render.gateway import GroupView
from .resources import GROUPS
from .status import Enforcement, Observed
from .status.group import group_status, next_look


class Groups:
    def __init__(
        self, *, models: Models, producer: Producer[MCPGroup, GroupView], office: Office
    ) -> None:
        self._observer = office.observer
        self._now = office.now
        self._keeper = Keeper(
            resource=GROUPS, parse=models.group, say=self._say, producer=producer, office=office
        )

    async def reconcile(self, key: Key) -> float | None:
        return await self._keeper.reconcile(key)

    def enforced(
        self, group: MCPGroup, policy: MCPAccessPolicy | MCPAccessToken
    ) -> Enforcement | None:
        return self._keeper.enforced(group, policy)

    def observed(self, group: MCPGroup) -> tuple[ObservedReport, ...]:
        return self._keeper.observed(group)

    async def _say(
        self,
        group: MCPGroup,
        product: Product[GroupView],
        observed: Observed,
        previous: Mapping[str, Any],
    ) -> Said:
        observed = replace(
            observed,
            exposure=product.view.exposure,
            routes=self._observer.routes(group),
        )
        now = self._now()
        status = group_status(group, product.view, observed, previous, now)
        return Said(status, look_again=next_look(group, observed, now))
