"""One server on two sides: who gains, loses, or has on other conditions, which names.  Pure.

Asked of callers and names that stand for all others, each side's own engine answers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from ostiary_operator.render.globs import covered
from ostiary_proxy import config
from ostiary_proxy.callers import Caller
from ostiary_proxy.policy import Deny, Kind, Target

from .engine import Engine, Granted, Outcome
from .neighbours import Neighbours
from .normal import Differing
from .patterns import widest
from .witnesses import Labels, callers_in, covers, names_in, shown

MOST_QUESTIONS: Final = 150_000
Direction = Literal["gains", "loses", "changes"]
Conditions = frozenset[frozenset[str]]
NOBODY: Final = Deny("NotAdmitted", "", "", "")
UNKNOWN: Final = "*"
EVERYTHING: Final = Differing(frozenset(), anything=True)


@dataclass(frozen=True, slots=True)
class Change:
    server: str
    direction: Direction
    who: Caller
    """For whom else it stands: `witnesses.covers`."""
    subject: str
    kind: Kind
    names: tuple[str, ...]
    """Patterns where patterns are what policies speak of."""
    before: tuple[str, ...] = ()
    """Conditions, all of which must hold."""
    after: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "server": self.server,
            "change": self.direction,
            "subject": self.subject,
            "kind": self.kind,
            "names": list(self.names),
            "ifBefore": list(self.before),
            "ifAfter": list(self.after),
        }


@dataclass(frozen=True, slots=True)
class Presence:
    """A caller, and on which sides there is any such."""

    caller: Caller
    label: str
    old: bool = True
    new: bool = True


@dataclass(frozen=True, slots=True)
class Compared:
    changes: tuple[Change, ...]
    complete: bool


class Side:
    """A server on one side; it may not be there."""

    def __init__(self, section: config.Server | None) -> None:
        self.section = section
        self._engine = (
            None if section is None else Engine(section, leave_open=_every, by_rule=False)
        )

    def ask(self, target: Target, caller: Caller) -> Outcome:
        return NOBODY if self._engine is None else self._engine.ask(target, caller)


def _every(when: str) -> bool:
    return True


def compare(
    server: str,
    old: Side,
    new: Side,
    labels: Labels,
    others: Iterable[Presence] = (),
    differing: Differing = EVERYTHING,
) -> Compared:
    """`others`: callers of whom there are none on one side."""
    sections = [it.section for it in (old, new) if it.section is not None]
    witnesses = callers_in(sections)
    names, all_names = names_in(sections)
    every = _targets(names)
    targets = [it for it in every if differing.of_name(it.kind, it.name)]
    callers = [it for it in witnesses.callers if differing.of_caller(it)]
    enough = max(MOST_QUESTIONS // (len(targets) + 1), 1)
    asked = [Presence(it, shown(it)) for it in callers[:enough]]
    found = [one for it in asked for one in _of_caller(it, old, new, targets)]
    found += [one for it in others for one in _of_caller(it, old, new, every)]
    told = _without_the_told(found, labels)
    return Compared(
        changes=tuple(_change(server, it) for it in told),
        complete=witnesses.complete and all_names and len(callers) <= enough,
    )


def _targets(names: dict[Kind, tuple[str, ...]]) -> list[Target]:
    listed = [Target(kind, name) for kind, each in names.items() for name in each]
    return [*listed, Target("unknown", UNKNOWN)]


@dataclass(slots=True)
class _Found:
    """All names of one kind that change for one caller in one way."""

    presence: Presence
    direction: Direction
    kind: Kind
    before: Conditions
    after: Conditions
    names: list[str]

    @property
    def way(self) -> tuple[Any, ...]:
        return (self.direction, self.kind, self.before, self.after)


def _of_caller(
    presence: Presence, old: Side, new: Side, targets: Sequence[Target]
) -> Iterable[_Found]:
    found: dict[tuple[Any, ...], _Found] = {}
    caller = presence.caller
    for target in targets:
        before = old.ask(target, caller) if presence.old else NOBODY
        after = new.ask(target, caller) if presence.new else NOBODY
        one = _difference(presence, target, before, after)
        if one is not None:
            found.setdefault(one.way, one).names.append(target.name)
    return found.values()


def _difference(
    presence: Presence, target: Target, before: Outcome, after: Outcome
) -> _Found | None:
    def way(direction: Direction) -> _Found:
        return _Found(presence, direction, target.kind, _asked(before), _asked(after), [])

    if isinstance(before, Granted) and isinstance(after, Granted):
        if before.conditions == after.conditions:
            return None
        if not after.conditions:
            return way("gains")
        return way("changes" if before.conditions else "loses")
    if isinstance(after, Granted):
        return way("gains")
    return way("loses") if isinstance(before, Granted) else None


def _asked(outcome: Outcome) -> Conditions:
    return outcome.conditions if isinstance(outcome, Granted) else frozenset()


def _without_the_told(found: list[_Found], labels: Labels) -> list[_Found]:
    """Less what a wider subject says already."""
    for it in found:
        it.names = widest(it.names)
    near = Neighbours(found, lambda it: it.presence.caller, labels)
    return [
        it
        for it in found
        if not any(_tells(other, it, labels) for other in near.wider(it.presence.caller))
    ]


def _tells(other: _Found, it: _Found, labels: Labels) -> bool:
    """`other` stands for the caller of `it`."""
    if other is it or other.way != it.way or not all(covered(n, other.names) for n in it.names):
        return False
    if (other.presence.old, other.presence.new) != (it.presence.old, it.presence.new):
        return False
    same = covers(it.presence.caller, other.presence.caller, labels) and all(
        covered(name, it.names) for name in other.names
    )
    return not same or _rank(other) < _rank(it)


def _rank(found: _Found) -> tuple[int, str]:
    return len(found.presence.label), found.presence.label


def _change(server: str, found: _Found) -> Change:
    return Change(
        server=server,
        direction=found.direction,
        who=found.presence.caller,
        subject=found.presence.label,
        kind=found.kind,
        names=tuple(found.names),
        before=_texts(found.before),
        after=_texts(found.after),
    )


def _texts(conditions: Conditions) -> tuple[str, ...]:
    return tuple(sorted(" or ".join(sorted(texts)) for texts in conditions))
