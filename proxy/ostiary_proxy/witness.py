"""What a remote server says of itself in its answers to clients, because nobody else asks it.

Nothing is sent: handshakes and lists of tools that pass by are read.  A list is only kept while
its answer passes, and studied by the look that it gives rise to.  No I/O.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final

from ostiary_proxy.era import LEGACY
from ostiary_proxy.message import Json, Message, decode_few
from ostiary_proxy.observe import Seen, introduced
from ostiary_proxy.tool_study import MOST_TOOLS, studied

WITNESSED: Final = frozenset({"initialize", "tools/list"})
LONGEST: Final = 4 * 1024 * 1024
"""A longer list passes by unread."""
OPEN_LISTS: Final = 16
"""Lists whose next page is still to come."""


class HandshakeRefusedError(Exception):
    """Of a client, by a server that speaks only modern revisions; nothing was answered yet."""


@dataclass(slots=True)
class Witness:
    """Of one server."""

    on_news: Callable[[], None]
    known: Seen = field(default_factory=lambda: Seen(proven=""))
    shakes: bool = True
    """No handshake was refused so far."""
    _listed: list[Json] | None = None
    """The newest whole list that was not studied yet."""
    _last: bytes = b""
    _pages: dict[str, list[Json]] = field(default_factory=dict)
    """What came so far, by the cursor of the next page."""

    def merged(self, eras: Seen) -> Seen:
        """`eras`: which revisions a look found."""
        newest = max(self.known.protocol, *eras.modern, "")
        return replace(
            self.known,
            # A guess until a client shook hands, and no longer one once that failed.
            legacy=LEGACY if self.shakes or not eras.modern else (),
            modern=eras.modern,
            name=self.known.name or eras.name,
            version=self.known.version or eras.version,
            about=self.known.about or eras.about,
            proven=newest,
        )

    def heard(self, message: Message, answer: bytes) -> None:
        """One message of the answer to one of `WITNESSED`."""
        if message.method == "initialize":
            self._answered(answer)
        if message.method != "tools/list" or len(answer) > LONGEST:
            return
        digest = sha256(answer).digest()
        if digest == self._last and not self._pages:
            return
        result = _result(answer)
        if result is not None:
            self._last = digest
            self._page(message.params.get("cursor"), result)

    def _answered(self, answer: bytes) -> None:
        """A handshake's answer, or a notification before it on a stream."""
        result = _result(answer)
        if result is not None:
            self.shook(result)
        elif b'"error"' in answer:
            self.refused()

    def refused(self) -> None:
        """A handshake was."""
        if self.shakes:
            self.shakes = False
            self.on_news()

    def shook(self, result: Json) -> None:
        version = result.get("protocolVersion")
        if version not in LEGACY:
            return
        who = introduced(result)
        self._know(
            replace(
                self.known,
                name=who.name,
                version=who.version,
                about=who.about,
                proven=max(self.known.protocol, str(version)),
            )
        )

    def _page(self, cursor: object, result: Json) -> None:
        listed = result.get("tools")
        if not isinstance(listed, list):
            return
        before = self._pages.pop(cursor, None) if isinstance(cursor, str) else []
        if before is None:
            return  # a page of a list whose beginning nobody saw
        tools = before + [tool for tool in listed if isinstance(tool, dict)]
        following = result.get("nextCursor")
        if isinstance(following, str) and len(tools) < MOST_TOOLS:
            if len(self._pages) >= OPEN_LISTS:
                self._pages.pop(next(iter(self._pages)))
            self._pages[following] = tools
            return
        self._listed = tools
        self.on_news()

    async def study(self) -> None:
        """What a whole list said, since the last time."""
        while self._listed is not None:
            tools, self._listed = self._listed, None
            study = await studied(tools)
            self.known = self.known.having(study)

    def _know(self, seen: Seen) -> None:
        if seen != self.known:
            self.known = seen
            self.on_news()


def _result(answer: bytes) -> Json | None:
    data = decode_few(answer)
    result = data.get("result") if isinstance(data, dict) else None
    return result if isinstance(result, dict) else None
