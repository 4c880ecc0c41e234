"""Look at what a root's status speaks of: its pods, their proxies' reports, and complaints.

Reads the cache and the reports; asks the API server only for the kubelet's FailedMount events of
pods that wait for their volumes, and for the labels of the pods behind a Service that is to be
protected.  Says nothing: `status` does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from ostiary_proxy.config import StatusReport

from .api import LABEL_SERVER, MCPServer
from .cache import Cache, is_leaving, name_of, uid_of
from .cluster import ApiError, Cluster
from .render import Manifest as Rendered
from .render import names, widened_by
from .render.meta import Root, label_of, prefix
from .render.workload import Unusable, Workload, read_service
from .reports import Reports
from .resources import (
    DEPLOYMENTS,
    EVENTS,
    HTTP_ROUTES,
    NAMESPACES,
    NETWORK_POLICIES,
    PODS,
    SERVICES,
    Manifest,
)
from .status import Unreachable

SOONEST_LOOK: Final = 2.0
LATEST_LOOK: Final = 30.0
"""Events are asked for, not watched: often at first, then seldom."""


@dataclass(frozen=True, slots=True)
class Complaints:
    events: tuple[Manifest, ...] = ()
    look_again: float | None = None


class Observer:
    def __init__(self, *, cluster: Cluster, cache: Cache, reports: Reports) -> None:
        self._cluster = cluster
        self._cache = cache
        self._reports = reports

    def pods(self, root: Root) -> tuple[Manifest, ...]:
        place = root.metadata
        return self._cache.labelled(PODS, place.namespace, place.name, label=label_of(root))

    def namespaces(self) -> dict[str, Mapping[str, str]]:
        return {
            name_of(manifest)[1]: manifest["metadata"].get("labels", {})
            for manifest in self._cache.all(NAMESPACES)
        }

    def addresses(self, pods: tuple[Manifest, ...]) -> dict[str, str]:
        """Where the proxies of the pods that stay can be asked, by pod uid."""
        return {
            uid_of(pod): pod["status"]["podIP"]
            for pod in pods
            if pod.get("status", {}).get("podIP")
            and not is_leaving(pod)
            and pod["status"].get("phase") in ("Pending", "Running")
        }

    def answers(self, pods: tuple[Manifest, ...]) -> dict[str, StatusReport | Unreachable]:
        found = ((uid_of(pod), self._reports.of(uid_of(pod))) for pod in pods)
        return {uid: answer for uid, answer in found if answer is not None}

    def deployment(self, root: Root) -> Manifest | None:
        name = names.deployment(prefix(root))
        return self._own(root, self._cache.get(DEPLOYMENTS, root.metadata.namespace, name))

    def network_policy(self, root: Root) -> Manifest | None:
        name = names.network_policy(prefix(root))
        return self._own(root, self._cache.get(NETWORK_POLICIES, root.metadata.namespace, name))

    def protection(self, server: MCPServer) -> Manifest | None:
        name = names.protection(server.metadata.name)
        found = self._cache.get(NETWORK_POLICIES, server.metadata.namespace, name)
        return self._own(server, found)

    def routes(self, root: Root) -> tuple[Manifest, ...]:
        """HTTPRoutes; of an Ingress nobody tells how it fares."""
        metadata = root.metadata
        found = self._cache.labelled(
            HTTP_ROUTES, metadata.namespace, metadata.name, label=label_of(root)
        )
        return tuple(it for it in found if self._own(root, it) is not None)

    def workload(self, server: MCPServer) -> Workload | Unusable | None:
        """What `spec.service` names, as it stands now."""
        wanted, namespace = server.spec.service, server.metadata.namespace
        if wanted is None:
            return None
        return read_service(wanted, namespace, self._cache.get(SERVICES, namespace, wanted.name))

    async def protection_widening(
        self, workload: Workload, protection: Rendered
    ) -> tuple[str, ...]:
        """NetworkPolicies that admit more to the Service's pods than the wall around them does."""
        namespace = protection["metadata"]["namespace"]
        others = self._cache.within(NETWORK_POLICIES, namespace)
        found = {
            name
            for labels in await self._workload_labels(workload, namespace)
            for name in widened_by(labels, protection, others.values(), named=None)
        }
        return tuple(sorted(found))

    async def _workload_labels(self, workload: Workload, namespace: str) -> list[Mapping[str, str]]:
        """Of the pods, which nobody watches for us; of none, what the selector alone tells."""
        selector = ",".join(f"{key}={value}" for key, value in sorted(workload.selector.items()))
        try:
            listed = await self._cluster.list(replace(PODS, selector=selector), namespace=namespace)
        except ApiError:
            return [workload.selector]
        distinct = {frozenset(it["metadata"].get("labels", {}).items()) for it in listed.manifests}
        return [dict(labels) for labels in distinct] or [workload.selector]

    def widening(
        self, server: MCPServer, pod_labels: Mapping[str, str], ours: Rendered
    ) -> tuple[str, ...]:
        others = self._cache.within(NETWORK_POLICIES, server.metadata.namespace)
        # Those of our other servers, one per server, could not select its pods: not looked at.
        strangers = [
            it
            for it in others.values()
            if _wanted_label(it) in (None, pod_labels.get(LABEL_SERVER))
        ]
        return widened_by(pod_labels, ours, strangers)

    async def complaints(self, pods: tuple[Manifest, ...], now: datetime) -> Complaints:
        events: list[Manifest] = []
        pauses: list[float] = []
        for pod in pods:
            if not _waits_for_volumes(pod):
                continue
            age = _age(pod, now)
            pauses.append(min(LATEST_LOOK, max(SOONEST_LOOK, age / 4)))
            if age >= SOONEST_LOOK:
                events += await self._failed_mounts(pod)
        return Complaints(tuple(events), min(pauses, default=None))

    async def _failed_mounts(self, pod: Manifest) -> tuple[Manifest, ...]:
        namespace, name = name_of(pod)
        fields = f"involvedObject.kind=Pod,involvedObject.name={name},reason=FailedMount"
        try:
            return (await self._cluster.list(EVENTS, namespace=namespace, fields=fields)).manifests
        except ApiError:
            # They only explain; the pod's own status stands without them.
            return ()

    def _own(self, root: Root, found: Manifest | None) -> Manifest | None:
        owners = (found or {}).get("metadata", {}).get("ownerReferences", ())
        is_ours = any(owner["uid"] == root.metadata.uid for owner in owners)
        return found if is_ours else None


def _age(pod: Manifest, now: datetime) -> float:
    """In seconds; the API server's clock may be ahead of ours."""
    made = datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
    return max(0.0, (now - made).total_seconds())


def _wanted_label(network_policy: Manifest) -> str | None:
    """Which server's pods it can select at most; None: any."""
    selector = network_policy["spec"].get("podSelector") or {}
    value: str | None = (selector.get("matchLabels") or {}).get(LABEL_SERVER)
    return value


def _waits_for_volumes(pod: Manifest) -> bool:
    """Scheduled, and no container was ever made: images and volumes are being fetched."""
    if is_leaving(pod) or not pod["spec"].get("nodeName"):
        return False
    status = pod.get("status", {})
    containers = [
        *status.get("initContainerStatuses", ()),
        *status.get("containerStatuses", ()),
    ]
    return status.get("phase") == "Pending" and all(
        "waiting" in container.get("state", {}) for container in containers
    )
