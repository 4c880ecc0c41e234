"""Children as wanted: made once by POST, then kept by server-side apply, never taken from others.

Writes only where something is to be changed: the digest of what is wanted differs, or the live
object is not as our last write left it.  After a restart the live object itself is asked, by the
digest it bears and by its fields.  Decides nothing of what is wanted or of what follows from a
refusal.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from .api import FIELD_MANAGER, GROUP
from .cache import Cache, controller_of, is_leaving, name_of, uid_of
from .cluster import JSON_PATCH, Cluster, Missing, Taken
from .likeness import digest, matches, project
from .metrics import Metrics
from .render.meta import Root, label_of
from .resources import CHILDREN, HTTP_ROUTES, Manifest, Resource, resource_of
from .status.observed import Conflict

DIGEST_ANNOTATION: Final = f"{GROUP}/applied"
"""On every child: the digest of what we last applied, so that a restarted operator knows."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Left:
    """What our last write left behind."""

    uid: str
    wanted: str
    live: str


Place = tuple[Resource, str, str]


class Children:
    def __init__(self, *, cluster: Cluster, cache: Cache, metrics: Metrics) -> None:
        self._cluster = cluster
        self._cache = cache
        self._metrics = metrics
        self._left: dict[Place, _Left] = {}
        self._foreign: set[Place] = set()
        """Names that others held when last tried: looked at before they are tried again."""

    async def ensure(self, wanted: Manifest, owner: str) -> Manifest | Conflict:
        """The live child, written if need be.  `owner` is the uid of the root."""
        wanted = _signed(wanted)
        live = self._cache.get(resource_of(wanted), *name_of(wanted))
        if live is None:
            return await self._create(wanted, owner)
        if _owner(live) != owner:
            return Conflict(wanted["kind"], name_of(wanted)[1])
        if is_leaving(live) or self._is_as_left(wanted, live):
            return live
        return await self._apply(wanted, owner)

    async def create(self, wanted: Manifest, owner: str) -> Manifest | Conflict | None:
        """A child that is written once and never changed; None where it exists already, ours."""
        resource, (namespace, name) = resource_of(wanted), name_of(wanted)
        try:
            return await self._post(wanted)
        except Taken:
            live = await self._cluster.get(resource, namespace, name)
            if _owner(live) != owner:
                # Not for the cache: nobody watches it, so nobody would tell when it goes.
                return Conflict(wanted["kind"], name)
            self._cache.see(resource, live)
            return None

    async def remove(self, resource: Resource, live: Manifest) -> None:
        namespace, name = name_of(live)
        self._count(resource, "delete")
        await self._cluster.delete(resource, namespace, name, uid=uid_of(live))
        self._left.pop((resource, namespace, name), None)
        log.info("deleted", extra=_fields(live, resource))

    async def prune(self, root: Root, keep: set[Place]) -> None:
        """Delete children of this root that are wanted no more."""
        own, label = root.metadata, label_of(root)
        for resource in (*CHILDREN, HTTP_ROUTES):
            for live in self._cache.labelled(resource, own.namespace, own.name, label=label):
                place = (resource, *name_of(live))
                if place not in keep and _owner(live) == own.uid and not is_leaving(live):
                    await self.remove(resource, live)

    def forget(self, namespace: str) -> None:
        """A root is gone: so is, or soon will be, all that it owned."""
        for place in [p for p in self._left if p[1] == namespace]:
            if self._cache.get(*place) is None:
                del self._left[place]

    async def _create(self, wanted: Manifest, owner: str) -> Manifest | Conflict:
        place = (resource_of(wanted), *name_of(wanted))
        if place in self._foreign and await self._exists(place):
            return Conflict(wanted["kind"], place[2])
        self._foreign.discard(place)
        made = await self.create(wanted, owner)
        if made is None:
            # Ours, and yet not in the cache: somebody took a label off, or a watch lags behind.
            return await self._apply(wanted, owner)
        if isinstance(made, Conflict):
            self._foreign.add(place)
        else:
            self._remember(wanted, made)
        return made

    async def _exists(self, place: Place) -> bool:
        try:
            await self._cluster.get(*place)
        except Missing:
            return False
        return True

    async def _apply(self, wanted: Manifest, owner: str) -> Manifest | Conflict:
        resource, (namespace, name) = resource_of(wanted), name_of(wanted)
        try:
            live = await self._cluster.get(resource, namespace, name)
        except Missing:
            # It vanished since the cache saw it; the DELETED event comes, and this is sooner.
            made = await self._post(wanted)
            self._remember(wanted, made)
            return made
        if _owner(live) != owner:
            return Conflict(wanted["kind"], name)
        await self._adopt_fields(resource, live)
        pinned = {**wanted, "metadata": {**wanted["metadata"], "uid": uid_of(live)}}
        self._count(resource, "apply")
        live = await self._cluster.apply(resource, pinned, manager=FIELD_MANAGER)
        self._cache.see(resource, live)
        self._remember(wanted, live)
        log.info("applied", extra=_fields(live, resource))
        return live

    async def _post(self, wanted: Manifest) -> Manifest:
        resource = resource_of(wanted)
        self._count(resource, "create")
        made = await self._cluster.create(resource, wanted, manager=FIELD_MANAGER)
        self._cache.see(resource, made)
        log.info("created", extra=_fields(made, resource))
        return made

    async def _adopt_fields(self, resource: Resource, live: Manifest) -> None:
        """What the POST wrote counts as updated, and a later apply could not drop any of it: make
        it count as applied, once in a child's life."""
        fields = live["metadata"].get("managedFields", ())
        adopted = [_applied(entry) for entry in fields]
        if adopted == list(fields):
            return
        self._count(resource, "patch")
        await self._cluster.patch(
            resource,
            *name_of(live),
            [
                {"op": "replace", "path": "/metadata/managedFields", "value": adopted},
                {
                    "op": "replace",
                    "path": "/metadata/resourceVersion",
                    "value": live["metadata"]["resourceVersion"],
                },
            ],
            manager=FIELD_MANAGER,
            media=JSON_PATCH,
        )

    def _is_as_left(self, wanted: Manifest, live: Manifest) -> bool:
        place = (resource_of(wanted), *name_of(wanted))
        left = self._left.get(place)
        if left and left.uid == uid_of(live):
            return left.wanted == digest(wanted) and left.live == digest(project(wanted, live))
        # The digest among the annotations covers what was wanted then and is wanted no more.
        if not matches(wanted, live):
            return False
        self._remember(wanted, live)
        return True

    def _remember(self, wanted: Manifest, live: Manifest) -> None:
        place = (resource_of(wanted), *name_of(wanted))
        self._left[place] = _Left(uid_of(live), digest(wanted), digest(project(wanted, live)))

    def _count(self, resource: Resource, verb: str) -> None:
        self._metrics.writes.labels(resource.kind, verb).inc()


def signature(wanted: Manifest) -> str:
    return digest(wanted)[:32]


def _signed(wanted: Manifest) -> Manifest:
    metadata = wanted["metadata"]
    annotations = {**metadata.get("annotations", {}), DIGEST_ANNOTATION: signature(wanted)}
    return {**wanted, "metadata": {**metadata, "annotations": annotations}}


def _owner(live: Manifest) -> str:
    return str((controller_of(live) or {}).get("uid", ""))


def _applied(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    ours = entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Update"
    return {**entry, "operation": "Apply"} if ours and "subresource" not in entry else entry


def _fields(live: Manifest, resource: Resource) -> dict[str, str]:
    namespace, name = name_of(live)
    return {"kind": resource.kind, "namespace": namespace, "object": name}
