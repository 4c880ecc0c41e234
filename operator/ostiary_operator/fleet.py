"""The pods of a root and the proxies in them: followed, asked, and nudged to a document.

Knows no kind, and says nothing of what it saw.
"""

from collections.abc import Hashable
from dataclasses import dataclass

from ostiary_proxy.config import ObservedReport, StatusReport

from .nudge import Nudger, Target
from .observe import Observer
from .render.meta import Root
from .reports import Reports
from .resources import Manifest
from .status import Unreachable


@dataclass(frozen=True, slots=True)
class Pods:
    manifests: tuple[Manifest, ...]
    answers: dict[str, StatusReport | Unreachable]
    all_asked: bool
    """Every pod that can be asked has answered, or does not answer."""

    @property
    def reports(self) -> dict[str, StatusReport]:
        return {uid: it for uid, it in self.answers.items() if isinstance(it, StatusReport)}

    @property
    def observed(self) -> tuple[ObservedReport, ...]:
        """What the proxies counted for policies that only observe, of each pod."""
        return tuple(
            observed
            for report in self.reports.values()
            for backend in report.servers
            for observed in backend.observed
        )


class Fleet:
    def __init__(self, *, observer: Observer, reports: Reports, nudger: Nudger) -> None:
        self._observer = observer
        self._reports = reports
        self._nudger = nudger

    def look(self, owner: Hashable, root: Root) -> Pods:
        """From now on these pods are asked on behalf of `owner`."""
        manifests = self._observer.pods(root)
        self._reports.follow(owner, self._observer.addresses(manifests))
        return self._pods(manifests)

    def glance(self, root: Root) -> Pods:
        """What is known already, and nobody else is asked."""
        return self._pods(self._observer.pods(root))

    def leave(self, owner: Hashable) -> None:
        self._reports.follow(owner, {})

    async def nudge(self, target: Target, pods: Pods) -> float | None:
        """Returns in how many seconds the next pod is due."""
        reports = pods.reports
        return await self._nudger.nudge(
            target, [(pod, reports.get(pod["metadata"]["uid"])) for pod in pods.manifests]
        )

    def _pods(self, manifests: tuple[Manifest, ...]) -> Pods:
        answers = self._observer.answers(manifests)
        asked = self._observer.addresses(manifests).keys() <= answers.keys()
        return Pods(manifests, answers, all_asked=asked)
