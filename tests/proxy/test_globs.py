"""Globs: only the star is special, and no pattern is slow."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary_proxy.globs import Globs


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("get_time", "get_time", True),
        ("get_time", "get_times", False),
        ("get_*", "get_", True),
        ("get_*", "forget_it", False),
        ("*_time", "get_time", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("*ab*ab*", "ab", False),
        ("*ab*ab*", "xabyabz", True),
        ("*", "", True),
        ("**", "anything", True),
        ("", "", True),
        ("time://**", "time://zone/Europe", True),
        ("g?t", "got", False),
        ("[ab]", "a", False),
        ("a.c", "abc", False),
    ],
)
def test_a_glob_matches_the_whole_name(pattern: str, name: str, matches: bool) -> None:
    assert Globs.compile([pattern]).match(name) is matches


def test_no_pattern_matches_nothing() -> None:
    assert not Globs.compile([]).match("")


@given(st.lists(st.text("ab*", max_size=6), max_size=4), st.text("ab", max_size=8))
def test_globs_agree_with_a_regular_expression(patterns: list[str], name: str) -> None:
    expected = any(
        re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) for pattern in patterns
    )

    assert Globs.compile(patterns).match(name) is expected


def test_a_hostile_pattern_costs_a_bounded_number_of_steps() -> None:
    globs = Globs.compile(["a*" * 200 + "b"])

    assert not globs.match("a" * 100_000)


@given(
    st.lists(st.lists(st.text("ab*", max_size=6), max_size=3), max_size=4),
    st.text("ab", max_size=8),
)
def test_a_union_matches_what_any_of_them_does(several: list[list[str]], name: str) -> None:
    compiled = [Globs.compile(patterns) for patterns in several]

    assert Globs.union(compiled).match(name) is any(globs.match(name) for globs in compiled)
