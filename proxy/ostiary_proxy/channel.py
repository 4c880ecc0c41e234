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

GARBAGE_LOGGED: Final = 5

_log = logging.getLogger("ostiary.stdio")


class Call(Mailbox):
    """One request in flight."""

    def __init__(self, ident: Id, message: Message | None) -> None:
        super().__init__()
        self.upstream = ident
        """The id that the child knows."""
        self.message = message

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
        self._asked = 0

    @property
    def alive(self) -> bool:
        return self.pipe is not None and self.ended is None

    @property
    def busy(self) -> bool:
        return bool(self.calls)

    def close(self) -> None:
        if self.pipe is not None:
            self.pipe.close()

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
                self._note_garbage()

    def _note_garbage(self) -> None:
        self.garbage += 1
        if self.garbage <= GARBAGE_LOGGED:
            _log.warning("server=%s a line on standard output is no JSON-RPC", self._name)

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
