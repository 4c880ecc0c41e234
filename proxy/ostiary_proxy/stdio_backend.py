"""A backend that speaks over stdin and stdout: its processes, and the two sides that use them.

`legacy` serves sessions, `modern` requests that have none; `crew` keeps the processes of both
within the cap.  The processes that only look at the server (`stdio_look`, `catalogue`) stand
outside it: one that lives, and at most one more for a moment.
"""

import asyncio
from collections.abc import Callable, Coroutine

from ostiary_proxy import children
from ostiary_proxy.agreement import disagreement
from ostiary_proxy.catalogue import Catalogue
from ostiary_proxy.channel import Channel
from ostiary_proxy.config import StdioBackend
from ostiary_proxy.crew import Crew
from ostiary_proxy.exchange import Exchange, Refused
from ostiary_proxy.gate import PROVEN_SECONDS, Gate
from ostiary_proxy.legacy import LegacySide
from ostiary_proxy.lines import Pipe
from ostiary_proxy.message import HEADER_MISMATCH, Message, Rejection
from ostiary_proxy.metrics import Tally
from ostiary_proxy.modern import ModernSide
from ostiary_proxy.observe import Seen
from ostiary_proxy.recipe import Owner
from ostiary_proxy.seats import Seats, check_user
from ostiary_proxy.sources import StdioSource
from ostiary_proxy.stdio_look import StdioLook


class StdioServer:
    """One stdio backend."""

    def __init__(
        self,
        backend: StdioBackend,
        uid: str,
        owner: Owner,
        *,
        name: str,
        now: Callable[[], float],
        on_trouble: Callable[[], None],
        spawn: Callable[[Coroutine[object, object, None]], object],
        tally: Tally,
        opener: children.Opener | None = None,
    ) -> None:
        """`opener`: how a child begins, where it is no process."""
        self._backend = backend
        self._open = opener or children.opener_of(backend, name)
        self._name = name
        self._spawn = spawn
        self._on_trouble = on_trouble
        self._tally = tally
        self._gate = Gate(lambda: asyncio.get_running_loop().time())
        self._look = StdioLook(
            name, self._start, on_trouble, self._on_news, protocol=backend.protocol
        )
        self._crew = Crew(backend, start=self._start, now=now, on_eviction=tally.evicted)
        self.catalogue = Catalogue(name, self._start, now=now, spawn=spawn)
        seats = Seats(backend, self._crew, name=name, on_repair=tally.repaired)
        self.legacy = LegacySide(
            backend, uid, owner, now=now, seats=seats, catalogue=self.catalogue
        )
        self.modern = ModernSide(
            backend, self._crew, name=name, catalogue=lambda: self._look.catalogue
        )
        self.source = StdioSource(backend, self._crew, seats, self.modern, self.catalogue)
        self._digest = ""
        self._closed = False
        self._pipes: set[Pipe] = set()
        """Every live child."""

    @property
    def processes(self) -> int:
        return self._look.processes + self.catalogue.processes + len(self._crew)

    async def look(self) -> Seen:
        seen = await self._look.look()
        if seen.digest != self._digest:
            # Another server, or another list: what was said of the one before is void.
            self._digest = seen.digest
            self.catalogue.forget()
        return seen

    async def probe(self) -> None:
        self._look.probe()

    def reap(self) -> None:
        self.legacy.reap()
        self._crew.reap()
        self.modern.reap()

    async def close(self) -> None:
        self._closed = True
        self.legacy.close()
        for pipe in tuple(self._pipes):
            pipe.close()

    async def serve(self, exchange: Exchange) -> None:
        check_user(self._backend.process, exchange)
        if exchange.spoken is None or exchange.spoken.era == "legacy":
            await self.legacy.serve(exchange)
            return
        if exchange.message is not None and exchange.message.method == "tools/call":
            self._check_mirrored(exchange, exchange.message)
        await self.modern.serve(exchange)

    def _check_mirrored(self, exchange: Exchange, message: Message) -> None:
        """Obligation 11's last rung, which an HTTP backend climbs itself."""
        mirrored = self._look.mirrored(message.params.get("name"))
        arguments = message.params.get("arguments")
        why = disagreement(mirrored, arguments, exchange.scope["headers"])
        if why:
            self._on_trouble()  # the tool may have changed since it was listed
            raise Refused(Rejection(400, HEADER_MISMATCH, why, reason="HeaderMismatch"))

    def _on_news(self, method: str) -> None:
        self.catalogue.forget()
        self.legacy.announce(method)

    # processes

    async def _start(self, channel: Channel) -> None:
        """Every process of this server begins here."""
        if self._backend.command:
            await self._gate.enter()
        if self._closed:
            raise children.StartError("CommandExited", "The server is being stopped.")
        channel.on_garbage = self._tally.garbage
        started = asyncio.get_running_loop().time()
        channel.pipe = await self._open(channel)
        self._tally.started()
        self._pipes.add(channel.pipe)
        self._spawn(self._attend(channel, channel.pipe, started))

    async def _attend(self, channel: Channel, pipe: Pipe, started: float) -> None:
        """Whatever started it, the proxy does not end before it has."""
        proven = asyncio.get_running_loop().call_later(PROVEN_SECONDS, self._gate.lived)
        try:
            await pipe.closed()
        finally:
            proven.cancel()
            self._pipes.discard(pipe)
            pipe.close()
            if not channel.closing and not self._closed:
                self._gate.ended(started)
