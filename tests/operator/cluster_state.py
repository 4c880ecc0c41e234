"""Pods, Deployments and reports as a kubelet and a proxy would show them."""

from datetime import UTC, datetime
from typing import Any

from tests.operator.build import ENV, SETTINGS

from ostiary_operator.api import MCPServer
from ostiary_operator.render.deployment import render_deployment
from ostiary_operator.render.network import render_network_policy
from ostiary_operator.status import Observed
from ostiary_proxy.config import ServerReport, StatusReport, ToolReport

NOW = datetime(2026, 7, 1, 12, 0, 0, tzinfo=UTC)
STARTED = "2026-07-01T11:00:00Z"
JUST_STARTED = "2026-07-01T11:59:50Z"
GENERATION = 3
READY = ServerReport(
    namespace="tools",
    name="time",
    state="Ready",
    protocol="2025-11-25",
    served=("2025-06-18", "2025-11-25"),
    serverName="mcp-time",
    serverVersion="1.4",
    toolCount=2,
    toolsDigest="sha256:all",
    tools=(ToolReport(name="b", digest="sha256:b"), ToolReport(name="a", digest="sha256:a")),
)


def running(started: str = STARTED, **last: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"state": {"running": {"startedAt": started}}}
    return found | ({"lastState": {"terminated": last}} if last else {})


def waiting(reason: str, message: str = "", /, **last: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"state": {"waiting": {"reason": reason, "message": message}}}
    return found | ({"lastState": {"terminated": last}} if last else {})


def terminated(**how: Any) -> dict[str, Any]:
    return {"state": {"terminated": how}}


def pod(
    name: str = "time-1",
    *,
    server: dict[str, Any] | None = None,
    proxy: dict[str, Any] | None = None,
    phase: str = "Running",
    conditions: list[dict[str, Any]] | None = None,
    leaving: bool = False,
) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": "tools",
        "uid": f"uid-{name}",
        "labels": {"ostiary.dev/server": "time"},
    }
    if leaving:
        metadata["deletionTimestamp"] = STARTED
    return {
        "metadata": metadata,
        "status": {
            "phase": phase,
            "conditions": conditions or [],
            "initContainerStatuses": [
                {"name": "shim", "image": "proxy:1"} | terminated(exitCode=0, reason="Completed"),
                {"name": "proxy", "image": "proxy:1"} | (proxy or running()),
            ],
            "containerStatuses": [
                {"name": "server", "image": "time:1"} | (server or running()),
            ],
        },
    }


def deployment(parent: MCPServer, *, ready: int | None = None, **status: Any) -> dict[str, Any]:
    found = render_deployment(parent, SETTINGS)
    wanted = found["spec"]["replicas"]
    count = wanted if ready is None else ready
    found["metadata"]["generation"] = 5
    found["status"] = {
        "observedGeneration": 5,
        "replicas": wanted,
        "updatedReplicas": wanted,
        "readyReplicas": count,
        "availableReplicas": count,
    } | status
    return found


def report(
    backend: ServerReport = READY, *, generation: int = GENERATION, **more: Any
) -> StatusReport:
    return StatusReport(
        etag="e", version="0.1.0", generation=generation, servers=(backend,), **more
    )


def unavailable(reason: str, message: str = "") -> ServerReport:
    return ServerReport(
        namespace="tools", name="time", state="Unavailable", reason=reason, message=message
    )


def healthy(parent: MCPServer, **more: Any) -> Observed:
    """One pod that runs, is ready, and answers."""
    given: dict[str, Any] = {
        "generation": GENERATION,
        "deployment": deployment(parent),
        "network_policy": render_network_policy(parent, (), SETTINGS, ENV),
        "pods": (pod(),),
        "reports": {"uid-time-1": report()},
        "namespaces": {"tools": {}},
    }
    return Observed(**(given | more))
