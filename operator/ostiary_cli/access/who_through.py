"""`ostiary who-can --via GROUP`: every subject that may call a member through its group.  Pure.

Both sets of rules must allow it: those beside the member, which make the rows, and the policies on
the group, where there are any.
"""

from dataclasses import replace

from ostiary_operator.api import GROUP_KIND
from ostiary_proxy.callers import ANONYMOUS, Caller
from ostiary_proxy.group_rules import Parts, parts_of
from ostiary_proxy.policy import Deny, Target

from .engine import ALWAYS, Engine, Grant, Granted, Outcome
from .standing import Standing
from .through import Way, agreed, apart, member_section, opened_by_group
from .walls import doors
from .who_can import Who, told
from .witnesses import callers_in


def who_can_through(standing: Standing, way: Way, target: Target) -> Who:
    member = agreed(way)
    if member is None:
        why = apart(standing, way)
        note = f"Nobody through {GROUP_KIND} {way.name}: {why.reason}: {why.message}."
        return Who(way.place, (), complete=True, notes=(note,), via=way.name)
    parts = parts_of(*member_section(standing, way.group, member.alias, member.server))
    both = _Both(standing, parts, target)
    witnesses = callers_in((parts.own,) if parts.over is None else (parts.own, parts.over))
    found = told(
        standing,
        way.place,
        {it: both.ask(it) for it in witnesses.callers},
        complete=witnesses.complete,
        tokens=opened_by_group(standing, way.group),
        network=both.network,
    )
    return replace(found, via=way.name)


class _Both:
    """The member's rules under the group's."""

    def __init__(self, standing: Standing, parts: Parts, target: Target) -> None:
        self._standing, self._parts, self._target = standing, parts, target
        self._own = Engine(parts.own)
        self._over = None if parts.over is None else Engine(parts.over)

    def ask(self, caller: Caller) -> Outcome:
        own = self._own.ask(self._target, caller)
        if self._over is None:
            # Nobody in particular comes through a group only where a policy on it says so.
            return Deny("NotAdmitted", "", "", "") if caller.kind == ANONYMOUS else own
        over = self._over.ask(self._target, caller)
        if isinstance(over, Deny) or isinstance(own, Deny):
            return over if isinstance(over, Deny) else own
        texts = tuple(sorted({it.when for it in over.grants}))
        more = () if ALWAYS in texts else ((GROUP_KIND, texts),)
        return Granted(own.grants, (*own.ceilings, *over.ceilings, *more))

    def network(self, caller: Caller, grant: Grant) -> tuple[str, ...]:
        """Of whose rules say who comes in at the gateway."""
        if self._over is None or self._parts.over is None:
            return doors(self._standing, self._parts.own, caller, grant.policy, grant.rule)
        over = self._over.ask(self._target, caller)
        grants = over.grants if isinstance(over, Granted) else ()
        found = (
            place
            for it in grants
            for place in doors(self._standing, self._parts.over, caller, it.policy, it.rule)
        )
        return tuple(dict.fromkeys(found))
