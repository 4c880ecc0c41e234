"""What one member has, as it says to a client of one revision with certain capabilities.

A member's word is a stranger's: pages are counted, items that could be read in two ways are left
out, and a long list is read in turns.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ostiary_proxy.annotations import flaw
from ostiary_proxy.discovery import carried
from ostiary_proxy.era import LEGACY, LISTS, MODERN
from ostiary_proxy.message import METHOD_NOT_FOUND, Json, is_shallow
from ostiary_proxy.observe import PAGES
from ostiary_proxy.twins import unclear_item

MOST_ITEMS: Final = 10_000
"""Of one list of one member."""
A_TURN: Final = 200
"""Items that are read before others have their turn."""
LONGEST_NAME: Final = 8192
"""Bytes, as of a URI (`era`); a longer one could not be asked for."""
CAPABILITIES: Final[Mapping[str, str]] = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resources",
}
"""List -> what its server declares."""


@dataclass(frozen=True, slots=True)
class Profile:
    """For whom a member's lists are."""

    version: str
    capabilities: bytes
    """Of the client, as JSON."""

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


@dataclass(frozen=True, slots=True)
class MemberLists:
    """All of it."""

    hello: Json = field(default_factory=dict)
    """The result of its handshake, or of `server/discover`."""
    items: Mapping[str, tuple[Item, ...]] = field(default_factory=dict)
    """By the method that lists them."""

    def names(self, method: str) -> tuple[str, ...]:
        return tuple(item.name for item in self.items.get(method, ()))


async def fetch(ask: Ask, profile: Profile) -> MemberLists:
    """Raises AskError."""
    hello = await ask(profile, "server/discover" if profile.modern else "initialize", {})
    offered = hello.get("capabilities")
    offered = carried(offered) if isinstance(offered, dict) else {}
    items = {
        method: await _listed(ask, profile, method)
        for method, capability in CAPABILITIES.items()
        if capability in offered
    }
    return MemberLists({**hello, "capabilities": offered}, items)


async def _listed(ask: Ask, profile: Profile, method: str) -> tuple[Item, ...]:
    key, _, named = LISTS[method]
    found: list[Item] = []
    params: Json = {}
    seen: set[str] = set()
    for _ in range(PAGES):
        try:
            result = await ask(profile, method, params)
        except AskError as err:
            if err.code == METHOD_NOT_FOUND and not found:
                return ()
            raise
        page = result.get(key)
        if not isinstance(page, list) or len(found) + len(page) > MOST_ITEMS:
            why = f"Its answer to {method} holds no list, or one of more than {MOST_ITEMS} items."
            raise AskError("NotMCP", why)
        found += await _read(page, profile, method, named)
        cursor = result.get("nextCursor")
        if not isinstance(cursor, str):
            return tuple(found)
        if cursor in seen:
            raise AskError("NotMCP", f"The pages of its {method} lead back to one another.")
        seen.add(cursor)
        params = {"cursor": cursor}
    raise AskError("NotMCP", f"Its {method} has more than {PAGES} pages.")


async def _read(page: list[object], profile: Profile, method: str, named: str) -> list[Item]:
    found: list[Item] = []
    for number, item in enumerate(page):
        if number % A_TURN == A_TURN - 1:
            await asyncio.sleep(0)
        if not isinstance(item, dict) or not is_shallow(item) or unclear_item(item, named):
            continue
        name = item.get(named)
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
            continue
        if method != "tools/list":
            found.append(Item(name, item))
        elif not (profile.modern and flaw(item.get("inputSchema"))):
            found.append(Item(name, _without_tasks(item)))
    return found


def _without_tasks(tool: Json) -> Json:
    """What a tool says of tasks: they are not carried through a group."""
    execution = tool.get("execution")
    if not isinstance(execution, dict) or "taskSupport" not in execution:
        return tool
    rest = {key: value for key, value in execution.items() if key != "taskSupport"}
    bare = {key: value for key, value in tool.items() if key != "execution"}
    return {**bare, "execution": rest} if rest else bare
