"""A look at a stdio server: one child, kept as the catalogue process.

It is asked as a modern client would, then as a legacy one; never is a second handshake sent to a
live process.  A process that dies of the first question is started anew and asked only the second.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final

from ostiary_proxy.channel import Call, Channel
from ostiary_proxy.children import StartError
from ostiary_proxy.config import AUTO
from ostiary_proxy.era import CHANGES, LEGACY, MODERN
from ostiary_proxy.mailbox import one
from ostiary_proxy.message import Json, decode, encode
from ostiary_proxy.mirror import Mirror
from ostiary_proxy.observe import (
    LOOK_SECONDS,
    LookError,
    Seen,
    discover,
    initialize,
    list_tools,
    unpinned,
)
from ostiary_proxy.shared import ModernChannel

PROBE_SECONDS: Final = LOOK_SECONDS / 2
"""Two questions fit into the time that a look may take."""
PATIENT_ROUNDS: Final = 4

Starter = Callable[[Channel], Awaitable[None]]


class StdioLook:
    """Looks at one stdio server, again and again."""

    def __init__(
        self,
        name: str,
        starter: Starter,
        on_change: Callable[[], None],
        on_news: Callable[[str], None] = lambda method: None,
        *,
        protocol: str = AUTO,
    ) -> None:
        """`on_news`: one of the server's lists is another now; `protocol`: a revision that the
        owner says the server speaks."""
        self._name = name
        self._protocol = protocol
        self._starter = starter
        self._on_change = on_change
        self._on_news = on_news
        self._channel: ModernChannel | None = None
        self._waiting: dict[str, Call] = {}
        """Questions that the live process has not answered yet."""
        self._known: Seen | None = None
        self._mirrored: Mapping[str, tuple[Mirror, ...]] = {}
        self._legacy: tuple[str, ...] | None = None
        """Of a modern server: found once, with a process of its own."""
        self._shy = False
        """It dies of a question before the handshake."""

    @property
    def catalogue(self) -> ModernChannel | None:
        """The process that answers modern lists, while it lives."""
        channel = self._channel
        modern = self._known is not None and bool(self._known.modern)
        return channel if channel is not None and channel.alive and modern else None

    @property
    def processes(self) -> int:
        return int(self._channel is not None and self._channel.alive)

    async def look(self) -> Seen:
        if self._channel is None or not self._channel.alive:
            self._channel, self._known = await self._start(), None
        if self._known is None:
            self._known = await self._shake()
        seen = await list_tools(self._ask, self._known)
        self._mirrored = seen.mirrored
        return seen

    def mirrored(self, tool: object) -> tuple[Mirror, ...]:
        """The arguments of a tool that headers must repeat, as far as is known."""
        return self._mirrored.get(tool, ()) if isinstance(tool, str) else ()

    def probe(self) -> None:
        if self._channel is None or not self._channel.alive:
            raise LookError("CommandExited", "The command ended.")

    async def _start(self, *, watched: bool = True) -> ModernChannel:
        self._waiting.clear()
        channel = ModernChannel(self._name, one_user=False)
        if watched:
            channel.on_ended = lambda _: self._on_change()
            channel.on_other = self._noticed
        try:
            await self._starter(channel)
        except StartError as err:
            raise LookError(err.reason, err.message) from err
        return channel

    def _noticed(self, method: str) -> None:
        if method in CHANGES:
            self._on_news(method)
            self._on_change()

    async def _shake(self) -> Seen:
        if self._protocol != AUTO:
            return await self._pinned()
        seen = None if self._shy else await self._discover()
        if seen is None:
            seen = await self._initialize()
        if seen is None and "server/discover" in self._waiting:
            # A slow start: both questions were waiting, and the first one settled the era.
            seen = await discover(self._ask)
        if seen is None:
            raise LookError(
                "ProtocolUnsupported",
                "The server answers, but speaks no MCP revision that this proxy knows.",
            )
        if not seen.modern:
            return seen
        if self._legacy is None:
            self._legacy = await self._also_legacy()
        return replace(seen, legacy=self._legacy)

    async def _pinned(self) -> Seen:
        """The owner has said what the server speaks: nothing else is asked."""
        if self._protocol in MODERN:
            seen = await discover(self._ask)
        else:
            seen = await self._initialize(self._protocol)
        if seen is None:
            raise unpinned(self._protocol)
        return seen

    async def _discover(self) -> Seen | None:
        try:
            return await discover(self._ask)
        except LookError:
            if self._channel is not None and self._channel.alive:
                return None  # only silent: the next question tells
            self._shy = True
            self._channel = await self._start()
            return None

    async def _initialize(self, revision: str = LEGACY[-1]) -> Seen | None:
        try:
            seen = await initialize(self._ask, revision)
        except LookError:
            # Whatever ends it this early, the next process is asked from the start.
            self._shy = False
            raise
        if seen is not None and self._channel is not None:
            self._channel.send(_INITIALIZED)
        return seen

    async def _also_legacy(self) -> tuple[str, ...]:
        """A modern server may speak the handshake too, in a process that begins with it."""
        first, self._channel = self._channel, None
        waiting, self._waiting = self._waiting, {}
        try:
            self._channel = await self._start(watched=False)
            seen = await self._patiently()
            return () if seen is None else seen.legacy
        except LookError:
            return ()
        finally:
            if self._channel is not None:
                self._channel.close()
            self._channel, self._waiting = first, waiting

    async def _patiently(self) -> Seen | None:
        """The answer is kept for good, so a slow start must not be taken for a no."""
        for _ in range(PATIENT_ROUNDS - 1):
            try:
                return await initialize(self._ask)
            except LookError:
                if self._channel is None or not self._channel.alive:
                    raise
        return await initialize(self._ask)

    async def _ask(self, method: str, params: Json, revision: str) -> Json:
        channel = self._channel
        assert channel is not None
        call = self._waiting.pop(method, None) or channel.ask(method, params)
        letter = await one(call, PROBE_SECONDS)
        if letter is not None:
            data = decode(letter.data)
            return data if isinstance(data, dict) else {}
        if call.ended is not None:
            raise LookError(call.ended.reason, call.ended.message)
        self._waiting[method] = call
        raise self._silence(channel)

    def _silence(self, channel: Channel) -> LookError:
        if channel.garbage:
            return LookError(
                "NotMCP",
                f"The command writes lines to its standard output that are no JSON-RPC "
                f"({channel.garbage} so far), and answers nothing.",
            )
        why = f"The command runs, but did not answer within {LOOK_SECONDS:.0f} s."
        return LookError("NoAnswer", why)


_INITIALIZED: Final = encode({"jsonrpc": "2.0", "method": "notifications/initialized"})
