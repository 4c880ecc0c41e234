"""Policies taken apart into grants and denials of one subject and one pattern each.  Pure.

Two sets of them are compared without a list of callers or tools: `allows_no_more` is a proof when
it says yes, and says nothing when it says no.  Selectors of namespaces stay as they are written,
beside the namespaces that they are known to select.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from ostiary_operator.api import MCPAccessPolicy, MCPServer
from ostiary_operator.api.fields import Namespaces
from ostiary_operator.api.policy import AccessRule, Deny
from ostiary_operator.api.subjects import Who
from ostiary_operator.render.globs import covered
from ostiary_operator.render.selection import Labels, namespaces_of
from ostiary_proxy.callers import Caller

from .patterns import apart, tidy
from .standing import Standing

ANYTHING = "anything"
UNKNOWN = "unknown"
"""Kinds of what is granted or denied, beside tool, resource and prompt: a denial without lists;
methods that the proxy does not know."""


@dataclass(frozen=True, slots=True)
class Subject:
    kind: str
    name: str = "*"
    place: str = ""
    """A namespace, `*`, or a selector as JSON."""
    issuer: str = ""
    claims: frozenset[tuple[str, frozenset[str]]] = frozenset()

    def within(self, other: "Subject") -> bool:
        if (self.kind, self.issuer) != (other.kind, other.issuer):
            return False
        mine = dict(self.claims)
        return (
            covered(self.name, (other.name,))
            and other.place in ("*", self.place)
            and all(claim in mine and mine[claim] <= values for claim, values in other.claims)
        )

    def meets(self, other: "Subject") -> bool:
        """False: nobody is both, for certain."""
        people = ("user", "oidc")
        if self.kind in people and other.kind in people:
            return "" in (self.issuer, other.issuer) or self.issuer == other.issuer
        if self.kind != other.kind or apart(self.name, other.name):
            return False
        places = {self.place, other.place}
        return len(places) == 1 or any(it == "*" or it.startswith("{") for it in places)


@dataclass(frozen=True, slots=True)
class Atom:
    """Of a rule or a denial."""

    subject: Subject | None
    """None: everybody."""
    kind: str
    pattern: str = "*"
    effect: str = ""
    when: str = ""

    def within(self, other: "Atom") -> bool:
        """Whatever this one speaks of, the other does."""
        if other.subject is not None and (
            self.subject is None or not self.subject.within(other.subject)
        ):
            return False
        if other.kind != ANYTHING and (
            self.kind != other.kind or not covered(self.pattern, (other.pattern,))
        ):
            return False
        return other.effect in ("", self.effect) and other.when in ("", self.when)

    def meets(self, other: "Atom") -> bool:
        """False: they speak of nothing in common, for certain."""
        if ANYTHING not in (self.kind, other.kind) and (
            self.kind != other.kind or apart(self.pattern, other.pattern)
        ):
            return False
        return _meet(self.subject, other.subject)


def _meet(one: Subject | None, other: Subject | None) -> bool:
    return one is None or other is None or one.meets(other)


@dataclass(frozen=True, slots=True)
class Form:
    """All that decides for one server."""

    exists: frozenset[str]
    removed: frozenset[str]
    effects: frozenset[tuple[str, frozenset[str]]]
    grants: frozenset[Atom]
    denials: frozenset[Atom]
    ceilings: frozenset[frozenset[Atom]]


def form_of(standing: Standing, server: MCPServer) -> Form:
    enforced = [it for it in standing.of_server(server) if not it.spec.is_observed]
    known, tools = standing.namespaces, server.spec.tools
    effects = tools.effects.model_dump(exclude_none=True) if tools and tools.effects else {}
    allow = tools.allow if tools else None
    return Form(
        exists=frozenset(map(tidy, ("*",) if allow is None else allow)),
        removed=frozenset(map(tidy, tools.deny or () if tools else ())),
        effects=frozenset((it, frozenset(map(tidy, globs))) for it, globs in effects.items()),
        grants=_joined(granted(it, known) for it in enforced if not it.spec.is_ceiling),
        denials=_joined(denied(it, known) for it in enforced),
        ceilings=frozenset(
            granted(it, known) for it in enforced if it.spec.is_ceiling and it.spec.rules
        ),
    )


def allows_no_more(one: Form, other: Form) -> bool:
    """Whatever `one` allows, `other` allows, for certain."""
    grants = _live(one)
    tools = [it for it in grants if it.kind == "tool"]
    asked = (*tools, *(it for over in one.ceilings | other.ceilings for it in over))
    if one.effects != other.effects and any(it.effect or "effects" in it.when for it in asked):
        return False
    return (
        all_within(grants, other.grants)
        and (
            all(covered(it.pattern, other.exists) for it in tools)
            or all(covered(it, other.exists) for it in one.exists)
        )
        and all(
            covered(it, one.removed) or all(apart(it, grant.pattern) for grant in tools)
            for it in other.removed
        )
        and all(
            any(it.within(mine) for mine in one.denials) or not any(it.meets(g) for g in grants)
            for it in other.denials
        )
        and all(
            all_within(grants, over) or any(all_within(it, over) for it in one.ceilings)
            for over in other.ceilings
        )
    )


def _live(form: Form) -> frozenset[Atom]:
    """Grants less those that something else of the same form makes void, for certain."""
    effects = dict(form.effects)
    return frozenset(
        it
        for it in form.grants
        if not any(it.within(denial) for denial in form.denials)
        and all(any(it.meets(atom) for atom in over) for over in form.ceilings)
        and (
            it.kind != "tool"
            or (
                not covered(it.pattern, form.removed)
                and not _is_apart(it.pattern, form.exists)
                and not (
                    it.effect
                    and all(apart(it.pattern, glob) for glob in effects.get(it.effect, ()))
                )
            )
        )
    )


def _is_apart(pattern: str, globs: Iterable[str]) -> bool:
    return all(apart(pattern, glob) for glob in globs)


@dataclass(frozen=True, slots=True)
class Differing:
    """What one side has and the other has not: whatever none of it speaks of is as it was."""

    atoms: frozenset[Atom]
    anything: bool
    """Not bound to what atoms speak of."""

    def of_caller(self, caller: Caller) -> bool:
        kind = "oidc" if caller.issuer else caller.kind
        name = "*" if caller.issuer else caller.name
        it = Subject(kind, name, caller.namespace, caller.issuer)
        return self.anything or any(_meet(it, atom.subject) for atom in self.atoms)

    def of_name(self, kind: str, name: str) -> bool:
        it = Atom(None, kind, name)
        return self.anything or any(it.meets(replace(at, subject=None)) for at in self.atoms)


def differing(one: Form, other: Form) -> Differing:
    return Differing(
        atoms=(one.grants ^ other.grants) | (one.denials ^ other.denials),
        anything=(one.exists, one.removed, one.effects, one.ceilings)
        != (other.exists, other.removed, other.effects, other.ceilings),
    )


def all_within(some: frozenset[Atom], others: frozenset[Atom]) -> bool:
    left = some - others
    return all(any(it.within(other) for other in others) for it in left)


def granted(policy: MCPAccessPolicy, known: Mapping[str, Labels]) -> frozenset[Atom]:
    own = policy.metadata.namespace
    return frozenset(
        atom for rule in policy.spec.rules or () for atom in _of_rule(rule, own, known)
    )


def _of_rule(rule: AccessRule, own: str, known: Mapping[str, Labels]) -> Iterator[Atom]:
    allow, when = rule.allow, rule.when or ""
    lists = (allow.tools, allow.resources, allow.prompts)
    tools = ("*",) if lists == (None, None, None) else allow.tools or ()
    effects: tuple[str, ...] = allow.effects or ("",)
    for subject in _subjects(rule.from_, own, known):
        for effect in effects:
            yield from (Atom(subject, "tool", tidy(it), effect, when) for it in tools)
        yield from (Atom(subject, "resource", tidy(it), "", when) for it in allow.resources or ())
        yield from (Atom(subject, "prompt", tidy(it), "", when) for it in allow.prompts or ())
        if "*" in (allow.tools or ()) and allow.effects is None and not when:
            yield Atom(subject, UNKNOWN)


def denied(policy: MCPAccessPolicy, known: Mapping[str, Labels]) -> frozenset[Atom]:
    own = policy.metadata.namespace
    return frozenset(atom for deny in policy.spec.deny or () for atom in _of_deny(deny, own, known))


def _of_deny(deny: Deny, own: str, known: Mapping[str, Labels]) -> Iterator[Atom]:
    subjects: tuple[Subject | None, ...] = (
        (None,) if deny.from_ is None else tuple(_subjects(deny.from_, own, known))
    )
    lists = {"tool": deny.tools, "resource": deny.resources, "prompt": deny.prompts}
    for subject in subjects:
        if all(globs is None for globs in lists.values()):
            yield Atom(subject, ANYTHING)
        for kind, globs in lists.items():
            yield from (Atom(subject, kind, tidy(it)) for it in globs or ())
        if "*" in (deny.tools or ()):
            yield Atom(subject, UNKNOWN)


def _subjects(entries: Iterable[Who], own: str, known: Mapping[str, Labels]) -> Iterator[Subject]:
    for entry in entries:
        if entry.serviceAccounts is not None:
            those = entry.serviceAccounts
            yield from _living("serviceAccount", those.names, those.namespaces, own, known)
        elif entry.tokens is not None:
            yield from _living("token", entry.tokens.names, entry.tokens.namespaces, own, known)
        elif entry.users is not None:
            yield from (Subject("user", tidy(name)) for name in entry.users.names)
        elif entry.oidc is not None:
            claims = (entry.oidc.claims or {}).items()
            yield Subject(
                "oidc",
                issuer=entry.oidc.issuer,
                claims=frozenset((claim, frozenset(values)) for claim, values in claims),
            )
        else:
            yield Subject("anonymous")


def _living(
    kind: str,
    names: Iterable[str],
    namespaces: Namespaces | None,
    own: str,
    known: Mapping[str, Labels],
) -> Iterator[Subject]:
    found = namespaces_of(namespaces, own=own, known=known)
    places = ["*"] if found is None else list(found)
    if namespaces is not None and namespaces.selector is not None:
        places.append(selector_text(namespaces))
    for name in names:
        yield from (Subject(kind, tidy(name), place) for place in places)


def selector_text(namespaces: Namespaces) -> str:
    given = namespaces.selector.as_manifest() if namespaces.selector else {}
    return json.dumps(given, sort_keys=True)


def _joined(sets: Iterable[frozenset[Atom]]) -> frozenset[Atom]:
    return frozenset(atom for atoms in sets for atom in atoms)
