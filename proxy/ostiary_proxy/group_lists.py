"""A group's lists: all that its members have, as one caller may see it, a page at a time.

A cursor is of one caller and one list.  It names the item that it stands after, and some around it,
so that a list goes on where it was whatever came and went meanwhile.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import orjson

from ostiary_proxy.era import LISTS
from ostiary_proxy.group_items import Listed as Listed
from ostiary_proxy.group_items import ListMemo as ListMemo
from ostiary_proxy.group_items import Part, Shown, visible, written
from ostiary_proxy.group_items import State as State
from ostiary_proxy.group_names import GroupNames
from ostiary_proxy.group_shapes import GroupBackend
from ostiary_proxy.member_lists import Profile
from ostiary_proxy.message import INTERNAL_ERROR, INVALID_PARAMS, Json, decode, encode
from ostiary_proxy.policy import Caller, Rules

PAGE: Final = 1000
"""Items in one answer."""
AROUND: Final = 8
"""Items, on either side of its own, and members after its own, that a cursor knows again."""
MEMBERS_KEY: Final = "ostiary.dev/members"
"""In `_meta` of a list: which members have less in it than they should, and why."""
_ANOTHERS: Final = "params.cursor is none of this list's for this caller: list again without one."
_LOST: Final = "The list has changed too much to go on with: list again without a cursor."


class ListError(Exception):
    """There is no such list."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True, slots=True)
class Asked:
    """For whom, and by what."""

    method: str
    caller: Caller
    rules: Rules
    names: GroupNames
    group: GroupBackend
    profile: Profile
    seal: Callable[[bytes], str]
    unseal: Callable[[str], bytes | None]


async def page(asked: Asked, params: Json, lists: Sequence[Listed], memo: ListMemo) -> bytes:
    """The result, as JSON.  Raises ListError."""
    after = _position(asked, params)
    parts, bits = await _whole(asked, lists, memo)
    start = 0 if after is None else _resumed(asked, parts, after)
    items = [item for part in parts for item in part.items]
    indices, more = _some(bits, start, PAGE)
    result: Json = {
        LISTS[asked.method][0]: [orjson.Fragment(items[index].raw) for index in indices]
    }
    if more:
        result["nextCursor"] = _cursor(asked, parts, indices[-1])
    states = {alias: state for alias, _, state in lists if state != "Ready"}
    if states:
        result["_meta"] = {MEMBERS_KEY: states}
    if asked.profile.modern:
        result |= {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    return orjson.dumps(result)


async def allowed(asked: Asked, lists: Sequence[Listed], memo: ListMemo) -> list[Shown]:
    """All items that this caller may see.  Raises ListError."""
    parts, bits = await _whole(asked, lists, memo)
    items = [item for part in parts for item in part.items]
    indices, _ = _some(bits, 0, len(items))
    return [items[index] for index in indices]


async def _whole(asked: Asked, lists: Sequence[Listed], memo: ListMemo) -> tuple[list[Part], int]:
    """Everybody's, and a bit for each item that this caller may see."""
    lacking = [alias for alias, _, state in lists if state != "Ready"]
    if lacking and asked.group.onMemberFailure == "Fail":
        why = f"{', '.join(lacking[:5])} cannot list what it has, and this group lists all or none."
        raise ListError(INTERNAL_ERROR, why)
    parts = await written(asked.method, lists, asked.names, memo)
    return parts, await visible(asked.method, parts, asked.caller, asked.rules, memo)


def _some(bits: int, start: int, most: int) -> tuple[list[int], bool]:
    """The places of one page's items from there on, and whether there are any after them."""
    found: list[int] = []
    flags = bin(bits >> start)[:1:-1]  # the lowest bit first
    index = flags.find("1")
    while index >= 0:
        if len(found) == most:
            return found, True
        found.append(start + index)
        index = flags.find("1", index + 1)
    return found, False


# where a page ends


def _cursor(asked: Asked, parts: Sequence[Part], index: int) -> str:
    """After that item; good for this caller and this list alone."""
    part, own = _at(parts, index)
    names = [item.own.name for item in part.items]
    order = [member.alias for member in asked.group.members]
    later = order[order.index(part.alias) + 1 :] if part.alias in order else []
    body = {
        "m": asked.method,
        "p": asked.caller.digest.hex(),
        "a": part.alias,
        "i": own,
        "b": [_mark(name) for name in names[max(0, own - AROUND) : own + 1]],
        "n": [_mark(name) for name in names[own + 1 : own + 1 + AROUND]],
        "l": [_mark(alias) for alias in later[:AROUND]],
    }
    return asked.seal(encode(body))


def _at(parts: Sequence[Part], index: int) -> tuple[Part, int]:
    for part in parts:
        if index < len(part.items):
            return part, index
        index -= len(part.items)
    raise IndexError(index)


def _mark(name: str) -> str:
    return sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _position(asked: Asked, params: Json) -> Json | None:
    if "cursor" not in params:
        return None
    cursor = params["cursor"]
    payload = asked.unseal(cursor) if isinstance(cursor, str) else None
    data = decode(payload) if payload is not None else None
    mine = asked.caller.digest.hex()
    if not isinstance(data, dict) or data.get("m") != asked.method or data.get("p") != mine:
        raise ListError(INVALID_PARAMS, _ANOTHERS)
    return data


def _resumed(asked: Asked, parts: Sequence[Part], after: Json) -> int:
    """The place of the item to go on with.  Raises ListError."""
    starts = dict(_starts(parts))
    alias, end = after["a"], sum(len(part.items) for part in parts)
    if alias in starts:
        own = next(part for part in parts if part.alias == alias)
        return starts[alias] + _following([item.own.name for item in own.items], after)
    order = [member.alias for member in asked.group.members]
    if alias in order:
        later = order[order.index(alias) + 1 :]
    elif not after["l"]:
        return end
    else:
        marks = {_mark(one): number for number, one in reversed(list(enumerate(order)))}
        known = next((marks[mark] for mark in after["l"] if mark in marks), None)
        if known is None:
            raise ListError(INVALID_PARAMS, _LOST)
        later = order[known:]
    return next((starts[one] for one in later if one in starts), end)


def _starts(parts: Sequence[Part]) -> Iterator[tuple[str, int]]:
    index = 0
    for part in parts:
        yield part.alias, index
        index += len(part.items)


def _following(names: Sequence[str], after: Json) -> int:
    """Of one member's own items: the one after that of the cursor, or where that would be."""
    place: int = after["i"]
    before, following = after["b"], after["n"]
    if place < len(names) and _mark(names[place]) == before[-1]:
        return place + 1
    found = {_mark(name): index for index, name in reversed(list(enumerate(names)))}
    for mark in reversed(before):
        if mark in found:
            return found[mark] + 1
    for mark in following:
        if mark in found:
            return found[mark]
    return min(place, len(names))
