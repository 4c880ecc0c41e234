"""What one connection may do before the application sees anything of it.

A subclass of uvicorn's protocol, given to it as `http=`: it counts, times and refuses; parsing and
flow control stay uvicorn's and httptools'.  Refusals are JSON-RPC errors and close the connection.
Timers are armed only while a head or a body is unfinished, so a call that arrives whole costs none.
"""

from asyncio import BaseTransport, TimerHandle
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ostiary_proxy import early
from ostiary_proxy.descriptors import room
from ostiary_proxy.exchange import Exchange
from ostiary_proxy.joined import Joined
from ostiary_proxy.message import Rejection

HEAD_SECONDS: Final = 10.0
BODY_SECONDS: Final = 30.0
CHECK_SECONDS: Final = 5.0
"""How often a slow body's rate is looked at."""
LEAST_BYTES: Final = 2560
"""A body must bring this many between two looks: 512 bytes a second."""
IDLE_SECONDS: Final = 75
STALLED_SECONDS: Final = 30.0
"""How long a peer may leave what we wrote unread."""
LINGER_SECONDS: Final = 1.0
CONNECTIONS: Final = 10_000
PIPELINED: Final = 16

_ONCE: Final = frozenset(
    b"host authorization content-type content-length transfer-encoding origin "
    b"sec-websocket-key sec-websocket-version sec-websocket-protocol".split()
)
"""Headers whose copies two readers may choose between differently; so are all `mcp-*`."""
_SPECIAL: Final = frozenset({b"transfer-encoding", b"content-encoding", b"upgrade", b"expect"})
_OFFER: Final = frozenset({b"connection", b"upgrade", b"http2-settings"})


class LimitedProtocol(HttpToolsProtocol):
    """One connection of the MCP port or of the admin port."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.timeout_keep_alive = IDLE_SECONDS
        self.exchange: Exchange | None = None
        """The request being answered; told when the peer leaves."""
        self._phase = "new"
        self._fed = 0
        self._refusal: Rejection | None = None
        self._ended = False
        self._offered = False
        """The head offers another protocol, which is passed over."""
        self._unfinished: TimerHandle | None = None
        self._stalled: TimerHandle | None = None
        self._body_fed = 0
        self._body_until = 0.0
        self._unbodied = 0
        """Bytes since the last piece of a body."""
        self.leaving = False
        """The request in hand may take the connection out of HTTP (`upgrade`)."""

    # asyncio.Protocol

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]  # as uvicorn declares it
        self.transport = Joined(self.transport, self.loop)  # type: ignore[assignment]
        if len(self.connections) > min(CONNECTIONS, room()):
            self._refuse(early.FULL)
            return
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self._unset_keepalive_if_required()
        if self._phase == "idle":
            self._begin_head()
        self._fed += len(data)
        self._body_fed += len(data)
        self._unbodied += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._after_upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self._refusal = self._refusal or early.NOT_HTTP
        if self._refusal is None and self._is_too_long():
            self._refusal = early.TOO_LONG
        if self._refusal is not None:
            self._refuse(self._refusal)
        elif self._phase != "idle" and self._unfinished is None:
            self._watch_body() if self._phase == "body" else self._watch_head()

    def _is_too_long(self) -> bool:
        """A head, or what stands between the pieces of a body and after them."""
        if self._phase == "head":
            return self._fed > early.HEAD_BYTES
        return self._phase == "body" and self._unbodied > early.HEAD_BYTES

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        if self._stalled is not None:
            self._stalled.cancel()
        super().connection_lost(exc)
        if self.exchange is not None:
            self.exchange.interrupt("gone")

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(STALLED_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    # httptools

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._phase = "head"
        self.scope["extensions"] = {"ostiary.connection": self}  # type: ignore[dict-item]

    def on_header(self, name: bytes, value: bytes) -> None:
        # In place of uvicorn's own, and checked all at once when the head is whole: this runs for
        # every header of every request.
        if self._phase == "body":
            # What was checked must be all that there is: nobody looks at a trailer.
            self._refusal = early.bad("Trailers are not taken.")
            return
        self.headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self._refusal = self._refusal or self._check_head()
        if len(self.pipeline) >= PIPELINED:
            self._refusal = early.bad("Too many requests at once on one connection.")
        self._offered = self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        self._offered = self._offered and not self.leaving
        if self._refusal is not None or self._offered:
            return
        self._unwatch()
        self._phase = "body"
        self._unbodied = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unbodied = 0
        if self._refusal is None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._refusal is not None or self._offered:
            return
        self._unwatch()
        self._phase = "idle"
        self._fed = 0
        super().on_message_complete()
        # Paused for a large body, it would never hear that the client has left.
        self.flow.resume_reading()

    # the checks

    def _check_head(self) -> Rejection | None:
        headers = self.headers
        if len(headers) > early.HEADERS:
            return early.TOO_MANY
        names = [name for name, _ in headers]
        size = sum([len(name) + len(value) + 4 for name, value in headers])
        if size + len(self.url) > early.HEAD_BYTES:
            return early.TOO_LONG
        if b"_" in b"".join(names):
            return early.bad("A header's name holds an underscore.")
        seen = set(names)
        if len(seen) != len(names) and _twice(names):
            return early.bad("A header that may come once came twice.")
        if b"host" not in seen:
            return early.bad("Exactly one Host is needed.")
        if not self.url.startswith(b"/") or self.url.startswith(b"//") or b"#" in self.url:
            return early.bad("The target must be a path.")
        return self._check_special(seen) if seen & _SPECIAL else None

    def _check_special(self, seen: set[bytes]) -> Rejection | None:
        """The few headers that most requests have none of."""
        values = dict(self.headers)
        if values.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
            return early.bad("The only Transfer-Encoding taken is chunked.")
        if b"transfer-encoding" in seen and b"content-length" in seen:
            return early.bad("Transfer-Encoding and Content-Length exclude each other.")
        if values.get(b"content-encoding", b"identity").lower() != b"identity":
            return early.ENCODED
        if b"upgrade" in seen and self._get_upgrade() == b"websocket":
            self.leaving = b"transfer-encoding" not in seen and self.may_leave()
            return None if self.leaving else early.UPGRADE
        self.expect_100_continue = values.get(b"expect", b"").lower() == b"100-continue"
        return None

    def may_leave(self) -> bool:
        """Does the application offer another protocol here?"""
        return False

    def after_head(self, rest: bytes) -> None:
        """What came behind a head that may take the connection out of HTTP."""

    def _after_upgrade(self, rest: bytes) -> None:
        """An offer that we pass over, as Java's client makes with every request.

        The parser takes the body for another protocol's bytes; so the head is read again without
        the offer, and what follows is a body once more.
        """
        if self.leaving and self._refusal is None:
            self.after_head(rest)
            return
        if self._refusal is not None or not self._offered:
            self._refuse(self._refusal or early.NOT_HTTP)
            return
        lines = [self.parser.get_method() + b" " + self.url + b" HTTP/1.1"]
        lines += [name + b": " + value for name, value in self.headers if name not in _OFFER]
        self.parser = httptools.HttpRequestParser(self)
        self._offered = False
        self.data_received(b"\r\n".join((*lines, b"", rest)))

    # time

    def _begin_head(self) -> None:
        self._phase = "head"
        self._fed = 0

    def _watch_head(self) -> None:
        self._unwatch()
        self._unfinished = self.loop.call_later(HEAD_SECONDS, self._refuse, early.SLOW_HEAD)

    def _watch_body(self) -> None:
        self._unwatch()
        self._body_fed = 0
        self._body_until = self.loop.time() + BODY_SECONDS
        self._unfinished = self.loop.call_later(CHECK_SECONDS, self._check_rate)

    def _check_rate(self) -> None:
        if self._is_unasked():
            self._watch_body()
            return
        if self._body_fed < LEAST_BYTES or self.loop.time() >= self._body_until:
            self._refuse(early.SLOW_BODY)
            return
        self._body_fed = 0
        self._unfinished = self.loop.call_later(CHECK_SECONDS, self._check_rate)

    def _is_unasked(self) -> bool:
        """The peer offers a body (`Expect: 100-continue`) and waits for our word."""
        cycle = self.cycle
        if cycle is None or cycle.response_started:
            return False
        return bool(cycle.waiting_for_100_continue)

    def _unwatch(self) -> None:
        if self._unfinished is not None:
            self._unfinished.cancel()
            self._unfinished = None

    # the refusal

    def _refuse(self, rejection: Rejection) -> None:
        """Answer, close, and tell the application's audit."""
        self._ended = True
        self._unwatch()
        if self.transport.is_closing():
            return
        fresh = self._phase == "new" and rejection is early.SLOW_HEAD
        busy = self.cycle is not None and self.cycle.response_started
        if fresh or (busy and not self.cycle.response_complete):
            # Nothing was asked, or an answer is half written: there is no room for words.
            self.transport.close()
            return
        self.transport.write(early.response(rejection))
        # Closed at once, what the peer is still sending would reset our words away.
        self.transport.write_eof()
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)
        tell = getattr(self.config.app, "refused_early", None)
        if tell is not None:
            tell(rejection, self.client[0] if self.client else "")


def _twice(names: list[bytes]) -> bool:
    """Some header that may come once does not."""
    seen: set[bytes] = set()
    for name in names:
        if name in seen and (name in _ONCE or name.startswith((b"mcp-", b"ostiary-"))):
            return True
        seen.add(name)
    return False
