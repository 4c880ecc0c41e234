"""Who may do what: the one function that decides, and the rules it decides by.  Pure: no I/O,
no clock.

`decide` guards a call and filters a list item by item, so that the two can never disagree.  Rules
add up; a deny always wins; no policy admits nobody.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from math import inf
from typing import Final, Literal, Self

from ostiary_proxy import config
from ostiary_proxy.globs import Globs

Kind = Literal["tool", "resource", "prompt", "list", "protocol", "unknown"]
"""list and protocol: for anybody admitted; unknown: a method that this proxy does not know."""

Reason = Literal["NotAdmitted", "NotAllowed", "Denied", "UnknownMethod"]

ANONYMOUS: Final = "anonymous"
"""The principal of a caller without a token."""
REMEMBERED: Final = 4096
"""Callers, and decisions, kept per set of rules; names come from outside, so this is bounded."""
LONGEST_REMEMBERED: Final = 256
"""A longer name is decided afresh each time rather than kept."""
FILTER_RULE: Final = "spec.tools"
"""The rule that is named when the server's own tool filter refuses."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody whose identity is verified, or nobody in particular."""

    principal: str
    kind: Literal["serviceAccount", "anonymous"]
    namespace: str = ""
    name: str = ""
    expires: float = inf
    """Unix time after which the proof of identity is void."""
    digest: bytes = b""
    """16 bytes of the principal's hash: what a session id is bound to."""

    @classmethod
    def service_account(cls, namespace: str, name: str, expires: float = inf) -> Self:
        principal = f"system:serviceaccount:{namespace}:{name}"
        return cls(principal, "serviceAccount", namespace, name, expires, digest_of(principal))

    @classmethod
    def anonymous(cls) -> Self:
        return cls(ANONYMOUS, "anonymous", digest=digest_of(ANONYMOUS))


def digest_of(principal: str) -> bytes:
    return sha256(principal.encode()).digest()[:16]


@dataclass(frozen=True, slots=True)
class Target:
    kind: Kind
    name: str = ""
    """Of the tool or prompt, the resource's URI, or the unknown method."""


@dataclass(frozen=True, slots=True)
class Allow:
    policy: str
    rule: str


@dataclass(frozen=True, slots=True)
class Deny:
    reason: Reason
    policy: str
    rule: str
    message: str
    """For the caller.  The same for a name that exists and one that does not."""


Decision = Allow | Deny


@dataclass(frozen=True, slots=True)
class _Subject:
    kind: str
    names: Globs
    namespaces: frozenset[str] | None

    def matches(self, caller: Caller) -> bool:
        if self.kind != caller.kind:
            return False
        if self.kind == "anonymous":
            return True
        if self.namespaces is not None and caller.namespace not in self.namespaces:
            return False
        return self.names.match(caller.name)


@dataclass(frozen=True, slots=True)
class _Rule:
    policy: str
    name: str
    subjects: tuple[_Subject, ...]
    lists: dict[str, Globs | None]
    unknown_methods: bool
    """The tools list holds a bare `*`."""


@dataclass(frozen=True, slots=True)
class _Denial:
    policy: str
    name: str
    subjects: tuple[_Subject, ...]
    lists: dict[str, Globs | None]
    everything: bool

    def concerns(self, caller: Caller) -> bool:
        return not self.subjects or any(subject.matches(caller) for subject in self.subjects)


@dataclass(frozen=True, slots=True)
class _Selection:
    """The part of the rules that speaks of one caller."""

    rules: tuple[_Rule, ...]
    denials: tuple[_Denial, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """All that decides for one server.  What it remembers never changes an answer."""

    namespace: str
    server: str
    rules: tuple[_Rule, ...]
    denials: tuple[_Denial, ...]
    exists: Globs
    removed: Globs
    admits_anonymous: bool
    """Some rule speaks of anonymous callers: a request without a token is worth deciding."""
    _selected: dict[str, _Selection] = field(default_factory=dict, compare=False, repr=False)
    _decided: dict[tuple[str, str, str], Decision] = field(
        default_factory=dict, compare=False, repr=False
    )


def compile_rules(server: config.Server) -> Rules:
    rules = tuple(_rule(policy, rule) for policy in server.policies for rule in policy.rules)
    return Rules(
        namespace=server.namespace,
        server=server.name,
        rules=rules,
        denials=tuple(
            _denial(policy, number, deny)
            for policy in server.policies
            for number, deny in enumerate(policy.deny)
        ),
        exists=Globs.compile(("*",) if server.tools.allow is None else server.tools.allow),
        removed=Globs.compile(server.tools.deny),
        admits_anonymous=any(
            subject.kind == "anonymous" for rule in rules for subject in rule.subjects
        ),
    )


def decide(target: Target, caller: Caller, rules: Rules) -> Decision:
    """May this caller do this?  The only place that answers."""
    key = (caller.principal, target.kind, target.name)
    known = rules._decided.get(key)
    if known is not None:
        return known
    decision = _decide(target, caller, rules)
    if len(target.name) <= LONGEST_REMEMBERED:
        if len(rules._decided) >= REMEMBERED:
            rules._decided.clear()
        rules._decided[key] = decision
    return decision


def _decide(target: Target, caller: Caller, rules: Rules) -> Decision:
    selection = _select(caller, rules)
    if not selection.rules:
        return Deny("NotAdmitted", "", "", _policy_to_write(caller, rules))
    for denial in selection.denials:
        if denial.everything or _lists(denial.lists, target):
            return Deny("Denied", denial.policy, denial.name, _refusal(target))
    if target.kind == "tool" and not _exists(target.name, rules):
        return Deny("NotAllowed", "", FILTER_RULE, _refusal(target))
    for rule in selection.rules:
        if _grants(rule, target):
            return Allow(rule.policy, rule.name)
    reason: Reason = "UnknownMethod" if target.kind == "unknown" else "NotAllowed"
    return Deny(reason, "", "", _refusal(target))


def _select(caller: Caller, rules: Rules) -> _Selection:
    known = rules._selected.get(caller.principal)
    if known is not None:
        return known
    selection = _Selection(
        rules=tuple(
            rule
            for rule in rules.rules
            if any(subject.matches(caller) for subject in rule.subjects)
        ),
        denials=tuple(denial for denial in rules.denials if denial.concerns(caller)),
    )
    if len(rules._selected) >= REMEMBERED:
        rules._selected.clear()
    rules._selected[caller.principal] = selection
    return selection


def _exists(tool: str, rules: Rules) -> bool:
    return rules.exists.match(tool) and not rules.removed.match(tool)


def _grants(rule: _Rule, target: Target) -> bool:
    if target.kind in ("list", "protocol"):
        return True
    if target.kind == "unknown":
        return rule.unknown_methods
    return _lists(rule.lists, target)


def _lists(lists: dict[str, Globs | None], target: Target) -> bool:
    globs = lists.get(target.kind)
    return globs is not None and globs.match(target.name)


def _rule(policy: config.Policy, rule: config.Rule) -> _Rule:
    return _Rule(
        policy=f"{policy.namespace}/{policy.name}",
        name=rule.name,
        subjects=tuple(_subject(subject) for subject in rule.subjects),
        lists=_compiled(rule.allow),
        unknown_methods="*" in (rule.allow.tools or ()),
    )


def _denial(policy: config.Policy, number: int, deny: config.Deny) -> _Denial:
    lists = _compiled(deny)
    return _Denial(
        policy=f"{policy.namespace}/{policy.name}",
        name=f"deny[{number}]",
        subjects=tuple(_subject(subject) for subject in deny.subjects),
        lists=lists,
        everything=all(globs is None for globs in lists.values()),
    )


def _compiled(lists: config.Allow | config.Deny) -> dict[str, Globs | None]:
    named = {"tool": lists.tools, "resource": lists.resources, "prompt": lists.prompts}
    return {kind: None if globs is None else Globs.compile(globs) for kind, globs in named.items()}


def _subject(subject: config.Subject) -> _Subject:
    namespaces = subject.namespaces
    return _Subject(
        kind=subject.kind,
        names=Globs.compile(subject.names),
        namespaces=None if namespaces is None else frozenset(namespaces),
    )


def _refusal(target: Target) -> str:
    if target.kind == "unknown":
        return "The method is unknown here."
    if target.kind in ("list", "protocol"):
        return "This caller is denied everything here."
    return f"Unknown {target.kind}: there is none of that name for this caller."


def _policy_to_write(caller: Caller, rules: Rules) -> str:
    entry = "anonymous: {}"
    name = ANONYMOUS
    if caller.kind == "serviceAccount":
        name = caller.name
        namespaces = ""
        if caller.namespace != rules.namespace:
            label = f"kubernetes.io/metadata.name: {caller.namespace}"
            namespaces = f", namespaces: {{from: Selector, selector: {{matchLabels: {{{label}}}}}}}"
        entry = f'serviceAccounts: {{names: ["{caller.name}"]{namespaces}}}'
    return (
        f"No rule admits {caller.principal} to {rules.namespace}/{rules.server}. "
        "An owner of that namespace can apply:\n"
        "apiVersion: ostiary.dev/v1alpha1\n"
        "kind: MCPAccessPolicy\n"
        f"metadata: {{name: {rules.server}-{name}, namespace: {rules.namespace}}}\n"
        "spec:\n"
        f"  targetRefs: [{{kind: MCPServer, name: {rules.server}}}]\n"
        "  rules:\n"
        f'  - {{name: {name}, from: [{{{entry}}}], allow: {{tools: ["*"]}}}}\n'
    )
