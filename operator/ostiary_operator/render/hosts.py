"""The DNS names of a Service, and the audiences that they make.  Pure."""

from collections.abc import Iterable
from typing import Final

CLUSTER_DOMAIN: Final = "cluster.local"


def service_hosts(name: str, namespace: str) -> tuple[str, ...]:
    """The four DNS forms of a Service, the canonical one first."""
    return (
        f"{name}.{namespace}.svc",
        f"{name}.{namespace}.svc.{CLUSTER_DOMAIN}",
        f"{name}.{namespace}",
        name,
    )


def service_audiences(
    name: str, namespace: str, path: str = "/mcp", schemes: Iterable[str] = ("http",)
) -> tuple[str, ...]:
    """The bare name is a Host, and no audience: a namesake of another namespace would have it
    too."""
    hosts = service_hosts(name, namespace)
    return tuple(f"{scheme}://{host}{path}" for scheme in schemes for host in hosts if "." in host)
