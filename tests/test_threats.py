"""The page of threats names tests that there are, and leaves out no row."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "security" / "trust-model.md"
ROW = re.compile(r"^\| (\d+) \|[^|]*\|([^|]*)\|$", re.MULTILINE)
ROWS = {int(number): shown for number, shown in ROW.findall(PAGE.read_text())}
PAGES = ["README.md", *sorted(str(it.relative_to(ROOT)) for it in ROOT.glob("docs/**/*.md"))]


def test_no_row_is_left_out() -> None:
    assert sorted(ROWS) == list(range(1, 38))


@pytest.mark.parametrize("row", ROWS)
def test_a_row_names_its_tests_or_says_that_there_is_nothing(row: int) -> None:
    named = re.findall(r"tests/[a-z_/]+\.py", ROWS[row])

    assert named or re.search("not built|not solved", ROWS[row])
    assert [name for name in named if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    path = ROOT / page
    links = re.findall(r"\]\(([^)#:]+\.md)\)", path.read_text())

    assert [link for link in links if not (path.parent / link).is_file()] == []
