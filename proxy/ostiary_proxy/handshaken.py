"""One upstream session of the legacy era that modern requests share: each has ids of ours there.

What the backend asks is for a request: the one on whose own stream it came, else the only one that
may be answered by a question; until there is such a one, it waits.  Of several nobody could tell
which is meant, and they may be several clients': it is refused rather than asked of the wrong one.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from ostiary_proxy.channel import Call, Channel, meta_of
from ostiary_proxy.era import KNOWN_NOTIFICATIONS
from ostiary_proxy.lines import Exit
from ostiary_proxy.mailbox import Letter
from ostiary_proxy.message import METHOD_NOT_FOUND, Id, Json, Message, encode, error_body
from ostiary_proxy.to_legacy import ASKING, LEVELS, log_level, quietest, request

BACKLOG: Final = 16
"""Questions that wait for a request to be asked in."""
BACKLOG_SECONDS: Final = 30.0

SEVERAL: Final = (
    "Several calls are open, and nothing says which one this is for: call again, they are kept "
    "apart from now on."
)

Note = Callable[[str, Json], None]
"""(method, the whole notification); no method: the session has ended."""


class HandshakenChannel(Channel):
    """The common part of a child and an HTTP session."""

    def __init__(self, name: str, on_ended: Callable[[Exit], None] = lambda ended: None) -> None:
        super().__init__(name, on_ended)
        self._next = 0
        self._backlog: list[tuple[float, Letter]] = []
        self.logs = False
        """The backend takes `logging/setLevel`."""
        self.level = ""
        """What the backend was last told to log."""
        self.on_stray: Callable[[], None] = lambda: None
        """The backend asks something, and not on the stream of a request."""
        self.listeners: set[Note] = set()
        self.subscriptions: dict[str, int] = {}
        """URI -> how many want to hear of it."""

    @property
    def busy(self) -> bool:
        return super().busy or bool(self.listeners)

    def begin(self, message: Message) -> Call:
        call = self._add(Call(self._new_id(), message))
        self._set_level()
        self._send_as(call, request(message))
        if message.method in ASKING:
            for _, letter in self._backlog:
                call.put(letter)
            self._backlog.clear()
        return call

    def _new_id(self) -> int:
        self._next += 1
        return self._next

    def _send_as(self, call: Call, data: Json) -> None:
        """With an id and a progress token of ours."""
        ident = call.upstream
        data = {**data, "id": ident}
        if isinstance(call.token, str | int):
            self.tokens[ident] = call
            meta = {**meta_of(data["params"]), "progressToken": ident}
            data["params"] = {**data["params"], "_meta": meta}
        self.send(encode(data))

    def cancel(self, call: Call, why: str) -> None:
        self.revoke(call, why)
        call.close()

    def revoke(self, call: Call, why: str) -> None:
        """The same, but what is in the mailbox is still read."""
        if call.upstream in self.calls:
            params = {"requestId": call.upstream, "reason": why}
            self.tell("notifications/cancelled", params)
        self.drop_answered(call)

    def tell(self, method: str, params: Json | None = None) -> None:
        body: Json = {"jsonrpc": "2.0", "method": method}
        self.send(encode(body if params is None else {**body, "params": params}))

    def answer(self, ident: Id, result: Json) -> None:
        self.send(encode({"jsonrpc": "2.0", "id": ident, "result": result}))

    def refuse(self, ident: Id, why: str) -> None:
        """So that whoever asked goes on."""
        self.send(error_body(ident, METHOD_NOT_FOUND, why))

    def expire(self) -> None:
        """Questions that no request came for."""
        oldest = asyncio.get_running_loop().time() - BACKLOG_SECONDS
        for entry in [entry for entry in self._backlog if entry[0] < oldest]:
            self._backlog.remove(entry)
            if entry[1].question is not None:
                self.refuse(entry[1].question, "No client was there to be asked.")

    def _set_level(self) -> None:
        """The most talkative level that any request in flight wants; each filters for itself."""
        if not self.logs:
            return
        wanted = quietest(
            log_level(call.message) for call in self.calls.values() if call.message is not None
        )
        if wanted and (not self.level or LEVELS.index(wanted) < LEVELS.index(self.level)):
            self.level = wanted
            self.order("logging/setLevel", {"level": wanted})

    def unsubscribe(self, uri: str) -> None:
        """One less wants to hear of it."""
        left = self.subscriptions.pop(uri, 0) - 1
        if left > 0:
            self.subscriptions[uri] = left
        elif not self._is_wanted(uri):
            self.order("resources/unsubscribe", {"uri": uri})

    def _is_wanted(self, uri: str) -> bool:
        """By somebody who is not counted."""
        return False

    def order(self, method: str, params: Json) -> None:
        """Ask, and let the answer be."""
        self.ask(method, params).close()

    def on_exit(self, ended: Exit) -> None:
        super().on_exit(ended)
        for listener in tuple(self.listeners):
            listener("", {})

    def _on_request(self, method: str, ident: Id, line: bytes) -> None:
        if method == "ping":
            super()._on_request(method, ident, line)
            return
        letter, own = Letter(line, question=ident), self._own()
        if own is None:
            self.on_stray()
        asking = self._asking() if own is None else [own]
        if len(asking) == 1:
            asking[0].put(letter)
        elif asking:
            self.refuse(ident, SEVERAL)
        elif len(self._backlog) < BACKLOG:
            self._backlog.append((asyncio.get_running_loop().time(), letter))
        else:
            self.refuse(ident, "No client was there to be asked.")

    def _asking(self) -> list[Call]:
        """Open calls that may be answered by a question."""
        return [
            call
            for call in self.calls.values()
            if call.message is not None and call.message.method in ASKING and not call.closed
        ]

    def _own(self) -> Call | None:
        call = None if self.origin is None else self.calls.get(self.origin)
        return call if call is not None and call.message is not None else None

    def _on_notification(self, method: str, data: Json, line: bytes) -> None:
        match method:
            case "notifications/progress":
                self._progress(data)
            case "notifications/message":
                self._logged(line)
            case "notifications/cancelled":
                self._withdrawn(data)
            case _:
                self._other(method, data, line)

    def _other(self, method: str, data: Json, line: bytes) -> None:
        """What no revision knows is for the request on whose stream it came, else for whoever
        listens, else for the newest request."""
        own = self._own()
        if own is None and not self.listeners:
            own = next((it for it in reversed(self.calls.values()) if it.message), None)
        if own is not None and method not in KNOWN_NOTIFICATIONS:
            own.put(Letter(line))
            return
        for listener in tuple(self.listeners):
            listener(method, data)

    def _progress(self, data: Json) -> None:
        call = self._by_token(data)
        if call is not None:
            body = {**data, "params": {**data["params"], "progressToken": call.token}}
            call.put(Letter(encode(body)))

    def _logged(self, line: bytes) -> None:
        """For the request that caused it where that is known, else for the newest that asked."""
        own = self._own()
        for call in reversed(self.calls.values()) if own is None else (own,):
            if self._wants_logs(call):
                call.put(Letter(line))
                return

    def _wants_logs(self, call: Call) -> bool:
        return call.message is not None and bool(log_level(call.message))

    def _withdrawn(self, data: Json) -> None:
        """The backend takes back a question that nobody has seen yet."""
        params = data.get("params")
        ident = params.get("requestId") if isinstance(params, dict) else None
        self._backlog = [entry for entry in self._backlog if entry[1].question != ident]
