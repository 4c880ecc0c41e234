"""Reconcile one MCPServer: children and config, a nudge for its pods, status.  In this order.

Reads the cache, renders (pure), writes through `Children` and `Publisher`.  An object that is
being deleted, or lives in a namespace that is, is left alone: its children go with it, and what
is made now would only stand in their way.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from ostiary_proxy.config import ObservedReport, StatusReport

from .api import Invalid, MCPAccessPolicy, MCPAccessToken, MCPServer
from .cache import Cache, is_leaving
from .cluster import NamespaceEnding
from .controller import Key
from .models import Models
from .nudge import Nudger, Target
from .observe import Observer
from .produce import Producer, Product
from .publish import Publisher
from .render.deployment import pod_labels
from .render.workload import Workload
from .reports import Reports
from .resources import SERVERS, Manifest
from .status import (
    Enforcement,
    Observed,
    Unreachable,
    enforcement,
    invalid_status,
    next_look,
    server_status,
    wanted_replicas,
)


@dataclass(slots=True)
class Memory:
    """What this process knows of one server beside the cache."""

    uid: str
    product: Product | None = None
    enforced: Enforcement | None = None
    """None until the proxies of all its pods were asked."""
    told: tuple[Mapping[str, int], tuple[ObservedReport, ...]] | None = None
    """Policies and tokens in the document, and counts of what only observes, when they were last
    told of it."""


@dataclass(frozen=True, slots=True)
class Pods:
    manifests: tuple[Manifest, ...]
    answers: dict[str, StatusReport | Unreachable]

    @property
    def reports(self) -> dict[str, StatusReport]:
        return {uid: it for uid, it in self.answers.items() if isinstance(it, StatusReport)}


class Servers:
    def __init__(
        self,
        *,
        cache: Cache,
        models: Models,
        producer: Producer,
        nudger: Nudger,
        observer: Observer,
        reports: Reports,
        publisher: Publisher,
        now: Callable[[], datetime],
        enforcement_changed: Callable[[str], None],
    ) -> None:
        self._cache = cache
        self._models = models
        self._producer = producer
        self._nudger = nudger
        self._observer = observer
        self._reports = reports
        self._publisher = publisher
        self._now = now
        self._enforcement_changed = enforcement_changed
        self._memories: dict[Key, Memory] = {}

    async def reconcile(self, key: Key) -> float | None:
        manifest = self._cache.get(SERVERS, key.namespace, key.name)
        if manifest is None:
            self._forget(key)
            return None
        if is_leaving(manifest) or self._cache.is_ending(key.namespace):
            self._reports.follow(key, {})
            return None
        server = self._models.server(manifest)
        if isinstance(server, Invalid):
            before = manifest.get("status", {})
            status = invalid_status(manifest["metadata"], server, before, self._now())
            await self._publisher.publish(SERVERS, manifest, status)
            return None
        try:
            return await self._reconcile(key, manifest, server)
        except NamespaceEnding:
            # The namespace's own event may come later than the refusal.
            return None

    def enforced(
        self, server: MCPServer, policy: MCPAccessPolicy | MCPAccessToken
    ) -> Enforcement | None:
        """How many pods enforce this version of a policy, or take a token: none while the document
        lacks it, and not known (None) before their proxies were asked."""
        memory = self._memories.get(Key(SERVERS, server.metadata.namespace, server.metadata.name))
        if memory is None or memory.uid != server.metadata.uid:
            return None
        if memory.enforced is None or memory.product is None:
            return None
        if memory.product.covered.get(policy.metadata.uid) == policy.metadata.generation:
            return memory.enforced
        return Enforcement(0, memory.enforced.pods, 0)

    def observed(self, server: MCPServer) -> tuple[ObservedReport, ...]:
        """What the proxies counted for policies that only observe, of each pod."""
        answers = self._observer.answers(self._observer.pods(server)).values()
        return tuple(
            observed
            for answer in answers
            if isinstance(answer, StatusReport)
            for backend in answer.servers
            for observed in backend.observed
        )

    async def _reconcile(self, key: Key, manifest: Manifest, server: MCPServer) -> float | None:
        memory = self._memory(key, server)
        pods = self._look(key, server)
        before = memory.product.target if memory.product else None
        product = await self._producer.produce(server, before, pods.reports)
        memory.product = product
        delays = [product.delay]
        if product.target:
            delays.append(await self._nudge(product.target, pods))
        complaints = await self._observer.complaints(pods.manifests, self._now())
        observed = self._observed(server, pods, product, complaints.events)
        observed = replace(observed, protection_widened_by=await self._protection_widened(product))
        self._tell_policies(server, memory, observed)
        status = server_status(server, observed, manifest.get("status", {}), self._now())
        await self._publisher.publish(SERVERS, manifest, status)
        if product.error:
            # Status says it; the queue tries again, ever more seldom.
            raise product.error
        delays += [complaints.look_again, next_look(server, observed, self._now())]
        return min((delay for delay in delays if delay is not None), default=None)

    def _look(self, key: Key, server: MCPServer) -> Pods:
        manifests = self._observer.pods(server)
        self._reports.follow(key, self._observer.addresses(manifests))
        return Pods(manifests, self._observer.answers(manifests))

    async def _nudge(self, target: Target, pods: Pods) -> float | None:
        reports = pods.reports
        return await self._nudger.nudge(
            target, [(pod, reports.get(pod["metadata"]["uid"])) for pod in pods.manifests]
        )

    def _observed(
        self, server: MCPServer, pods: Pods, product: Product, events: tuple[Manifest, ...]
    ) -> Observed:
        return Observed(
            generation=product.target.generation if product.target else 0,
            deployment=self._observer.deployment(server),
            network_policy=self._observer.network_policy(server),
            pods=pods.manifests,
            events=events,
            reports=pods.answers,
            conflicts=product.conflicts,
            failures=product.failures,
            widened_by=self._observer.widening(server, pod_labels(server), product.network_policy),
            policies=product.view.policies,
            namespaces=product.view.namespaces,
            workload=product.view.workload,
            protection=self._observer.protection(server),
        )

    async def _protection_widened(self, product: Product) -> tuple[str, ...]:
        workload, protection = product.view.workload, product.protection
        if protection is None or not isinstance(workload, Workload):
            return ()
        return await self._observer.protection_widening(workload, protection)

    def _tell_policies(self, server: MCPServer, memory: Memory, observed: Observed) -> None:
        asked = self._observer.addresses(observed.pods).keys() <= observed.reports.keys()
        if not asked and memory.enforced is None:
            return
        covered = memory.product.covered if memory.product else {}
        now = enforcement(observed, replicas=wanted_replicas(server))
        telling = (covered, self.observed(server))
        if (now, telling) != (memory.enforced, memory.told):
            memory.enforced, memory.told = now, telling
            self._enforcement_changed(server.metadata.namespace)

    def _memory(self, key: Key, server: MCPServer) -> Memory:
        memory = self._memories.get(key)
        if memory is None or memory.uid != server.metadata.uid:
            self._forget(key)
            memory = self._memories[key] = Memory(server.metadata.uid)
        return memory

    def _forget(self, key: Key) -> None:
        self._reports.follow(key, {})
        if memory := self._memories.pop(key, None):
            self._producer.forget(key.namespace, memory.uid)
            self._publisher.forget(memory.uid)
