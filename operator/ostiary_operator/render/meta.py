"""Metadata of children: labels of ours, and the owner.  Nothing of the parent's is ever copied.

A root is an object of a user's that has children: an MCPServer or an MCPGroup.  What differs
between the two here is said here alone.
"""

from typing import Any

from ostiary_operator.api import (
    API_VERSION,
    COMPONENT_GATEWAY,
    COMPONENT_SERVER,
    GROUP_KIND,
    LABEL_COMPONENT,
    LABEL_GROUP,
    LABEL_MANAGED_BY,
    LABEL_NAME,
    LABEL_SERVER,
    PRODUCT,
    SERVER_KIND,
    MCPGroup,
    MCPServer,
)

from . import names

Manifest = dict[str, Any]
Root = MCPServer | MCPGroup


def kind_of(root: Root) -> str:
    return GROUP_KIND if isinstance(root, MCPGroup) else SERVER_KIND


def prefix(root: Root) -> str:
    """What the names of its children begin with; no server may be named like a group's."""
    name = root.metadata.name
    return names.group(name) if isinstance(root, MCPGroup) else name


def label_of(root: Root) -> str:
    """The label key by which its children and pods are known to be its."""
    return LABEL_GROUP if isinstance(root, MCPGroup) else LABEL_SERVER


def labels(root: Root) -> dict[str, str]:
    return {
        LABEL_NAME: PRODUCT,
        LABEL_MANAGED_BY: PRODUCT,
        LABEL_COMPONENT: COMPONENT_GATEWAY if isinstance(root, MCPGroup) else COMPONENT_SERVER,
        **pod_selector(root),
    }


def pod_selector(root: Root) -> dict[str, str]:
    """One label selects a root's pods everywhere: Deployment, Services, NetworkPolicy."""
    return {label_of(root): root.metadata.name}


def owner_reference(root: Root) -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": kind_of(root),
        "name": root.metadata.name,
        "uid": root.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def metadata(root: Root, name: str) -> Manifest:
    return {
        "name": name,
        "namespace": root.metadata.namespace,
        "labels": labels(root),
        "ownerReferences": [owner_reference(root)],
    }


def replicas_of(root: Root) -> int:
    """Pods that are wanted; the API never defaults it."""
    return 1 if root.spec.replicas is None else root.spec.replicas
