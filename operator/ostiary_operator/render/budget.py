"""The PodDisruptionBudget of a server with several pods: a node drain takes one at a time."""

from ostiary_operator.api import MCPServer

from . import names
from .meta import Manifest, metadata, pod_selector


def render_budget(server: MCPServer) -> Manifest | None:
    if (server.spec.replicas or 0) <= 1:
        return None
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(server, names.disruption_budget(server.metadata.name)),
        "spec": {
            "maxUnavailable": 1,
            # A pod that never became ready must not hold a node's drain for ever.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": pod_selector(server)},
        },
    }
