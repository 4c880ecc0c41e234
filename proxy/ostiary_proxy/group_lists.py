"""A group's lists: all that its members have, as one caller may see it, a page at a time.

Each item is written once, whoever asks; who may see it is decided by the same `decide_member` as a
call, and kept for a caller as one bit.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Literal

import orjson

from ostiary_proxy import group_outward
from ostiary_proxy.era import LISTS
from ostiary_proxy.group_names import GroupNames
from ostiary_proxy.group_shapes import GroupBackend
from ostiary_proxy.member_lists import MemberLists, Profile
from ostiary_proxy.message import INTERNAL_ERROR, INVALID_PARAMS, Json, decode, encode
from ostiary_proxy.policy import Allow, Caller, Kind, Rules, Target, decide_member

PAGE: Final = 1000
"""Items in one answer."""
A_TURN: Final = 250
"""Items that are written or decided on before others have their turn."""
REMEMBERED: Final = 2048
"""Callers whose rights to the items of one list are kept: a bit for each item."""
WRITTEN: Final = 64
"""Lists that are kept as they are written: one for each method and kind of client."""
MEMBERS_KEY: Final = "ostiary.dev/members"
"""In `_meta` of a list: which members have less in it than they should, and why."""
_KINDS: Final[dict[str, Kind]] = {"tool": "tool", "prompt": "prompt", "resource": "resource"}

State = Literal["Ready", "Stale", "Unhealthy", "Waiting"]
Listed = tuple[str, MemberLists | None, State]
"""(alias, what is known of it, how fresh that is)."""


class ListError(Exception):
    """There is no such list."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True, slots=True)
class Written:
    """One list of the whole group, for whomever."""

    places: tuple[tuple[str, str], ...]
    """Of each item: the alias, and the member's own name."""
    items: tuple[orjson.Fragment, ...]
    number: int
    """No other's of one memo."""


@dataclass(slots=True)
class ListMemo:
    """What one way into a group remembers of its lists."""

    written: dict[tuple[object, ...], Written] = field(default_factory=dict)
    seen: dict[tuple[object, ...], int] = field(default_factory=dict)
    """A bit for each item."""
    rules: Rules | None = None
    """Those by which it was seen."""
    made: int = 0
    encodings: int = 0
    decisions: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """For whom, and by what."""

    method: str
    caller: Caller
    rules: Rules
    names: GroupNames
    group: GroupBackend
    profile: Profile
    stamp: int
    """Another one whenever anything is listed otherwise."""
    seal: Callable[[bytes], str]
    unseal: Callable[[str], bytes | None]


async def page(asked: Asked, params: Json, lists: Sequence[Listed], memo: ListMemo) -> bytes:
    """The result, as JSON.  Raises ListError."""
    _check_whole(asked, lists)
    after = _position(asked, params)
    written = await _written(asked, lists, memo)
    bits = await _visible(asked, written, memo)
    start = 0 if after is None else _resumed(written, lists, after)
    indices, more = _some(bits, start, len(written.items))
    key = LISTS[asked.method][0]
    result: Json = {key: [written.items[index] for index in indices]}
    if more:
        result["nextCursor"] = _cursor(asked, written, indices[-1])
    states = {alias: state for alias, _, state in lists if state != "Ready"}
    if states:
        result["_meta"] = {MEMBERS_KEY: states}
    if asked.profile.modern:
        result |= {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    return orjson.dumps(result)


def _check_whole(asked: Asked, lists: Sequence[Listed]) -> None:
    lacking = [alias for alias, _, state in lists if state != "Ready"]
    if lacking and asked.group.onMemberFailure == "Fail":
        why = f"{', '.join(lacking[:5])} cannot list what it has, and this group lists all or none."
        raise ListError(INTERNAL_ERROR, why)


def _some(bits: int, start: int, count: int) -> tuple[list[int], bool]:
    """The places of one page's items from there on, and whether there are any after them."""
    found: list[int] = []
    flags = bin(bits >> start)[:1:-1]  # the lowest bit first
    index = flags.find("1")
    while 0 <= index < count - start:
        if len(found) == PAGE:
            return found, True
        found.append(start + index)
        index = flags.find("1", index + 1)
    return found, False


async def _written(asked: Asked, lists: Sequence[Listed], memo: ListMemo) -> Written:
    aliases = tuple(alias for alias, _, _ in lists)
    key = (asked.method, asked.profile, aliases)
    kept = memo.written.get((asked.stamp, *key))
    if kept is not None:
        return kept
    places: list[tuple[str, str]] = []
    items: list[orjson.Fragment] = []
    for alias, known, _ in lists:
        for item in () if known is None else known.items.get(asked.method, ()):
            if memo.encodings % A_TURN == A_TURN - 1:
                await asyncio.sleep(0)
            memo.encodings += 1
            shown = group_outward.item(asked.method, item.data, alias, asked.names)
            if shown is not None:
                places.append((alias, item.name))
                items.append(orjson.Fragment(encode(shown)))
    for old in [one for one in memo.written if one[0] != asked.stamp]:
        memo.written.pop(old, None)
    while len(memo.written) >= WRITTEN:
        del memo.written[next(iter(memo.written))]
    memo.made += 1
    made = memo.written[(asked.stamp, *key)] = Written(tuple(places), tuple(items), memo.made)
    return made


async def _visible(asked: Asked, written: Written, memo: ListMemo) -> int:
    """A bit for each item that this caller may see."""
    if memo.rules is not asked.rules:
        memo.rules = asked.rules
        memo.seen.clear()
    key = (asked.caller.key, written.number)
    kept = memo.seen.get(key)
    if kept is not None:
        return kept
    group = asked.rules.group
    assert group is not None
    kind = _KINDS[LISTS[asked.method][1]]
    flags = bytearray(b"0" * len(written.places))
    for index, (alias, name) in enumerate(written.places):
        if index % A_TURN == A_TURN - 1:
            await asyncio.sleep(0)
        joined = group.members.get(alias)
        memo.decisions += 1
        if joined is not None and isinstance(
            decide_member(Target(kind, name), asked.caller, joined), Allow
        ):
            flags[index] = 0x31
    flags.reverse()
    bits = int(flags, 2) if flags else 0
    while len(memo.seen) >= REMEMBERED:
        del memo.seen[next(iter(memo.seen))]
    if memo.rules is asked.rules:
        memo.seen[key] = bits
    return bits


# where a page ends


def _cursor(asked: Asked, written: Written, index: int) -> str:
    """After that item; good for this caller and this list alone."""
    alias, name = written.places[index]
    first = next(at for at, (one, _) in enumerate(written.places) if one == alias)
    body = {
        "m": asked.method,
        "p": asked.caller.digest.hex(),
        "a": alias,
        "i": index - first,
        "n": _mark(name),
    }
    return asked.seal(encode(body))


def _mark(name: str) -> str:
    return sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _position(asked: Asked, params: Json) -> Json | None:
    if "cursor" not in params:
        return None
    cursor = params["cursor"]
    payload = asked.unseal(cursor) if isinstance(cursor, str) else None
    data = decode(payload) if payload is not None else None
    mine = asked.caller.digest.hex()
    if not isinstance(data, dict) or data.get("m") != asked.method or data.get("p") != mine:
        why = "params.cursor is none of this list's for this caller: list again without one."
        raise ListError(INVALID_PARAMS, why)
    return data


def _resumed(written: Written, lists: Sequence[Listed], after: Json) -> int:
    """Where to go on, whatever has come and gone meanwhile.  Where the item itself has gone, its
    place in its member's list is taken up."""
    alias, mark, ordinal = after["a"], after["n"], int(after["i"])
    own = [index for index, (one, _) in enumerate(written.places) if one == alias]
    for index in own:
        if _mark(written.places[index][1]) == mark:
            return index + 1
    if own:
        return min(own[0] + ordinal, own[-1] + 1)
    order = [one for one, _, _ in lists]
    later = set(order[order.index(alias) + 1 :]) if alias in order else set()
    left = (index for index, (one, _) in enumerate(written.places) if one in later)
    return next(left, len(written.places))
