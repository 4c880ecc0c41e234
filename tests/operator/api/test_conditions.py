"""Condition types and reasons are stable, documented words."""

import re

import pytest

from ostiary_operator.api import Reason, Type

WORDS = [
    value
    for group in (Type, Reason)
    for key, value in vars(group).items()
    if not key.startswith("_")
]


@pytest.mark.parametrize("word", sorted(set(WORDS)))
def test_a_word_is_one_that_kubernetes_takes(word: str) -> None:
    assert re.fullmatch("[A-Z][A-Za-z]*", word)


@pytest.mark.parametrize("group", [Type, Reason])
def test_a_constant_is_named_as_its_word(group: type) -> None:
    named = {
        key.replace("_", ""): value.upper()
        for key, value in vars(group).items()
        if not key.startswith("_")
    }

    assert all(key == value for key, value in named.items())
