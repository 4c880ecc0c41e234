"""Two runs of one suite side by side, and what of their differences was expected.  Pure.

A check is named by its scenario and its id; an id that occurs again gets a number, `id#2`.  What
the suite calls INFO is a note of what it saw, such as each event of a stream, and no check.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

NOTE: Final = "INFO"
ABSENT: Final = "ABSENT"
"""The status of a check that one side has not got."""


@dataclass(frozen=True, slots=True, order=True)
class Check:
    scenario: str
    id: str

    def __str__(self) -> str:
        return f"{self.scenario}: {self.id}"


@dataclass(frozen=True, slots=True)
class Outcome:
    status: str
    message: str = ""
    """What the suite says of a check that did not pass."""


Results = Mapping[Check, Outcome]


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    run: str
    """Server and suite."""
    check: Check
    direct: str
    through: str
    message: str = ""

    def __str__(self) -> str:
        said = f"\n      {self.message}" if self.message else ""
        return f"{self.run}: {self.check}: {self.direct} directly, {self.through} through{said}"


@dataclass(frozen=True, slots=True)
class Expected:
    """A deviation that we choose."""

    runs: frozenset[str]
    check: Check
    direct: str
    through: tuple[str, ...]
    """Several where it varies between runs; the direct one among them: need not each time."""

    @property
    def varies(self) -> bool:
        return self.direct in self.through

    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    unexpected: tuple[Difference, ...]
    chosen: tuple[Difference, ...]
    stale: tuple[Difference, ...]
    """Expected, and did not come."""

    @property
    def good(self) -> bool:
        return not self.unexpected and not self.stale


def numbered(scenario: str, found: Iterable[tuple[str, Outcome]]) -> dict[Check, Outcome]:
    """The checks of one scenario, in the suite's order."""
    seen: Counter[str] = Counter()
    results: dict[Check, Outcome] = {}
    for ident, outcome in found:
        if outcome.status == NOTE:
            continue
        seen[ident] += 1
        suffix = f"#{seen[ident]}" if seen[ident] > 1 else ""
        results[Check(scenario, ident + suffix)] = outcome
    return results


def differences(run: str, direct: Results, through: Results) -> tuple[Difference, ...]:
    absent = Outcome(ABSENT)
    found = []
    for check in sorted(direct.keys() | through.keys()):
        before, after = direct.get(check, absent), through.get(check, absent)
        if before.status != after.status:
            message = after.message or before.message
            found.append(Difference(run, check, before.status, after.status, message))
    return tuple(found)


def judge(
    found: Iterable[Difference],
    expected: Iterable[Expected],
    runs: frozenset[str],
    came: frozenset[tuple[str, Check]] = frozenset(),
) -> Verdict:
    """`runs`: what ran at all; nothing is stale that was not run.  `came`: what was chosen when the
    scenario ran before, which is enough for what varies."""
    wanted = {(run, it.check): it for it in expected for run in it.runs & runs}
    unexpected, chosen = [], []
    for difference in found:
        key = (difference.run, difference.check)
        entry = wanted.get(key)
        if entry and entry.direct == difference.direct and difference.through in entry.through:
            chosen.append(difference)
            del wanted[key]
        else:
            unexpected.append(difference)
    stale = tuple(
        Difference(run, check, entry.direct, " or ".join(entry.through))
        for (run, check), entry in wanted.items()
        if not (entry.varies and (run, check) in came)
    )
    return Verdict(tuple(unexpected), tuple(chosen), stale)
