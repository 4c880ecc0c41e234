"""RFC 6455 after the handshake, for both sides: bytes to whole text messages and back.

Framing, masks, fragments, control frames and their limits are the `websockets` library's, which
does no I/O.  Imported only once somebody speaks WebSocket: most proxies never do.
"""

from collections.abc import Callable
from typing import Final

from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, State

SUBPROTOCOL: Final = "mcp"
GOING_AWAY: Final = 1001
WRONG_KIND: Final = 1003
NOT_TEXT: Final = 1007
AGAINST_POLICY: Final = 1008
TOO_LARGE: Final = 1009
TRY_LATER: Final = 1013


class Wire:
    """One connection's framing."""

    def __init__(
        self, protocol: Protocol, *, write: Callable[[bytes], None], end: Callable[[], None]
    ) -> None:
        """`end`: nothing more will be written."""
        self._protocol = protocol
        self._write = write
        self._end = end
        self._parts: list[bytes] = []
        self.heard = 0
        """Frames of any kind so far: a peer that answers pings is alive."""

    @property
    def open(self) -> bool:
        return self._protocol.state is State.OPEN

    @property
    def between(self) -> bool:
        """No message is half here."""
        return not self._parts and not self._protocol.reader.buffer

    def feed(self, data: bytes) -> list[bytes]:
        """Whole messages; whatever breaks the rules closes the connection."""
        self._protocol.receive_data(data)
        return self.taken()

    def taken(self) -> list[bytes]:
        """What has come meanwhile."""
        messages: list[bytes] = []
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self.heard += 1
                self._take(event, messages)
        self.flush()
        return messages

    def _take(self, frame: Frame, messages: list[bytes]) -> None:
        if frame.opcode is Opcode.BINARY:
            self._fail(WRONG_KIND, "text frames only")
        elif frame.opcode in (Opcode.TEXT, Opcode.CONT) and self.open:
            self._parts.append(bytes(frame.data))
            if not frame.fin:
                return
            message = b"".join(self._parts)
            self._parts.clear()
            if _is_text(message):
                messages.append(message)
            else:
                self._fail(NOT_TEXT, "no UTF-8")

    def _fail(self, code: int, why: str) -> None:
        if self.open:
            self._protocol.fail(code, why)

    def text(self, message: bytes) -> None:
        if self.open:
            self._protocol.send_text(message)
            self.flush()

    def ping(self) -> None:
        if self.open:
            self._protocol.send_ping(b"")
            self.flush()

    def close(self, code: int, why: str = "") -> None:
        if self.open:
            self._protocol.send_close(code, why)
            self.flush()

    def gone(self) -> None:
        """The connection has ended under us."""
        self._protocol.receive_eof()

    def flush(self) -> None:
        for chunk in self._protocol.data_to_send():
            if chunk:
                self._write(chunk)
            else:
                self._end()
        if self._protocol.close_expected():
            self._end()


def _is_text(message: bytes) -> bool:
    try:
        message.isascii() or message.decode()
    except UnicodeDecodeError:
        return False
    return True
