"""The child of one legacy session: its ids and progress tokens pass unchanged."""

from collections.abc import Callable
from typing import Final

from ostiary_proxy.channel import Call, Channel
from ostiary_proxy.lines import Exit
from ostiary_proxy.mailbox import Letter, Mailbox
from ostiary_proxy.message import METHOD_NOT_FOUND, Id, Json, Message, encode, error_body

BACKLOG: Final = 64
"""Messages for the client's GET stream that wait until it opens."""
CANCELLED: Final = -32800


class LegacyChannel(Channel):
    """The child of one legacy session: its ids and tokens pass unchanged."""

    def __init__(self, name: str, on_ended: Callable[[Exit], None] = lambda ended: None) -> None:
        super().__init__(name, on_ended)
        self.held: Mailbox | None = None
        """The client's GET stream."""
        self._backlog: list[Letter] = []

    def begin(self, message: Message) -> Call | None:
        """None: a request with this id is still running."""
        assert message.id is not None
        if message.id in self.calls:
            return None
        call = self._add(Call(message.id, message))
        token = call.token
        if isinstance(token, str | int):
            self.tokens[token] = call
        self.send(message.canonical)
        return call

    def attach(self, held: Mailbox | None) -> None:
        """The client's GET stream has opened, or closed."""
        self.held = held
        if held is not None:
            for letter in self._backlog:
                held.put(letter)
            self._backlog.clear()

    @property
    def busy(self) -> bool:
        return bool(self.calls) or self.held is not None

    def cancel(self, ident: object) -> None:
        """The client said so; the child has been told and may stay silent."""
        call = self.calls.get(ident) if isinstance(ident, str | int) else None
        if call is not None:
            body = error_body(call.client_id, CANCELLED, "The request was cancelled.")
            call.put(Letter(body, last=True))
            self.drop_answered(call)

    def give_up(self, call: Call) -> None:
        """We wait no longer: tell the child, and take no answer."""
        if call.upstream in self.calls:
            params = {"requestId": call.upstream, "reason": "No answer in time."}
            body = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
            self.send(encode(body))
            self.drop_answered(call)

    def tell(self, message: Message) -> None:
        """A notification, or an answer of the client's."""
        self.send(message.canonical)
        if message.method == "notifications/cancelled":
            self.cancel(message.params.get("requestId"))

    def _on_request(self, method: str, ident: Id, line: bytes) -> None:
        self._deliver(Letter(line, question=ident))

    def _on_notification(self, method: str, data: Json, line: bytes) -> None:
        call = self._by_token(data) if method == "notifications/progress" else None
        if call is not None:
            call.put(Letter(line))
        elif method != "notifications/progress":
            self._deliver(Letter(line))

    def _deliver(self, letter: Letter) -> None:
        """On one stream: a sole request's own, else the GET stream, else the latest request's."""
        open_calls = [call for call in self.calls.values() if not call.closed]
        if self.held is not None and len(open_calls) != 1:
            self.held.put(letter)
        elif open_calls:
            open_calls[-1].put(letter)
        elif len(self._backlog) < BACKLOG:
            self._backlog.append(letter)
        elif letter.question is not None:
            self.send(error_body(letter.question, METHOD_NOT_FOUND, "No client is listening."))
