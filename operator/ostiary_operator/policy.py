"""Reconcile one MCPAccessPolicy: it has no children, only a status.

What a policy means is compiled into the documents of the servers that it selects; here it is only
said whom it speaks of and how far it is in force.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from .api import Invalid, MCPAccessPolicy, Problem
from .cache import Cache, is_leaving
from .controller import Key
from .models import Models
from .observe import Observer
from .publish import Publisher
from .render import selection
from .resources import NAMESPACES, POLICIES, Manifest
from .server import Servers
from .status import Enforcement, Target, invalid_status, policy_status


class Policies:
    def __init__(
        self,
        *,
        cache: Cache,
        models: Models,
        servers: Servers,
        observer: Observer,
        publisher: Publisher,
        now: Callable[[], datetime],
    ) -> None:
        self._cache = cache
        self._models = models
        self._servers = servers
        self._observer = observer
        self._publisher = publisher
        self._now = now

    async def reconcile(self, key: Key) -> float | None:
        manifest = self._cache.get(POLICIES, key.namespace, key.name)
        namespace = self._cache.get(NAMESPACES, "", key.namespace)
        if manifest is None or is_leaving(manifest) or (namespace and is_leaving(namespace)):
            return None
        if status := self._status(manifest):
            await self._publisher.publish(POLICIES, manifest, status)
        return None

    def _status(self, manifest: Manifest) -> dict[str, Any] | None:
        """None: the status that stands is the last word for now."""
        before = manifest.get("status", {})
        match self._models.policy(manifest):
            case Invalid(usable=None) as invalid:
                return invalid_status(manifest["metadata"], invalid, before, self._now())
            case Invalid(usable=MCPAccessPolicy() as rest, problems=problems):
                return self._say(rest, before, problems)
            case MCPAccessPolicy() as policy:
                return self._say(policy, before, ())
            case Invalid():
                return None

    def _say(
        self, policy: MCPAccessPolicy, before: Mapping[str, Any], problems: Sequence[Problem]
    ) -> dict[str, Any] | None:
        enforced = {
            server.metadata.name: self._servers.enforced(server, policy)
            for server in self._models.servers(policy.metadata.namespace)
            if selection.selects(policy, server)
        }
        if None in enforced.values() and (
            before.get("observedGeneration") == policy.metadata.generation
        ):
            # After a restart, until the proxies were asked: they will be in a moment.
            return None
        named = {ref.name for ref in policy.spec.targetRefs or ()} - set(enforced)
        targets = [
            *(Target(name, found or Enforcement(0, 0, 0)) for name, found in enforced.items()),
            *(Target(name, None) for name in named),
        ]
        return policy_status(
            policy,
            targets=targets,
            namespaces=self._observer.namespaces(),
            previous=before,
            now=self._now(),
            problems=problems,
        )
