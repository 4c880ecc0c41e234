"""The two Services of a root: the one that people call, and the one that holds pod addresses."""

from ostiary_operator.api import MCPServer
from ostiary_proxy.config import ADMIN_PORT, MCP_PORT

from . import names
from .containers import TLS_PORT_NAME
from .meta import Manifest, Root, metadata, pod_selector, prefix


def render_service(root: Root) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(root, names.service(prefix(root))),
        "spec": {
            "type": "ClusterIP",
            "selector": pod_selector(root),
            "ports": [_tls_port() if _has_tls(root) else _plain_port()],
        },
    }


def service_port(root: Root) -> int:
    return 443 if _has_tls(root) else 80


def _has_tls(root: Root) -> bool:
    return isinstance(root, MCPServer) and root.spec.tls is not None


def _plain_port() -> Manifest:
    return {
        "name": "mcp",
        "port": 80,
        "protocol": "TCP",
        "targetPort": "mcp",
        "appProtocol": "http",
    }


def _tls_port() -> Manifest:
    return {
        "name": TLS_PORT_NAME,
        "port": 443,
        "protocol": "TCP",
        "targetPort": TLS_PORT_NAME,
        "appProtocol": "https",
    }


def render_pods_service(root: Root) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(root, names.pods_service(prefix(root))),
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            # A pod that drains still owns its sessions: siblings must find it.
            "publishNotReadyAddresses": True,
            "selector": pod_selector(root),
            "ports": [
                {"name": "mcp", "port": MCP_PORT, "protocol": "TCP", "targetPort": "mcp"},
                {"name": "admin", "port": ADMIN_PORT, "protocol": "TCP", "targetPort": "admin"},
            ],
        },
    }
