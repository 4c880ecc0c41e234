"""What every Deployment of ours has, whatever runs in its pods: a server's or a gateway's.

Restricted Pod Security, one way to roll out, no token of the API server, and an end that leaves the
proxy its time to drain.
"""

from typing import Final

from ostiary_operator.api.container import SERVER_GID
from ostiary_operator.settings import ClusterSettings

from . import names
from .meta import Manifest, Root, metadata, pod_selector, prefix, replicas_of

DRAIN_MARGIN_SECONDS: Final = 10
PROGRESS_SECONDS: Final = 600
"""Kubernetes' own default, and the least that we set."""


def deployment(
    root: Root,
    *,
    template: Manifest,
    strategy: Manifest | None = None,
    progress_seconds: int = PROGRESS_SECONDS,
) -> Manifest:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(root, names.deployment(prefix(root))),
        "spec": {
            "replicas": replicas_of(root),
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": max(PROGRESS_SECONDS, progress_seconds),
            "selector": {"matchLabels": pod_selector(root)},
            "strategy": strategy or rolling(),
            "template": template,
        },
    }


def rolling() -> Manifest:
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}


def pod(*, account: str, settings: ClusterSettings, grace_seconds: int = 0) -> Manifest:
    """A pod's spec without placement, containers and volumes.  `grace_seconds`: as its owner says;
    a drain gets its time in any case."""
    grace = settings.drainSeconds + DRAIN_MARGIN_SECONDS
    return {
        "serviceAccountName": account,
        # A token, where one is asked for, is mounted in the container that it is for alone.
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": max(grace, grace_seconds),
        "securityContext": {
            "runAsNonRoot": True,
            "fsGroup": SERVER_GID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def spread(root: Root) -> Manifest:
    """Several pods go to several nodes, where there are."""
    if replicas_of(root) <= 1:
        return {}
    return {
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": pod_selector(root)},
            }
        ]
    }
