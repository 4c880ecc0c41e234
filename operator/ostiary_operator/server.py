"""Reconcile one MCPServer, and say what was found of it.

What every root with children goes through is in `keeper`; here is what only a server has: its wall,
what else opens it, and the pods of a Service that it stands before.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ostiary_proxy.config import ObservedReport

from .api import MCPAccessPolicy, MCPAccessToken, MCPServer
from .controller import Key
from .keeper import Keeper, Office, Said
from .models import Models
from .produce import Producer, Product
from .render import ServerView, names
from .render.deployment import pod_labels
from .render.workload import Workload
from .resources import NETWORK_POLICIES, SERVERS
from .status import Enforcement, Observed, next_look, server_status


class Servers:
    def __init__(
        self, *, models: Models, producer: Producer[MCPServer, ServerView], office: Office
    ) -> None:
        self._observer = office.observer
        self._now = office.now
        self._keeper = Keeper(
            resource=SERVERS, parse=models.server, say=self._say, producer=producer, office=office
        )

    async def reconcile(self, key: Key) -> float | None:
        return await self._keeper.reconcile(key)

    def enforced(
        self, server: MCPServer, policy: MCPAccessPolicy | MCPAccessToken
    ) -> Enforcement | None:
        return self._keeper.enforced(server, policy)

    def observed(self, server: MCPServer) -> tuple[ObservedReport, ...]:
        return self._keeper.observed(server)

    async def _say(
        self,
        server: MCPServer,
        product: Product[ServerView],
        observed: Observed,
        previous: Mapping[str, Any],
    ) -> Said:
        observed = replace(
            observed,
            widened_by=self._widened_by(server, product),
            policies=product.view.policies,
            namespaces=product.view.namespaces,
            workload=product.view.workload,
            protection=self._observer.protection(server),
            exposure=product.view.exposure,
            routes=self._observer.routes(server),
            protection_widened_by=await self._protection_widened(server, product),
        )
        now = self._now()
        status = server_status(server, observed, previous, now)
        return Said(status, look_again=next_look(server, observed, now))

    def _widened_by(self, server: MCPServer, product: Product[ServerView]) -> tuple[str, ...]:
        name = names.network_policy(server.metadata.name)
        ours = product.child(NETWORK_POLICIES.kind, name) or {}
        return self._observer.widening(server, pod_labels(server), ours)

    async def _protection_widened(
        self, server: MCPServer, product: Product[ServerView]
    ) -> tuple[str, ...]:
        workload = product.view.workload
        name = names.protection(server.metadata.name)
        protection = product.child(NETWORK_POLICIES.kind, name)
        if protection is None or not isinstance(workload, Workload):
            return ()
        return await self._observer.protection_widening(workload, protection)
