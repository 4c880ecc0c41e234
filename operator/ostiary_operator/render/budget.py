"""The PodDisruptionBudget of a root with several pods: a node drain takes one at a time."""

from . import names
from .meta import Manifest, Root, metadata, pod_selector, prefix, replicas_of


def render_budget(root: Root) -> Manifest | None:
    if replicas_of(root) <= 1:
        return None
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(root, names.disruption_budget(prefix(root))),
        "spec": {
            "maxUnavailable": 1,
            # A pod that never became ready must not hold a node's drain for ever.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": pod_selector(root)},
        },
    }
