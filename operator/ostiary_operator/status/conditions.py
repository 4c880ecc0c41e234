"""Conditions as Kubernetes knows them; the time changes only when the status does."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

MESSAGE_LENGTH: Final = 4096
ConditionStatus = Literal["True", "False", "Unknown"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a condition says, before anybody knows since when."""

    status: ConditionStatus
    reason: str
    message: str = ""

    @property
    def holds(self) -> bool:
        return self.status == "True"


def find(conditions: Iterable[Mapping[str, Any]], kind: str) -> Mapping[str, Any] | None:
    return next((it for it in conditions if it.get("type") == kind), None)


def write(
    verdicts: Mapping[str, Verdict],
    *,
    generation: int,
    previous: Iterable[Mapping[str, Any]],
    now: datetime,
) -> list[dict[str, Any]]:
    """In the order of `verdicts`.  What is not in there is no longer said."""
    before = list(previous)
    return [
        {
            "type": kind,
            "status": verdict.status,
            "observedGeneration": generation,
            "lastTransitionTime": _since(verdict, find(before, kind), now),
            "reason": verdict.reason,
            "message": in_one_line(verdict.message)[:MESSAGE_LENGTH],
        }
        for kind, verdict in verdicts.items()
    ]


def _since(verdict: Verdict, before: Mapping[str, Any] | None, now: datetime) -> str:
    if before is not None and before.get("status") == verdict.status:
        return str(before["lastTransitionTime"])
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def in_one_line(text: str) -> str:
    """Names of a server's or a stranger's choice may be in it: they add no line, and turn none."""
    if text.isprintable():
        return text
    return "".join(it if it.isprintable() else " " for it in text)
