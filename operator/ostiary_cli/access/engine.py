"""One server's document, and who decides on it: `ostiary_proxy.policy.decide`, and nothing else.

Which rules allow something, and with which conditions, is found by asking the same function about
documents with fewer rules in them.  A condition that nobody can answer yet, on arguments or on who
exactly calls, is taken out of the document and carried beside the answer as its text.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ostiary_proxy import config
from ostiary_proxy.callers import Caller
from ostiary_proxy.conditions import compile_condition
from ostiary_proxy.policy import Allow, Decision, Deny, Rules, Target, compile_rules, decide

ALWAYS = ""
"""The text of no condition."""


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """A rule that allows it."""

    policy: str
    rule: str
    when: str = ALWAYS


@dataclass(frozen=True, slots=True)
class Granted:
    grants: tuple[Grant, ...]
    ceilings: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Ceilings under which it is allowed on a condition alone, and the texts, one of which must
    hold."""

    @property
    def conditions(self) -> frozenset[frozenset[str]]:
        """Of each set one must hold; empty: nothing more is asked."""
        own = frozenset(it.when for it in self.grants)
        sets = (own, *(frozenset(texts) for _, texts in self.ceilings))
        return frozenset(texts for texts in sets if ALWAYS not in texts)


Outcome = Granted | Deny


def is_left_open(when: str) -> bool:
    """It looks at arguments, or at more of the caller than a policy's entry says."""
    condition = compile_condition(when)
    return condition.looks_at("args") or condition.looks_at("caller")


def looks_at_arguments(when: str) -> bool:
    return compile_condition(when).looks_at("args")


class Engine:
    def __init__(
        self,
        section: config.Server,
        *,
        leave_open: Callable[[str], bool] = is_left_open,
        by_rule: bool = True,
    ) -> None:
        """`leave_open`: which conditions are carried beside the answer; without `by_rule` an answer
        has them alone, and names no rule."""
        self.section = section
        self.rules = compile_rules(section)
        self._leave_open = leave_open
        enforced = tuple(it for it in section.policies if it.mode == "Enforce")
        self._stripped = self._compiled([self._strip(it) for it in enforced])
        grants = self._one_by_one(enforced) if by_rule else self._by_condition(enforced)
        self._grants = dict(grants)
        self._ceilings = dict(self._ceilings_one_by_one(enforced))

    def live(self, target: Target, caller: Caller) -> Decision:
        """As the proxy decides."""
        return decide(target, caller, self.rules)

    def admitting(self, caller: Caller) -> tuple[Grant, ...]:
        """The rules that speak of the caller, whatever they allow."""
        anything = Target("list")
        return tuple(it for it, rules in self._grants.items() if _yes(anything, caller, rules))

    def ask(self, target: Target, caller: Caller) -> Outcome:
        if target.kind == "unknown":
            decision = self.live(target, caller)
            if isinstance(decision, Deny):
                return decision
            return Granted((Grant(decision.policy, decision.rule),))
        decision = decide(target, caller, self._stripped)
        if isinstance(decision, Deny):
            return decision
        return Granted(
            grants=tuple(
                sorted(it for it, rules in self._grants.items() if _grants(target, caller, rules))
            ),
            ceilings=tuple(
                (name, texts)
                for name, each in self._ceilings.items()
                if ALWAYS not in (texts := _texts(target, caller, each))
            ),
        )

    def _compiled(self, policies: Iterable[config.Policy]) -> Rules:
        return compile_rules(self.section.model_copy(update={"policies": tuple(policies)}))

    def _strip(self, policy: config.Policy) -> config.Policy:
        rules = (
            it.model_copy(update={"when": ALWAYS}) if it.when and self._leave_open(it.when) else it
            for it in policy.rules
        )
        return policy.model_copy(update={"rules": tuple(rules)})

    def _text(self, rule: config.Rule) -> str:
        return rule.when if rule.when and self._leave_open(rule.when) else ALWAYS

    def _one_by_one(self, enforced: tuple[config.Policy, ...]) -> Iterable[tuple[Grant, Rules]]:
        for policy in enforced:
            for rule in () if policy.ceiling else policy.rules:
                others = [
                    it if it.ceiling else it.model_copy(update={"rules": ()}) for it in enforced
                ]
                alone = policy.model_copy(update={"rules": (rule,), "deny": ()})
                grant = Grant(_name(policy), rule.name, self._text(rule))
                yield grant, self._compiled(self._strip(it) for it in (*others, alone))

    def _by_condition(self, enforced: tuple[config.Policy, ...]) -> Iterable[tuple[Grant, Rules]]:
        grants = [it for it in enforced if not it.ceiling]
        for text in sorted({self._text(rule) for it in grants for rule in it.rules}):
            some = (it if it.ceiling else self._narrowed(it, text) for it in enforced)
            yield Grant("", "", text), self._compiled(self._strip(it) for it in some)

    def _narrowed(self, policy: config.Policy, text: str) -> config.Policy:
        some = tuple(rule for rule in policy.rules if self._text(rule) == text)
        return policy.model_copy(update={"rules": some})

    def _ceilings_one_by_one(
        self, enforced: tuple[config.Policy, ...]
    ) -> Iterable[tuple[str, Mapping[str, Rules]]]:
        for policy in enforced:
            texts = {self._text(rule) for rule in policy.rules}
            if not policy.caps or texts <= {ALWAYS}:
                continue
            each = {}
            for text in sorted(texts):
                some = [self._narrowed(it, text) if it is policy else it for it in enforced]
                each[text] = self._compiled(self._strip(it) for it in some)
            yield _name(policy), each


def _grants(target: Target, caller: Caller, rules: Rules) -> bool:
    # Most of a thousand rules are about others: those need not be asked.
    return any(it.concerns(caller) for it in rules.rules) and _yes(target, caller, rules)


def _yes(target: Target, caller: Caller, rules: Rules) -> bool:
    return isinstance(decide(target, caller, rules), Allow)


def _texts(target: Target, caller: Caller, each: Mapping[str, Rules]) -> tuple[str, ...]:
    return tuple(text for text, rules in each.items() if _yes(target, caller, rules))


def _name(policy: config.Policy) -> str:
    return f"{policy.namespace}/{policy.name}"
