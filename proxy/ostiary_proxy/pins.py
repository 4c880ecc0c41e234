"""Which tools a server has by the newest word, and which of them may be shown and called.

`Book` is what is known of one server's tools, and the only thing here that changes; a look fills
it, and every list on its way to a caller is held against it.  A tool of which somebody has just
seen another form than the last look is in doubt, and so hidden and refused, until the next look.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ostiary_proxy.config import Effect, Pin, Server, ToolReport
from ostiary_proxy.message import Json, is_shallow
from ostiary_proxy.pin_shapes import approved
from ostiary_proxy.tool_digest import digest


class Book:
    """What is known of the tools of one backend."""

    def __init__(self) -> None:
        self.stamp = 0
        """Another number whenever something is known anew: decisions are kept by it."""
        self.looked = False
        self.whole = ""
        self.current: dict[str, frozenset[str]] = {}
        """By name, the digests of all forms that the tool has now: more than one for a name that
        is listed twice."""
        self.doubted: set[str] = set()
        self.hints: Mapping[str, tuple[Effect, ...]] = {}
        self.twins: Mapping[str, str] = {}
        self.on_news: Callable[[], None] = lambda: None
        """A list held what no look has found yet."""

    def saw(
        self,
        whole: str,
        tools: Iterable[ToolReport],
        *,
        hints: Mapping[str, tuple[Effect, ...]],
        twins: Mapping[str, str],
    ) -> None:
        """A look at the whole list."""
        current: dict[str, frozenset[str]] = {}
        for tool in tools:
            current[tool.name] = current.get(tool.name, frozenset()) | {tool.digest}
        known = (self.looked, self.whole, self.current, self.hints, self.doubted)
        if known != (True, whole, current, hints, set()):
            self.stamp += 1
        self.looked, self.whole, self.current = True, whole, current
        self.doubted, self.hints, self.twins = set(), hints, twins

    def doubt(self, name: str) -> None:
        if name not in self.doubted:
            self.doubted.add(name)
            self.stamp += 1

    def add(self, name: str, found: str) -> None:
        """An approved form that no look has found: some servers are only seen with a caller."""
        self.current[name] = self.current.get(name, frozenset()) | {found}
        self.stamp += 1


@dataclass(frozen=True, slots=True)
class Pinned:
    """One server's `spec.tools.pin`, and its tools."""

    mode: Literal["Off", "Warn", "Enforce"] = "Off"
    whole: str = ""
    approved: Mapping[str, frozenset[str]] = field(default_factory=dict)
    trusts: bool = False
    """The server's own annotations count."""
    book: Book = field(default_factory=Book, compare=False, repr=False)

    def admits(self, tool: str) -> bool:
        """May it exist for anybody, by the newest that is known of it?"""
        if self.mode != "Enforce":
            return True
        forms = self.book.current.get(tool)
        if not forms or tool in self.book.doubted:
            return False
        return self._whole_stands or forms <= self.approved.get(tool, frozenset())

    def hold(self, listed: Iterable[object]) -> None:
        """Note what a list on its way to a caller says of tools, before it is decided which of
        them the caller sees."""
        if self.mode == "Off":
            return
        news = False
        for item in listed:
            if isinstance(item, dict) and isinstance(item.get("name"), str):
                news |= self._note(item["name"], item)
        if news:
            self.book.on_news()

    def _note(self, name: str, item: Json) -> bool:
        known = self.book.current.get(name, frozenset())
        found = digest(item) if is_shallow(item) else ""
        if found in known or self.book.twins.get(found, "") in known:
            return False
        if found in self.approved.get(name, ()):
            # Approved, and yet no look's: another process, or another revision of the protocol.
            self.book.add(name, found)
        elif known or name in self.approved:
            # Any other name is hidden as it is, and there may be any number of them.
            self.book.doubt(name)
        return True

    def effects_of(self, tool: str) -> tuple[Effect, ...]:
        """By the server's own annotations, where they count."""
        counts = self.trusts or (self.mode == "Enforce" and self.admits(tool))
        return self.book.hints.get(tool, ()) if counts else ()

    @property
    def _whole_stands(self) -> bool:
        return bool(self.whole) and self.whole == self.book.whole


def pinned(server: Server, book: Book | None = None) -> Pinned:
    pin: Pin = server.tools.pin
    return Pinned(
        mode=pin.mode,
        whole=pin.digest,
        approved=approved(pin.tools),
        trusts=server.tools.trustAnnotations,
        book=book or Book(),
    )
