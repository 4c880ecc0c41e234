"""Who may do what: the one function that decides.  Pure: no I/O, no clock.

`decide` guards a call and filters a list item by item, so that the two can never disagree.  Rules
add up; a deny always wins; a ceiling only narrows; no policy admits nobody.  What a list shows
besides is what a `when` lets through with some arguments: it is asked with those of each call.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf
from types import MappingProxyType
from typing import Final

from ostiary_proxy.callers import Caller as Caller
from ostiary_proxy.catalogue_reader import decide_for_reader
from ostiary_proxy.conditions import Budget, Subject, holds
from ostiary_proxy.decisions import Allow as Allow
from ostiary_proxy.decisions import Decision as Decision
from ostiary_proxy.decisions import Deny as Deny
from ostiary_proxy.decisions import Kind as Kind
from ostiary_proxy.decisions import Reason as Reason
from ostiary_proxy.decisions import Target as Target
from ostiary_proxy.globs import Globs
from ostiary_proxy.remedy import policy_to_write
from ostiary_proxy.rules import Ceiling, Group, Joined, Rule, Selection, selection
from ostiary_proxy.rules import Rules as Rules
from ostiary_proxy.rules import compile_rules as compile_rules

REMEMBERED: Final = 4096
"""Callers, and decisions, kept per set of rules; names come from outside, so this is bounded."""
LONGEST_REMEMBERED: Final = 256
"""A longer name is decided afresh each time rather than kept."""
FILTER_RULE: Final = "spec.tools"
"""The rule that is named when the server's own tool filter refuses."""
PIN_RULE: Final = "spec.tools.pin"
"""The rule that is named when the tool is not approved as it stands."""
_NO_ARGS: Final[Mapping[str, object]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Open:
    """Decided but for the conditions that look at a call's arguments."""

    grants: tuple[Rule, ...]
    ceilings: tuple[Ceiling, ...]
    """Each with those of its rules that would do."""


def decide(target: Target, caller: Caller, rules: Rules, budget: Budget | None = None) -> Decision:
    """May this caller do this?  The only place that answers.

    `budget`: what is left to the conditions of one request, where more than this is decided for
    it."""
    budget = budget or Budget()
    if caller.kind == "catalogue":
        return decide_for_reader(target, rules)
    if rules.group is not None:
        return _in_group(target, caller, rules, rules.group, budget)
    known = _known(target, caller, rules, budget)
    if isinstance(known, (Allow, Deny)):
        return known
    return _ask(known, target, caller, rules, budget)


def _in_group(
    target: Target, caller: Caller, rules: Rules, group: Group, budget: Budget
) -> Decision:
    if target.kind in ("list", "protocol"):
        # For whomever any member admits.
        found = (decide_member(target, caller, one, budget) for one in group.members.values())
        admitted = next((one for one in found if isinstance(one, Allow)), None)
        return admitted or Deny("NotAdmitted", "", "", _admitted_nowhere(rules))
    placed = None
    if target.kind != "unknown":
        placed = group.places.place(target.kind, target.name)
    joined = None if placed is None else group.members.get(placed[0])
    if placed is None or joined is None:
        reason: Reason = "UnknownMethod" if target.kind == "unknown" else "NotAllowed"
        return Deny(reason, "", "", _refusal(target))
    return decide_member(replace(target, name=placed[1]), caller, joined, budget)


def decide_member(
    target: Target, caller: Caller, joined: Joined, budget: Budget | None = None
) -> Decision:
    """At a group, of what one member has, under the name that the member gives it: the group's
    ceiling must allow it, and the member's own rules."""
    capped = None
    if joined.ceiling is not None:
        capped = decide(target, caller, joined.ceiling, budget)
        if isinstance(capped, Deny):
            return _as_unknown(target, capped)
    elif caller.kind == "anonymous":
        # Nobody in particular comes through a group only where a policy of the group says so.
        return _as_unknown(target, Deny("NotAdmitted", "", "", ""))
    decision = decide(target, caller, joined.own, budget)
    if isinstance(decision, Deny):
        return _as_unknown(target, decision)
    # The member counts against its own limits by itself.
    return capped or (decision if decision.rate is None else replace(decision, rate=None))


def _as_unknown(target: Target, deny: Deny) -> Deny:
    """A member that does not admit a caller looks as one that has nothing of that name."""
    if deny.reason != "NotAdmitted" or target.kind in ("list", "protocol"):
        return deny
    return Deny("NotAllowed", deny.policy, deny.rule, _refusal(target))


def _admitted_nowhere(rules: Rules) -> str:
    return (
        f"No server of the group {rules.namespace}/{rules.server} admits this caller: an "
        "MCPAccessPolicy beside one of its servers has to, and so have those on the group itself."
    )


def _known(target: Target, caller: Caller, rules: Rules, budget: Budget) -> Decision | _Open:
    key = (caller.key, target.kind, target.name, rules.pinned.book.stamp)
    known = rules.decided.get(key)
    if isinstance(known, (Allow, Deny, _Open)):
        return known
    decision = _decide(target, caller, rules, budget)
    if len(target.name) <= LONGEST_REMEMBERED and not budget.is_spent:
        if len(rules.decided) >= REMEMBERED:
            rules.decided.clear()
        rules.decided[key] = decision
    return decision


def _decide(target: Target, caller: Caller, rules: Rules, budget: Budget) -> Decision | _Open:
    selected = _select(caller, rules, budget)
    refused = _refused_outright(target, caller, rules, selected)
    if refused is not None:
        return refused
    asked = _Asked(target, caller, rules, budget)
    found = _Open(
        grants=asked.granting(selected.rules),
        ceilings=tuple(
            Ceiling(ceiling.policy, asked.granting(ceiling.rules)) for ceiling in selected.ceilings
        ),
    )
    if not found.grants:
        reason: Reason = "UnknownMethod" if target.kind == "unknown" else "NotAllowed"
        return Deny(reason, "", "", _refusal(target))
    for ceiling in found.ceilings:
        if not ceiling.rules:
            reason = "UnknownMethod" if target.kind == "unknown" else "NotAllowed"
            return Deny(reason, ceiling.policy, "", _refusal(target))
    if any(_is_open(rule) for rules_ in _all(found) for rule in rules_):
        return found
    return _allowed(found.grants[0])


def _refused_outright(
    target: Target, caller: Caller, rules: Rules, selected: Selection
) -> Deny | None:
    if not selected.rules:
        why = policy_to_write(caller, rules.namespace, rules.server)
        return Deny("NotAdmitted", "", "", why)
    for ceiling in selected.ceilings:
        if not ceiling.rules:
            why = f"The policy {ceiling.policy} of the cluster's admins admits nobody else."
            return Deny("NotAdmitted", ceiling.policy, "", why)
    for denial in selected.denials if selected.may_deny(target.kind, target.name) else ():
        unknown = target.kind == "unknown" and denial.unknown_methods
        if denial.everything or unknown or _lists(denial.lists, target):
            return Deny("Denied", denial.policy, denial.name, _refusal(target))
    if target.kind == "tool" and not _exists(target.name, rules):
        return Deny("NotAllowed", "", FILTER_RULE, _refusal(target))
    if target.kind == "tool" and not rules.pinned.admits(target.name):
        return Deny("NotAllowed", "", PIN_RULE, _refusal(target))
    return None


def _ask(known: _Open, target: Target, caller: Caller, rules: Rules, budget: Budget) -> Decision:
    """What is left to the conditions that look at arguments."""
    if target.args is None:
        return _allowed(known.grants[0])
    asked = _Asked(target, caller, rules, budget)
    grant = asked.first(known.grants)
    if grant is None:
        tried = known.grants[0]
        return Deny("Condition", tried.policy, tried.name, _not_with_these(target))
    for ceiling in known.ceilings:
        if asked.first(ceiling.rules) is None:
            return Deny("Condition", ceiling.policy, ceiling.rules[0].name, _not_with_these(target))
    return _allowed(grant)


class _Asked:
    """One decision: what of the rules grants it, within one budget for all its conditions."""

    def __init__(self, target: Target, caller: Caller, rules: Rules, budget: Budget) -> None:
        self._target, self._caller = target, caller
        self._effects = rules.effects_of(target.name) if target.kind == "tool" else ()
        self._budget = budget

    def granting(self, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        """Those that would do with some arguments; what limits the least comes first."""
        found = [rule for rule in rules if self._grants(rule)]
        return tuple(sorted(found, key=_leniency))

    def first(self, rules: tuple[Rule, ...]) -> Rule | None:
        """The first that does with these."""
        return next((rule for rule in rules if not _is_open(rule) or self._holds(rule)), None)

    def _grants(self, rule: Rule) -> bool:
        kind = self._target.kind
        if kind in ("list", "protocol"):
            # Of no tool in particular: what looks at one may hold for some.
            return True
        if not _is_open(rule) and _looks_at(rule, "tool") and not self._holds(rule):
            return False
        if kind == "unknown":
            return rule.unknown_methods
        if not _lists(rule.lists, self._target):
            return False
        return kind != "tool" or rule.effects is None or not rule.effects.isdisjoint(self._effects)

    def _holds(self, rule: Rule) -> bool:
        if rule.when is None:
            return True
        target = self._target
        subject = Subject(target.args or _NO_ARGS, self._caller, target.name, self._effects)
        return holds(rule.when, subject, self._budget)


def _is_open(rule: Rule) -> bool:
    return _looks_at(rule, "args")


def _looks_at(rule: Rule, root: str) -> bool:
    return rule.when is not None and rule.when.looks_at(root)


def _leniency(rule: Rule) -> tuple[bool, float]:
    return (_is_open(rule), -inf if rule.rate is None else -rule.rate.requestsPerSecond)


def _all(found: _Open) -> tuple[tuple[Rule, ...], ...]:
    return (found.grants, *(ceiling.rules for ceiling in found.ceilings))


def _allowed(rule: Rule) -> Allow:
    return Allow(rule.policy, rule.name, rule.rate)


def _select(caller: Caller, rules: Rules, budget: Budget) -> Selection:
    known = rules.selected.get(caller.key)
    if known is not None:
        return known

    def admitting(among: tuple[Rule, ...]) -> tuple[Rule, ...]:
        return tuple(rule for rule in among if _admits(rule, caller, budget))

    found = selection(
        rules=admitting(rules.rules),
        denials=tuple(denial for denial in rules.denials if denial.concerns(caller)),
        ceilings=tuple(Ceiling(it.policy, admitting(it.rules)) for it in rules.ceilings),
    )
    if budget.is_spent:
        return found
    if len(rules.selected) >= REMEMBERED:
        rules.selected.clear()
    rules.selected[caller.key] = found
    return found


def _admits(rule: Rule, caller: Caller, budget: Budget) -> bool:
    """It speaks of the caller, and what it asks of the caller alone holds."""
    if not rule.concerns(caller):
        return False
    if rule.when is None or _is_open(rule) or _looks_at(rule, "tool"):
        return True
    return holds(rule.when, Subject(_NO_ARGS, caller, "", ()), budget)


def _exists(tool: str, rules: Rules) -> bool:
    return rules.exists.match(tool) and not rules.removed.match(tool)


def _lists(lists: Mapping[str, Globs | None], target: Target) -> bool:
    globs = lists.get(target.kind)
    return globs is not None and globs.match(target.name)


def _refusal(target: Target) -> str:
    if target.kind == "unknown":
        return "The method is unknown here."
    if target.kind in ("list", "protocol"):
        return "This caller is denied everything here."
    return f"Unknown {target.kind}: there is none of that name for this caller."


def _not_with_these(target: Target) -> str:
    return f"This {target.kind} is for this caller, but not with these arguments."
