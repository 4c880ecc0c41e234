"""Policies compiled: what of the config decides for one server, in the shape that decides fast.

Enforced grants add up; enforced denials win; every ceiling must allow as well.  An observed policy
is compiled into the rules as they would be if it were enforced.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from ostiary_proxy import config
from ostiary_proxy.callers import Caller
from ostiary_proxy.conditions import Condition, compile_condition
from ostiary_proxy.globs import Globs
from ostiary_proxy.pins import Book, Pinned, pinned
from ostiary_proxy.subjects import Subject, compile_subject

EVERYTHING: Final = Globs.compile(("*",))


@dataclass(frozen=True, slots=True)
class Rule:
    policy: str
    name: str
    subjects: tuple[Subject, ...]
    lists: Mapping[str, Globs | None]
    effects: frozenset[str] | None
    """Of tools; None: whatever they are."""
    when: Condition | None
    rate: config.Rate | None
    unknown_methods: bool
    """The tools list holds a bare `*`, and nothing narrows it."""

    def concerns(self, caller: Caller) -> bool:
        return any(subject.matches(caller) for subject in self.subjects)


@dataclass(frozen=True, slots=True)
class Denial:
    policy: str
    name: str
    subjects: tuple[Subject, ...]
    lists: Mapping[str, Globs | None]
    everything: bool
    unknown_methods: bool
    """The tools list holds a bare `*`: what such a method does nobody can tell."""

    def concerns(self, caller: Caller) -> bool:
        return not self.subjects or any(subject.matches(caller) for subject in self.subjects)


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Beyond its rules nobody may do anything, whatever other policies grant."""

    policy: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """The part of the rules that speaks of one caller."""

    rules: tuple[Rule, ...]
    denials: tuple[Denial, ...]
    ceilings: tuple[Ceiling, ...]
    denied: Mapping[str, Globs]
    """By kind, what any of the denials names: most names need no look at each of them."""
    outright: bool
    """Some denial is of everything."""

    def may_deny(self, kind: str, name: str) -> bool:
        """Some denial does, or the method is one that nobody knows."""
        if self.outright or kind == "unknown":
            return True
        globs = self.denied.get(kind)
        return globs is not None and globs.match(name)


def selection(
    rules: tuple[Rule, ...], denials: tuple[Denial, ...], ceilings: tuple[Ceiling, ...]
) -> Selection:
    named: dict[str, list[Globs]] = {}
    for denial in denials:
        for kind, globs in denial.lists.items():
            if globs is not None:
                named.setdefault(kind, []).append(globs)
    return Selection(
        rules=rules,
        denials=denials,
        ceilings=ceilings,
        denied={kind: Globs.union(several) for kind, several in named.items()},
        outright=any(denial.everything for denial in denials),
    )


@dataclass(frozen=True, slots=True)
class Rules:
    """All that decides for one server.  What it remembers never changes an answer."""

    namespace: str
    server: str
    rules: tuple[Rule, ...]
    denials: tuple[Denial, ...]
    ceilings: tuple[Ceiling, ...]
    exists: Globs
    removed: Globs
    effects: tuple[tuple[str, Globs], ...]
    admits_anonymous: bool
    """Some rule speaks of anonymous callers: a request without a token is worth deciding."""
    pinned: Pinned = field(default_factory=Pinned)
    observed: "tuple[Observed, ...]" = ()
    group: "Group | None" = None
    """Of a group's endpoint, where its members' rules decide and all else here is empty."""
    selected: dict[bytes, Selection] = field(default_factory=dict, compare=False, repr=False)
    decided: dict[tuple[bytes, str, str, int], object] = field(
        default_factory=dict, compare=False, repr=False
    )

    def effects_of(self, tool: str) -> tuple[str, ...]:
        """By the owner's word; where that names the tool nowhere, by the server's, if it counts."""
        said = tuple(effect for effect, globs in self.effects if globs.match(tool))
        return said or self.pinned.effects_of(tool)


class Places(Protocol):
    """Whose a name is that a group's clients know."""

    def place(self, kind: str, name: str) -> tuple[str, str] | None:
        """The member's alias, and what the member itself calls it."""


@dataclass(frozen=True, slots=True)
class Joined:
    """One member of a group: both must allow."""

    own: Rules
    ceiling: Rules | None
    """The group's own policies, as they stand over this member; None: it has none."""


@dataclass(frozen=True, slots=True)
class Group:
    members: Mapping[str, Joined]
    """By alias."""
    places: Places


@dataclass(frozen=True, slots=True)
class Observed:
    """A policy that is not in force, and the rules as they would be with it."""

    policy: str
    rules: Rules


def compile_rules(server: config.Server, book: Book | None = None) -> Rules:
    """`book`: what is known of the server's tools, kept while rules come and go."""
    enforced = [policy for policy in server.policies if policy.mode == "Enforce"]
    grants = tuple(rule for policy in enforced if not policy.ceiling for rule in _rules(policy))
    base = Rules(
        namespace=server.namespace,
        server=server.name,
        rules=grants,
        denials=tuple(denial for policy in enforced for denial in _denials(policy)),
        ceilings=tuple(_ceiling(policy) for policy in enforced if policy.caps),
        exists=EVERYTHING if server.tools.allow is None else Globs.compile(server.tools.allow),
        removed=Globs.compile(server.tools.deny),
        effects=tuple(
            (effect, Globs.compile(globs)) for effect, globs in server.tools.effects.items()
        ),
        admits_anonymous=_admit_anonymous(grants),
        pinned=pinned(server, book),
    )
    watching = [policy for policy in server.policies if policy.mode == "Observe"]
    return replace(base, observed=tuple(_observed(base, policy) for policy in watching))


def _observed(base: Rules, policy: config.Policy) -> Observed:
    grants = () if policy.ceiling else _rules(policy)
    ceilings = (_ceiling(policy),) if policy.caps else ()
    return Observed(
        _name(policy),
        replace(
            base,
            rules=(*base.rules, *grants),
            denials=(*base.denials, *_denials(policy)),
            ceilings=(*base.ceilings, *ceilings),
            selected={},
            decided={},
        ),
    )


def _name(policy: config.Policy) -> str:
    return f"{policy.namespace}/{policy.name}"


def _ceiling(policy: config.Policy) -> Ceiling:
    return Ceiling(_name(policy), _rules(policy))


def _rules(policy: config.Policy) -> tuple[Rule, ...]:
    return tuple(_rule(_name(policy), rule) for rule in policy.rules)


def _rule(policy: str, rule: config.Rule) -> Rule:
    allow, effects = rule.allow, rule.allow.effects
    lists = _compiled(allow)
    if effects is not None and not any(globs is not None for globs in lists.values()):
        lists["tool"] = EVERYTHING
    return Rule(
        policy=policy,
        name=rule.name,
        subjects=tuple(compile_subject(subject) for subject in rule.subjects),
        lists=lists,
        effects=None if effects is None else frozenset(effects),
        when=compile_condition(rule.when) if rule.when else None,
        rate=rule.rate,
        unknown_methods="*" in (allow.tools or ()) and effects is None and not rule.when,
    )


def _denials(policy: config.Policy) -> tuple[Denial, ...]:
    return tuple(_denial(policy, number, deny) for number, deny in enumerate(policy.deny))


def _denial(policy: config.Policy, number: int, deny: config.Deny) -> Denial:
    lists = _compiled(deny)
    return Denial(
        policy=_name(policy),
        name=f"deny[{number}]",
        # A network narrows whom a rule admits; nobody escapes a denial by it.
        subjects=tuple(
            compile_subject(subject.model_copy(update={"network": False}))
            for subject in deny.subjects
        ),
        lists=lists,
        everything=all(globs is None for globs in lists.values()),
        unknown_methods="*" in (deny.tools or ()),
    )


def _compiled(lists: config.Allow | config.Deny) -> dict[str, Globs | None]:
    named = {"tool": lists.tools, "resource": lists.resources, "prompt": lists.prompts}
    return {kind: None if globs is None else Globs.compile(globs) for kind, globs in named.items()}


def _admit_anonymous(rules: Iterable[Rule]) -> bool:
    return any(subject.kind == "anonymous" for rule in rules for subject in rule.subjects)
