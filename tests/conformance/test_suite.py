"""What the suite wrote, read back."""

import json
from pathlib import Path

from conformance.compare import Check, Outcome
from conformance.suite import NO_RESULT, read_results


def write(folder: Path, scenario: str, *checks: dict[str, str]) -> None:
    written = folder / f"server-{scenario}-2026-11-25T22-15-30-494Z"
    written.mkdir()
    (written / "checks.json").write_text(json.dumps(checks))


def test_each_scenario_is_read_by_its_name(tmp_path: Path) -> None:
    write(tmp_path, "json-schema-2020-12", {"id": "a", "status": "SUCCESS"})
    write(tmp_path, "ping", {"id": "b", "status": "FAILURE", "errorMessage": "no answer"})

    found = read_results(tmp_path, ["json-schema-2020-12", "ping"])

    assert found == {
        Check("json-schema-2020-12", "a"): Outcome("SUCCESS"),
        Check("ping", "b"): Outcome("FAILURE", "no answer"),
    }


def test_a_scenario_that_wrote_nothing_is_no_pass(tmp_path: Path) -> None:
    write(tmp_path, "ping", {"id": "b", "status": "SUCCESS"})

    found = read_results(tmp_path, ["ping", "tools-list"])

    assert found[Check("tools-list", "scenario")] == NO_RESULT
