"""Streams that are held: which they are, and that a token's end ends them."""

from types import SimpleNamespace
from typing import Any

import pytest

from ostiary_proxy.message import Message
from ostiary_proxy.open_streams import end_expired, is_held, only_post


def exchange(expires: float, *, holding: bool) -> Any:
    cut: list[str] = []
    return SimpleNamespace(
        caller=SimpleNamespace(expires=expires),
        holding=holding,
        runtime=SimpleNamespace(now=lambda: 100.0),
        interrupt=cut.append,
        cut=cut,
    )


def test_a_token_that_expires_ends_streams_and_no_calls() -> None:
    stream, call = exchange(99.0, holding=True), exchange(99.0, holding=False)
    later = exchange(101.0, holding=True)
    end_expired([stream, call, later])
    assert (stream.cut, call.cut, later.cut) == (["old"], [], [])


@pytest.mark.parametrize(
    ("verb", "method", "held"),
    [
        ("GET", "", True),
        ("DELETE", "", False),
        ("POST", "subscriptions/listen", True),
        ("POST", "tools/call", False),
    ],
)
def test_what_is_held(verb: str, method: str, held: bool) -> None:
    message = Message("request", 1, method, {}, {}, b"") if method else None
    asked: Any = SimpleNamespace(message=message, verb=verb)
    assert is_held(asked) is held


def test_a_modern_client_learns_what_is_served() -> None:
    assert only_post().headers == ((b"allow", b"POST"),)
