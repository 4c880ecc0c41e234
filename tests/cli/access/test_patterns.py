"""Patterns compared: whatever is said of two of them holds for every name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary_cli.access.patterns import MOST, apart, closed, meet, tidy, widest
from ostiary_proxy.globs import Globs

globs = st.text("ab*", min_size=1, max_size=6)
texts = st.text("ab", max_size=8)


def matches(pattern: str, name: str) -> bool:
    return Globs.compile((pattern,)).match(name)


@given(globs, globs, texts)
def test_where_two_meet_both_match_and_apart_none_does(one: str, other: str, name: str) -> None:
    common = meet(one, other)

    if any(matches(it, name) for it in common):
        assert matches(one, name)
        assert matches(other, name)
    if apart(one, other):
        assert common == ()
        assert not (matches(one, name) and matches(other, name))
    assert matches(tidy(one), name) == matches(one, name)


@given(st.lists(globs, max_size=5), texts)
def test_the_widest_match_what_all_did(patterns: list[str], name: str) -> None:
    assert any(matches(it, name) for it in widest(patterns)) == any(
        matches(it, name) for it in patterns
    )


@pytest.mark.parametrize(
    ("one", "other", "common"),
    [
        ("get_*", "*_time", ("get_*_time", "get_time")),
        ("get_*", "get_time", ("get_time",)),
        ("*", "x*", ("x*",)),
        ("a*", "b*", ()),
        ("a*b*c", "*d*", ("a*b*d*c",)),
        ("x", "y", ()),
        ("ac*", "*ca*", ("ac*ca*", "aca*")),
    ],
)
def test_where_they_meet(one: str, other: str, common: tuple[str, ...]) -> None:
    assert meet(one, other) == common


def test_what_is_too_much_is_said() -> None:
    assert closed(["a*", "*b", "*c*"]) == (
        ("a*", "*b", "*c*", "a*b", "a*c*", "*c*b", "a*c*b"),
        True,
    )
    found, all_told = closed(f"a{number}*" for number in range(MOST))
    assert all_told
    found, all_told = closed([f"a{n}*" for n in range(30)] + [f"*z{n}" for n in range(30)])
    assert not all_told
    assert len(found) <= MOST
