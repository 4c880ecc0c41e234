"""Reconcile one MCPAccessPolicy: it has no children, only a status.

What a policy means is compiled into the documents of what it selects; here it is only said whom it
speaks of and how far it is in force.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ostiary_proxy.config import ObservedReport

from .api import Invalid, MCPAccessPolicy, MCPGroup, Problem
from .cache import Cache
from .controller import Key
from .group import Groups
from .live_settings import LiveSettings
from .models import Models
from .observe import Observer
from .publish import Publisher
from .render import selection
from .render.meta import Root, kind_of
from .resources import POLICIES, Manifest
from .server import Servers
from .status import Enforcement, Target, Watched, invalid_status, policy_status
from .trust import Trust


class Policies:
    def __init__(
        self,
        *,
        cache: Cache,
        models: Models,
        servers: Servers,
        groups: Groups,
        observer: Observer,
        publisher: Publisher,
        settings: LiveSettings,
        trust: Trust,
        now: Callable[[], datetime],
    ) -> None:
        self._cache = cache
        self._models = models
        self._servers = servers
        self._groups = groups
        self._observer = observer
        self._publisher = publisher
        self._settings = settings
        self._trust = trust
        self._now = now

    async def reconcile(self, key: Key) -> float | None:
        manifest = self._cache.standing(POLICIES, key.namespace, key.name)
        if manifest is None:
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
        settings, known = self._settings.current, self._observer.namespaces()
        ceiling, own = policy.spec.is_ceiling, policy.metadata.namespace
        misplaced = ceiling and own != settings.policyNamespace
        roots = () if misplaced else self._roots(None if ceiling else own)
        chosen = [it for it in roots if selection.selects(policy, it, known)]
        enforced = {_place(it, own): self._enforced(it, policy) for it in chosen}
        if None in enforced.values() and (
            before.get("observedGeneration") == policy.metadata.generation
        ):
            # After a restart, until the proxies were asked: they will be in a moment.
            return None
        named = {(ref.kind, ref.name) for ref in policy.spec.targetRefs or ()} - set(enforced)
        targets = [
            *(
                Target(name, found or Enforcement(0, 0, 0), kind)
                for (kind, name), found in enforced.items()
            ),
            *(Target(name, None, kind) for kind, name in named),
        ]
        return policy_status(
            policy,
            targets=targets,
            namespaces=known,
            previous=before,
            now=self._now(),
            problems=problems,
            issuers=settings.issuer_urls,
            silent=self._trust.silent,
            misplaced=misplaced,
            observed=self._observed(policy, chosen),
        )

    def _roots(self, namespace: str | None) -> tuple[Root, ...]:
        """Servers and groups of a namespace, or of every one."""
        if namespace is None:
            return (*self._models.every_server(), *self._models.groups())
        groups = (it for it in self._models.groups() if it.metadata.namespace == namespace)
        return (*self._models.servers(namespace), *groups)

    def _enforced(self, root: Root, policy: MCPAccessPolicy) -> Enforcement | None:
        if isinstance(root, MCPGroup):
            return self._groups.enforced(root, policy)
        return self._servers.enforced(root, policy)

    def _observed(self, policy: MCPAccessPolicy, roots: list[Root]) -> Watched | None:
        if not policy.spec.is_observed:
            return None
        name = f"{policy.metadata.namespace}/{policy.metadata.name}"
        reports = [it for root in roots for it in self._counted(root) if it.policy == name]
        return Watched(sum(it.allow for it in reports), sum(it.deny for it in reports))

    def _counted(self, root: Root) -> tuple[ObservedReport, ...]:
        if isinstance(root, MCPGroup):
            return self._groups.observed(root)
        return self._servers.observed(root)


def _place(root: Root, own: str) -> tuple[str, str]:
    """Its kind, and its name as a policy in `own` writes it."""
    namespace, name = root.metadata.namespace, root.metadata.name
    return kind_of(root), name if namespace == own else f"{namespace}/{name}"
