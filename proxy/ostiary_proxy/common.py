"""One child for several callers: `process: PerUser` and `process: Shared`.

One handshake serves them all, so nothing that a server may ask of a client is offered to it.  Each
legacy session has ids of ours at the child, as each request of a modern client has; news goes to
whom it concerns, and what may be anybody's to nobody.
"""

from collections.abc import Callable
from typing import Final

from ostiary_proxy.channel import Call, Channel
from ostiary_proxy.era import CHANGES
from ostiary_proxy.exclusive import CANCELLED
from ostiary_proxy.handshaken import HandshakenChannel
from ostiary_proxy.lines import Exit
from ostiary_proxy.mailbox import Letter, Mailbox
from ostiary_proxy.message import Id, Json, Message, decode, encode, error_body

UPDATED: Final = "notifications/resources/updated"
_OF_CLIENTS: Final = frozenset({"notifications/initialized", "notifications/roots/list_changed"})
"""What a session says of itself and the child has heard from us, or must not."""


class _Sessions(Call):
    """A request of a legacy session, as it came but for its id."""


class CommonChannel(HandshakenChannel):
    """The child."""

    def __init__(
        self,
        name: str,
        on_ended: Callable[[Exit], None] = lambda ended: None,
        *,
        one_user: bool = False,
    ) -> None:
        super().__init__(name, on_ended)
        self.shares: set[Share] = set()
        self._one_user = one_user
        """Its log belongs to a single principal."""

    @property
    def busy(self) -> bool:
        return super().busy or any(share.held is not None for share in self.shares)

    @property
    def is_followed(self) -> bool:
        """Somebody has subscribed to a resource."""
        return bool(self.subscriptions) or any(share.uris for share in self.shares)

    def begin_as_is(self, message: Message) -> Call:
        """For a legacy session."""
        call = self._add(_Sessions(self._new_id(), message))
        self._send_as(call, message.data)
        return call

    def _is_wanted(self, uri: str) -> bool:
        return any(uri in share.uris for share in self.shares)

    def _on_answer(self, call: Call, data: Json, line: bytes) -> None:
        if isinstance(call, _Sessions):
            line = encode({**data, "id": call.client_id})
        super()._on_answer(call, data, line)

    def _on_request(self, method: str, ident: Id, line: bytes) -> None:
        """Whom it would be for, nobody can tell."""
        Channel._on_request(self, method, ident, line)

    def _on_notification(self, method: str, data: Json, line: bytes) -> None:
        uri = _uri(line) if method == UPDATED else None
        for share in self.shares:
            if method in CHANGES or (uri is not None and uri in share.uris):
                share.hear(line)
        super()._on_notification(method, data, line)

    def _wants_logs(self, call: Call) -> bool:
        if not self._one_user:
            return False
        return isinstance(call, _Sessions) or super()._wants_logs(call)

    def _set_level(self) -> None:
        if self._one_user:
            super()._set_level()


def _uri(line: bytes) -> object:
    data = decode(line)
    params = data.get("params") if isinstance(data, dict) else None
    return params.get("uri") if isinstance(params, dict) else None


class Share:
    """One session's part of it."""

    def __init__(self, channel: CommonChannel) -> None:
        self.channel = channel
        self.held: Mailbox | None = None
        self.uris: set[str] = set()
        self._calls: dict[Id, Call] = {}
        channel.shares.add(self)

    @property
    def alive(self) -> bool:
        return self.channel.alive

    async def writable(self) -> None:
        await self.channel.writable()

    def begin(self, message: Message) -> Call | None:
        assert message.id is not None
        running = self._calls.get(message.id)
        if running is not None and running.upstream in self.channel.calls:
            return None
        if message.method == "resources/unsubscribe" and self._still_wanted(message.params):
            call = Call(message.id, message)
            body: Json = {"jsonrpc": "2.0", "id": message.id, "result": {}}
            call.put(Letter(encode(body), last=True))
            return call
        call = self._calls[message.id] = self.channel.begin_as_is(message)
        return call

    def _still_wanted(self, params: Json) -> bool:
        """By another session, so that the child must go on."""
        uri = params.get("uri")
        self.uris.discard(str(uri))
        return uri in self.channel.subscriptions or any(
            uri in share.uris for share in self.channel.shares
        )

    def tell(self, message: Message) -> None:
        if message.method == "notifications/cancelled":
            self._cancel(message.params.get("requestId"))
        elif message.kind == "notification" and message.method not in _OF_CLIENTS:
            self.channel.send(message.canonical)

    def _cancel(self, ident: object) -> None:
        call = self._calls.get(ident) if isinstance(ident, str | int) else None
        if call is not None and call.upstream in self.channel.calls:
            body = error_body(call.client_id, CANCELLED, "The request was cancelled.")
            call.put(Letter(body, last=True))
            self.channel.revoke(call, "The client cancelled it.")

    def give_up(self, call: Call) -> None:
        self.channel.cancel(call, "No answer in time.")

    def attach(self, held: Mailbox | None) -> None:
        self.held = held

    def hear(self, line: bytes) -> None:
        if self.held is not None:
            self.held.put(Letter(line))

    def close(self) -> None:
        """The session is over; the child lives on."""
        self.channel.shares.discard(self)
        for call in self._calls.values():
            self.channel.cancel(call, "The session ended.")
