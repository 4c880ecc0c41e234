"""Metadata of children: labels of ours, and the owner.  Nothing of the parent's is ever copied."""

from typing import Any

from ostiary_operator.api import (
    API_VERSION,
    COMPONENT_SERVER,
    LABEL_COMPONENT,
    LABEL_MANAGED_BY,
    LABEL_NAME,
    LABEL_SERVER,
    PRODUCT,
    SERVER_KIND,
    MCPServer,
)

Manifest = dict[str, Any]


def labels(server: MCPServer) -> dict[str, str]:
    return {
        LABEL_NAME: PRODUCT,
        LABEL_MANAGED_BY: PRODUCT,
        LABEL_COMPONENT: COMPONENT_SERVER,
        LABEL_SERVER: server.metadata.name,
    }


def pod_selector(server: MCPServer) -> dict[str, str]:
    """One label selects a server's pods everywhere: Deployment, Services, NetworkPolicy."""
    return {LABEL_SERVER: server.metadata.name}


def owner_reference(server: MCPServer) -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": SERVER_KIND,
        "name": server.metadata.name,
        "uid": server.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def metadata(server: MCPServer, name: str) -> Manifest:
    return {
        "name": name,
        "namespace": server.metadata.namespace,
        "labels": labels(server),
        "ownerReferences": [owner_reference(server)],
    }
