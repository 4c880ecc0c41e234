"""A modern client's subscription at a legacy backend: one held stream (protocol.md 36, 52).

First what is honoured, then what changes, each message marked with the subscription's id.  When
the upstream session ends, another takes its place and the client is told to look again.
"""

import asyncio
from typing import Final

from ostiary_proxy.discovery import offers
from ostiary_proxy.era import KNOWN_NOTIFICATIONS
from ostiary_proxy.exchange import Exchange, Refused
from ostiary_proxy.lines import Exit
from ostiary_proxy.mailbox import Letter, Mailbox
from ostiary_proxy.message import Json, Message, decode, encode
from ostiary_proxy.observe import Seen
from ostiary_proxy.to_legacy import acknowledged, tagged
from ostiary_proxy.upstreams import Upstream, Upstreams

KINDS: Final = {
    "toolsListChanged": ("tools", "notifications/tools/list_changed"),
    "promptsListChanged": ("prompts", "notifications/prompts/list_changed"),
    "resourcesListChanged": ("resources", "notifications/resources/list_changed"),
}
UPDATED: Final = "notifications/resources/updated"
SUBSCRIBE_SECONDS: Final = 10.0
MOST_URIS: Final = 256
FIRST_RETRY_SECONDS: Final = 0.25
LAST_RETRY_SECONDS: Final = 15.0


class Listening:
    """`mailbox.Letters` for one `subscriptions/listen`."""

    def __init__(
        self, upstreams: Upstreams, exchange: Exchange, message: Message, seen: Seen
    ) -> None:
        self._upstreams = upstreams
        self._exchange, self._message, self._seen = exchange, message, seen
        self._out = Mailbox()
        self._upstream: Upstream | None = None
        wanted = message.params.get("notifications")
        self._wanted: Json = wanted if isinstance(wanted, dict) else {}
        self._uris: list[str] = []
        """Subscribed to, just now."""
        self._wait = FIRST_RETRY_SECONDS
        self._changes = {
            kind: method
            for kind, (group, method) in KINDS.items()
            if self._wanted.get(kind) is True and offers(seen, group, "listChanged")
        }

    @property
    def ended(self) -> Exit | None:
        return None

    @property
    def overflowed(self) -> bool:
        return self._out.overflowed

    def wake(self) -> None:
        self._out.wake()

    async def open(self) -> None:
        """Raises Refused when the backend cannot be reached at all."""
        await self._connect()
        honoured: Json = dict.fromkeys(self._changes, True)
        if "resourceSubscriptions" in self._wanted:
            honoured["resourceSubscriptions"] = list(self._uris)
        self._out.put_first(Letter(encode(acknowledged(honoured, self._message.id))))

    async def get(self, seconds: float) -> Letter | None:
        upstream = self._upstream
        if upstream is None or not upstream.channel.alive:
            await self._reconnect(seconds)
            seconds = 0.0 if self._upstream is None else seconds
        return await self._out.get(seconds)

    def close(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is None:
            return
        channel = upstream.channel
        channel.listeners.discard(self._note)
        for uri in self._uris:
            channel.unsubscribe(uri)
        self._uris = []
        self._upstreams.release(upstream)

    async def _connect(self) -> None:
        upstream = await self._upstreams.take(self._exchange, self._message, self._seen)
        self._upstream = upstream
        upstream.channel.listeners.add(self._note)
        if not offers(self._seen, "resources", "subscribe"):
            return
        wanted = self._wanted.get("resourceSubscriptions", [])
        for uri in dict.fromkeys(wanted[:MOST_URIS]):
            if await self._subscribe(upstream, uri):
                self._uris.append(uri)

    async def _subscribe(self, upstream: Upstream, uri: str) -> bool:
        channel = upstream.channel
        count = channel.subscriptions.get(uri, 0)
        channel.subscriptions[uri] = count + 1
        if count or await self._agrees(upstream, uri):
            return True
        channel.subscriptions.pop(uri, None)
        return False

    async def _agrees(self, upstream: Upstream, uri: str) -> bool:
        call = upstream.channel.ask("resources/subscribe", {"uri": uri})
        letter = await call.get(SUBSCRIBE_SECONDS)
        upstream.channel.drop(call)
        data = None if letter is None else decode(letter.data)
        return isinstance(data, dict) and "result" in data

    async def _reconnect(self, seconds: float) -> None:
        self.close()
        await self._pause(min(self._wait, seconds))
        self._wait = min(self._wait * 2, LAST_RETRY_SECONDS)
        if self._exchange.cut is not None:
            return
        try:
            await self._connect()
        except Refused:
            self.close()
            return
        finally:
            self._exchange.on_cut = self.wake
        self._wait = FIRST_RETRY_SECONDS
        for method in self._changes.values():
            # Something may have changed meanwhile.
            self._note(method, {"jsonrpc": "2.0", "method": method})

    async def _pause(self, seconds: float) -> None:
        """Cut short when the client leaves."""
        left = asyncio.Event()
        self._exchange.on_cut = left.set
        try:
            async with asyncio.timeout(seconds):
                await left.wait()
        except TimeoutError:
            return

    def _note(self, method: str, data: Json) -> None:
        if not method:
            self._out.wake()
        elif (
            method not in KNOWN_NOTIFICATIONS
            or method in self._changes.values()
            or self._concerns(method, data)
        ):
            self._out.put(Letter(encode(tagged(data, self._message.id))))

    def _concerns(self, method: str, data: Json) -> bool:
        if method != UPDATED:
            return False
        params = data.get("params")
        uri = params.get("uri") if isinstance(params, dict) else None
        # A server may report what is below a resource that was subscribed to.
        return isinstance(uri, str) and any(_is_within(uri, known) for known in self._uris)


def _is_within(uri: str, known: str) -> bool:
    return uri == known or uri.startswith(known if known.endswith("/") else known + "/")
