"""Audit lines put back into their chains, and the first place where one is broken.  Pure.

A chain is one process's: it begins with `chain.start`, and each line bears the SHA-256 of the one
before it.  Lines of several pods may be mixed, and mixed with other output; a prefix, as of
`kubectl logs --prefix` or a container runtime's files, is passed over.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

BEGIN: Final = b'{"seq":'
NOTHING: Final = "0" * 64
SHORT: Final = 12


@dataclass(frozen=True, slots=True)
class Line:
    """One audit line, and where it was read."""

    file: str
    number: int
    raw: bytes
    data: dict[str, Any]

    @property
    def where(self) -> str:
        return f"{self.file} line {self.number}"

    @property
    def seq(self) -> int:
        return int(self.data["seq"])


@dataclass(eq=False, slots=True)
class Chain:
    pod: str
    pod_uid: str
    began: str
    first: int = 0
    digests: list[str] = field(default_factory=list)
    """Of the lines, from `first` on."""

    @property
    def last(self) -> int:
        return self.first + len(self.digests) - 1

    @property
    def name(self) -> str:
        return f"{self.pod or 'no pod'} ({self.pod_uid or 'local'}), begun {self.began}"


@dataclass(frozen=True, slots=True)
class Head:
    """What the operator wrote down of a chain."""

    where: str
    pod_uid: str
    seq: int
    digest: str


@dataclass(slots=True)
class Found:
    chains: list[Chain] = field(default_factory=list)
    lines: int = 0
    gap: str = ""
    """The first, in a sentence; empty: there is none."""


def audit_line(file: str, number: int, text: bytes) -> Line | None:
    """None: no audit line."""
    at = text.find(BEGIN)
    raw = text[at:].rstrip(b"\r\n") if at >= 0 else b""
    try:
        data = json.loads(raw) if raw else None
    except ValueError:
        return None
    if not isinstance(data, dict) or not isinstance(data.get("prev"), str):
        return None
    return Line(file, number, raw, data) if type(data.get("seq")) is int else None


def head_line(file: str, number: int, text: bytes) -> Head | None:
    """Of the operator's log; None: it speaks of no head."""
    at = text.find(b"{")
    try:
        data = json.loads(text[at:]) if at >= 0 else None
    except ValueError:
        return None
    if not isinstance(data, dict) or not isinstance(data.get("auditHead"), str):
        return None
    if type(data.get("auditSeq")) is not int:
        return None
    where = f"{file} line {number}"
    return Head(where, str(data.get("podUid", "")), data["auditSeq"], data["auditHead"])


def follow(lines: Iterable[Line], *, from_middle: bool = False) -> Found:
    """`from_middle`: the first lines may be cut off, as in a log that was rotated away."""
    found, open_chains = Found(), dict[str, Chain]()
    for line in lines:
        found.lines += 1
        digest = sha256(line.raw).hexdigest()
        if digest in open_chains:
            found.gap = (
                f"{line.where}: line {line.seq} of {open_chains[digest].name} is there twice"
            )
            return found
        chain = open_chains.pop(line.data["prev"], None)
        begins = line.data["prev"] == NOTHING and line.seq == 0
        if begins or (chain is None and from_middle and _is_alone(line, found.chains)):
            chain = _begun(line)
            found.chains.append(chain)
        elif chain is None or line.seq != chain.last + 1:
            found.gap = _gap(line, found.chains)
            return found
        chain.digests.append(digest)
        open_chains[digest] = chain
    return found


def check_heads(found: Found, heads: Iterable[Head]) -> str:
    """The first head that is not in its chain, in a sentence; empty: all of them are."""
    by_pod: dict[str, list[Chain]] = {}
    for chain in found.chains:
        by_pod.setdefault(chain.pod_uid, []).append(chain)
    for head in heads:
        chains = by_pod.get(head.pod_uid, [])
        if head.seq < 0 or any(_holds(chain, head) for chain in chains):
            continue
        short = head.digest[:SHORT]
        said = f"{head.where}: the operator saw line {head.seq} ({short}...) of pod {head.pod_uid}"
        if not chains:
            return f"{said}, and no line of that pod is here"
        reached = max(chain.last for chain in chains)
        if reached < head.seq:
            return f"{said}, and the trail ends at line {reached}: its end was cut off"
        return f"{said}, and that line is another one here: the trail was rewritten"
    return ""


def _holds(chain: Chain, head: Head) -> bool:
    at = head.seq - chain.first
    return 0 <= at < len(chain.digests) and chain.digests[at] == head.digest


def _begun(line: Line) -> Chain:
    data = line.data
    start = data.get("event") == "chain.start"
    pod = str(data.get("pod", "")) if start else ""
    return Chain(pod, str(data.get("podUid", "")), str(data.get("time", "")), first=line.seq)


def _is_alone(line: Line, chains: list[Chain]) -> bool:
    """No chain that is known can be the one that it goes on."""
    return not any(chain.first <= line.seq <= chain.last + 1 for chain in chains)


def _gap(line: Line, chains: list[Chain]) -> str:
    said = f"{line.where}: line {line.seq} of a chain"
    if not chains:
        return f"{said} whose beginning is not here: lines 0 to {line.seq - 1} are missing"
    near = max(chains, key=lambda it: (it.last < line.seq, it.last))
    of = f"of {near.name}" if len(chains) == 1 else "of the chains that are here"
    if near.last + 1 < line.seq:
        return f"{said} {of}: after line {near.last} lines {near.last + 1} to {line.seq - 1} miss"
    if near.last + 1 == line.seq:
        return (
            f"{said} {of}: it does not fit line {near.last} before it: one of the two was changed, "
            "or lines between them were taken away"
        )
    return f"{said} {of}: it is there twice, or out of its order, or was put in"
