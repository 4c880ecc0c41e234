"""How far a root is on its way: Programmed, and the two conditions that stand only while true."""

from collections.abc import Mapping
from typing import Any, Final

from ostiary_operator.api import Reason, Type

from .conditions import Verdict
from .outside import taken
from .scene import AnyScene

STALLING: Final = (Reason.FORBIDDEN, Reason.QUOTA_EXCEEDED, Reason.CONFIG_TOO_LARGE)


def abnormal(scene: AnyScene, ready: Verdict) -> dict[str, Verdict]:
    """Reconciling and Stalled, as kstatus wants them."""
    found = {Type.RECONCILING: _reconciling(scene, ready), Type.STALLED: _stalled(scene)}
    return {kind: verdict for kind, verdict in found.items() if verdict is not None}


def programmed(scene: AnyScene) -> Verdict:
    done = scene.enforcement
    sentence = f"{done.enforcing} of {done.pods} pods enforce generation {done.generation}"
    refusals = [
        f"pod {report.pod or pod['metadata']['name']} refuses the newest document: "
        f"{report.configError[:512]}"
        for pod in scene.observed.live_pods
        if (report := scene.observed.report_of(pod)) is not None and report.configError
    ]
    message = "; ".join([sentence, *refusals])
    if done.complete:
        return Verdict("True", Reason.PROGRAMMED, message)
    if scene.unasked and _was_programmed(scene):
        return Verdict("True", Reason.PROGRAMMED, _before(scene)["message"])
    return Verdict("False", Reason.PARTIALLY_PROGRAMMED, message)


def _before(scene: AnyScene) -> Mapping[str, Any]:
    conditions = scene.previous.get("conditions") or ()
    return next((it for it in conditions if it.get("type") == Type.PROGRAMMED), {})


def _was_programmed(scene: AnyScene) -> bool:
    """The last word stands until the proxies were asked, if it speaks of this generation."""
    before = _before(scene)
    current = f"enforce generation {scene.observed.generation}"
    said = str(before.get("message", "")).split(";", maxsplit=1)[0]
    return before.get("status") == "True" and said.endswith(current)


def _reconciling(scene: AnyScene, ready: Verdict) -> Verdict | None:
    if ready.reason in (Reason.NAME_TAKEN, Reason.REFS_NOT_RESOLVED):
        return Verdict("True", Reason.WAITING_FOR_DEPENDENCY, ready.message)
    for failure in scene.observed.failures:
        if failure.reason == Reason.RETRYING:
            return Verdict("True", Reason.RETRYING, failure.message)
    if ready.reason == Reason.PROGRESSING:
        return Verdict("True", Reason.ROLLOUT, ready.message)
    return None


def _stalled(scene: AnyScene) -> Verdict | None:
    if (verdict := taken(scene.observed)) is not None:
        return Verdict("True", Reason.INVALID_SPEC, verdict.message)
    for failure in scene.observed.failures:
        if failure.reason in STALLING:
            return Verdict("True", failure.reason, failure.message)
    if scene.replica is not None:
        return Verdict("True", scene.replica.reason, scene.replica.message)
    return None
