"""Which servers may get a pod template that their owner did not ask for, and when.

A new proxy image or a new rendering would otherwise restart every server of the cluster at once.
It goes out to a few at a time, each awaited, and halts after three that did not come up; an
owner's own edit takes the new template along at any time.  State only: reads what it is given.
"""

import logging
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .api import GROUP
from .apply import DIGEST_ANNOTATION, signature
from .resources import Manifest

SHARE: Final = 0.05
"""Of all servers, and at least one."""
MOST_FAILURES: Final = 3
LONGEST_SECONDS: Final = 900.0
"""A Deployment that did not come up in this time did not come up; its own deadline is shorter."""

SOURCE_ANNOTATION: Final = f"{GROUP}/source-generation"
"""On a Deployment: which generation of its MCPServer it was last made from."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Wave:
    """One template change on its way through the cluster."""

    name: str
    begun: dict[Hashable, float] = field(default_factory=dict)
    """Servers that got it and are awaited, and since when."""
    failed: set[Hashable] = field(default_factory=set)


class Rollout:
    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._wave = _Wave("")

    @property
    def halted(self) -> bool:
        return len(self._wave.failed) >= MOST_FAILURES

    def admits(self, server: Hashable, live: Manifest, *, wave: str, servers: int) -> bool:
        """Whether this server may get the template now.  `wave` names what is going out: another
        one begins with a clean record.  A server that is down already has nothing to lose, and
        proves nothing."""
        if wave != self._wave.name:
            self._wave = _Wave(wave)
        if self.halted:
            return False
        if not is_up(live):
            return True
        if len(self._wave.begun) >= max(1, int(servers * SHARE)):
            return False
        self._wave.begun[server] = self._clock()
        return True

    def look(self, server: Hashable, live: Manifest | None) -> None:
        """Tell how a server stands: it may be one that is awaited."""
        since = self._wave.begun.get(server)
        if since is None:
            return
        if live is None or is_up(live):
            del self._wave.begun[server]
        elif _has_failed(live) or self._clock() - since > LONGEST_SECONDS:
            del self._wave.begun[server]
            self._wave.failed.add(server)
            log.error(
                "a server did not come up with the new template",
                extra={"server": str(server), "halted": self.halted},
            )


def marked(wanted: Manifest, generation: int) -> dict[str, Any]:
    """The Deployment with a note of which version of the owner's object it comes from."""
    metadata = wanted["metadata"]
    annotations = {**metadata.get("annotations", {}), SOURCE_ANNOTATION: str(generation)}
    return {**wanted, "metadata": {**metadata, "annotations": annotations}}


def nobody_asked(wanted: Manifest, live: Manifest) -> bool:
    """`wanted` is marked, differs from what was last applied, and its owner changed nothing."""
    then = live["metadata"].get("annotations", {})
    now = wanted["metadata"]["annotations"]
    same_source = then.get(SOURCE_ANNOTATION) in (None, now[SOURCE_ANNOTATION])
    return same_source and then.get(DIGEST_ANNOTATION) != signature(wanted)


def is_up(deployment: Manifest) -> bool:
    """Every pod is of the newest template and available."""
    status: Mapping[str, Any] = deployment.get("status", {})
    wanted = deployment["spec"].get("replicas", 1)
    counts = [status.get(it, 0) for it in ("replicas", "updatedReplicas", "availableReplicas")]
    seen = status.get("observedGeneration", -1) >= deployment["metadata"].get("generation", 0)
    return seen and counts == [wanted] * 3


def _has_failed(deployment: Manifest) -> bool:
    return any(
        it.get("type") == "Progressing"
        and it.get("status") == "False"
        and it.get("reason") == "ProgressDeadlineExceeded"
        for it in deployment.get("status", {}).get("conditions") or ()
    )
