"""Warnings that come again and again."""

import logging

import pytest

from ostiary_proxy import sparing
from ostiary_proxy.sparing import Sparing, quoted


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_minute_holds_one_and_tells_how_many_were_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    warnings = Sparing(logging.getLogger("t"), clock)

    for _ in range(4):
        warnings.warn("t/a", "said it")
    warnings.warn("t/b", "said it")
    clock.now = sparing.SECONDS
    warnings.warn("t/a", "said it")

    assert caplog.messages == [
        "server=t/a said it",
        "server=t/b said it",
        "server=t/a said it (3 more since then)",
    ]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparing, "SERVERS", 2)
    warnings = Sparing(logging.getLogger("t"))

    for server in ("a", "b", "c"):
        warnings.warn(server, "said it")

    assert set(warnings._said) == {"b", "c"}


def test_a_quote_is_one_short_line() -> None:
    assert quoted(b"hello\r\n") == "hello"
    assert quoted(b"a\x1b[31mb\nc\xff") == "a[31mbc\ufffd"
    assert len(quoted(b"x" * 100_000)) == sparing.LONGEST_QUOTE
