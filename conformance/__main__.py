"""`make conformance`: the official suite against real servers, directly and through the proxy.

Exit codes: 0 no check differs but as conformance/expected.yaml says; 1 a difference that was not
expected, an expected one that did not come, or a server that fails by itself; 2 it could not run.
"""

import argparse
import signal
import sys
import time

from conformance.bench import Bench, bench
from conformance.compare import Verdict
from conformance.expected import read_expected
from conformance.plan import BACKENDS, BUILD, HERE, chosen, runs_of
from conformance.servers import StartError
from conformance.suite import Report, SuiteError

GOOD, DIFFERENT, IMPOSSIBLE = 0, 1, 2


def main() -> int:
    options = arguments()
    backends = chosen(tuple(options.only), cross_era=options.cross_era)
    expected = read_expected(HERE / "expected.yaml", runs_of(BACKENDS))
    started = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(IMPOSSIBLE))  # and no server stays behind
    try:
        with bench(backends) as made:
            made.run_all(options.at_once)
            verdict = made.judge(expected)
    except (StartError, SuiteError) as err:
        print(err, file=sys.stderr)
        return IMPOSSIBLE
    broken = [f"{run.name} fails by itself" for run in made.unfit()]
    print_table(made, verdict)
    print_verdict(made, verdict, broken)
    print(f"\n{time.monotonic() - started:.0f} s; what the suite said is in {BUILD / 'results'}")
    return GOOD if verdict.good and not broken else DIFFERENT


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="conformance", description=__doc__)
    names = [backend.name for backend in BACKENDS]
    parser.add_argument("--only", nargs="+", default=[], choices=names, metavar="SERVER")
    parser.add_argument("--cross-era", action="store_true", help="servers of one era in the other")
    parser.add_argument("--at-once", type=int, default=2, help="suites (default %(default)s)")
    return parser.parse_args()


def print_table(made: Bench, verdict: Verdict) -> None:
    row = "{:20} {:11} {:>9} {:>7} {:>14} {:>13} {:>7}"
    heads = ("SERVER", "SUITE", "SCENARIOS", "CHECKS", "PASS DIRECTLY", "PASS THROUGH", "DIFFER")
    print(row.format(*heads))
    found = [*verdict.chosen, *verdict.unexpected]
    for before, after in made.pairs:
        direct, through = made.reports[before], made.reports[after]
        differ = sum(it.run == after.name for it in found)
        counts = (direct.scenarios, len(direct.results), passed(direct), passed(through), differ)
        print(row.format(after.backend.name, after.suite.name, *counts))


def passed(report: Report) -> int:
    return sum(outcome.status == "SUCCESS" for outcome in report.results.values())


def print_verdict(made: Bench, verdict: Verdict, broken: list[str]) -> None:
    again = [f"{run}: {scenario}: {times} x" for (run, scenario), times in made.repeated.items()]
    for title, lines in (
        ("Differs as conformance/expected.yaml says", verdict.chosen),
        ("Run again", again),
        ("DIFFERS", verdict.unexpected),
        (
            "STALE: expected and did not come, take it out of conformance/expected.yaml",
            verdict.stale,
        ),
        ("BROKEN", broken),
    ):
        if lines:
            print(f"\n{title} ({len(lines)}):", *(f"  {line}" for line in lines), sep="\n")
    if verdict.good and not broken:
        print("\nNo check differs but as chosen.")


if __name__ == "__main__":
    sys.exit(main())
