"""The containers of a server's pod, three or the proxy alone; and the one of a gateway's.

Restricted Pod Security, whatever the spec says.
"""

from collections.abc import Iterable
from typing import Any, Final

from ostiary_operator.api import MCPServer
from ostiary_operator.api.container import PROXY_UID, SERVER_GID, SERVER_UID
from ostiary_operator.settings import ClusterSettings
from ostiary_proxy.config import (
    ADMIN_PORT,
    DRAIN_SOCKET,
    MCP_PORT,
    SHIM_DIR,
    STDIO_SOCKET,
    TLS_PORT,
)

from .meta import Manifest
from .volumes import HOME, gateway_mounts, proxy_mounts, server_mounts, shim_mount

TLS_PORT_NAME: Final = "mcp-tls"
ROLE_VARIABLE: Final = "OSTIARY_ROLE"
"""Of a gateway's proxy: a sidecar's has none."""
SHIM_IN_IMAGE: Final = "/opt/ostiary/shim"
SHIM: Final = f"{SHIM_DIR}/shim"
MAX_CHILDREN: Final = 272
"""Of the shim: the largest `maxProcesses` and some for processes that are on their way out.  The
proxy keeps the cap; a constant here keeps a change of it from replacing pods."""


def shim_installer(settings: ClusterSettings) -> Manifest:
    return {
        "name": "shim",
        "image": settings.proxyImage,
        "imagePullPolicy": settings.proxyImagePullPolicy,
        "command": [SHIM_IN_IMAGE, "install", SHIM],
        "resources": settings.proxyResources.model_dump(),
        "securityContext": security_context(PROXY_UID, read_only_root=True),
        "volumeMounts": [shim_mount()],
    }


def proxy_container(server: MCPServer, settings: ClusterSettings) -> Manifest:
    # Beside a server it is a native sidecar, which starts before and stops after it.  Alone it is
    # the pod's container: SIGTERM makes it drain, as nothing else has to outlive that.
    beside = {"restartPolicy": "Always"} if server.spec.image is not None else {}
    tls = [_tls_port()] if server.spec.tls else []
    return _proxy(settings, mounts=proxy_mounts(server), ports=tls) | beside


def gateway_container(settings: ClusterSettings) -> Manifest:
    role = {"name": ROLE_VARIABLE, "value": "gateway"}
    return _proxy(settings, mounts=gateway_mounts(), variables=[role])


def _proxy(
    settings: ClusterSettings,
    *,
    mounts: list[Manifest],
    ports: Iterable[Manifest] = (),
    variables: Iterable[Manifest] = (),
) -> Manifest:
    return {
        "name": "proxy",
        "image": settings.proxyImage,
        "imagePullPolicy": settings.proxyImagePullPolicy,
        "env": [
            *variables,
            _pod_field("POD_NAME", "metadata.name"),
            _pod_field("POD_UID", "metadata.uid"),
            _pod_field("POD_IP", "status.podIP"),
        ],
        "ports": [
            {"name": "mcp", "containerPort": MCP_PORT, "protocol": "TCP"},
            {"name": "admin", "containerPort": ADMIN_PORT, "protocol": "TCP"},
            *ports,
        ],
        # Asking for the backend here would deadlock: the server waits for this probe.
        "startupProbe": _probe("/healthz", period=1, failures=60),
        "livenessProbe": _probe("/healthz", period=10, failures=3),
        "readinessProbe": _probe("/readyz", period=2, failures=3),
        "resources": settings.proxyResources.model_dump(),
        "securityContext": security_context(PROXY_UID, read_only_root=True),
        "volumeMounts": mounts,
    }


def server_container(server: MCPServer) -> Manifest:
    spec = server.spec
    security = spec.security
    read_only = security is None or security.readOnlyRootFilesystem is not False
    user = (security and security.runAsUser) or SERVER_UID
    return {
        "name": "server",
        "image": spec.image,
        **_optional(imagePullPolicy=spec.imagePullPolicy, workingDir=spec.workingDir),
        **_process(server),
        "env": _environment(server),
        **_optional(envFrom=[it.as_manifest() for it in spec.envFrom or ()]),
        "resources": spec.resources.as_manifest() if spec.resources else {},
        "lifecycle": {"preStop": {"exec": {"command": [SHIM, "drain", "--socket", DRAIN_SOCKET]}}},
        "securityContext": security_context(user, read_only_root=read_only),
        "volumeMounts": server_mounts(server),
    }


def security_context(user: int, *, read_only_root: bool) -> Manifest:
    return {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": SERVER_GID,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": read_only_root,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _process(server: MCPServer) -> Manifest:
    """stdio: the shim starts the user's command.  HTTP: the image's own, or what the user said."""
    command, args = list(server.spec.command or ()), list(server.spec.args or ())
    if server.spec.listens is not None:
        return _optional(command=command, args=args)
    shim = [SHIM, "--socket", STDIO_SOCKET, "--max-children", str(MAX_CHILDREN)]
    return {"command": [*shim, "--", *command, *args]}


def _environment(server: MCPServer) -> list[Manifest]:
    given = [variable.as_manifest() for variable in server.spec.env or ()]
    if any(variable["name"] == "HOME" for variable in given):
        return given
    return [{"name": "HOME", "value": HOME}, *given]


def _tls_port() -> Manifest:
    return {"name": TLS_PORT_NAME, "containerPort": TLS_PORT, "protocol": "TCP"}


def _pod_field(name: str, path: str) -> Manifest:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _probe(path: str, *, period: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": "admin"},
        "periodSeconds": period,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }


def _optional(**fields: Any) -> Manifest:
    return {name: value for name, value in fields.items() if value}
