"""What was looked at before a status is said: children, pods, events, the proxies' own reports."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ostiary_operator.api import MCPAccessPolicy
from ostiary_operator.render.expose import NOT_EXPOSED, Exposure
from ostiary_operator.render.workload import Unusable, Workload
from ostiary_proxy.config import ServerReport, StatusReport

Object = Mapping[str, Any]
"""An object of the API server, as cached."""


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The pod runs, and its admin port could not be reached, more than once."""

    message: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """A child's name that an object of somebody else holds."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the last writes did not go through."""

    reason: str
    """Reason.FORBIDDEN, QUOTA_EXCEEDED, CONFIG_TOO_LARGE or RETRYING."""
    message: str
    """Must be the same for the same cause: no times, no random names."""


@dataclass(frozen=True, slots=True)
class Observed:
    generation: int = 0
    """Of the config document in the ConfigMap; 0 while there is none."""
    deployment: Object | None = None
    network_policy: Object | None = None
    """Ours, as it stands in the cluster."""
    pods: tuple[Object, ...] = ()
    """Of this server, the leaving ones included."""
    events: tuple[Object, ...] = ()
    """Core Events about these pods, FailedMount above all."""
    reports: Mapping[str, StatusReport | Unreachable] = field(default_factory=dict)
    """By pod uid; a pod that was not asked yet is absent."""
    conflicts: tuple[Conflict, ...] = ()
    failures: tuple[Failure, ...] = ()
    widened_by: tuple[str, ...] = ()
    """Names of NetworkPolicies of somebody else, from render.widened_by."""
    policies: tuple[MCPAccessPolicy, ...] = ()
    """Usable policies of the namespace."""
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    workload: Workload | Unusable | None = None
    """What `spec.service` names; None for another source."""
    protection: Object | None = None
    """Our NetworkPolicy on the pods of `spec.service`, as it stands in the cluster."""
    protection_widened_by: tuple[str, ...] = ()
    exposure: Exposure = NOT_EXPOSED
    routes: tuple[Object, ...] = ()
    """HTTPRoutes of ours, as they stand in the cluster."""

    @property
    def live_pods(self) -> tuple[Object, ...]:
        """Pods that are to stay, by name."""
        staying = (
            pod
            for pod in self.pods
            if "deletionTimestamp" not in pod["metadata"]
            and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
        )
        return tuple(sorted(staying, key=lambda pod: str(pod["metadata"]["name"])))

    def report_of(self, pod: Object) -> StatusReport | None:
        found = self.reports.get(pod["metadata"]["uid"])
        return found if isinstance(found, StatusReport) else None

    def backend_of(self, pod: Object) -> ServerReport | None:
        report = self.report_of(pod)
        return report.servers[0] if report and report.servers else None

    @property
    def backends(self) -> tuple[ServerReport, ...]:
        """What the proxies of the live pods say of the server, by pod name."""
        found = (self.backend_of(pod) for pod in self.live_pods)
        return tuple(report for report in found if report is not None)


@dataclass(frozen=True, slots=True)
class Enforcement:
    """N of M pods enforce generation G."""

    enforcing: int
    pods: int
    generation: int

    @property
    def complete(self) -> bool:
        return self.enforcing == self.pods and self.generation > 0

    def __str__(self) -> str:
        return f"{self.enforcing}/{self.pods}"


def enforcement(observed: Observed, *, replicas: int) -> Enforcement:
    """Pods that are wanted and do not exist yet count as not enforcing."""
    live = observed.live_pods
    enforcing = sum(
        report is not None and 0 < observed.generation <= report.generation
        for report in map(observed.report_of, live)
    )
    return Enforcement(enforcing, max(len(live), replicas), observed.generation)
