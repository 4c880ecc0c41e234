"""The fuzz target of the proxy's parsers: any bytes, as a body and as an event stream.

`one` raises when something does not hold.  `make fuzz` runs it under atheris (__main__.py), which
looks for bytes that reach new code; what it kept is in corpus/, and test_target.py runs that.
"""

import json
from pathlib import Path
from typing import Any

from ostiary_proxy.era import decode_value, encode_value
from ostiary_proxy.message import CONTAINERS, Message, Rejection, parse, parse_batch
from ostiary_proxy.sse import Decoder, Event, TooLargeError

CORPUS = Path(__file__).parent / "corpus"
MOST_BATCHED = 8
LARGEST_EVENT = 512


def one(data: bytes) -> None:
    a_body_is_a_message_or_a_refusal(data)
    a_batch_is_messages_or_a_refusal(data)
    a_stream_is_the_same_however_it_is_cut(data)
    a_mirrored_value_reads_back(data)


def a_body_is_a_message_or_a_refusal(data: bytes) -> None:
    """What is sent on reads as what was decided on, here and by another parser."""
    said = parse(data)
    if isinstance(said, Rejection):
        refused(said)
        return
    assert parse(said.canonical) == said
    assert json.loads(said.canonical) == said.data
    assert said.kind == ("response" if not said.method else said.kind)


def a_batch_is_messages_or_a_refusal(data: bytes) -> None:
    batch = parse_batch(data, MOST_BATCHED)
    if isinstance(batch, Rejection):
        refused(batch)
        return
    assert 0 < len(batch) <= MOST_BATCHED
    for said in batch:
        if isinstance(said, Message):
            assert parse(said.canonical) == said
        else:
            refused(said)


def refused(said: Rejection) -> None:
    assert said.status in (400, 413)
    error: dict[str, Any] = json.loads(said.body())
    assert error["error"]["code"] == said.code
    assert error["id"] == said.id
    assert data_is_short(said)


def data_is_short(said: Rejection) -> bool:
    """No refusal repeats a long body."""
    return len(said.body()) < 4096 + CONTAINERS // 1000


def a_stream_is_the_same_however_it_is_cut(data: bytes) -> None:
    whole = read(data, len(data) or 1)
    for size in (1, 3, 7):
        cut = read(data, size)
        # The cap is looked at after each chunk, so a larger one may hold more than a smaller.
        if whole is not None and cut is not None:
            assert cut == whole
    for event in whole or ():
        if b"\n" not in event.event + (event.id or b""):
            assert list(Decoder().feed(event.encode())) == [event]


def read(data: bytes, size: int) -> list[Event] | None:
    decoder, events = Decoder(largest=LARGEST_EVENT), []
    try:
        for start in range(0, len(data), size):
            events += decoder.feed(data[start : start + size])
    except TooLargeError:
        return None
    return events


def a_mirrored_value_reads_back(data: bytes) -> None:
    text = decode_value(data)
    if text:
        assert decode_value(encode_value(text)) == text
