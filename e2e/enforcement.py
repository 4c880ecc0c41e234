"""Which pod enforced which edit when, told from its answers.  Pure.

A pod that had answered before anybody enforced an edit is timed, from the edit to its first answer
by it.  One that ends before is on its way out: the kubelet brings such a pod no more news, so how
long it still answered is counted apart.  Every other pod is new and must be born knowing: an answer
by an older policy, asked for after the edit was enforced elsewhere, is wrong, however soon it is
mended."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

NEVER: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Told:
    """One line of flips.py: an answer, or with `ok` None the end of that pod."""

    ip: str
    asked: float
    t: float
    ok: bool | None


@dataclass(frozen=True, slots=True)
class Edit:
    sent: float
    """Nobody can know of it earlier."""
    accepted: float
    """The API server had it."""
    wanted: bool


@dataclass(slots=True)
class Verdict:
    seconds: list[float] = field(default_factory=list)
    """Of each edit that somebody enforced: until the last of the pods that were there did."""
    leaving: list[float] = field(default_factory=list)
    """Of each pod that ended instead: its last answer by an older policy."""
    wrong: list[str] = field(default_factory=list)
    born: int = 0
    """Pods whose first answer came after the first edit."""


@dataclass(slots=True)
class Pod:
    answers: list[Told] = field(default_factory=list)
    ended: float = NEVER

    @property
    def served(self) -> float:
        """When it first let a call through, and its server answered that."""
        return next((it.t for it in self.answers if it.ok), NEVER)


def judge(edits: Sequence[Edit], told: Iterable[Told]) -> Verdict:
    pods = lives(told)
    verdict = Verdict()
    for number, (edit, end) in enumerate(_windows(edits)):
        seen = {id(pod): [it for it in pod.answers if edit.sent < it.t < end] for pod in pods}
        flips = {key: _flip(answers, edit) for key, answers in seen.items()}
        first = min(flips.values())
        if first == NEVER:
            continue
        last = first
        for pod in pods:
            older = [it for it in seen[id(pod)] if it.ok != edit.wanted]
            if pod.answers[0].t >= first:
                late = [it for it in older if it.asked > first]
                verdict.wrong += [
                    f"edit {number}: {it.ip}, {it.asked - first:.3f} s after another pod"
                    for it in late[:1]
                ]
            elif flips[id(pod)] < NEVER and not (edit.wanted and pod.served >= flips[id(pod)]):
                last = max(last, flips[id(pod)])
            elif older and pod.ended < end:
                verdict.leaving.append(older[-1].t - edit.accepted)
            elif older:
                # Its server starts, and an admitted call waits for that: its last refusal tells.
                last = max(last, older[-1].asked)
        verdict.seconds.append(max(0.0, last - edit.accepted))
    verdict.born = sum(pod.answers[0].t > edits[0].sent for pod in pods) if edits else 0
    return verdict


def _windows(edits: Sequence[Edit]) -> Iterator[tuple[Edit, float]]:
    ends = [edit.sent for edit in edits[1:]] + [NEVER]
    return zip(edits, ends, strict=True)


def _flip(answers: Iterable[Told], edit: Edit) -> float:
    return next((it.t for it in answers if it.ok == edit.wanted), NEVER)


def lives(told: Iterable[Told]) -> list[Pod]:
    """An address may serve one pod after another."""
    running: dict[str, Pod] = {}
    ended: list[Pod] = []
    for line in told:
        if line.ok is not None:
            running.setdefault(line.ip, Pod()).answers.append(line)
        elif line.ip in running:
            pod = running.pop(line.ip)
            pod.ended = line.t
            ended.append(pod)
    return [*ended, *running.values()]
