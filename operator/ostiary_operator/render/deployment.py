"""The Deployment of a server: the shim's installer, the proxy as a native sidecar, the server; or
the proxy alone, where the server is elsewhere.  What every Deployment of ours has is in `frame`.

No digest of the config is in the pod template: a policy edit must reach running pods, not replace
them.  The containers themselves are in `containers.py`, the volumes in `volumes.py`.
"""

from ostiary_operator.api import MCPServer
from ostiary_operator.settings import ClusterSettings

from . import frame
from .account import account_name
from .containers import proxy_container, server_container, shim_installer
from .meta import Manifest, Root, labels
from .volumes import has_writable_claim, volumes


def render_deployment(server: MCPServer, settings: ClusterSettings) -> Manifest:
    return frame.deployment(
        server,
        template={"metadata": _pod_metadata(server), "spec": _pod_spec(server, settings)},
        strategy=_strategy(server),
        progress_seconds=60 + startup_seconds(server),
    )


def startup_seconds(root: Root) -> int:
    """A gateway has nothing of its own to wait for, and gets what a server gets by default."""
    return (isinstance(root, MCPServer) and root.spec.startupSeconds) or 60


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
    return frame.rolling()


def _pod_spec(server: MCPServer, settings: ClusterSettings) -> Manifest:
    spec = server.spec
    return {
        **frame.pod(
            account=account_name(server),
            settings=settings,
            grace_seconds=spec.terminationGracePeriodSeconds or 0,
        ),
        **(spec.scheduling.as_manifest() if spec.scheduling else {}),
        **frame.spread(server),
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
