"""Which OAuth scopes a caller lacks for what was refused.  Pure.

Only a rule that asks for scopes can say so, and only when it would then admit this very thing: that
is found by asking the one `decide` about the same caller with those scopes.
"""

import re
from collections.abc import Iterator
from typing import Final

from ostiary_proxy.callers import Caller
from ostiary_proxy.conditions import Budget
from ostiary_proxy.policy import Allow, Rules, Target, decide
from ostiary_proxy.subjects import SCOPES, values_of

MOST_TRIED: Final = 8
_SCOPE: Final = re.compile(r"[!#-\[\]-~]{1,256}")
"""RFC 6749: what a scope may hold, and what a header may quote."""


def missing(
    target: Target, caller: Caller, rules: Rules, budget: Budget | None = None
) -> tuple[str, ...]:
    """Every scope of the operation; empty: scopes would not help."""
    if not caller.issuer:
        return ()
    for claim, wanted in _asked_for(caller.issuer, rules):
        if isinstance(decide(target, _with(caller, claim, wanted), rules, budget), Allow):
            return wanted
    return ()


def _asked_for(issuer: str, rules: Rules) -> Iterator[tuple[str, tuple[str, ...]]]:
    seen: set[tuple[str, tuple[str, ...]]] = set()
    ceilings = (rule for ceiling in rules.ceilings for rule in ceiling.rules)
    for rule in (*rules.rules, *ceilings):
        for subject in rule.subjects:
            if subject.kind != "oidc" or subject.issuer != issuer:
                continue
            for claim in SCOPES:
                wanted = tuple(sorted(it for it in subject.claims.get(claim, ()) if _fit(it)))
                if wanted and (claim, wanted) not in seen and len(seen) < MOST_TRIED:
                    seen.add((claim, wanted))
                    yield claim, wanted


def _fit(scope: str) -> bool:
    return _SCOPE.fullmatch(scope) is not None


def _with(caller: Caller, claim: str, scopes: tuple[str, ...]) -> Caller:
    words = sorted({*values_of(caller, claim), *scopes} - {""})
    return Caller.user(
        caller.name,
        issuer=caller.issuer,
        subject=caller.subject,
        groups=caller.groups,
        claims={**caller.claims, claim: " ".join(words)},
    )
