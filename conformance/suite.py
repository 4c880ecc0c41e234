"""One run of one suite against one address, as a process; its results, read from what it wrote."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from conformance.compare import Check, Outcome, numbered
from conformance.plan import NODE, Suite

MOST_SECONDS: Final = 300
"""A suite that takes longer hangs."""
NO_RESULT: Final = Outcome("NO RESULT", "the suite began this scenario and wrote nothing")
_STARTED: Final = re.compile(r"^=== Running scenario: (\S+) ===$", re.MULTILINE)
_FOLDER: Final = re.compile(r"server-(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z")


class SuiteError(Exception):
    """The suite could not be run, so nothing is known of the server."""


@dataclass(frozen=True, slots=True)
class Report:
    results: dict[Check, Outcome]
    scenarios: int
    passed: bool
    """All that the suite scores."""

    def with_scenario(self, scenario: str, again: "Report") -> "Report":
        """What one scenario said when it was run again, in place of what it said before."""
        others = {check: it for check, it in self.results.items() if check.scenario != scenario}
        return replace(self, results={**others, **again.results})


def run_suite(suite: Suite, url: str, folder: Path, scenario: str = "") -> Report:
    """`folder`: for what it writes; emptied before.  No scenario: all of the suite's."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    wanted = ("--scenario", scenario, *suite.alone) if scenario else suite.words
    words = ["server", "--url", url, *wanted, "--output-dir", str(folder / "checks")]
    said = folder / "output.txt"
    with said.open("wb") as output:
        try:
            done = subprocess.run(
                [str(NODE), str(suite.program), *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=MOST_SECONDS,
                cwd=folder,
            )
        except subprocess.TimeoutExpired as err:
            raise SuiteError(f"no end after {MOST_SECONDS} s; {said} tells where") from err
    text = said.read_text(errors="replace")
    started = [scenario] if scenario else _STARTED.findall(text)
    if not started:
        raise SuiteError(f"{suite.name} ran no scenario; {said} tells why")
    return Report(
        read_results(folder / "checks", started), len(started), passed=done.returncode == 0
    )


def read_results(folder: Path, started: Iterable[str]) -> dict[Check, Outcome]:
    """Of every scenario that the suite began, also of one that wrote nothing."""
    results: dict[Check, Outcome] = {}
    silent = set(started)
    for written in sorted(folder.iterdir()) if folder.is_dir() else ():
        match = _FOLDER.fullmatch(written.name)
        if match and (written / "checks.json").is_file():
            checks = json.loads((written / "checks.json").read_text())
            found = [
                (it["id"], Outcome(it["status"], it.get("errorMessage") or "")) for it in checks
            ]
            results |= numbered(match["scenario"], found)
            silent.discard(match["scenario"])
    return results | {Check(scenario, "scenario"): NO_RESULT for scenario in silent}
