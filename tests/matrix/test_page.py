"""The page of the matrix: what the tests said, and nothing else."""

from pathlib import Path

import pytest
from matrix import page
from matrix.page import Ran
from matrix.plan import CLIENTS, FEATURES, SERVERS, TRANSPORTS, Peer

VERSIONS = dict.fromkeys(("python1", "python2", "fastmcp4", "typescript1", "inspector2"), "9.9")
JUNIT = """<testsuites><testsuite>
<testcase classname="tests.proxy.test_bridge" name="test_progress[legacy-modern-http]"/>
<testcase classname="matrix.test_clients" name="test_roots[python1-legacy-stdio]">
<failure/></testcase>
<testcase classname="matrix.test_transports" name="test_logging[legacy-legacy-sse]">
<skipped/></testcase>
<testcase classname="tests.proxy.test_cells" name="test_progress[legacy-modern-http]"/>
<testcase classname="tests.proxy.test_bridge" name="test_of_something_else"/>
</testsuite></testsuites>"""


def row(text: str, heading: str, feature: str) -> list[str]:
    table = text.split(f"## {heading}")[1].split("\n## ")[0]
    (line,) = [it for it in table.splitlines() if it.startswith(f"| {feature} |")]
    return [cell.strip() for cell in line.split("|")[2:-1]]


def test_the_tests_of_the_matrix_are_read_from_what_pytest_wrote(tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    junit.write_text(JUNIT)

    assert page.read(junit) == (
        Ran("test_bridge", "progress", ("legacy", "modern", "http"), passed=True),
        Ran("test_clients", "roots", ("python1", "legacy", "stdio"), passed=False),
        Ran("test_transports", "logging", ("legacy", "legacy", "sse"), passed=None),
    )


def test_a_cell_says_yes_only_when_all_of_it_passed() -> None:
    ran = [
        Ran("test_bridge", "progress", ("legacy", "legacy", way), passed=True) for way in TRANSPORTS
    ]
    ran.append(Ran("test_bridge", "progress", ("legacy", "modern", "http"), passed=True))
    ran.append(Ran("test_bridge", "progress", ("modern", "legacy", "http"), passed=False))

    text = page.write(ran, VERSIONS)

    assert row(text, "The Python SDK 9.9", "progress") == [
        "yes",
        "only legacy-modern-http",
        "no",
        "-",
    ]
    assert row(text, "The Python SDK 9.9", "roots") == ["-", "-", "-", "-"]


def test_what_has_no_meaning_somewhere_is_judged_by_the_rest() -> None:
    ran = [
        Ran("test_bridge", "logging", ("legacy", "legacy", "http"), passed=None),
        Ran("test_bridge", "logging", ("legacy", "legacy", "stdio"), passed=True),
        *(Ran("test_bridge", "logging", ("legacy", "modern", way), None) for way in TRANSPORTS),
        Ran("test_bridge", "logging", ("modern", "legacy", "http"), passed=None),
        Ran("test_bridge", "logging", ("modern", "legacy", "stdio"), passed=False),
    ]

    text = page.write(ran, VERSIONS)

    assert row(text, "The Python SDK 9.9", "logging") == ["yes", "-", "no", "-"]


@pytest.mark.parametrize("peers", [CLIENTS, SERVERS], ids=["clients", "servers"])
def test_what_a_peer_lacks_is_told_with_its_reason(peers: tuple[Peer, ...]) -> None:
    text = page.write([], VERSIONS)

    for peer in peers:
        for feature, reason in peer.lacks.items():
            (line,) = {it for it in text.splitlines() if it.startswith(f"- {reason}: ")}
            assert feature.replace("_", " ") in line


def test_a_peer_that_lacks_what_nobody_tries_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="lacks what nobody tries"):
        Peer("p", "P", (), "legacy", lacks={"no such feature": "because"})


def test_the_page_in_the_docs_has_every_feature_and_the_versions_of_the_locks() -> None:
    """`make matrix` compares all of it with what ran."""
    text = page.PAGE.read_text()

    for feature in FEATURES:
        assert text.count(f"| {feature.replace('_', ' ')} |") == 4
    for version in page.locked().values():
        assert version in text
