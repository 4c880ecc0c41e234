"""Children of an MCPServer on the real API server: made, kept, and never taken from others."""

from typing import Any

from e2e.cluster.kubectl import Kubectl
from e2e.cluster.waiting import eventually
from tests.operator_api.installed import Running

STDIO: dict[str, Any] = {"image": "example/time:1", "command": ["mcp-server-time"]}


def server(namespace: str, name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "ostiary.dev/v1alpha1",
        "kind": "MCPServer",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {**STDIO, **spec},
    }


def test_everything_of_a_server_is_made(
    operator: Running, kubectl: Kubectl, namespace: str
) -> None:
    kubectl.apply(server(namespace, "time"))

    wanted = [
        *(("service", "time"), ("service", "time-pods"), ("serviceaccount", "time-mcp")),
        *(("configmap", "time-proxy"), ("configmap", "time-key-0"), ("secret", "time-key-0")),
        *(("networkpolicy", "time"), ("deployment", "time")),
    ]
    for kind, name in wanted:
        eventually(
            lambda k=kind, n=name: kubectl.get(k, n, namespace), seconds=20, what=f"{kind} {name}"
        )
