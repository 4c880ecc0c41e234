"""All runs of one go, with the servers that they need; and once more what was found to differ.

Some checks of the suite wait half a second and no longer, which a busy machine can take by itself.
So a scenario that differs is run again, directly and through the proxy and nothing beside it; what
differs every time is what counts.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final

from conformance.compare import Check, Difference, Expected, Verdict, differences, judge
from conformance.plan import BACKENDS, BUILD, Backend, Run, baselines, runs_of
from conformance.servers import directly, through_proxy, warm
from conformance.suite import Report, run_suite

AGAIN: Final = 3
"""Times that a scenario is run again."""
MOST_AGAIN: Final = 12
"""Scenarios; when more differ, it is no accident."""


@dataclass(slots=True)
class Bench:
    backends: tuple[Backend, ...]
    alone: dict[str, str]
    """The addresses of the servers by themselves."""
    behind: dict[str, str]
    """Behind the proxy."""
    reports: dict[Run, Report] = field(default_factory=dict)
    came: set[tuple[str, Check]] = field(default_factory=set)
    """What differed as expected in any run, for what need not differ in each."""
    repeated: dict[tuple[str, str], int] = field(default_factory=dict)
    """Run and scenario -> how often it ran again."""

    @property
    def pairs(self) -> Iterator[tuple[Run, Run]]:
        """Directly and through."""
        by_name = {backend.name: backend for backend in BACKENDS}
        for backend in self.backends:
            for suite in backend.suites:
                direct = Run(by_name[backend.baseline], suite, direct=True)
                yield direct, Run(backend, suite, direct=False)

    def run_all(self, at_once: int) -> None:
        runs = [*baselines(self.backends), *(through for _, through in self.pairs)]
        pool = ThreadPoolExecutor(at_once)
        try:
            self.reports = dict(zip(runs, pool.map(self._run, runs), strict=True))
        finally:
            pool.shutdown(cancel_futures=True)
        for run in self.unfit():
            self.reports[run] = self._run(run)

    def unfit(self) -> list[Run]:
        """Our own server must pass by itself: where it does not, equal failures would hide bugs."""
        direct = [run for run in self.reports if run.direct and run.backend.passes]
        return [run for run in direct if not self.reports[run].passed]

    def judge(self, expected: tuple[Expected, ...]) -> Verdict:
        verdict = self._judge(expected)
        for _ in range(AGAIN):
            wanted = {(it.run, it.check.scenario) for it in (*verdict.unexpected, *verdict.stale)}
            if len(wanted) > MOST_AGAIN:
                break
            for name, scenario in sorted(wanted):
                self._repeat(name, scenario)
            verdict = self._judge(expected)
        return verdict

    def _judge(self, expected: tuple[Expected, ...]) -> Verdict:
        found = [
            difference for direct, through in self.pairs for difference in self._of(direct, through)
        ]
        verdict = judge(found, expected, runs_of(self.backends), frozenset(self.came))
        self.came |= {(it.run, it.check) for it in verdict.chosen}
        return verdict

    def _of(self, direct: Run, through: Run) -> tuple[Difference, ...]:
        return differences(
            through.name, self.reports[direct].results, self.reports[through].results
        )

    def _repeat(self, name: str, scenario: str) -> None:
        self.repeated[name, scenario] = self.repeated.get((name, scenario), 0) + 1
        for pair in self.pairs:
            if pair[1].name == name:
                for run in pair:
                    report = self._run(run, scenario)
                    self.reports[run] = self.reports[run].with_scenario(scenario, report)

    def _run(self, run: Run, scenario: str = "") -> Report:
        url = (self.alone if run.direct else self.behind)[run.backend.name]
        way = "direct" if run.direct else "through"
        folder = BUILD / "results" / way / run.backend.name / run.suite.name / (scenario or "all")
        return run_suite(run.suite, url, folder, scenario)


@contextmanager
def bench(backends: tuple[Backend, ...]) -> Iterator[Bench]:
    with ExitStack() as stack:
        behind = stack.enter_context(through_proxy(backends, stack.enter_context(warm())))
        own = {run.backend.name: run.backend for run in baselines(backends)}
        alone = {name: stack.enter_context(directly(it)) for name, it in own.items()}
        yield Bench(backends, alone, behind)
