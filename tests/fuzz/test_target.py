"""The corpus of the fuzz target, and what is made of it here; `make fuzz` looks further."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz.target import CORPUS, one

FILES = sorted(CORPUS.iterdir())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_of_the_corpus_breaks_a_parser(path: Path) -> None:
    one(path.read_bytes())


@given(st.sampled_from(FILES), st.sampled_from(FILES), st.integers(0, 300), st.binary(max_size=4))
def test_nothing_that_is_spliced_of_it_does(a: Path, b: Path, at: int, some: bytes) -> None:
    one(a.read_bytes()[:at] + some + b.read_bytes()[at:])


@given(st.binary(max_size=200))
def test_nothing_at_all_does(data: bytes) -> None:
    one(data)


def test_the_corpus_is_of_both_kinds_and_small() -> None:
    bodies = [path.read_bytes() for path in FILES]

    assert any(body.startswith(b"{") for body in bodies)
    assert any(b"data:" in body for body in bodies)
    assert sum(map(len, bodies)) < 64 * 1024
