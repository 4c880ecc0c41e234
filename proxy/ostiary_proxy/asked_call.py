"""A legacy backend's answer on its way to a modern client: each letter as that client knows it.

A question of the backend's ends the client's request with `input_required`; the call itself is
held, and a later request of the client's goes on reading where this one ended.
"""

import asyncio
from collections.abc import Awaitable, Callable

from ostiary_proxy import to_legacy
from ostiary_proxy.channel import Call
from ostiary_proxy.held import Held
from ostiary_proxy.http_pipe import LOST
from ostiary_proxy.lines import Exit
from ostiary_proxy.mailbox import Letter
from ostiary_proxy.message import Json, Message, decode, encode, error_body
from ostiary_proxy.stdio import MISSING_CAPABILITY
from ostiary_proxy.upstreams import Upstream

URL_STATE = "url"
"""Stands for no held call: the client was sent to a page, and its request is made again."""


class AskedCall:
    """`mailbox.Letters` for one request of a modern client."""

    def __init__(
        self,
        message: Message,
        upstream: Upstream,
        call: Call,
        *,
        info: Json,
        hold: Callable[["AskedCall", Json, int | str], Held | None],
        sealed: Callable[[str], str],
        again: Callable[["AskedCall"], Awaitable[None]] | None,
    ) -> None:
        """`hold`: None when no more calls can be held; `sealed`: the state for a held call's id;
        `again`: after a session that the backend forgot."""
        self.message = message
        self.upstream = upstream
        self.call = call
        self.held: Held | None = None
        self._info = info
        self._hold, self._sealed, self._again = hold, sealed, again
        self._level = to_legacy.log_level(message)

    @property
    def ended(self) -> Exit | None:
        return self.call.ended

    @property
    def overflowed(self) -> bool:
        return self.call.overflowed

    def wake(self) -> None:
        self.call.wake()

    async def get(self, seconds: float) -> Letter | None:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while True:
            letter = await self.call.get(max(0.0, until - loop.time()))
            if letter is None:
                ended, again = self.call.ended, self._again
                if ended is None or ended.reason != LOST or again is None:
                    return None
                # It did nothing with the request (21): once more, in a new session.
                self._again = None
                await again(self)
                continue
            self._again = None
            said = self._said(letter)
            if said is not None:
                return said

    def _said(self, letter: Letter) -> Letter | None:
        if letter.last:
            return Letter(self._answer(decode(letter.data)), last=True)
        if letter.question is not None:
            return self._asked(decode(letter.data), letter.question)
        if b'"notifications/message"' in letter.data:
            params = decode(letter.data).get("params")
            loud = to_legacy.is_loud_enough(params if isinstance(params, dict) else {}, self._level)
            return letter if loud else None
        return letter

    def _answer(self, data: Json) -> bytes:
        urls = to_legacy.urls_of(data)
        if not urls:
            body = to_legacy.answer(self.message.method, data, self.message.id, self._info)
            return encode(body)
        able = to_legacy.allowed(
            "elicitation/create", {"mode": "url"}, to_legacy.declared(self.message)
        )
        if not able or self.message.method not in to_legacy.ASKING:
            why = "The server wants its user to open a page, which this client did not offer."
            wanted: Json = {"requiredCapabilities": {"elicitation": {"url": {}}}}
            return error_body(self.message.id, MISSING_CAPABILITY, why, wanted)
        state = self._sealed(URL_STATE)
        return encode(to_legacy.input_required(self.message.id, urls, state, self._info))

    def _asked(self, data: Json, ident: int | str) -> Letter | None:
        """The question as the client's answer; or no for an answer to the backend."""
        method, params = data["method"], data.get("params")
        params = params if isinstance(params, dict) else {}
        channel = self.upstream.channel
        if not to_legacy.allowed(method, params, to_legacy.declared(self.message)):
            channel.refuse(ident, "The client did not declare that it can be asked this.")
            return None
        if self.message.method not in to_legacy.ASKING:
            channel.refuse(ident, "The client cannot be asked anything now.")
            return None
        held = self._hold(self, to_legacy.question(method, params), ident)
        if held is None:
            channel.refuse(ident, "Too many calls are waiting for an answer.")
            return None
        return self.ask(held)

    def ask(self, held: Held) -> Letter:
        self.held = held
        requests = {held.key: held.question}
        state = self._sealed(held.ident)
        body = to_legacy.input_required(self.message.id, requests, state, self._info)
        return Letter(encode(body), last=True)
