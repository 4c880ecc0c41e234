"""Event streams, cut anywhere."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary_proxy.sse import Decoder, Event, TooLargeError, encode

STREAM = (
    b": comment\n\n"
    b'event: message\r\nid: 7\r\ndata: {"a":1}\r\n\r\n'
    b"id: 8\ndata:\n\n"
    b"data: first\rdata: second\r\r"
    b"retry: 500\n\n"
    b"unknown: x\ndata: \xc3\xb6\n\n"
)
EVENTS = [
    Event(b'{"a":1}', b"message", b"7"),
    Event(b"", id=b"8"),
    Event(b"first\nsecond"),
    Event(b"", retry=b"500"),
    Event("ö".encode()),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_events_are_the_same_however_the_stream_is_cut(cuts: list[int]) -> None:
    edges = sorted({0, len(STREAM), *cuts})
    decoder = Decoder()

    events = [event for start, end in pairwise(edges) for event in decoder.feed(STREAM[start:end])]

    assert events == EVENTS
    assert decoder.idle


def test_a_mark_at_the_start_is_passed_over() -> None:
    assert list(Decoder().feed(b"\xef\xbb\xbfdata: x\n\n")) == [Event(b"x")]


def test_a_stream_within_an_event_is_not_idle() -> None:
    decoder = Decoder()

    assert list(decoder.feed(b"data: x")) == []
    assert not decoder.idle
    assert list(decoder.feed(b"\n")) == []
    assert not decoder.idle


@pytest.mark.parametrize("chunk", [b"x" * 100, b"data: " + b"x" * 50 + b"\ndata: " + b"y" * 60])
def test_an_event_without_end_is_refused(chunk: bytes) -> None:
    """Obligation 65."""
    with pytest.raises(TooLargeError):
        list(Decoder(largest=64).feed(chunk))


@given(st.binary(min_size=1).filter(lambda data: not set(data) & {0x0A, 0x0D}))
def test_what_is_encoded_is_decoded(data: bytes) -> None:
    assert [event.data for event in Decoder().feed(encode(data))] == [data]


@given(st.lists(st.binary().filter(lambda line: not set(line) & {0x0A, 0x0D}), min_size=1))
def test_an_event_of_many_lines_survives(lines: list[bytes]) -> None:
    event = Event(b"\n".join(lines), b"message", b"id", b"10")

    assert list(Decoder().feed(event.encode())) == [event]
