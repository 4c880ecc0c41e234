"""How one HTTP backend is reached: beside the proxy, as a Service, or out on the internet.

Puts together what the three differ in: the pool's way to a connection, the request's host and
credentials, and how the backend is looked at.  A remote is asked nothing before somebody calls, and
then `server/discover` alone, again after trouble; the rest is learnt from what passes by.
"""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Final

from ostiary_proxy.config import AUTO, HttpBackend
from ostiary_proxy.dial import Dial
from ostiary_proxy.era import LEGACY, MODERN
from ostiary_proxy.exchange import Exchange
from ostiary_proxy.http_look import HttpLook
from ostiary_proxy.http_request import HttpTarget
from ostiary_proxy.message import Json
from ostiary_proxy.mirror import Mirror
from ostiary_proxy.observe import LookError, Seen, discover, list_tools
from ostiary_proxy.pool import Pool
from ostiary_proxy.upstream import Connection, UnreachableError
from ostiary_proxy.upstream_files import UpstreamFiles
from ostiary_proxy.witness import WITNESSED, HandshakeRefusedError, Witness

_LEGACY_SAYS: Final = frozenset({"NotMCP", "ProtocolUnsupported"})
"""What a look at a handshake server that knows no `server/discover` may end with."""
_TELLING: Final = frozenset({301, 302, 303, 307, 308, 401, 403})
"""Answers to a call after which what is known of the backend is out of date."""
_NO: Final = frozenset({400, 404, 405})
"""What a modern server may answer a handshake with."""
_SAID_BY_MCP: Final = frozenset({200, 400, 404})


class Reach:
    """Of one backend."""

    def __init__(
        self,
        backend: HttpBackend,
        *,
        spawn: Callable[[Coroutine[object, object, None]], object],
        on_news: Callable[[], None],
    ) -> None:
        """`on_news`: look again, for something was learnt."""
        self._on_news = on_news
        self.pool = Pool(host=backend.host, port=backend.port)
        self._files: UpstreamFiles | None = None
        if backend.outside is not None:
            self._files = UpstreamFiles(backend.outside, on_change=self._renew)
            self.pool.dial = Dial(backend, backend.outside, self._files)
            spawn(self._files.run())
        self.target = HttpTarget(backend, self._files)
        look = HttpLook(self.pool, backend, self.target, self.ready)
        self._ask = look.ask
        self.look: HttpLook | TrafficLook = look
        self._remote: TrafficLook | None = None
        if backend.outside is not None and backend.outside.source == "remote":
            self.look = self._remote = TrafficLook(look, on_news, backend.protocol)

    async def ready(self) -> None:
        """Raises UnreachableError while the backend's credentials are not to be used."""
        if self._files is not None:
            await self._files.ready()

    async def probe(self) -> None:
        """A remote is not: that would be traffic of our own."""
        if self._remote is not None:
            return
        try:
            await self.pool.probe()
        except UnreachableError as err:
            raise LookError("ConnectionRefused", "The server is no longer there.") from err

    def complain(self) -> None:
        """It could not be reached, or it is reached in another way now."""
        if self._remote is not None:
            self._remote.stale = True
        self._on_news()

    def _renew(self) -> None:
        """Credentials or trust changed: what stands was opened on the old ones."""
        self.pool.close()
        if self._remote is None or self._remote.asked:
            self.complain()

    def watch(self, exchange: Exchange, connection: Connection) -> None:
        """An answer begins."""
        if self._files is not None and connection.head.status in _TELLING:
            self.complain()
        message = exchange.message
        if self._remote is None or message is None or message.method not in WITNESSED:
            return
        if connection.head.status not in _SAID_BY_MCP:
            return
        witness = self._remote.witness
        exchange.witness = lambda answer: witness.heard(message, answer)

    @property
    def guesses(self) -> bool:
        """That it takes handshakes, without having seen one: it is known to be modern."""
        return self._remote is not None and self._remote.guesses

    def shook(self, status: int, body: bytes, result: Json | None) -> None:
        """A client's handshake came back.  Raises HandshakeRefusedError."""
        if self._remote is None:
            return
        if result is not None:
            self._remote.witness.shook(result)
        elif self.guesses and (status in _NO or (status == 200 and b'"error"' in body)):
            self._remote.witness.refused()
            raise HandshakeRefusedError

    async def mirrored(self) -> Mapping[str, tuple[Mirror, ...]]:
        """By tool, the arguments that headers repeat, asked for just now.  Raises LookError."""
        return (await list_tools(self._ask, Seen(modern=MODERN))).mirrored

    def close(self) -> None:
        self.pool.close()
        if self._files is not None:
            self._files.stop()


class TrafficLook:
    """The look at a remote: one question, once somebody calls and once more after trouble."""

    def __init__(self, look: HttpLook, on_news: Callable[[], None], protocol: str = AUTO) -> None:
        """`protocol`: a revision that the owner says the server speaks."""
        self._ask = look.ask
        self._protocol = protocol
        self.witness = Witness(on_news)
        self.stale = True
        self.asked = False
        self._eras = Seen()

    @property
    def guesses(self) -> bool:
        return bool(self._eras.modern) and self.witness.shakes and not self.witness.known.protocol

    async def look(self) -> Seen:
        self.asked = True
        if self.stale:
            self._eras = await self._discover()
            self.stale = False
        await self.witness.study()
        return _pinned(self.witness.merged(self._eras), self._protocol)

    async def _discover(self) -> Seen:
        if self._protocol in LEGACY:
            return Seen()
        try:
            modern = await discover(self._ask)
        except LookError as err:
            if err.reason not in _LEGACY_SAYS:
                raise
            modern = None
        # Without one, only a handshake would tell which revisions it speaks: the client's own does.
        return modern or Seen()


def _pinned(seen: Seen, protocol: str) -> Seen:
    """What the owner said goes before what was seen."""
    if protocol in LEGACY:
        return replace(seen, legacy=LEGACY[: LEGACY.index(protocol) + 1], modern=())
    return replace(seen, legacy=(), modern=(protocol,)) if protocol in MODERN else seen
