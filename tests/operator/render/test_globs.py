"""Whether a glob lies within others."""

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary_operator.render.globs import covered

GLOBS = st.text(alphabet="ab*", max_size=6)
NAMES = st.text(alphabet="ab", max_size=8)


@pytest.mark.parametrize(
    ("pattern", "by", "expected"),
    [
        ("get_time", ["get_*"], True),
        ("get_*", ["*"], True),
        ("get_*", ["get_*"], True),
        ("*", ["get_*"], False),
        ("get_*", ["get_time"], False),
        ("a*b", ["a*"], True),
        ("a*", ["a*b"], False),
        ("ab", ["a*b*b"], False),
        ("x", [], False),
    ],
    ids=str,
)
def test_containment(pattern: str, by: list[str], expected: bool) -> None:
    assert covered(pattern, by) is expected


@given(inner=GLOBS, outer=GLOBS, name=NAMES)
def test_what_the_inner_matches_the_outer_matches(inner: str, outer: str, name: str) -> None:
    if covered(inner, [outer]) and fnmatch.fnmatchcase(name, inner):
        assert fnmatch.fnmatchcase(name, outer)
