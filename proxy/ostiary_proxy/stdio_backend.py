"""A backend that speaks over stdin and stdout: which child serves a request, and for how long.

A legacy session has a child of its own; requests of modern clients share one per (principal,
capabilities, revision), and an anonymous request has one to itself.  Modern lists and `discover`
are answered by the catalogue process.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Final

from ostiary_proxy import children
from ostiary_proxy.channel import Call, Channel
from ostiary_proxy.config import StdioBackend
from ostiary_proxy.era import CAPABILITIES_KEY, LISTS
from ostiary_proxy.exchange import Exchange, Refused, failed
from ostiary_proxy.legacy import LegacySide
from ostiary_proxy.lines import Pipe
from ostiary_proxy.message import Message, encode
from ostiary_proxy.observe import Seen
from ostiary_proxy.shared import ModernChannel
from ostiary_proxy.stdio import deliver
from ostiary_proxy.stdio_look import StdioLook
from ostiary_proxy.watch import Watch

CATALOGUE: Final = frozenset({"server/discover", *LISTS})
"""Modern methods whose answers do not depend on who asks."""

Key = tuple[bytes, bytes, str]


class StdioServer:
    """One stdio backend."""

    def __init__(
        self,
        backend: StdioBackend,
        uid: str,
        pod: str,
        *,
        name: str,
        now: Callable[[], float],
        on_trouble: Callable[[], None],
        spawn: Callable[[Coroutine[object, object, None]], object],
    ) -> None:
        self._backend = backend
        self._name = name
        self._now = now
        self._spawn = spawn
        self._look = StdioLook(name, self._start, on_trouble)
        self._legacy = LegacySide(
            uid, pod, name=name, now=now, idle_seconds=backend.idleSeconds, starter=self._child
        )
        self._modern: dict[Key, ModernChannel] = {}
        self._used: dict[Key, float] = {}
        self._starting = 0
        self._passing: set[ModernChannel] = set()
        """Children of one anonymous request each."""
        self._closed = False
        self._pipes: set[Pipe] = set()
        """Every live child."""

    @property
    def processes(self) -> int:
        return self._look.processes + self._children

    @property
    def _children(self) -> int:
        """Those that count against the cap."""
        return len(self._legacy) + len(self._modern) + len(self._passing) + self._starting

    async def look(self) -> Seen:
        return await self._look.look()

    async def probe(self) -> None:
        self._look.probe()

    def reap(self) -> None:
        self._legacy.reap()
        oldest = self._now() - self._backend.idleSeconds
        for key, channel in tuple(self._modern.items()):
            if not channel.alive or (not channel.busy and self._used[key] < oldest):
                self._forget(key)
                channel.close()

    async def close(self) -> None:
        self._closed = True
        self._legacy.close()
        self._modern.clear()
        for pipe in tuple(self._pipes):
            pipe.close()

    async def serve(self, exchange: Exchange) -> None:
        if exchange.spoken is None or exchange.spoken.era == "legacy":
            await self._legacy.serve(exchange)
            return
        message = exchange.message
        assert message is not None
        if message.kind != "request":
            # Modern clients have no notifications: what one still sends is taken and dropped.
            await exchange.reply(202)
            return
        channel = self._look.catalogue if message.method in CATALOGUE else None
        if channel is not None:
            await self._ask(exchange, channel, message)
        elif exchange.caller is not None and exchange.caller.kind == "anonymous":
            await self._once(exchange, message)
        else:
            key = _key(exchange, message)
            await self._ask(exchange, await self._kept(key), message)
            self._used[key] = self._now()

    async def _ask(self, exchange: Exchange, channel: ModernChannel, message: Message) -> None:
        assert exchange.endpoint is not None
        await channel.writable()
        call = channel.begin(message)
        now = asyncio.get_running_loop().time()
        watch = Watch(exchange.endpoint.server.limits, now, holding=exchange.holding)
        try:
            await deliver(exchange, call, watch)
        finally:
            _leave(channel, call)

    async def _once(self, exchange: Exchange, message: Message) -> None:
        """Anonymous is nobody in particular: no two requests may share a process."""
        channel = ModernChannel(self._name)
        await self._child(channel)
        self._passing.add(channel)
        try:
            await self._ask(exchange, channel, message)
        finally:
            self._passing.discard(channel)
            channel.close()

    async def _kept(self, key: Key) -> ModernChannel:
        channel = self._modern.get(key)
        if channel is not None and channel.alive:
            self._used[key] = self._now()
            return channel
        self._forget(key)
        channel = ModernChannel(self._name, on_ended=lambda _: self._dropped(key, channel))
        await self._child(channel)
        # Two requests may have started one each: the first stays.
        other = self._modern.get(key)
        if other is not None and other.alive:
            channel.close()
            return other
        self._modern[key] = channel
        self._used[key] = self._now()
        return channel

    def _dropped(self, key: Key, channel: ModernChannel | None) -> None:
        """A child ended by itself."""
        if channel is not None and self._modern.get(key) is channel:
            self._forget(key)

    def _forget(self, key: Key) -> None:
        self._modern.pop(key, None)
        self._used.pop(key, None)

    async def _child(self, channel: Channel) -> None:
        """Start a child that counts, or refuse."""
        if self._children >= self._backend.maxProcesses:
            self.reap()
        if self._children >= self._backend.maxProcesses:
            why = (
                f"All {self._backend.maxProcesses} processes of this server are in use; try later."
            )
            raise Refused(failed(503, why, "Busy", headers=((b"retry-after", b"5"),)))
        self._starting += 1
        try:
            await self._start(channel)
        except children.StartError as err:
            why = "The server's process could not be started."
            raise Refused(failed(502, why, "NotStarted")) from err
        finally:
            self._starting -= 1

    async def _start(self, channel: Channel) -> None:
        if self._closed:
            raise children.StartError("CommandExited", "The server is being stopped.")
        if self._backend.command:
            channel.pipe = await children.start(self._backend, channel, self._name)
        else:
            channel.pipe = await children.connect(self._backend.socket, channel)
        self._pipes.add(channel.pipe)
        self._spawn(self._attend(channel.pipe))

    async def _attend(self, pipe: Pipe) -> None:
        """Whatever started it, the proxy does not end before it has."""
        try:
            await pipe.closed()
        finally:
            self._pipes.discard(pipe)
            pipe.close()


def _key(exchange: Exchange, message: Message) -> Key:
    assert exchange.caller is not None
    assert exchange.spoken is not None
    capabilities = message.params["_meta"][CAPABILITIES_KEY]
    return (exchange.caller.digest, encode(capabilities), exchange.spoken.version)


def _leave(channel: ModernChannel, call: Call) -> None:
    """The answer is over for the client; when not for the child, it is told."""
    if call.upstream in channel.calls:
        channel.cancel(call, "The client left, or was answered.")
    call.close()
