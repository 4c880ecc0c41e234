"""A group's items as they are listed: written once, whoever asks, and a bit for each of them for
each caller, by the same `decide_member` as a call.

Each member's list is written by itself, so that callers who see other members have their items in
common.  What is remembered never changes an answer.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, NamedTuple, TypeVar

from ostiary_proxy import group_outward
from ostiary_proxy.conditions import BUDGET, Budget
from ostiary_proxy.era import LISTS
from ostiary_proxy.group_names import GroupNames
from ostiary_proxy.member_lists import LARGEST, Item, MemberLists
from ostiary_proxy.message import encode
from ostiary_proxy.policy import Allow, Caller, Kind, Rules, Target, decide_member
from ostiary_proxy.rules import Group, Joined

A_TURN: Final = 1024 * 1024
"""Bytes that are written before others have their turn..."""
AN_ITEM: Final = 4096
"""...where each item counts for so many besides..."""
A_KEY: Final = 64
"""...and each of its keys: they are compared with one another."""
DECIDED: Final = 250
"""Items that are decided on before others have their turn."""
A_FEW: Final = 10
"""Members whose policies are read before others have their turn."""
REMEMBERED: Final = 4096
"""Lists of callers: one that was not asked for the longest goes."""
VARIANTS: Final = 4
"""Of one member's list at once: it may tell clients of one kind otherwise than another's."""
_ABOUT: Final = Target("protocol")
_Key = TypeVar("_Key", bytes, tuple[bytes | int, ...])
_KINDS: Final[dict[str, Kind]] = {"tool": "tool", "prompt": "prompt", "resource": "resource"}

State = Literal["Ready", "Stale", "Unhealthy", "Waiting"]
Listed = tuple[str, MemberLists | None, State]
"""(alias, what is known of it, how fresh that is)."""


class Shown(NamedTuple):
    """One item."""

    own: Item
    """As the member has it."""
    name: str
    """As the group's clients know it."""
    raw: bytes
    """As it is sent to them."""


@dataclass(frozen=True, slots=True)
class Part:
    """One member's list, for whomever."""

    alias: str
    source: tuple[Item, ...]
    items: tuple[Shown, ...]
    """Those of the source that the group shows."""
    number: int
    """No other part's of one memo."""

    @property
    def weight(self) -> int:
        return sum(item.weight for item in self.source)


@dataclass(slots=True)
class ListMemo:
    """What one way into a group remembers of its lists."""

    names: GroupNames | None = None
    """Those that the parts are written with."""
    parts: dict[tuple[str, str], list[Part]] = field(default_factory=dict)
    """By method and alias; the newest in use last."""
    rules: Rules | None = None
    """Those that the bits are of."""
    seen: dict[tuple[bytes | int, ...], int] = field(default_factory=dict)
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Many may come for a list that nobody has written yet."""
    admitted: dict[bytes, int] = field(default_factory=dict)
    """A bit for each member."""
    made: int = 0
    encodings: int = 0
    decisions: int = 0


async def written(
    method: str, lists: Sequence[Listed], names: GroupNames, memo: ListMemo
) -> list[Part]:
    """In the order of `lists`, less the empty ones."""
    if memo.names is not names:
        memo.names = names
        memo.parts.clear()
    sources = [(alias, known.items.get(method, ())) for alias, known, _ in lists if known]
    sources = [(alias, source) for alias, source in sources if source]
    found = [_kept(memo, method, alias, source) for alias, source in sources]
    parts = [part for part in found if part is not None]
    if len(parts) == len(found):
        return parts
    async with memo.writing:
        return [
            _kept(memo, method, alias, source) or await _write(memo, method, alias, source, names)
            for alias, source in sources
        ]


def _kept(memo: ListMemo, method: str, alias: str, source: tuple[Item, ...]) -> Part | None:
    several = memo.parts.get((method, alias), ())
    return next((part for part in several if part.source is source), None)


async def _write(
    memo: ListMemo, method: str, alias: str, source: tuple[Item, ...], names: GroupNames
) -> Part:
    named = LISTS[method][2]
    kept: dict[str, Shown] = {}
    spent = 0
    for item in source:
        # What is listed twice is one thing to whoever calls it, and has one place in a page.
        if item.name not in kept:
            shown = group_outward.item(method, item.data, alias, names)
            memo.encodings += 1
            if shown is not None:
                # A copy: the writer's own bytes hold some KiB more than they need.
                raw = bytes(memoryview(encode(shown)))
                kept[item.name] = Shown(item, shown[named], raw)
                spent += len(raw)
        spent += AN_ITEM + A_KEY * len(item.data)
        if spent >= A_TURN:
            spent = 0
            await asyncio.sleep(0)
    memo.made += 1
    part = Part(alias, source, tuple(kept.values()), memo.made)
    if memo.names is names:
        memo.parts.setdefault((method, alias), []).append(part)
        _forget(memo, alias)
    return part


def _forget(memo: ListMemo, alias: str) -> None:
    """What a member listed before goes, where that is too many lists or too much in them."""
    its = {key: several for key, several in memo.parts.items() if key[1] == alias}
    for key, several in its.items():
        memo.parts[key] = several[-VARIANTS:]
    oldest = sorted(
        (part for several in its.values() for part in several), key=lambda part: part.number
    )
    over = sum(part.weight for part in oldest) - LARGEST
    for part in oldest[:-1]:
        if over <= 0:
            break
        over -= part.weight
        for key in its:
            memo.parts[key] = [one for one in memo.parts[key] if one is not part]


async def admitted(caller: Caller, rules: Rules, memo: ListMemo) -> list[str]:
    """The members that admit this caller at all: of others nothing is said."""
    group = _group(rules, memo)
    kept = memo.admitted.pop(caller.key, None)
    if kept is None:
        kept = 0
        for number, joined in enumerate(group.members.values()):
            if number % A_FEW == A_FEW - 1:
                await asyncio.sleep(0)
            if isinstance(decide_member(_ABOUT, caller, _apart(joined)), Allow):
                kept |= 1 << number
    _remember(memo.admitted, caller.key, kept, rules, memo)
    return [alias for number, alias in enumerate(group.members) if kept >> number & 1]


async def visible(
    method: str, parts: Sequence[Part], caller: Caller, rules: Rules, memo: ListMemo
) -> int:
    """A bit for each item of all parts that this caller may see; the first item's is the lowest."""
    members = _group(rules, memo).members
    # By what is known of its tools a member's rules may decide otherwise.
    stamps = (members[one.alias].own.pinned.book.stamp for one in parts if one.alias in members)
    numbers = (part.number for part in parts)
    key: tuple[bytes | int, ...] = (caller.key, *numbers, *stamps)
    kept = memo.seen.pop(key, None)
    if kept is None:
        kept = await _decided(_KINDS[LISTS[method][1]], parts, caller, rules, memo)
    _remember(memo.seen, key, kept, rules, memo)
    return kept


def _group(rules: Rules, memo: ListMemo) -> Group:
    assert rules.group is not None
    if memo.rules is not rules:
        memo.rules = rules
        memo.seen.clear()
        memo.admitted.clear()
    return rules.group


def _remember(kept: dict[_Key, int], key: _Key, bits: int, rules: Rules, memo: ListMemo) -> None:
    """The newest in use last: dicts keep their order."""
    if memo.rules is not rules:
        return
    while len(kept) >= REMEMBERED:
        del kept[next(iter(kept))]
    kept[key] = bits


def _apart(joined: Joined) -> Joined:
    """The same rules, which remember nothing of this: what they remember is for calls, and a list
    of everything for each of many callers would fill it."""

    def fresh(rules: Rules) -> Rules:
        return replace(rules, selected={}, decided={})

    return Joined(fresh(joined.own), joined.ceiling and fresh(joined.ceiling))


async def _decided(
    kind: Kind, parts: Sequence[Part], caller: Caller, rules: Rules, memo: ListMemo
) -> int:
    members = _group(rules, memo).members
    flags = bytearray()
    spent = 0.0
    for part in parts:
        joined = _apart(members[part.alias]) if part.alias in members else None
        for item in part.items:
            budget = Budget()
            memo.decisions += 1
            may = joined is not None and isinstance(
                decide_member(Target(kind, item.own.name), caller, joined, budget), Allow
            )
            flags.append(0x31 if may else 0x30)
            spent += (BUDGET - budget.left) + BUDGET / DECIDED
            if spent >= BUDGET:
                spent = 0.0
                await asyncio.sleep(0)
    flags.reverse()
    return int(flags, 2) if flags else 0
