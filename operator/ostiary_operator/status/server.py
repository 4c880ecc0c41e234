"""The status of an MCPServer: what was looked at, in sentences for its owner.

Pure and deterministic: the same observation gives the same status, but for the time of a
condition's last transition.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ostiary_operator.api import LABEL_SERVER, Invalid, MCPServer, Reason, Type
from ostiary_operator.render import proxy_config, selection

from . import pods
from .conditions import Verdict, write
from .encryption import encrypted
from .observed import Observed
from .outside import exposed_url, taken, unrouted
from .pinning import pinned, suspect
from .privacy import private
from .progress import abnormal, programmed
from .readiness import judge
from .report import reported
from .scene import ServerScene, look


def server_status(
    server: MCPServer, observed: Observed, previous: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """`previous` is the whole status that stands; lastTransitionTime comes from there."""
    scene = look(server, observed, previous, now)
    deployment = scene.deployment.get("status", {})
    generation = server.metadata.generation
    return {
        "observedGeneration": generation,
        "url": proxy_config.cluster_address(server).url,
        **exposed_url(observed),
        **reported(observed, previous),
        "callers": selection.callers(server, observed.policies, observed.namespaces),
        "replicas": deployment.get("replicas", 0),
        "readyReplicas": deployment.get("readyReplicas", 0),
        "selector": f"{LABEL_SERVER}={server.metadata.name}",
        "conditions": write(
            _verdicts(scene),
            generation=generation,
            previous=previous.get("conditions") or (),
            now=now,
        ),
    }


def invalid_status(
    metadata: Mapping[str, Any], invalid: Invalid, previous: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """Of an object that does not validate, a server or a policy: its children stay as they are,
    and so does what was said of them, but for what the mistake touches."""
    generation = metadata.get("generation", 0)
    verdicts = {
        Type.READY: Verdict("False", Reason.INVALID, str(invalid)),
        Type.ACCEPTED: Verdict("False", Reason.INVALID, str(invalid)),
        Type.STALLED: Verdict("True", Reason.INVALID_SPEC, str(invalid)),
    }
    return {
        **{key: value for key, value in previous.items() if key != "conditions"},
        "observedGeneration": generation,
        "conditions": write(
            verdicts,
            generation=generation,
            previous=previous.get("conditions") or (),
            now=now,
        ),
    }


def _verdicts(scene: ServerScene) -> dict[str, Verdict]:
    ready = judge(scene)
    verdicts = {
        Type.READY: ready,
        Type.ACCEPTED: taken(scene.observed) or Verdict("True", Reason.ACCEPTED),
        Type.RESOLVED_REFS: _resolved_references(scene),
        Type.PROGRAMMED: programmed(scene),
        Type.BACKEND_PRIVATE: private(scene),
        Type.TRANSPORT_ENCRYPTED: encrypted(scene),
        Type.TOOLS_PINNED: pinned(scene),
    }
    warned = suspect(scene)
    if warned is not None:
        verdicts[Type.TOOLS_SUSPECT] = warned
    return verdicts | abnormal(scene, ready)


def _resolved_references(scene: ServerScene) -> Verdict:
    if scene.references is not None:
        return Verdict("False", scene.references.reason, scene.references.message)
    if (verdict := unrouted(scene.observed)) is not None:
        return verdict
    live = scene.observed.live_pods
    if not _has_references(scene) or (live and all(pods.has_started(pod) for pod in live)):
        return Verdict("True", Reason.RESOLVED_REFS)
    return Verdict("Unknown", Reason.PROGRESSING, "known once every pod's containers have started")


def _has_references(scene: ServerScene) -> bool:
    spec = scene.root.spec
    by_env = any(
        it.valueFrom is not None and (it.valueFrom.secretKeyRef or it.valueFrom.configMapKeyRef)
        for it in spec.env or ()
    )
    by_volume = any(it.configMap or it.secret for it in spec.volumes or ())
    upstream = spec.upstream
    by_upstream = upstream is not None and (upstream.headers or upstream.caBundle)
    return bool(by_env or by_volume or spec.envFrom or by_upstream or spec.tls)
