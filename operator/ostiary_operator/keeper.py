"""Reconcile one root of a kind that has children: children, a nudge for its pods, status.  In this
order.

Reads the cache, renders (pure), writes through `Producer` and `Publisher`.  An object that is being
deleted, or lives in a namespace that is, is left alone: its children go with it, and what is made
now would only stand in their way.  What is said of the root in the end is its kind's own: `say`.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic

from ostiary_proxy.config import ObservedReport

from .api import Invalid, MCPAccessPolicy, MCPAccessToken
from .cache import Cache, is_leaving
from .cluster import NamespaceEnding
from .controller import Key
from .fleet import Fleet, Pods
from .observe import Observer
from .plans import R, V
from .produce import Producer, Product
from .publish import Publisher
from .render.meta import Root, replicas_of
from .resources import Manifest, Resource
from .status import Enforcement, Observed, enforcement, invalid_status


@dataclass(frozen=True, slots=True)
class Said:
    status: Mapping[str, Any]
    look_again: float | None = None
    """Seconds until the passing of time alone can change it."""


@dataclass(slots=True)
class _Memory(Generic[V]):
    """What this process knows of one root beside the cache."""

    uid: str
    product: Product[V] | None = None
    enforced: Enforcement | None = None
    """None until the proxies of all its pods were asked."""
    told: tuple[Mapping[str, int], tuple[ObservedReport, ...]] | None = None
    """Policies and tokens in the document, and counts of what only observes, when they were last
    told of it."""


@dataclass(frozen=True, slots=True)
class Office:
    """What every keeper works with, whatever the kind."""

    cache: Cache
    fleet: Fleet
    observer: Observer
    publisher: Publisher
    now: Callable[[], datetime]
    enforcement_changed: Callable[[str], None]
    """Told the namespace whose policies may have something new to say."""


class Keeper(Generic[R, V]):
    def __init__(
        self,
        *,
        resource: Resource,
        parse: Callable[[Manifest], R | Invalid],
        say: Callable[[R, Product[V], Observed, Mapping[str, Any]], Awaitable[Said]],
        producer: Producer[R, V],
        office: Office,
    ) -> None:
        """`say`: the status of a root from what was wanted, what was seen and what stands."""
        self._resource = resource
        self._parse: Callable[[Manifest], R | Invalid] = parse
        self._say: Callable[[R, Product[V], Observed, Mapping[str, Any]], Awaitable[Said]] = say
        self._producer: Producer[R, V] = producer
        self._cache = office.cache
        self._fleet = office.fleet
        self._observer = office.observer
        self._publisher = office.publisher
        self._now = office.now
        self._enforcement_changed = office.enforcement_changed
        self._memories: dict[Key, _Memory[V]] = {}

    async def reconcile(self, key: Key) -> float | None:
        manifest = self._cache.get(self._resource, key.namespace, key.name)
        if manifest is None:
            self._forget(key)
            return None
        if is_leaving(manifest) or self._cache.is_ending(key.namespace):
            self._fleet.leave(key)
            return None
        root = self._parse(manifest)
        if isinstance(root, Invalid):
            before = manifest.get("status", {})
            status = invalid_status(manifest["metadata"], root, before, self._now())
            await self._publisher.publish(self._resource, manifest, status)
            return None
        try:
            return await self._reconcile(key, manifest, root)
        except NamespaceEnding:
            # The namespace's own event may come later than the refusal.
            return None

    def enforced(self, root: R, policy: MCPAccessPolicy | MCPAccessToken) -> Enforcement | None:
        """How many pods enforce this version of a policy, or take a token: none while the document
        lacks it, and not known (None) before their proxies were asked."""
        memory = self._memories.get(self._key(root))
        if memory is None or memory.uid != root.metadata.uid:
            return None
        if memory.enforced is None or memory.product is None:
            return None
        if memory.product.covered.get(policy.metadata.uid) == policy.metadata.generation:
            return memory.enforced
        return Enforcement(0, memory.enforced.pods, 0)

    def observed(self, root: R) -> tuple[ObservedReport, ...]:
        """What the proxies counted for policies that only observe, of each pod."""
        return self._fleet.glance(root).observed

    async def _reconcile(self, key: Key, manifest: Manifest, root: R) -> float | None:
        memory = self._memory(key, root)
        pods = self._fleet.look(key, root)
        before = memory.product.target if memory.product else None
        product = await self._producer.produce(root, before, pods.reports)
        memory.product = product
        delays = [product.delay]
        if product.target:
            delays.append(await self._fleet.nudge(product.target, pods))
        complaints = await self._observer.complaints(pods.manifests, self._now())
        observed = self._observed(root, pods, product, complaints.events)
        self._tell_policies(root, memory, observed, pods)
        said = await self._say(root, product, observed, manifest.get("status", {}))
        await self._publisher.publish(self._resource, manifest, said.status)
        if product.error:
            # Status says it; the queue tries again, ever more seldom.
            raise product.error
        delays += [complaints.look_again, said.look_again]
        return min((delay for delay in delays if delay is not None), default=None)

    def _observed(
        self, root: R, pods: Pods, product: Product[V], events: tuple[Manifest, ...]
    ) -> Observed:
        return Observed(
            generation=product.target.generation if product.target else 0,
            deployment=self._observer.deployment(root),
            network_policy=self._observer.network_policy(root),
            pods=pods.manifests,
            events=events,
            reports=pods.answers,
            conflicts=product.conflicts,
            failures=product.failures,
        )

    def _tell_policies(self, root: R, memory: _Memory[V], observed: Observed, pods: Pods) -> None:
        if not pods.all_asked and memory.enforced is None:
            return
        covered = memory.product.covered if memory.product else {}
        now = enforcement(observed, replicas=replicas_of(root))
        telling = (covered, pods.observed)
        if (now, telling) != (memory.enforced, memory.told):
            memory.enforced, memory.told = now, telling
            self._enforcement_changed(root.metadata.namespace)

    def _key(self, root: Root) -> Key:
        return Key(self._resource, root.metadata.namespace, root.metadata.name)

    def _memory(self, key: Key, root: Root) -> _Memory[V]:
        memory = self._memories.get(key)
        if memory is None or memory.uid != root.metadata.uid:
            self._forget(key)
            memory = self._memories[key] = _Memory(root.metadata.uid)
        return memory

    def _forget(self, key: Key) -> None:
        self._fleet.leave(key)
        if memory := self._memories.pop(key, None):
            self._producer.forget(key.namespace, memory.uid)
            self._publisher.forget(memory.uid)
