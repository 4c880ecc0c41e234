"""The Deployment of a server: the shim's installer, the proxy as a native sidecar, the server; or
the proxy alone, where the server is elsewhere.

No digest of the config is in the pod template: a policy edit must reach running pods, not replace
them.  The containers themselves are in `containers.py`, the volumes in `volumes.py`.
"""

from typing import Final

from ostiary_operator.api import LABEL_SERVER, MCPServer
from ostiary_operator.api.container import SERVER_GID
from ostiary_operator.settings import ClusterSettings

from . import names
from .account import account_name
from .containers import proxy_container, server_container, shim_installer
from .meta import Manifest, labels, metadata, pod_selector
from .volumes import has_writable_claim, volumes

DRAIN_MARGIN_SECONDS: Final = 10
PROGRESS_SECONDS: Final = 600
"""Kubernetes' own default, and the least that we set."""


def render_deployment(server: MCPServer, settings: ClusterSettings) -> Manifest:
    replicas = 1 if server.spec.replicas is None else server.spec.replicas
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(server, names.deployment(server.metadata.name)),
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": max(PROGRESS_SECONDS, 60 + startup_seconds(server)),
            "selector": {"matchLabels": pod_selector(server)},
            "strategy": _strategy(server),
            "template": {
                "metadata": _pod_metadata(server),
                "spec": _pod_spec(server, settings, replicas),
            },
        },
    }


def startup_seconds(server: MCPServer) -> int:
    return server.spec.startupSeconds or 60


def pod_labels(server: MCPServer) -> dict[str, str]:
    """The user's first: ours cannot be replaced."""
    given = server.spec.podMetadata
    return {**((given and given.labels) or {}), **labels(server)}


def _pod_metadata(server: MCPServer) -> Manifest:
    given = server.spec.podMetadata
    return {
        "labels": pod_labels(server),
        "annotations": {
            "kubectl.kubernetes.io/default-container": "server" if server.spec.image else "proxy",
            **((given and given.annotations) or {}),
        },
    }


def _strategy(server: MCPServer) -> Manifest:
    if has_writable_claim(server):
        # Two pods must not write to one claim, and many claims mount on one node only.
        return {"type": "Recreate"}
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}


def _pod_spec(server: MCPServer, settings: ClusterSettings, replicas: int) -> Manifest:
    grace = settings.drainSeconds + DRAIN_MARGIN_SECONDS
    spec = server.spec
    return {
        "serviceAccountName": account_name(server),
        # A token, where one is asked for, is mounted in the server's container alone.
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": max(grace, spec.terminationGracePeriodSeconds or 0),
        "securityContext": {
            "runAsNonRoot": True,
            "fsGroup": SERVER_GID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **_placement(server, replicas),
        **(
            {"imagePullSecrets": [it.as_manifest() for it in spec.imagePullSecrets]}
            if spec.imagePullSecrets
            else {}
        ),
        **_containers(server, settings),
        "volumes": volumes(server),
    }


def _containers(server: MCPServer, settings: ClusterSettings) -> Manifest:
    proxy = proxy_container(server, settings)
    if server.spec.image is None:
        return {"containers": [proxy]}
    return {
        "initContainers": [shim_installer(settings), proxy],
        "containers": [server_container(server)],
    }


def _placement(server: MCPServer, replicas: int) -> Manifest:
    chosen = server.spec.scheduling.as_manifest() if server.spec.scheduling else {}
    if replicas > 1:
        chosen["topologySpreadConstraints"] = [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {LABEL_SERVER: server.metadata.name}},
            }
        ]
    return chosen
