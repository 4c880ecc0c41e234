"""Say what was found: status of the user's object when its meaning changed, then Events.

One apply of the status subresource under a field manager of its own, so that nothing else on the
object is ever ours.  An Event only for a condition that changed sides, and only after that write.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from .api import STATUS_MANAGER, Reason, Type
from .cache import Cache, name_of, uid_of
from .cluster import ApiError, Cluster
from .likeness import digest, project
from .metrics import Metrics
from .resources import EVENTS, Manifest, Resource

EVENT_TYPES: Final = frozenset(
    {
        Type.READY,
        Type.ACCEPTED,
        Type.RESOLVED_REFS,
        Type.BACKEND_PRIVATE,
        Type.STALLED,
        Type.TOOLS_PINNED,
        Type.TOOLS_SUSPECT,
    }
)
"""Conditions whose change is worth an Event; the others follow from these."""
ABNORMAL: Final = frozenset({Type.STALLED, Type.RECONCILING, Type.TOOLS_SUSPECT})
NOTE_LENGTH: Final = 1024

log = logging.getLogger(__name__)


class Publisher:
    def __init__(
        self,
        *,
        cluster: Cluster,
        cache: Cache,
        metrics: Metrics,
        reporter: str,
        now: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._metrics = metrics
        self._reporter = reporter
        self._now = now
        self._left: dict[str, tuple[str, str]] = {}
        """By uid: the digest of the status we wrote, and of what then stood there."""

    async def publish(
        self, resource: Resource, manifest: Manifest, status: Mapping[str, Any]
    ) -> None:
        before = manifest.get("status", {})
        if status == before or self._is_as_left(manifest, status):
            return
        namespace, name = name_of(manifest)
        body = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": name, "namespace": namespace, "uid": uid_of(manifest)},
            "status": status,
        }
        self._metrics.writes.labels(resource.kind, "status").inc()
        live = await self._cluster.apply(
            resource, body, manager=STATUS_MANAGER, subresource="status"
        )
        if _same_meaning(manifest, live):
            # Otherwise the answer bears an edit of the user's that no watch has told of yet: seen
            # here, it would be taken for an echo there, and nobody would act on it.
            self._cache.see(resource, live)
        standing = digest(project(status, live.get("status", {})))
        self._left[uid_of(manifest)] = (digest(status), standing)
        for condition in transitions(before.get("conditions") or (), status["conditions"]):
            await self._tell(resource, manifest, condition)

    def forget(self, uid: str) -> None:
        self._left.pop(uid, None)

    def _is_as_left(self, manifest: Manifest, status: Mapping[str, Any]) -> bool:
        """True too where the API server does not keep a field as it was written."""
        left = self._left.get(uid_of(manifest))
        standing = manifest.get("status", {})
        return left == (digest(status), digest(project(status, standing)))

    async def _tell(
        self, resource: Resource, manifest: Manifest, condition: Mapping[str, Any]
    ) -> None:
        namespace, name = name_of(manifest)
        log.info(
            "condition",
            extra={
                "kind": resource.kind,
                "namespace": namespace,
                "object": name,
                "condition": condition["type"],
                "status": condition["status"],
                "reason": condition["reason"],
            },
        )
        try:
            await self._cluster.create(
                EVENTS, self._event(resource, manifest, condition), manager=STATUS_MANAGER
            )
        except ApiError as err:
            # A lost Event costs nobody anything: the condition stands.
            log.info("an event was not written", extra={"reason": str(err)})

    def _event(
        self, resource: Resource, manifest: Manifest, condition: Mapping[str, Any]
    ) -> Manifest:
        namespace, name = name_of(manifest)
        now = self._now().astimezone(UTC)
        mark = hashlib.sha256(f"{uid_of(manifest)}{condition}{now}".encode()).hexdigest()[:16]
        return {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"name": f"{name}.{mark}", "namespace": namespace},
            "involvedObject": {
                "apiVersion": resource.api_version,
                "kind": resource.kind,
                "namespace": namespace,
                "name": name,
                "uid": uid_of(manifest),
                "resourceVersion": manifest["metadata"]["resourceVersion"],
            },
            "reason": condition["reason"],
            "message": f"{condition['type']}: {condition['message']}"[:NOTE_LENGTH],
            "type": "Normal" if _is_good(condition) else "Warning",
            "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "action": "Reconcile",
            "reportingComponent": "ostiary.dev/operator",
            "reportingInstance": self._reporter,
        }


def _same_meaning(before: Manifest, after: Manifest) -> bool:
    return all(
        before["metadata"].get(field) == after["metadata"].get(field)
        for field in ("generation", "labels", "deletionTimestamp")
    )


def transitions(
    before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Conditions that changed sides; one that is said for the first time counts unless it says
    what everybody hopes for."""
    # Of what nobody asked for, nothing was said.
    stood = {it["type"]: it["status"] for it in before if it["reason"] != Reason.NOT_REQUESTED}
    return [
        condition
        for condition in after
        if condition["type"] in EVENT_TYPES
        and condition["status"] != stood.get(condition["type"])
        and (condition["type"] in stood or not _is_good(condition))
        and condition["status"] != "Unknown"
        and condition["reason"] != Reason.NOT_REQUESTED
    ]


def _is_good(condition: Mapping[str, Any]) -> bool:
    return (condition["status"] == "True") is (condition["type"] not in ABNORMAL)
