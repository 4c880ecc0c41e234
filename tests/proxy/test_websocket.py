"""Framing: bytes to messages, and what breaks the rules.  Obligation 62; security row 24."""

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, SERVER, Protocol

from ostiary_proxy.websocket import Wire


class Pair:
    """A server's wire, and a client that may write any frame."""

    def __init__(self, largest: int = 100) -> None:
        self.sent: list[bytes] = []
        self.ended = 0
        self.wire = Wire(
            Protocol(SERVER, max_size=largest), write=self.sent.append, end=self._count
        )
        self.client = Protocol(CLIENT)

    def _count(self) -> None:
        self.ended += 1

    def frame(self, opcode: Opcode, data: bytes, fin: bool = True, mask: bool = True) -> bytes:
        return Frame(opcode, data, fin).serialize(mask=mask, extensions=[])

    def code(self) -> int | None:
        """With which the wire closed."""
        self.client.receive_data(b"".join(self.sent))
        return self.client.close_rcvd.code if self.client.close_rcvd else None


def test_a_message_is_whole_whatever_its_fragments_and_chunks() -> None:
    pair = Pair()
    data = pair.frame(Opcode.TEXT, '{"ü'.encode()[:4], fin=False)
    data += pair.frame(Opcode.PING, b"p") + pair.frame(Opcode.CONT, '{"ü'.encode()[4:], fin=False)
    data += pair.frame(Opcode.CONT, b'":1}') + pair.frame(Opcode.TEXT, b"{}")

    found: list[bytes] = []
    for position in range(len(data)):
        found += pair.wire.feed(data[position : position + 1])

    assert found == ['{"ü":1}'.encode(), b"{}"]
    assert pair.wire.between
    assert pair.wire.heard == 5
    assert pair.code() is None


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([(Opcode.BINARY, b"{}", True, True)], 1003),
        ([(Opcode.TEXT, b"\xff\xfe", True, True)], 1007),
        ([(Opcode.TEXT, b"{}", True, False)], 1002),
        ([(Opcode.CONT, b"{}", True, True)], 1002),
        ([(Opcode.TEXT, b"{", False, True), (Opcode.TEXT, b"}", True, True)], 1002),
        ([(Opcode.TEXT, b"x" * 101, True, True)], 1009),
        ([(Opcode.TEXT, b"x" * 60, False, True), (Opcode.CONT, b"x" * 60, False, True)], 1009),
    ],
    ids=[
        "binary",
        "no UTF-8",
        "no mask",
        "a fragment of nothing",
        "a message in a message",
        "too large",
        "too large in parts",
    ],
)
def test_what_breaks_the_rules_closes_with_its_code(
    frames: list[tuple[Opcode, bytes, bool, bool]], code: int
) -> None:
    pair = Pair()
    data = b"".join(pair.frame(*frame) for frame in frames)

    assert pair.wire.feed(data) == []

    assert pair.code() == code
    assert not pair.wire.open
    assert pair.ended > 0
    pair.sent.clear()
    pair.wire.text(b"late")
    assert pair.sent == []


def test_a_control_frame_is_short() -> None:
    pair = Pair(largest=1000)

    pair.wire.feed(b"\x89\xfe\x00\x7e\x00\x00\x00\x00" + b"x" * 126)

    assert pair.code() == 1002


def test_a_ping_is_answered_and_a_goodbye_returned() -> None:
    pair = Pair()
    pair.wire.feed(pair.frame(Opcode.PING, b"hi"))
    assert pair.sent == [b"\x8a\x02hi"]

    pair.wire.feed(pair.frame(Opcode.CLOSE, b"\x03\xe8"))

    assert not pair.wire.open
    assert pair.ended > 0
