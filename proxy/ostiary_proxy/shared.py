"""A child that several modern requests share: each has ids of ours there."""

from collections.abc import Callable

from ostiary_proxy.channel import Call, Channel, meta_of
from ostiary_proxy.era import KNOWN_NOTIFICATIONS, LOG_LEVEL_KEY, SUBSCRIPTION_KEY
from ostiary_proxy.lines import Exit
from ostiary_proxy.mailbox import Letter
from ostiary_proxy.message import Id, Json, Message, encode
from ostiary_proxy.watch import completed


class ModernChannel(Channel):
    """The child: of one principal, unless told."""

    def __init__(
        self,
        name: str,
        on_ended: Callable[[Exit], None] = lambda ended: None,
        *,
        one_user: bool = True,
    ) -> None:
        super().__init__(name, on_ended)
        self._one_user = one_user
        """Its log belongs to a single principal."""
        self._next = 0
        self.on_other: Callable[[str], None] = lambda method: None
        """Told of notifications that belong to no request."""

    def begin(self, message: Message, made: Callable[[Id, Message], Call] = Call) -> Call:
        """`made`: the call, when its letters are for somebody who does not wait on a mailbox."""
        self._next += 1
        call = self._add(made(self._next, message))
        data = {**message.data, "id": self._next}
        if isinstance(call.token, str | int):
            self.tokens[self._next] = call
            meta = {**meta_of(message.params), "progressToken": self._next}
            data["params"] = {**message.params, "_meta": meta}
        self.send(encode(data))
        return call

    def cancel(self, call: Call, why: str) -> None:
        """On stdio the child must be told."""
        self.revoke(call, why)
        call.close()

    def revoke(self, call: Call, why: str) -> None:
        """The same, but what is in the mailbox is still read."""
        if call.upstream in self.calls:
            params = {"requestId": call.upstream, "reason": why}
            body = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
            self.send(encode(body))
        self.drop_answered(call)

    def _on_answer(self, call: Call, data: Json, line: bytes) -> None:
        answer = {**data, "id": call.client_id}
        result = data.get("result")
        if isinstance(result, dict) and SUBSCRIPTION_KEY in meta_of(result):
            answer["result"] = _tagged(result, call.client_id)
        call.put(Letter(encode(answer), last=True))

    def _on_notification(self, method: str, data: Json, line: bytes) -> None:
        params = data.get("params")
        params = params if isinstance(params, dict) else {}
        subscription = meta_of(params).get(SUBSCRIPTION_KEY)
        if method == "notifications/progress":
            self._progress(data, params)
        elif isinstance(subscription, str | int):
            call = self.calls.get(subscription)
            if call is not None:
                body = {**data, "params": _tagged(params, call.client_id)}
                call.put(Letter(encode(body)))
        elif method == "notifications/cancelled":
            self._ended_by_child(params.get("requestId"))
        else:
            self._other(method, line)

    def _progress(self, data: Json, params: Json) -> None:
        call = self._by_token(data)
        if call is not None:
            body = {**data, "params": {**params, "progressToken": call.token}}
            call.put(Letter(encode(body)))

    def _ended_by_child(self, ident: object) -> None:
        call = self.calls.get(ident) if isinstance(ident, str | int) else None
        if call is not None:
            call.put(Letter(encode(completed(call.client_id)), last=True))
            self.drop_answered(call)

    def _other(self, method: str, line: bytes) -> None:
        """Log messages are for a request that asked for them, what no revision knows for any; the
        latest, where no other principal's can have caused them."""
        self.on_other(method)
        own = None if self.origin is None else self.calls.get(self.origin)
        if own is None and not self._one_user:
            return
        log = method in KNOWN_NOTIFICATIONS
        for call in reversed(self.calls.values()) if own is None else (own,):
            if call.message is None:
                continue
            if not log or LOG_LEVEL_KEY in meta_of(call.message.params):
                call.put(Letter(line))
                return


def _tagged(holder: Json, ident: Id | None) -> Json:
    return {**holder, "_meta": {**meta_of(holder), SUBSCRIPTION_KEY: ident}}
