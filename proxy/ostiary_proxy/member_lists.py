"""What one member has, as it says to a client of one revision with certain capabilities.

A member's word is a stranger's: pages are counted, items that could be read in two ways are left
out, and a long list is read in turns.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ostiary_proxy.annotations import KEY, flaw
from ostiary_proxy.discovery import carried
from ostiary_proxy.era import LEGACY, LISTS, LONGEST_NAME, LONGEST_URI, MODERN
from ostiary_proxy.message import METHOD_NOT_FOUND, Json, encode, is_shallow
from ostiary_proxy.observe import PAGES
from ostiary_proxy.tool_digest import canonical
from ostiary_proxy.twins import unclear_item

MOST_ITEMS: Final = 10_000
"""Of one list of one member."""
LARGEST: Final = 40 * 1024 * 1024
"""Bytes of memory, as `weight` has them, for the lists of one member that are kept, whatever it
says to each kind of client, and again for those that are being read: a gateway has 256 MiB by
default, and one member must not take them from all others."""
A_VALUE: Final = 64
"""Bytes of memory that a value takes beside its text."""
A_TURN: Final = 1024 * 1024
"""Bytes of items that are read before others have their turn..."""
AN_ITEM: Final = 4096
"""...where each counts for so many besides..."""
A_KEY: Final = 64
"""...and each of its keys: they are compared with one another."""
LONGEST: Final[Mapping[str, int]] = {
    "name": LONGEST_NAME,
    "uri": LONGEST_URI,
    "uriTemplate": LONGEST_URI,
}
"""Characters; what has a longer one could not be asked for."""
_ANNOTATION: Final = KEY.encode()
CAPABILITIES: Final[Mapping[str, str]] = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resources",
}
"""List -> what its server declares."""


_UI: Final = "io.modelcontextprotocol/ui"
_APP: Final = "text/html;profile=mcp-app"
_MATTERS: Final[Mapping[str, tuple[str, ...]]] = {
    "elicitation": ("form", "url"),
    "roots": (),
    "sampling": ("context", "tools"),
}


@dataclass(frozen=True, slots=True)
class Profile:
    """For whom a member's lists are."""

    version: str
    capabilities: bytes
    """Of the client, as canonical JSON."""

    @classmethod
    def of(cls, version: str, capabilities: Json) -> "Profile":
        """Of what a client says it can, that which servers are known to list by.  The rest is any
        caller's to make up, and each kind of client costs every member a walk of its lists."""
        kept: Json = {
            name: {key: {} for key in parts if isinstance(told, dict) and key in told}
            for name, parts in _MATTERS.items()
            if (told := capabilities.get(name)) is not None
        }
        extensions = capabilities.get("extensions")
        if isinstance(extensions, dict) and isinstance(told := extensions.get(_UI), dict):
            shows = told.get("mimeTypes")
            shown = isinstance(shows, list) and _APP in shows
            kept["extensions"] = {_UI: {"mimeTypes": [_APP]} if shown else {}}
        return cls(version, canonical(kept))

    @property
    def modern(self) -> bool:
        return self.version not in LEGACY


BASE: Final = Profile(MODERN[-1], b"{}")
"""Asked for whether somebody comes with it or not."""


class AskError(Exception):
    """A member could not be asked, or refused."""

    def __init__(self, reason: str, message: str, *, code: object = None) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message
        self.code = code
        """Of the JSON-RPC error that it answered, if it did."""


Ask = Callable[[Profile, str, Json], Awaitable[Json]]
"""(for whom, method, params) -> the result.  Raises AskError."""


@dataclass(frozen=True, slots=True)
class Item:
    name: str
    """The member's own: a name, a URI or a template of URIs."""
    data: Json
    weight: int = field(default=0, compare=False)


@dataclass(slots=True)
class Room:
    """What is being read of one member just now, by however many at once."""

    taken: int = 0


def weight(raw: bytes) -> int:
    """About the bytes of memory that a value takes, read and written again: seldom less, and in
    `{"a":1}` and the like as much.  `raw`: its JSON."""
    values = raw.count(b",") + raw.count(b":") + raw.count(b"[") + raw.count(b"{")
    return 2 * len(raw) + A_VALUE * values


@dataclass(frozen=True, slots=True)
class MemberLists:
    """All of it."""

    hello: Json = field(default_factory=dict)
    """The result of its handshake, or of `server/discover`."""
    items: Mapping[str, tuple[Item, ...]] = field(default_factory=dict)
    """By the method that lists them."""

    weight: int = field(default=0, compare=False)
    """Of the handshake; the items have their own."""

    def names(self, method: str) -> tuple[str, ...]:
        return tuple(item.name for item in self.items.get(method, ()))


def weight_of(kept: Iterable[MemberLists]) -> int:
    """Together; lists that they have in common count once."""
    handshakes, items = 0, dict[int, tuple[Item, ...]]()
    for one in kept:
        handshakes += one.weight
        items |= {id(listed): listed for listed in one.items.values()}
    return handshakes + sum(item.weight for listed in items.values() for item in listed)


async def fetch(ask: Ask, profile: Profile, room: Room | None = None) -> MemberLists:
    """`room`: shared by all that are read at once.  Raises AskError."""
    walk = _Walk(ask, profile, room or Room())
    try:
        return await walk.all()
    finally:
        walk.close()


class _Walk:
    """Through all lists of one member."""

    def __init__(self, ask: Ask, profile: Profile, room: Room) -> None:
        self._ask, self._profile, self._room = ask, profile, room
        self._size = 0
        self._spent = 0

    def close(self) -> None:
        self._room.taken -= self._size

    async def all(self) -> MemberLists:
        handshake = "server/discover" if self._profile.modern else "initialize"
        hello = await self._ask(self._profile, handshake, {})
        offered = hello.get("capabilities")
        offered = carried(offered) if isinstance(offered, dict) else {}
        hello = {**hello, "capabilities": offered}
        self._take(weight(encode(hello)))
        size = self._size
        items = {
            method: await self._listed(method)
            for method, capability in CAPABILITIES.items()
            if capability in offered
        }
        return MemberLists(hello, items, size)

    def _take(self, size: int) -> None:
        self._size += size
        self._room.taken += size
        if self._room.taken > LARGEST:
            why = f"Its lists take more than {LARGEST // 2**20} MiB of memory."
            raise AskError("TooLarge", why)

    async def _listed(self, method: str) -> tuple[Item, ...]:
        found: list[Item] = []
        count, params = 0, Json()
        seen: set[str] = set()
        for number in range(PAGES):
            try:
                result = await self._ask(self._profile, method, params)
            except AskError as err:
                if err.code == METHOD_NOT_FOUND and number == 0:
                    return ()
                raise
            page = result.get(LISTS[method][0])
            if not isinstance(page, list):
                raise AskError("NotMCP", f"Its answer to {method} holds no list.")
            count += len(page)
            if count > MOST_ITEMS:
                raise AskError("TooLarge", f"Its {method} has more than {MOST_ITEMS} items.")
            found += [item async for item in self._read(page, method)]
            cursor = result.get("nextCursor")
            if not isinstance(cursor, str):
                return tuple(found)
            if cursor in seen:
                raise AskError("NotMCP", f"The pages of its {method} lead back to one another.")
            seen.add(cursor)
            params = {"cursor": cursor}
        raise AskError("TooLarge", f"Its {method} has more than {PAGES} pages.")

    async def _read(self, page: list[object], method: str) -> AsyncIterator[Item]:
        named = LISTS[method][2]
        for item in page:
            self._spent += AN_ITEM
            if isinstance(item, dict) and is_shallow(item):
                read = self._item(item, method, named)
                if read is not None:
                    yield read
            if self._spent >= A_TURN:
                self._spent = 0
                await asyncio.sleep(0)

    def _item(self, item: Json, method: str, named: str) -> Item | None:
        """None: it is left out."""
        raw = encode(item)
        size = weight(raw)
        self._take(size)
        self._spent += len(raw) + A_KEY * len(item)
        name = item.get(named)
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST[named]:
            return None
        if unclear_item(item, named):
            return None
        if method != "tools/list":
            return Item(name, item, size)
        if self._profile.modern and _ANNOTATION in raw:
            # To read annotations may take a turn by itself.
            self._spent += A_TURN
            if flaw(item.get("inputSchema")):
                return None
        return Item(name, _without_tasks(item), size)


def _without_tasks(tool: Json) -> Json:
    """What a tool says of tasks: they are not carried through a group."""
    execution = tool.get("execution")
    if not isinstance(execution, dict) or "taskSupport" not in execution:
        return tool
    rest = {key: value for key, value in execution.items() if key != "taskSupport"}
    bare = {key: value for key, value in tool.items() if key != "execution"}
    return {**bare, "execution": rest} if rest else bare
