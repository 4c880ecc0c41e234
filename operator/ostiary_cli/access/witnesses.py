"""Callers and names that stand for all others, as far as some policies tell them apart.  Pure.

Drawn from every entry of rules, denials and ceilings: names as patterns and where these meet,
namespaces one by one, an issuer's claims value by value and together.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Final

from ostiary_operator.render.globs import covered
from ostiary_proxy import config
from ostiary_proxy.callers import Caller
from ostiary_proxy.policy import Kind
from ostiary_proxy.subjects import GROUPS, values_of

from .patterns import closed

EVERY: Final = "*"
"""A namespace that only an entry for all namespaces matches, and so for a name."""
MOST_CALLERS: Final = 20_000
MOST_PROFILES: Final = 60
Claims = Mapping[str, frozenset[str]]
Labels = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Witnesses:
    callers: tuple[Caller, ...]
    complete: bool
    """False: there were too many to draw them all."""


def subjects_in(sections: Iterable[config.Server]) -> list[config.Subject]:
    found: list[config.Subject] = []
    for section in sections:
        for policy in section.policies:
            if policy.mode == "Enforce":
                found += [it for rule in policy.rules for it in rule.subjects]
                found += [it for deny in policy.deny for it in deny.subjects]
    return found


def callers_in(sections: Iterable[config.Server]) -> Witnesses:
    subjects = subjects_in(sections)
    found: dict[bytes, Caller] = {}
    complete = True
    for kind, make in (("serviceAccount", Caller.service_account), ("token", Caller.token)):
        for place, names in _by_place([it for it in subjects if it.kind == kind]).items():
            each, all_names = _closed(names)
            complete = complete and all_names and len(found) + len(each) <= MOST_CALLERS
            for name in each[: max(MOST_CALLERS - len(found), 0)]:
                caller = make(place, name)
                found[caller.key] = caller
    people, all_people = _people(subjects)
    found |= {it.key: it for it in people}
    if any(it.kind == "anonymous" for it in subjects):
        found[Caller.anonymous().key] = Caller.anonymous()
    return Witnesses(tuple(found.values()), complete and all_people)


def _by_place(subjects: Iterable[config.Subject]) -> dict[str, frozenset[str]]:
    """Names of those that may live in each namespace; the rest of the world is `*`."""
    everywhere: set[str] = set()
    found: dict[str, set[str]] = {}
    for it in subjects:
        if it.namespaces is None:
            everywhere |= set(it.names)
        for place in it.namespaces or ():
            found.setdefault(place, set()).update(it.names)
    places = {place: frozenset(names | everywhere) for place, names in sorted(found.items())}
    return {**places, EVERY: frozenset(everywhere)}


@lru_cache(maxsize=256)  # many namespaces have the same
def _closed(names: frozenset[str]) -> tuple[tuple[str, ...], bool]:
    return closed(sorted(names))


def _people(subjects: Iterable[config.Subject]) -> tuple[list[Caller], bool]:
    listed = list(subjects)
    named = [name for it in listed if it.kind == "user" for name in it.names]
    names, all_names = closed(named)
    profiles, all_profiles = _profiles([it for it in listed if it.kind == "oidc"])
    found = [Caller.user(name) for name in names]
    for issuer, claims in profiles:
        found += [_person(name, issuer, claims) for name in dict.fromkeys((EVERY, *names))]
    return found, all_names and all_profiles


def _person(name: str, issuer: str, claims: Claims) -> Caller:
    return Caller.user(
        name,
        issuer=issuer,
        subject=EVERY,
        groups=sorted(claims.get(GROUPS, ())),
        claims={claim: sorted(values) for claim, values in claims.items() if claim != GROUPS},
    )


def _profiles(entries: Iterable[config.Subject]) -> tuple[list[tuple[str, Claims]], bool]:
    """What tokens of each issuer bear: nothing, what one entry asks for, what two do."""
    asked: dict[str, list[Claims]] = {}
    for entry in entries:
        asked.setdefault(entry.issuer, []).extend(_ways(entry.claims))
    found: list[tuple[str, Claims]] = []
    complete = True
    for issuer, listed in asked.items():
        ways: list[Claims] = list({_key(it): it for it in listed}.values())
        complete = complete and len(ways) <= MOST_PROFILES
        both = (_joined(one, other) for one, other in combinations(ways[:MOST_PROFILES], 2))
        every = {_key(it): it for it in ({}, *ways, *both)}
        found += [(issuer, it) for it in every.values()]
    return found, complete


def _ways(claims: Mapping[str, tuple[str, ...]]) -> Iterator[Claims]:
    """One value of each claim; and for each further value, that in its place."""
    first = {claim: frozenset(values[:1]) for claim, values in claims.items()}
    yield first
    for claim, values in claims.items():
        for value in values[1:]:
            yield {**first, claim: frozenset((value,))}


def _joined(one: Claims, other: Claims) -> Claims:
    return {it: one.get(it, frozenset()) | other.get(it, frozenset()) for it in {**one, **other}}


def _key(claims: Claims) -> frozenset[tuple[str, frozenset[str]]]:
    return frozenset(claims.items())


def names_in(sections: Iterable[config.Server]) -> tuple[dict[Kind, tuple[str, ...]], bool]:
    """By kind, the names and patterns that anybody mentions, and where they meet."""
    said: dict[Kind, list[str]] = {"tool": [EVERY], "resource": [EVERY], "prompt": [EVERY]}
    for section in sections:
        tools = section.tools
        said["tool"] += [*(tools.allow or ()), *tools.deny]
        said["tool"] += [glob for globs in tools.effects.values() for glob in globs]
        for policy in section.policies:
            rules = [rule.allow for rule in policy.rules]
            listed: list[config.Allow | config.Deny] = [*rules, *policy.deny]
            for lists in listed if policy.mode == "Enforce" else ():
                said["tool"] += lists.tools or ()
                said["resource"] += lists.resources or ()
                said["prompt"] += lists.prompts or ()
    found = {kind: closed(names) for kind, names in said.items()}
    return {kind: names for kind, (names, _) in found.items()}, all(it for _, it in found.values())


def covers(general: Caller, special: Caller, labels: Labels) -> bool:
    """Whoever the second stands for, the first stands for as well; `labels`: of namespaces."""
    if general.kind != special.kind or not covered(special.name, (general.name,)):
        return False
    if general.kind == "user":
        return not general.issuer or (
            general.issuer == special.issuer
            and set(general.groups) <= set(special.groups)
            and all(
                values_of(general, claim) <= values_of(special, claim) for claim in general.claims
            )
        )
    if general.namespace in (EVERY, special.namespace):
        return True
    wide = labels.get(general.namespace, {}).items()
    narrow = labels.get(special.namespace, {}).items()
    return is_class(general.namespace) and wide <= narrow


def is_class(namespace: str) -> bool:
    """It stands for every namespace with such labels."""
    return namespace.startswith("{")


def shown(caller: Caller) -> str:
    if caller.kind != "user" or not caller.issuer:
        return caller.principal
    bears = [f"{GROUPS}={value}" for value in caller.groups]
    bears += [
        f"{claim}={it}"
        for claim in sorted(caller.claims)
        for it in sorted(values_of(caller, claim))
    ]
    who = "" if caller.name == EVERY else f" named {caller.name}"
    return f"oidc:{caller.issuer}" + (f" with {', '.join(bears)}" if bears else "") + who
