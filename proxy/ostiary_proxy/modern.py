"""The modern side of a stdio backend: which process answers a request that has no session.

Lists and `discover` go to the catalogue process; all else to the process of (principal,
capabilities, revision), or of a wider circle where the owner says so.  An anonymous request, and
each under `sessionAffinity: Request`, has one to itself.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from ostiary_proxy.channel import Call
from ostiary_proxy.config import StdioBackend
from ostiary_proxy.crew import Crew
from ostiary_proxy.era import CAPABILITIES_KEY, KNOWN_NOTIFICATIONS, LISTS, MODERN
from ostiary_proxy.exchange import Exchange
from ostiary_proxy.message import Message, encode
from ostiary_proxy.patience import until_it_reads
from ostiary_proxy.seats import lessened
from ostiary_proxy.shared import ModernChannel
from ostiary_proxy.stdio import deliver
from ostiary_proxy.watch import Watch

CATALOGUE: Final = frozenset({"server/discover", *LISTS})
"""Methods whose answers do not depend on who asks."""

Key = tuple[bytes, bytes, str]
_NOTHING: Final = encode({})
"""Capabilities of a client that nothing is asked of."""


class ModernSide:
    """The modern requests to one stdio backend."""

    def __init__(
        self,
        backend: StdioBackend,
        crew: Crew,
        *,
        name: str,
        catalogue: Callable[[], ModernChannel | None],
    ) -> None:
        self._mode = backend.process
        self._crew = crew
        self._name = name
        self._catalogue = catalogue
        self._kept: dict[Key, ModernChannel] = {}
        self._turns: dict[Key, asyncio.Lock] = {}

    @property
    def catalogue(self) -> ModernChannel | None:
        """The process that answers lists for everybody, while it lives."""
        return self._catalogue()

    async def serve(self, exchange: Exchange) -> None:
        message = exchange.message
        assert message is not None
        if message.kind != "request":
            self._tell(exchange, message)
            # Modern clients have no notifications: those of other revisions mean nothing here.
            await exchange.reply(202)
            return
        message = lessened(self._mode, message)
        shared = self._mode == "Shared" or message.method in CATALOGUE
        channel = self._catalogue() if shared else None
        if channel is not None:
            await self._ask(exchange, channel, message)
        elif self._apart(exchange):
            await self._once(exchange, message)
        else:
            channel = await self._of(affinity_key(exchange, message, self._mode))
            await self._ask(exchange, channel, message)
            self._crew.touch(channel)

    def _tell(self, exchange: Exchange, message: Message) -> None:
        """What no revision knows is for the caller's own process, if that runs (9)."""
        meta = message.params.get("_meta")
        known = message.kind != "notification" or message.method in KNOWN_NOTIFICATIONS
        if known or self._apart(exchange) or not isinstance(meta, dict):
            return
        if CAPABILITIES_KEY in meta or self._mode != "PerSession":
            channel = self._kept.get(affinity_key(exchange, message, self._mode))
            if channel is not None and channel.alive:
                channel.send(message.canonical)

    def _apart(self, exchange: Exchange) -> bool:
        assert exchange.caller is not None
        assert exchange.endpoint is not None
        if self._mode == "Shared":
            return False
        nobody = exchange.caller.kind == "anonymous"
        return nobody or exchange.endpoint.server.sessionAffinity == "Request"

    async def _ask(self, exchange: Exchange, channel: ModernChannel, message: Message) -> None:
        assert exchange.endpoint is not None
        if not await until_it_reads(exchange, channel):
            return
        now = asyncio.get_running_loop().time()
        watch = Watch(exchange.endpoint.server.limits, now, holding=exchange.holding)
        call = channel.begin(message)
        try:
            await deliver(exchange, call, watch)
        finally:
            _leave(channel, call)

    async def _once(self, exchange: Exchange, message: Message) -> None:
        """Anonymous is nobody in particular: no two requests may share a process."""
        assert exchange.caller is not None
        channel = ModernChannel(self._name)
        await self._crew.hire(channel, exchange.caller.digest)
        try:
            await self._ask(exchange, channel, message)
        finally:
            self._crew.dismiss(channel)

    async def common(self, user: bytes) -> ModernChannel:
        """The process that this user has, or everybody, where one serves several."""
        channel = self._catalogue() if self._mode == "Shared" else None
        if channel is not None:
            return channel
        return await self._of((user if self._mode == "PerUser" else b"", _NOTHING, MODERN[-1]))

    async def _of(self, key: Key) -> ModernChannel:
        turn = self._turns.setdefault(key, asyncio.Lock())
        async with turn:
            channel = self._kept.get(key)
            if channel is None or not channel.alive:
                channel = ModernChannel(self._name, one_user=key[0] != b"")
                await self._crew.hire(channel, key[0])
                self._kept[key] = channel
        self._crew.touch(channel)
        return channel

    def reap(self) -> None:
        self._kept = {key: channel for key, channel in self._kept.items() if channel.alive}
        self._turns = {key: turn for key, turn in self._turns.items() if turn.locked()}


def affinity_key(exchange: Exchange, message: Message, mode: str) -> Key:
    """What decides on the process of a modern request, and on its pod.

    A gateway's key narrows it where each caller has a process; the capabilities still count, for
    no client is asked for what it does not declare."""
    assert exchange.caller is not None
    assert exchange.spoken is not None
    user = b"" if mode == "Shared" else exchange.caller.digest
    if mode != "PerSession":
        return (user, _NOTHING, exchange.spoken.version)
    capabilities = encode(message.params["_meta"][CAPABILITIES_KEY])
    return (user, exchange.key + capabilities, exchange.spoken.version)


def _leave(channel: ModernChannel, call: Call) -> None:
    """The answer is over for the client; when not for the child, it is told."""
    if call.upstream in channel.calls:
        channel.cancel(call, "The client left, or was answered.")
    call.close()
