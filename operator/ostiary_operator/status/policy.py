"""The status of an MCPAccessPolicy: whom it speaks of, whom it lets in, where it is in force."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from ostiary_operator.api import SERVER_KIND, MCPAccessPolicy, Problem, Reason, Type
from ostiary_operator.render.selection import Labels, entries, namespaces_named, namespaces_of

from .conditions import Verdict, write
from .observed import Enforcement

MAX_LISTED: Final = 256
"""Targets and namespaces listed in a status."""
LONGEST_MESSAGE: Final = 4096
NO_ISSUERS: Final[Mapping[str, str]] = MappingProxyType({})
EVERY: Final = "*"


@dataclass(frozen=True, slots=True)
class Target:
    """A server or a group that the policy selects or names."""

    name: str
    enforcement: Enforcement | None
    """None: there is none."""
    kind: str = SERVER_KIND

    @property
    def ref(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class Watched:
    """Decisions that a policy in Observe mode would have made otherwise."""

    allow: int
    deny: int


def policy_status(
    policy: MCPAccessPolicy,
    *,
    targets: Sequence[Target],
    namespaces: Mapping[str, Labels],
    previous: Mapping[str, Any],
    now: datetime,
    problems: Sequence[Problem] = (),
    issuers: frozenset[str] = frozenset(),
    silent: Mapping[str, str] = NO_ISSUERS,
    misplaced: bool = False,
    observed: Watched | None = None,
) -> dict[str, Any]:
    """`problems`: of an invalid policy, whose usable rest is `policy`; `issuers`: the settings';
    `silent`: what is wrong with an issuer of them; `misplaced`: a ceiling not in their place."""
    ordered = sorted(targets, key=lambda it: it.ref)
    generation = policy.metadata.generation
    found = [it.enforcement for it in ordered if it.enforcement is not None]
    pods, enforcing = sum(it.pods for it in found), sum(it.enforcing for it in found)
    accepted = _misplaced(policy) if misplaced else _accepted(policy, ordered, problems, issuers)
    complete = all(it.complete for it in found)
    programmed = _programmed(complete, f"{enforcing} of {pods} pods enforce it")
    resolved = _resolved(policy, issuers, silent)
    return {
        "observedGeneration": generation,
        "targetCount": len(found),
        "enforced": f"{enforcing}/{pods}",
        "targets": [
            _target(it, generation=generation, previous=previous, now=now)
            for it in ordered[:MAX_LISTED]
        ],
        "subjects": {"namespaces": list(_subjects(policy, namespaces))},
        **({} if observed is None else {"observed": asdict(observed)}),
        "conditions": write(
            _verdicts(policy, accepted, programmed, broken=bool(problems)) | resolved,
            generation=generation,
            previous=previous.get("conditions") or (),
            now=now,
        ),
    }


def _target(
    target: Target, *, generation: int, previous: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    ref = target.ref
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
        "False", Reason.TARGET_NOT_FOUND, f"no {target.kind} {target.name} in this namespace"
    )


def _verdicts(
    policy: MCPAccessPolicy, accepted: Verdict, programmed: Verdict, *, broken: bool
) -> dict[str, Verdict]:
    verdicts = {
        Type.READY: _ready(accepted, programmed),
        Type.ACCEPTED: accepted,
        Type.PROGRAMMED: programmed,
    }
    if broken:
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


def _resolved(
    policy: MCPAccessPolicy, issuers: frozenset[str], silent: Mapping[str, str]
) -> dict[str, Verdict]:
    """Only of a policy that speaks of issuers: nothing else of it is outside of the cluster."""
    named = sorted(_issuers(policy) & issuers)
    if not named:
        return {}
    troubles = [f"issuer {url}: {silent[url]}" for url in named if url in silent]
    if not troubles:
        return {Type.RESOLVED_REFS: Verdict("True", Reason.RESOLVED_REFS)}
    verdict = Verdict("False", Reason.ISSUER_UNAVAILABLE, " | ".join(troubles)[:LONGEST_MESSAGE])
    return {Type.RESOLVED_REFS: verdict}


def _misplaced(policy: MCPAccessPolicy) -> Verdict:
    return Verdict(
        "False",
        Reason.NEEDS_CLUSTER_SCOPE,
        "scope: Cluster counts only in the namespace that the cluster's settings call "
        f"policyNamespace, and {policy.metadata.namespace} is not it: the policy does nothing",
    )


def _accepted(
    policy: MCPAccessPolicy,
    targets: Sequence[Target],
    problems: Sequence[Problem],
    issuers: frozenset[str],
) -> Verdict:
    if problems:
        return Verdict("False", Reason.INVALID, "; ".join(str(it) for it in problems))
    strange = sorted(_issuers(policy) - issuers)
    if strange:
        return Verdict(
            "False",
            Reason.ISSUER_NOT_CONFIGURED,
            f"the cluster's settings do not name the issuer {', '.join(strange)}: entries that do "
            "match nobody; the others are in force",
        )
    missing = [f"{it.kind} {it.name}" for it in targets if it.enforcement is None]
    if missing:
        return Verdict(
            "False",
            Reason.TARGET_NOT_FOUND,
            f"no {', '.join(missing)} in this namespace; the others are covered",
        )
    if not targets:
        chosen = "namespaces have" if policy.spec.is_ceiling else "selector matches"
        return Verdict("True", Reason.ACCEPTED, f"the {chosen} no MCPServer yet")
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


def _issuers(policy: MCPAccessPolicy) -> set[str]:
    return {entry.oidc.issuer for entry in entries(policy) if entry.oidc is not None}


def _anonymous_rules(policy: MCPAccessPolicy) -> list[str]:
    if policy.spec.is_ceiling or policy.spec.is_observed:
        return []  # they let nobody in
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
            if entry.serviceAccounts is None and entry.tokens is None:
                resolved: tuple[str, ...] | None = None if entry.anonymous else ()
            else:
                named = namespaces_named(entry)
                own = policy.metadata.namespace
                resolved = namespaces_of(named, own=own, known=namespaces)
            found |= {EVERY} if resolved is None else set(resolved)
    return (EVERY,) if EVERY in found else tuple(sorted(found))[:MAX_LISTED]
