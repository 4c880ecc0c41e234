"""Ready: false only for what the owner must repair or wait for.

A ladder: the first step that has something to say says it.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from ostiary_operator.api import MCPServer, Reason
from ostiary_operator.render import selection
from ostiary_proxy.config import ServerReport

from . import ladder
from .conditions import Verdict
from .encryption import expiry, unusable_certificate
from .observed import Object, Observed
from .outside import trouble
from .scene import ServerScene

SILENT_AT_FIRST: Final = frozenset({"NoAnswer", "ConnectionRefused"})
"""What a server that is still starting looks like."""
LATEST_LOOK: Final = timedelta(days=1)


def judge(scene: ServerScene) -> Verdict:
    return ladder.climb(scene, LADDER)


def next_look(server: MCPServer, observed: Observed, now: datetime) -> float | None:
    """Seconds until the passing of time alone can change the status; None: never."""
    ends = ladder.ends_of_startup(server, observed, now)
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


def _certificate(scene: ServerScene) -> Verdict | None:
    flaw = unusable_certificate(scene)
    return Verdict("False", Reason.REFS_NOT_RESOLVED, flaw) if flaw else None


def _backend(scene: ServerScene) -> Verdict | None:
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


def _may_still_start(scene: ServerScene, pod: Object, report: ServerReport) -> bool:
    if scene.root.spec.remote is not None:
        return False
    end = ladder.startup_end(scene.root, pod)
    return report.reason in SILENT_AT_FIRST and end is not None and scene.now < end


def _not_asked(scene: ServerScene) -> Verdict | None:
    said = ladder.last_word(scene)
    if said is not None and said.reason in (Reason.READY, Reason.POLICY_MISSING):
        # What these two hang on, policies, is known without asking.
        return _callers(scene) or Verdict("True", Reason.READY, said.message)
    return said


def _first_answer(scene: ServerScene) -> Verdict | None:
    if any(it.state == "Ready" for it in scene.observed.backends):
        return None
    if scene.root.spec.remote is not None:
        # Nobody asks a remote anything before somebody calls.
        return None
    return Verdict("False", Reason.PROGRESSING, "waiting for the server's first answer")


def _callers(scene: ServerScene) -> Verdict | None:
    server, observed = scene.root, scene.observed
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


def _some_sick(scene: ServerScene) -> Verdict | None:
    backends = scene.observed.backends
    sick = [it for it in backends if it.state == "Unavailable"]
    if not sick:
        return None
    healthy = sum(it.state == "Ready" for it in backends)
    return Verdict(
        "True", Reason.READY, f"{healthy} of {len(backends)} pods answer: {_complaint(sick[0])}"
    )


LADDER: Final[tuple[Callable[[ServerScene], Verdict | None], ...]] = (
    ladder.name_taken,
    ladder.refused_write,
    ladder.no_deployment,
    ladder.scaled_to_zero,
    ladder.references,
    ladder.image,
    ladder.crash,
    _certificate,
    ladder.refused_pods,
    _backend,
    ladder.placement,
    ladder.rollout,
    trouble,
    _not_asked,
    ladder.not_reporting,
    _first_answer,
    _callers,
    _some_sick,
)
