"""One live child: its requests in flight, and to whom each of its lines belongs.

`Channel` knows requests and their answers.  Which ids a child sees, and where a message that
answers nothing goes, differ by era: `exclusive` and `shared`.
"""

import logging
from collections.abc import Callable
from typing import Final

from ostiary_proxy.lines import Exit, Pipe
from ostiary_proxy.mailbox import Letter, Mailbox
from ostiary_proxy.message import METHOD_NOT_FOUND, Id, Json, Message, decode, encode, error_body
from ostiary_proxy.sparing import Sparing, quoted

LEFT_SECONDS: Final = 900.0
"""A request that nobody waits for any more may go on for this long."""

_warnings: Final = Sparing(logging.getLogger("ostiary.stdio"))
"""Of all processes of one server together: one that ends at once is started again and again."""


class Call(Mailbox):
    """One request in flight."""

    def __init__(self, ident: Id, message: Message | None) -> None:
        super().__init__()
        self.upstream = ident
        """The id that the child knows."""
        self.message = message
        self.left: float | None = None
        """Since when nobody waits for it, though it goes on."""

    @property
    def client_id(self) -> Id | None:
        return self.upstream if self.message is None else self.message.id

    @property
    def token(self) -> object:
        """The client's progress token."""
        return None if self.message is None else meta_of(self.message.params).get("progressToken")


class Channel:
    """The common part."""

    def __init__(self, name: str, on_ended: Callable[[Exit], None] = lambda ended: None) -> None:
        self._name = name
        self.on_ended = on_ended
        self.pipe: Pipe | None = None
        self.ended: Exit | None = None
        self.calls: dict[Id, Call] = {}
        self.tokens: dict[Id, Call] = {}
        self.garbage = 0
        """Lines that were no JSON-RPC."""
        self.origin: Id | None = None
        """While a line is taken: the request on whose own stream it came, where the pipe knows."""
        self.on_garbage: Callable[[], None] = lambda: None
        self.closing = False
        """It was asked to end, and no new request may come to it."""
        self.used = 0.0
        """When it was last asked something."""
        self.holds = 0
        """Uses of it that last longer than its calls."""
        self.subscribed = False
        """A client waits for news of it, though perhaps on no stream just now."""
        self._asked = 0

    @property
    def alive(self) -> bool:
        return self.pipe is not None and self.ended is None and not self.closing

    @property
    def busy(self) -> bool:
        return bool(self.calls) or self.holds > 0

    def close(self) -> None:
        self.closing = True
        if self.pipe is not None:
            self.pipe.close()

    def give_up_left(self, now: float) -> None:
        """Forget the requests that nobody has waited for in a long time."""
        for call in tuple(self.calls.values()):
            if call.left is not None and now - call.left > LEFT_SECONDS:
                self.drop_answered(call)

    def send(self, data: bytes) -> None:
        if self.pipe is not None and self.ended is None:
            self.pipe.write(data)

    async def writable(self) -> None:
        if self.pipe is not None and self.ended is None:
            await self.pipe.writable()

    def ask(self, method: str, params: Json) -> Call:
        """A question of the proxy's own."""
        self._asked += 1
        ident = f"ostiary-{self._asked}"
        call = self._add(Call(ident, None))
        body = {"jsonrpc": "2.0", "id": ident, "method": method, "params": params}
        self.send(encode(body))
        return call

    def drop(self, call: Call) -> None:
        """Nobody waits for it any more."""
        call.close()
        self.drop_answered(call)

    def _add(self, call: Call) -> Call:
        if self.ended is not None:
            call.end(self.ended)
        self.calls[call.upstream] = call
        return call

    # lines.Listener

    def on_exit(self, ended: Exit) -> None:
        if self.ended is not None:
            return
        self.ended = ended
        for call in tuple(self.calls.values()):
            call.end(ended)
        self.on_ended(ended)

    def on_line(self, line: bytes) -> None:
        data = decode(line)
        for one in data if isinstance(data, list) else [data]:
            if isinstance(one, dict) and one.get("jsonrpc") == "2.0":
                self._take(one, line.strip() if one is data else encode(one))
            else:
                self._note_garbage(line)

    def on_line_of(self, ident: Id, line: bytes) -> None:
        """A line on the stream of this request."""
        self.origin = ident
        try:
            self.on_line(line)
        finally:
            self.origin = None

    def on_lost(self, ident: Id, ended: Exit) -> None:
        """One request gets no answer; the others may."""
        call = self.calls.get(ident)
        if call is not None:
            call.end(ended)
            self.drop_answered(call)

    def _note_garbage(self, line: bytes) -> None:
        self.garbage += 1
        self.on_garbage()
        _warnings.warn(
            self._name, f"wrote on standard output what is no JSON-RPC: {quoted(line)!r}"
        )

    def _take(self, data: Json, line: bytes) -> None:
        method, ident = data.get("method"), data.get("id")
        if isinstance(method, str):
            if isinstance(ident, str | int):
                self._on_request(method, ident, line)
            else:
                self._on_notification(method, data, line)
            return
        call = self.calls.get(ident) if isinstance(ident, str | int) else None
        if call is None:
            return  # the answer to a request that was cancelled
        # JSON tells 1 from "1" and Python tells 1 from True: ids keep their type.
        if type(call.upstream) is type(ident):
            self._on_answer(call, data, line)
            self.drop_answered(call)

    def drop_answered(self, call: Call) -> None:
        self.calls.pop(call.upstream, None)
        for token in [token for token, other in self.tokens.items() if other is call]:
            del self.tokens[token]

    def _on_answer(self, call: Call, data: Json, line: bytes) -> None:
        call.put(Letter(line, last=True))

    def _on_request(self, method: str, ident: Id, line: bytes) -> None:
        """Nobody is there who could answer."""
        if method == "ping":
            self.send(encode({"jsonrpc": "2.0", "id": ident, "result": {}}))
        else:
            self.send(error_body(ident, METHOD_NOT_FOUND, "Method not found"))

    def _on_notification(self, method: str, data: Json, line: bytes) -> None:
        """Nobody listens."""

    def _by_token(self, data: Json) -> Call | None:
        params = data.get("params")
        token = params.get("progressToken") if isinstance(params, dict) else None
        return self.tokens.get(token) if isinstance(token, str | int) else None


def meta_of(holder: Json) -> Json:
    meta = holder.get("_meta")
    return meta if isinstance(meta, dict) else {}
