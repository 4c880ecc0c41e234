"""Steps to Ready that every root with pods has; a kind's own are beside its ladder.

A ladder is a tuple of steps: the first that has something to say says it.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final, TypeVar

from ostiary_operator.api import Reason, Type
from ostiary_operator.render.deployment import startup_seconds
from ostiary_operator.render.meta import Root, kind_of

from . import pods
from .conditions import Verdict, find
from .observed import Object, Observed, Unreachable
from .scene import AnyScene

NEEDS_THE_OWNER: Final = frozenset({Reason.FORBIDDEN, Reason.QUOTA_EXCEEDED})

S = TypeVar("S")


def climb(scene: S, steps: Iterable[Callable[[S], Verdict | None]]) -> Verdict:
    found = (step(scene) for step in steps)
    return next((verdict for verdict in found if verdict is not None), Verdict("True", "Ready"))


def last_word(scene: AnyScene) -> Verdict | None:
    """After a restart of the operator it stands until the proxies were asked."""
    before = find(scene.previous.get("conditions") or (), Type.READY)
    if not scene.unasked or before is None:
        return None
    if before.get("observedGeneration") != scene.root.metadata.generation:
        return None
    return Verdict(before["status"], before["reason"], before.get("message", ""))


def startup_end(root: Root, pod: Object) -> datetime | None:
    """Until when silence only means that it starts."""
    started = pods.server_started_at(pod)
    return started + timedelta(seconds=startup_seconds(root)) if started else None


def ends_of_startup(root: Root, observed: Observed, now: datetime) -> list[datetime]:
    """Of the pods that have not answered; only those to come."""
    found = (startup_end(root, pod) for pod in observed.live_pods if not _answers(observed, pod))
    return [end for end in found if end is not None and end > now]


def _answers(observed: Observed, pod: Object) -> bool:
    report = observed.backend_of(pod)
    return report is not None and report.state == "Ready"


def name_taken(scene: AnyScene) -> Verdict | None:
    if not scene.observed.conflicts:
        return None
    namespace = scene.root.metadata.namespace
    taken = ", ".join(
        f"{it.kind} {namespace}/{it.name}"
        for it in sorted(scene.observed.conflicts, key=lambda it: (it.kind, it.name))
    )
    return Verdict(
        "False",
        Reason.NAME_TAKEN,
        f"{taken} belongs to somebody else and was left alone: rename it, or this "
        f"{kind_of(scene.root)}",
    )


def refused_write(scene: AnyScene) -> Verdict | None:
    for failure in scene.observed.failures:
        if failure.reason in NEEDS_THE_OWNER or not scene.deployment:
            return Verdict("False", Reason.PROGRESSING, failure.message)
    return None


def no_deployment(scene: AnyScene) -> Verdict | None:
    if scene.deployment:
        return None
    return Verdict("False", Reason.PROGRESSING, "the Deployment is not there yet")


def scaled_to_zero(scene: AnyScene) -> Verdict | None:
    if scene.replicas > 0:
        return None
    if scene.rolled_out:
        return Verdict("True", Reason.SCALED_TO_ZERO, "spec.replicas is 0: no pod runs")
    return Verdict("False", Reason.PROGRESSING, "pods are being stopped")


def references(scene: AnyScene) -> Verdict | None:
    if scene.references is None:
        return None
    return Verdict("False", Reason.REFS_NOT_RESOLVED, scene.references.message)


def image(scene: AnyScene) -> Verdict | None:
    if scene.image is None:
        return None
    return Verdict("False", scene.image.reason, scene.image.message)


def crash(scene: AnyScene) -> Verdict | None:
    if scene.crash is None:
        return None
    return Verdict("False", scene.crash.reason, scene.crash.message)


def refused_pods(scene: AnyScene) -> Verdict | None:
    if scene.replica is None:
        return None
    return Verdict("False", Reason.PROGRESSING, scene.replica.message)


def placement(scene: AnyScene) -> Verdict | None:
    if scene.placement is None:
        return None
    return Verdict("False", scene.placement.reason, scene.placement.message)


def rollout(scene: AnyScene) -> Verdict | None:
    if scene.rolled_out:
        return None
    status = scene.deployment.get("status", {})
    updated = min(status.get("updatedReplicas", 0), status.get("readyReplicas", 0))
    return Verdict(
        "False",
        Reason.PROGRESSING,
        f"{updated} of {scene.replicas} pods are up to date and ready",
    )


def not_reporting(scene: AnyScene) -> Verdict | None:
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
