"""Where the bridge between the eras gets its channels: a child of a stdio server, or HTTP."""

from typing import Final, Literal, Protocol

from ostiary_proxy.catalogue import Catalogue, Page
from ostiary_proxy.channel import Channel
from ostiary_proxy.config import StdioBackend
from ostiary_proxy.crew import Crew
from ostiary_proxy.exchange import Headers, Refused, failed
from ostiary_proxy.handshaken import HandshakenChannel
from ostiary_proxy.http_pipe import ModernPipe, Spawn
from ostiary_proxy.http_session import LegacyPipe
from ostiary_proxy.message import Json
from ostiary_proxy.mirror import Mirror, headers
from ostiary_proxy.modern import ModernSide
from ostiary_proxy.reach import Reach
from ostiary_proxy.seats import Mode, Seats
from ostiary_proxy.shared import ModernChannel


class Commons(Protocol):
    """Processes that serve several callers each; `user`: the digest of a principal."""

    async def legacy(self, user: bytes, revision: str, seconds: float) -> HandshakenChannel: ...

    def has_legacy(self, user: bytes, revision: str) -> bool:
        """Does it run just now?"""

    async def modern(self, user: bytes) -> ModernChannel: ...


class Source(Protocol):
    """What a backend offers: channels of either era."""

    asks: bool
    """It has asked something that said nothing of the call that it was for."""
    mirrored: dict[str, tuple[Mirror, ...]]
    """By tool: the arguments that headers repeat, as last listed."""

    @property
    def mode(self) -> Mode: ...

    @property
    def loses(self) -> Literal["process", "upstream"]:
        """What a session that has to begin anew has lost."""

    @property
    def commons(self) -> Commons | None:
        """None: every session or modern principal has a channel of its own."""

    async def page(
        self, revision: str, capabilities: Json, page: Page, seconds: float
    ) -> Json | None:
        """A legacy backend's response to a list, less its id; None: only a session can tell."""

    @property
    def catalogue(self) -> ModernChannel | None:
        """A process that answers modern lists for everybody."""

    async def open(
        self, channel: Channel, era: Literal["legacy", "modern"], *, who: bytes, listens: bool
    ) -> None:
        """Connect it to a session or child of its own.  Raises Refused.

        `who`: whose it is, by the principal's digest; `listens`: what belongs to no request is
        wanted too.
        """


class StdioCommons:
    """The processes that clients of the server's own era share, too."""

    def __init__(self, seats: Seats, modern: ModernSide) -> None:
        self._seats, self._modern = seats, modern

    async def legacy(self, user: bytes, revision: str, seconds: float) -> HandshakenChannel:
        try:
            return await self._seats.common(user, revision, seconds)
        except Refused as refused:
            if refused.rejection.status != 404:
                raise
            # A modern client has no session that could be unknown.
            why = "The server refused the handshake of an older revision."
            raise Refused(failed(502, why, "HandshakeRefused")) from refused

    def has_legacy(self, user: bytes, revision: str) -> bool:
        return self._seats.has_common(user, revision)

    async def modern(self, user: bytes) -> ModernChannel:
        return await self._modern.common(user)


class StdioSource:
    """Children, each of which counts against the server's cap."""

    loses: Final = "process"
    asks = False

    def __init__(
        self,
        backend: StdioBackend,
        crew: Crew,
        seats: Seats,
        modern: ModernSide,
        lists: Catalogue,
    ) -> None:
        self.mode: Mode = backend.process
        self._crew, self._modern = crew, modern
        self._lists = lists if backend.lists == "Catalogue" else None
        self.commons = None if self.mode == "PerSession" else StdioCommons(seats, modern)
        self.mirrored: dict[str, tuple[Mirror, ...]] = {}

    @property
    def catalogue(self) -> ModernChannel | None:
        return self._modern.catalogue

    async def page(
        self, revision: str, capabilities: Json, page: Page, seconds: float
    ) -> Json | None:
        if self._lists is None:
            return None
        return await self._lists.page(revision, capabilities, page, seconds)

    async def open(
        self, channel: Channel, era: Literal["legacy", "modern"], *, who: bytes, listens: bool
    ) -> None:
        await self._crew.hire(channel, who)


class HttpSource:
    """Requests to one address; a legacy channel is a session of the backend's."""

    loses: Final = "upstream"
    asks = False
    commons: Final = None

    def __init__(self, reach: Reach, spawn: Spawn) -> None:
        self.mode: Mode = "PerSession"
        self._reach, self._spawn = reach, spawn
        self.mirrored: dict[str, tuple[Mirror, ...]] = {}

    @property
    def catalogue(self) -> ModernChannel | None:
        return None

    async def page(
        self, revision: str, capabilities: Json, page: Page, seconds: float
    ) -> Json | None:
        """Every session asks for itself."""
        return None

    async def open(
        self, channel: Channel, era: Literal["legacy", "modern"], *, who: bytes, listens: bool
    ) -> None:
        if era == "legacy":
            channel.pipe = LegacyPipe(self._reach, channel, self._spawn, listens=listens)
        else:
            channel.pipe = ModernPipe(self._reach, channel, self._spawn, self._mirror)

    def _mirror(self, params: Json) -> Headers:
        name = params.get("name")
        mirrored = self.mirrored.get(name, ()) if isinstance(name, str) else ()
        return tuple(headers(mirrored, params.get("arguments")))
