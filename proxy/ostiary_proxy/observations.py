"""What policies in Observe mode would have changed, counted per policy.  It decides nothing."""

from collections import Counter
from typing import Final, Literal

from ostiary_proxy.callers import Caller
from ostiary_proxy.conditions import Budget
from ostiary_proxy.config import ObservedReport
from ostiary_proxy.policy import Allow, Decision, Target, decide
from ostiary_proxy.rules import Rules

Would = Literal["allow", "deny"]
MOST: Final = 64
"""Policies of one server that are counted."""


def observe(
    target: Target,
    caller: Caller,
    rules: Rules,
    decision: Decision,
    budget: Budget | None = None,
) -> tuple[tuple[str, Would], ...]:
    """The observed policies that would have decided otherwise, each by itself: as many as the
    request's budget lasts for."""
    allowed = isinstance(decision, Allow)
    found: list[tuple[str, Would]] = []
    for observed in rules.observed[:MOST]:
        would = isinstance(decide(target, caller, observed.rules, budget), Allow)
        if budget is not None and budget.is_spent:
            break
        if would != allowed:
            found.append((observed.policy, "allow" if would else "deny"))
    return tuple(found)


class Observations:
    """Since the process began."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[tuple[str, Would]]] = {}

    def add(self, server: str, found: tuple[tuple[str, Would], ...]) -> None:
        self._counts.setdefault(server, Counter()).update(found)

    def keep(self, server: str, policies: frozenset[str]) -> None:
        """Forget policies that are not observed any more."""
        counts = self._counts.get(server, Counter())
        for key in [key for key in counts if key[0] not in policies]:
            del counts[key]

    def of(self, server: str) -> tuple[ObservedReport, ...]:
        counts = self._counts.get(server, Counter())
        return tuple(
            ObservedReport(policy=name, allow=counts[name, "allow"], deny=counts[name, "deny"])
            for name in sorted({policy for policy, _ in counts})
        )
