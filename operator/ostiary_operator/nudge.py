"""Make the kubelet refresh a pod's mounted config now: one annotation, through `pods/status`.

Level-triggered, because the kubelet watches pods and ConfigMaps separately and may sync before the
new document reached it: a pod that still reports an older one after a second is nudged again with
a new value, then after 2, 4 ... 30 s.  Touches nothing else of any pod, and never one that has
what it should have.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ostiary_proxy.config import StatusReport

from .api import CONFIG_ANNOTATION, FIELD_MANAGER
from .cache import is_leaving, name_of, uid_of
from .cluster import Cluster, Missing, Taken
from .resources import PODS, Manifest

LONGEST_PAUSE: Final = 30.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """What every pod of one server should have in force."""

    generation: int
    digest: str
    """sha256:<hex> of the document's bytes."""
    keys: tuple[int, ...]
    """Numbers of the session keys that the document lists."""
    written: datetime | None
    """When this process wrote the document; None: an earlier one did."""


@dataclass(frozen=True, slots=True)
class _Tried:
    generation: int
    times: int
    next_at: float


def is_enforced(target: Target, report: StatusReport) -> bool:
    return report.generation == target.generation and report.digest in ("", target.digest)


def holds_keys(target: Target, report: StatusReport) -> bool:
    return not target.keys or target.keys[0] in report.keys


class Nudger:
    def __init__(self, *, cluster: Cluster, clock: Callable[[], float]) -> None:
        self._cluster = cluster
        self._clock = clock
        self._tried: dict[str, _Tried] = {}

    async def nudge(
        self,
        target: Target,
        pods: Sequence[tuple[Manifest, StatusReport | None]],
    ) -> float | None:
        """Nudge the pods that are due; returns in how many seconds the next one is."""
        due, behind = [], []
        for pod, report in pods:
            if _is_over(pod) or (report and self._is_current(target, report)):
                self._tried.pop(uid_of(pod), None)
                continue
            if report:
                behind.append(uid_of(pod))
            if self._is_due(target, pod, report):
                due.append(pod)
        async with asyncio.TaskGroup() as tasks:
            for pod in due:
                tasks.create_task(self._annotate(target, pod))
        ends = [self._tried[uid].next_at for uid in behind if uid in self._tried]
        return max(0.0, min(ends) - self._clock()) if ends else None

    def forget(self, uid: str) -> None:
        self._tried.pop(uid, None)

    def _is_current(self, target: Target, report: StatusReport) -> bool:
        return is_enforced(target, report) and holds_keys(target, report)

    def _is_due(self, target: Target, pod: Manifest, report: StatusReport | None) -> bool:
        tried = self._tried.get(uid_of(pod))
        if report is None:
            # Not started yet, or not to be asked: such a one is told once.
            told = tried is not None and tried.generation == target.generation
            return not told and _is_older(pod, target) and bool(pod["spec"].get("nodeName"))
        if tried is None or tried.generation != target.generation:
            return True
        return self._clock() >= tried.next_at

    async def _annotate(self, target: Target, pod: Manifest) -> None:
        uid, (namespace, name) = uid_of(pod), name_of(pod)
        tried = self._tried.get(uid)
        times = tried.times if tried and tried.generation == target.generation else 0
        generation, again = _annotated(pod)
        # A value that the pod bears already would change nothing, and wake nobody.
        again = again + 1 if generation == target.generation else 0
        value = f"{target.generation}.{max(again, times)}"
        metadata = {"uid": uid, "annotations": {CONFIG_ANNOTATION: value}}
        pause = min(LONGEST_PAUSE, 2.0**times)
        self._tried[uid] = _Tried(target.generation, times + 1, self._clock() + pause)
        try:
            await self._cluster.patch(
                PODS,
                namespace,
                name,
                {"metadata": metadata},
                manager=FIELD_MANAGER,
                subresource="status",
            )
        except (Missing, Taken):
            # Gone, or a namesake came: an event tells of it.
            self._tried.pop(uid, None)


def _is_over(pod: Manifest) -> bool:
    return is_leaving(pod) or pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def _annotated(pod: Manifest) -> tuple[int, int]:
    value = pod["metadata"].get("annotations", {}).get(CONFIG_ANNOTATION, "")
    generation, _, again = value.partition(".")
    return (
        int(generation) if generation.isdecimal() else 0,
        int(again) if again.isdecimal() else 0,
    )


def _is_older(pod: Manifest, target: Target) -> bool:
    """It may have mounted an earlier document, and was not told of this one."""
    made = pod["metadata"].get("creationTimestamp")
    was_there = target.written and made and datetime.fromisoformat(made) <= target.written
    return bool(was_there) and _annotated(pod)[0] < target.generation
