"""The kinds the operator reads or writes, each once: where it lives and what is watched of it.

Holds a table only: no I/O, no object of any cluster.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Manifest = Mapping[str, Any]
"""One object as the API server sends it: JSON, parsed; nobody writes into it."""

MANAGED: Final = "app.kubernetes.io/managed-by=ostiary"
NAMED: Final = "app.kubernetes.io/name=ostiary"


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of the API."""

    group: str
    version: str
    plural: str
    kind: str
    selector: str = ""
    """Server-side label selector of what is listed and watched; empty = everything."""
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def title(self) -> str:
        """As RBAC and kubectl name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        root = f"/apis/{self.group}" if self.group else "/api"
        place = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        tail = "".join(f"/{part}" for part in (name, subresource) if part)
        return f"{root}/{self.version}{place}/{self.plural}{tail}"


SERVERS: Final = Resource("ostiary.dev", "v1alpha1", "mcpservers", "MCPServer")
GROUPS: Final = Resource("ostiary.dev", "v1alpha1", "mcpgroups", "MCPGroup")
POLICIES: Final = Resource("ostiary.dev", "v1alpha1", "mcpaccesspolicies", "MCPAccessPolicy")
TOKENS: Final = Resource("ostiary.dev", "v1alpha1", "mcpaccesstokens", "MCPAccessToken")
NAMESPACES: Final = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
NETWORK_POLICIES: Final = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
PODS: Final = Resource("", "v1", "pods", "Pod", MANAGED)
DEPLOYMENTS: Final = Resource("apps", "v1", "deployments", "Deployment", MANAGED)
# Every Service: `spec.service` names one that is not ours.
SERVICES: Final = Resource("", "v1", "services", "Service")
ACCOUNTS: Final = Resource("", "v1", "serviceaccounts", "ServiceAccount", MANAGED)
# The settings ConfigMap belongs to the chart, whose managed-by is Helm: both bear the name.
CONFIG_MAPS: Final = Resource("", "v1", "configmaps", "ConfigMap", NAMED)
INGRESSES: Final = Resource("networking.k8s.io", "v1", "ingresses", "Ingress", MANAGED)
BUDGETS: Final = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", MANAGED)

SECRETS: Final = Resource("", "v1", "secrets", "Secret")
EVENTS: Final = Resource("", "v1", "events", "Event")
LEASES: Final = Resource("coordination.k8s.io", "v1", "leases", "Lease")
ADMISSION_POLICIES: Final = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicies",
    "ValidatingAdmissionPolicy",
    namespaced=False,
)
ADMISSION_BINDINGS: Final = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicybindings",
    "ValidatingAdmissionPolicyBinding",
    namespaced=False,
)
CRDS: Final = Resource(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    namespaced=False,
)

ROOTS: Final = (SERVERS, GROUPS, POLICIES, TOKENS)
"""What users write."""
CHILDREN: Final = (
    ACCOUNTS,
    CONFIG_MAPS,
    NETWORK_POLICIES,
    SERVICES,
    BUDGETS,
    DEPLOYMENTS,
    INGRESSES,
)
"""What the operator writes beside status, keys and Events."""
HTTP_ROUTES: Final = Resource("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute", MANAGED)
"""A child as well, of a kind that a cluster may lack: `gateway_api` watches it."""
WATCHED: Final = (*ROOTS, NAMESPACES, PODS, *CHILDREN)

_BY_KIND: Final = {
    resource.kind: resource for resource in (*WATCHED, HTTP_ROUTES, SECRETS, EVENTS, LEASES)
}


def resource_of(manifest: Manifest) -> Resource:
    """The table's row for a manifest of our own making."""
    return _BY_KIND[manifest["kind"]]
