"""The two Services of a server: the one that people call, and the one that holds pod addresses."""

from ostiary_operator.api import MCPServer
from ostiary_proxy.config import ADMIN_PORT, MCP_PORT

from . import names
from .containers import TLS_PORT_NAME
from .meta import Manifest, metadata, pod_selector


def render_service(server: MCPServer) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(server, names.service(server.metadata.name)),
        "spec": {
            "type": "ClusterIP",
            "selector": pod_selector(server),
            "ports": [_tls_port() if server.spec.tls else _plain_port()],
        },
    }


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


def render_pods_service(server: MCPServer) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(server, names.pods_service(server.metadata.name)),
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            # A pod that drains still owns its sessions: siblings must find it.
            "publishNotReadyAddresses": True,
            "selector": pod_selector(server),
            "ports": [
                {"name": "mcp", "port": MCP_PORT, "protocol": "TCP", "targetPort": "mcp"},
                {"name": "admin", "port": ADMIN_PORT, "protocol": "TCP", "targetPort": "admin"},
            ],
        },
    }
