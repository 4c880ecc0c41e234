"""Ready: false only for what the owner must repair or wait for.

A ladder: the first step that has something to say says it.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from ostiary_operator.api import MCPServer, Reason, Type
from ostiary_operator.render import selection
from ostiary_operator.render.deployment import startup_seconds
from ostiary_proxy.config import ServerReport

from . import pods
from .conditions import Verdict, find
from .encryption import expiry, unusable_certificate
from .observed import Object, Observed, Unreachable
from .scene import Scene

SILENT_AT_FIRST: Final = frozenset({"NoAnswer", "ConnectionRefused"})
"""What a server that is still starting looks like."""
LATEST_LOOK: Final = timedelta(days=1)
NEEDS_THE_OWNER: Final = frozenset({Reason.FORBIDDEN, Reason.QUOTA_EXCEEDED})


def judge(scene: Scene) -> Verdict:
    found = (step(scene) for step in LADDER)
    return next((verdict for verdict in found if verdict is not None), Verdict("True", "Ready"))


def next_look(server: MCPServer, observed: Observed, now: datetime) -> float | None:
    """Seconds until the passing of time alone can change the status; None: never."""
    ends = [
        end
        for pod in observed.live_pods
        if not _answers(observed, pod)
        if (end := _startup_end(server, pod)) is not None and end > now
    ]
    expires = expiry(observed, now)
    ends += [min(expires, now + LATEST_LOOK)] if expires is not None else []
    return (min(ends) - now).total_seconds() if ends else None


def policy_to_write(server: MCPServer) -> str:
    """The least that lets somebody in, ready to apply."""
    name, namespace = server.metadata.name, server.metadata.namespace
    return (
        "apiVersion: ostiary.dev/v1alpha1\n"
        "kind: MCPAccessPolicy\n"
        f"metadata: {{name: {name}-callers, namespace: {namespace}}}\n"
        "spec:\n"
        f"  targetRefs: [{{kind: MCPServer, name: {name}}}]\n"
        "  rules:\n"
        "  - name: callers\n"
        '    from: [{serviceAccounts: {names: ["default"]}}]\n'
        '    allow: {tools: ["*"]}\n'
    )


def _name_taken(scene: Scene) -> Verdict | None:
    if not scene.observed.conflicts:
        return None
    namespace = scene.server.metadata.namespace
    taken = ", ".join(
        f"{it.kind} {namespace}/{it.name}"
        for it in sorted(scene.observed.conflicts, key=lambda it: (it.kind, it.name))
    )
    return Verdict(
        "False",
        Reason.NAME_TAKEN,
        f"{taken} belongs to somebody else and was left alone: rename it, or this MCPServer",
    )


def _refused_write(scene: Scene) -> Verdict | None:
    for failure in scene.observed.failures:
        if failure.reason in NEEDS_THE_OWNER or not scene.deployment:
            return Verdict("False", Reason.PROGRESSING, failure.message)
    return None


def _no_deployment(scene: Scene) -> Verdict | None:
    if scene.deployment:
        return None
    return Verdict("False", Reason.PROGRESSING, "the Deployment is not there yet")


def _scaled_to_zero(scene: Scene) -> Verdict | None:
    if scene.replicas > 0:
        return None
    if scene.rolled_out:
        return Verdict("True", Reason.SCALED_TO_ZERO, "spec.replicas is 0: no pod runs")
    return Verdict("False", Reason.PROGRESSING, "pods are being stopped")


def _references(scene: Scene) -> Verdict | None:
    if scene.references is None:
        return None
    return Verdict("False", Reason.REFS_NOT_RESOLVED, scene.references.message)


def _image(scene: Scene) -> Verdict | None:
    if scene.image is None:
        return None
    return Verdict("False", scene.image.reason, scene.image.message)


def _crash(scene: Scene) -> Verdict | None:
    if scene.crash is None:
        return None
    return Verdict("False", scene.crash.reason, scene.crash.message)


def _certificate(scene: Scene) -> Verdict | None:
    flaw = unusable_certificate(scene)
    return Verdict("False", Reason.REFS_NOT_RESOLVED, flaw) if flaw else None


def _refused_pods(scene: Scene) -> Verdict | None:
    if scene.replica is None:
        return None
    return Verdict("False", Reason.PROGRESSING, scene.replica.message)


def _placement(scene: Scene) -> Verdict | None:
    if scene.placement is None:
        return None
    return Verdict("False", scene.placement.reason, scene.placement.message)


def _backend(scene: Scene) -> Verdict | None:
    """Down only when no pod answers: one sick pod of three is said in the message of Ready."""
    observed = scene.observed
    if not observed.backends or any(it.state == "Ready" for it in observed.backends):
        return None
    for pod in observed.live_pods:
        report = observed.backend_of(pod)
        if report is not None and report.state == "Unavailable":
            if _may_still_start(scene, pod, report):
                return Verdict(
                    "False", Reason.PROGRESSING, "the server has not answered yet: it is starting"
                )
            return Verdict("False", Reason.BACKEND_UNAVAILABLE, _complaint(report))
    return None


def _complaint(report: ServerReport) -> str:
    return f"{report.reason}: {report.message}" if report.message else report.reason


def _may_still_start(scene: Scene, pod: Object, report: ServerReport) -> bool:
    if scene.server.spec.remote is not None:
        return False
    end = _startup_end(scene.server, pod)
    return report.reason in SILENT_AT_FIRST and end is not None and scene.now < end


def _startup_end(server: MCPServer, pod: Object) -> datetime | None:
    started = pods.server_started_at(pod)
    return started + timedelta(seconds=startup_seconds(server)) if started else None


def _answers(observed: Observed, pod: Object) -> bool:
    report = observed.backend_of(pod)
    return report is not None and report.state == "Ready"


def _rollout(scene: Scene) -> Verdict | None:
    if scene.rolled_out:
        return None
    status = scene.deployment.get("status", {})
    updated = min(status.get("updatedReplicas", 0), status.get("readyReplicas", 0))
    return Verdict(
        "False",
        Reason.PROGRESSING,
        f"{updated} of {scene.replicas} pods are up to date and ready",
    )


def _not_asked(scene: Scene) -> Verdict | None:
    """After a restart of the operator the last word stands until the proxies were asked."""
    before = find(scene.previous.get("conditions") or (), Type.READY)
    if not scene.unasked or before is None:
        return None
    if before.get("observedGeneration") != scene.server.metadata.generation:
        return None
    if before["reason"] in (Reason.READY, Reason.POLICY_MISSING):
        # What these two hang on, policies, is known without asking.
        return _callers(scene) or Verdict("True", Reason.READY, before.get("message", ""))
    return Verdict(before["status"], before["reason"], before.get("message", ""))


def _not_reporting(scene: Scene) -> Verdict | None:
    answers = [
        scene.observed.reports.get(pod["metadata"]["uid"]) for pod in scene.observed.live_pods
    ]
    if answers and all(isinstance(it, Unreachable) for it in answers):
        first = next(it for it in answers if isinstance(it, Unreachable))
        return Verdict(
            "Unknown",
            Reason.NOT_REPORTING,
            f"pods run, and no proxy answers on its admin port: {first.message}",
        )
    return None


def _first_answer(scene: Scene) -> Verdict | None:
    if any(it.state == "Ready" for it in scene.observed.backends):
        return None
    if scene.server.spec.remote is not None:
        # Nobody asks a remote anything before somebody calls.
        return None
    return Verdict("False", Reason.PROGRESSING, "waiting for the server's first answer")


def _callers(scene: Scene) -> Verdict | None:
    server, observed = scene.server, scene.observed
    if selection.callers(server, observed.policies, observed.namespaces):
        return None
    selecting = selection.granting(observed.policies, server)
    if selecting:
        listed = ", ".join(policy.metadata.name for policy in selecting)
        message = (
            f"nobody may call yet: no rule of {listed} admits anybody (no rule, or namespaces "
            "that match none)"
        )
    else:
        message = f"nobody may call yet; a policy to apply:\n{policy_to_write(server)}"
    return Verdict("True", Reason.POLICY_MISSING, message)


def _some_sick(scene: Scene) -> Verdict | None:
    backends = scene.observed.backends
    sick = [it for it in backends if it.state == "Unavailable"]
    if not sick:
        return None
    healthy = sum(it.state == "Ready" for it in backends)
    return Verdict(
        "True", Reason.READY, f"{healthy} of {len(backends)} pods answer: {_complaint(sick[0])}"
    )


LADDER: Final[tuple[Callable[[Scene], Verdict | None], ...]] = (
    _name_taken,
    _refused_write,
    _no_deployment,
    _scaled_to_zero,
    _references,
    _image,
    _crash,
    _certificate,
    _refused_pods,
    _backend,
    _placement,
    _rollout,
    _not_asked,
    _not_reporting,
    _first_answer,
    _callers,
    _some_sick,
)
