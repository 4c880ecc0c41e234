"""The Service of `spec.service`, read for what the proxy and its wall need to know of it.  Pure.

Without a selector it names no pods, so there is nothing that a NetworkPolicy could admit or
protect; an ExternalName is a way out of the namespace.  Both are refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ostiary_operator.api import Reason
from ostiary_operator.api.source import ServiceSource


@dataclass(frozen=True, slots=True)
class Workload:
    """The pods behind a Service."""

    selector: Mapping[str, str]
    pod_port: int | str
    """Number, or the name of a port of the pods: what a NetworkPolicy speaks of."""
    dial_port: int
    """What the proxy connects to: the Service's port, or the pods' where it is headless."""


@dataclass(frozen=True, slots=True)
class Unusable:
    reason: str
    message: str


def read_service(
    wanted: ServiceSource, namespace: str, service: Mapping[str, Any] | None
) -> Workload | Unusable:
    """`service`: the Service as it stands in the cluster; None: there is none."""
    title = f"Service {namespace}/{wanted.name}"
    if service is None:
        return Unusable(
            Reason.SERVICE_NOT_FOUND, f"{title} not found: create it, or correct spec.service.name"
        )
    spec = service.get("spec", {})
    selector = spec.get("selector") or {}
    if spec.get("type") == "ExternalName" or not selector:
        return _unusable(
            f"{title} selects no pods (it has no selector, or is an ExternalName): give it one, or "
            "write the server as spec.remote"
        )
    found = _port(spec.get("ports") or (), wanted.port)
    if found is None:
        known = ", ".join(str(it.get("port")) for it in spec.get("ports") or ()) or "none"
        return _unusable(f"{title} has no TCP port {wanted.port}; its ports: {known}")
    target = found.get("targetPort") or wanted.port
    if spec.get("clusterIP") != "None":
        return Workload(dict(selector), target, wanted.port)
    if isinstance(target, str):
        return _unusable(
            f"{title} is headless, and its port {wanted.port} leads to the name {target}: write "
            "targetPort as a number"
        )
    return Workload(dict(selector), target, target)


def _port(ports: Any, number: int) -> Mapping[str, Any] | None:
    return next(
        (it for it in ports if it.get("port") == number and it.get("protocol", "TCP") == "TCP"),
        None,
    )


def _unusable(message: str) -> Unusable:
    return Unusable(Reason.SERVICE_UNUSABLE, message)
