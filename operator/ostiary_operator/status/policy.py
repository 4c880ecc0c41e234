"""The status of an MCPAccessPolicy: whom it speaks of, whom it lets in, where it is in force."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ostiary_operator.api import SERVER_KIND, MCPAccessPolicy, Problem, Reason, Type
from ostiary_operator.render.selection import Labels, namespaces_of

from .conditions import Verdict, write
from .observed import Enforcement

MAX_LISTED: Final = 256
"""Targets and namespaces listed in a status."""
EVERY: Final = "*"


@dataclass(frozen=True, slots=True)
class Target:
    """A server that the policy selects or names."""

    name: str
    enforcement: Enforcement | None
    """None: there is no such server."""


def policy_status(
    policy: MCPAccessPolicy,
    *,
    targets: Sequence[Target],
    namespaces: Mapping[str, Labels],
    previous: Mapping[str, Any],
    now: datetime,
    problems: Sequence[Problem] = (),
) -> dict[str, Any]:
    """`problems`: of an invalid policy, whose usable rest is `policy`."""
    ordered = sorted(targets, key=lambda it: it.name)
    generation = policy.metadata.generation
    found = [it.enforcement for it in ordered if it.enforcement is not None]
    pods, enforcing = sum(it.pods for it in found), sum(it.enforcing for it in found)
    return {
        "observedGeneration": generation,
        "targetCount": len(found),
        "enforced": f"{enforcing}/{pods}",
        "targets": [
            _target(it, generation=generation, previous=previous, now=now)
            for it in ordered[:MAX_LISTED]
        ],
        "subjects": {"namespaces": list(_subjects(policy, namespaces))},
        "conditions": write(
            _verdicts(policy, ordered, f"{enforcing} of {pods} pods enforce it", problems),
            generation=generation,
            previous=previous.get("conditions") or (),
            now=now,
        ),
    }


def _target(
    target: Target, *, generation: int, previous: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    ref = f"{SERVER_KIND}/{target.name}"
    listed: list[Mapping[str, Any]] = list(previous.get("targets") or ())
    before = next((it for it in listed if it.get("ref") == ref), {})
    verdicts = {Type.ACCEPTED: _accepted_target(target)}
    if target.enforcement is not None:
        verdicts[Type.PROGRAMMED] = _programmed(
            target.enforcement.complete,
            f"{target.enforcement.enforcing} of {target.enforcement.pods} pods enforce it",
        )
    return {
        "ref": ref,
        "enforced": str(target.enforcement or "0/0"),
        "conditions": write(
            verdicts, generation=generation, previous=before.get("conditions") or (), now=now
        ),
    }


def _accepted_target(target: Target) -> Verdict:
    if target.enforcement is not None:
        return Verdict("True", Reason.ACCEPTED)
    return Verdict(
        "False", Reason.TARGET_NOT_FOUND, f"no {SERVER_KIND} {target.name} in this namespace"
    )


def _verdicts(
    policy: MCPAccessPolicy,
    targets: Sequence[Target],
    sentence: str,
    problems: Sequence[Problem],
) -> dict[str, Verdict]:
    accepted = _accepted(targets, problems)
    complete = all(it.enforcement.complete for it in targets if it.enforcement is not None)
    programmed = _programmed(complete, sentence)
    verdicts = {
        Type.READY: _ready(accepted, programmed),
        Type.ACCEPTED: accepted,
        Type.PROGRAMMED: programmed,
    }
    if problems:
        verdicts[Type.STALLED] = Verdict("True", Reason.INVALID_SPEC, accepted.message)
    elif not accepted.holds:
        verdicts[Type.RECONCILING] = Verdict(
            "True", Reason.WAITING_FOR_DEPENDENCY, accepted.message
        )
    if _anonymous_rules(policy):
        verdicts[Type.ANONYMOUS_ACCESS] = Verdict(
            "True",
            Reason.ANONYMOUS_RULE,
            f"without any token: rule {', '.join(_anonymous_rules(policy))}",
        )
    return verdicts


def _accepted(targets: Sequence[Target], problems: Sequence[Problem]) -> Verdict:
    if problems:
        return Verdict("False", Reason.INVALID, "; ".join(str(it) for it in problems))
    missing = [it.name for it in targets if it.enforcement is None]
    if missing:
        return Verdict(
            "False",
            Reason.TARGET_NOT_FOUND,
            f"no {SERVER_KIND} {', '.join(missing)} in this namespace; the others are covered",
        )
    if not targets:
        return Verdict("True", Reason.ACCEPTED, "the selector matches no MCPServer yet")
    return Verdict("True", Reason.ACCEPTED)


def _programmed(complete: bool, sentence: str) -> Verdict:
    if complete:
        return Verdict("True", Reason.PROGRAMMED, sentence)
    return Verdict("False", Reason.PARTIALLY_PROGRAMMED, sentence)


def _ready(accepted: Verdict, programmed: Verdict) -> Verdict:
    if not accepted.holds:
        invalid = accepted.reason == Reason.INVALID
        reason = Reason.INVALID if invalid else Reason.REFS_NOT_RESOLVED
        return Verdict("False", reason, accepted.message)
    if not programmed.holds:
        return Verdict("False", Reason.PROGRESSING, programmed.message)
    return Verdict("True", Reason.READY, accepted.message)


def _anonymous_rules(policy: MCPAccessPolicy) -> list[str]:
    return [
        rule.name
        for rule in policy.spec.rules or ()
        if any(entry.anonymous is not None for entry in rule.from_)
    ]


def _subjects(policy: MCPAccessPolicy, namespaces: Mapping[str, Labels]) -> tuple[str, ...]:
    """Namespaces that the rules' accounts may live in; `*` for all of them."""
    found: set[str] = set()
    for rule in policy.spec.rules or ():
        for entry in rule.from_:
            accounts = entry.serviceAccounts
            resolved = (
                namespaces_of(accounts.namespaces, own=policy.metadata.namespace, known=namespaces)
                if accounts is not None
                else None
            )
            found |= {EVERY} if resolved is None else set(resolved)
    return (EVERY,) if EVERY in found else tuple(sorted(found))[:MAX_LISTED]
