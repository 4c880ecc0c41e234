"""Every name that other programs see: group, label keys, annotation, field managers.  Each once."""

from typing import Final

GROUP: Final = "ostiary.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
CATEGORY: Final = "ostiary"

SERVER_KIND: Final = "MCPServer"
SERVER_PLURAL: Final = "mcpservers"
GROUP_KIND: Final = "MCPGroup"
GROUP_PLURAL: Final = "mcpgroups"
POLICY_KIND: Final = "MCPAccessPolicy"
POLICY_PLURAL: Final = "mcpaccesspolicies"
TOKEN_KIND: Final = "MCPAccessToken"
TOKEN_PLURAL: Final = "mcpaccesstokens"

PRODUCT: Final = "ostiary"
"""Value of the name and managed-by labels on every child."""

LABEL_NAME: Final = "app.kubernetes.io/name"
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
LABEL_COMPONENT: Final = "app.kubernetes.io/component"
LABEL_SERVER: Final = f"{GROUP}/server"
"""On every child and pod of an MCPServer; the only label that selectors for it use."""
LABEL_GROUP: Final = f"{GROUP}/group"
"""On every child and pod of an MCPGroup, in the place of the server's."""
LABEL_NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"
"""Set by the API server on every namespace, and nobody can change it."""

COMPONENT_SERVER: Final = "server"
COMPONENT_GATEWAY: Final = "gateway"

CONFIG_ANNOTATION: Final = f"{GROUP}/config-generation"
"""On pods; its change makes the kubelet refresh the mounted config at once."""

FIELD_MANAGER: Final = "ostiary"
"""Owns the fields of our children."""
STATUS_MANAGER: Final = "ostiary-status"
"""Owns the status of the user's objects, and nothing else on them."""
REPLICAS_MANAGER: Final = "ostiary-replicas"
"""Holds a Deployment's replicas while they are handed to an autoscaler."""
