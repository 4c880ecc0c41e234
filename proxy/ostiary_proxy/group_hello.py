"""How a group introduces itself: what its members can do and say of themselves.  Pure.

It answers whatever its members do: a client that gets an error here takes us for something else,
and remembers it.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from ostiary_proxy import VERSION
from ostiary_proxy.discovery import carried
from ostiary_proxy.era import MODERN, SERVER_KEY
from ostiary_proxy.member_lists import MemberLists
from ostiary_proxy.message import Json, encode

SERVERS_KEY: Final = "ostiary.dev/servers"
"""In `_meta`: who each member says it is, for display."""
LONGEST_PART: Final = 4096
"""Characters of one member's instructions."""
LONGEST: Final = 16_384
"""Of all of them."""
LONGEST_WHO: Final = 4096
"""Bytes of what one member says of who it is; of more, its name and version are kept."""
LONGEST_WORD: Final = 128
_CUT: Final = " [...]"
_HEADING: Final = re.compile(r"^[ \t]{0,3}#{1,2}(?=[ \t])", re.MULTILINE)
"""As our own are, or above them."""
EXTENSIONS: Final = frozenset({"io.modelcontextprotocol/ui"})
"""Those whose methods and identifiers a group carries."""
Heard = tuple[str, MemberLists | None]
"""(alias, what it says; None: it was never heard of)."""


def hello(members: Sequence[Heard], *, group: str, sole: bool, modern: bool, version: str) -> Json:
    """The result of `initialize` or `server/discover`.  `group`: <namespace>/<name>; `sole`: the
    only member speaks for itself; `version`: as negotiated."""
    heard = [(alias, lists.hello) for alias, lists in members if lists is not None]
    if sole and heard:
        result = _alone(heard[0][1], group, modern=modern)
    else:
        result = _together(heard, group, modern=modern, whole=0 < len(heard) == len(members))
    if not modern:
        gone = ("resultType", "supportedVersions", "ttlMs", "cacheScope")
        bare = {key: value for key, value in result.items() if key not in gone}
        return {**bare, "protocolVersion": version}
    bare = {key: value for key, value in result.items() if key != "protocolVersion"}
    return {
        **bare,
        "resultType": "complete",
        "supportedVersions": list(MODERN),
        "ttlMs": 0,
        "cacheScope": "private",
    }


def _alone(said: Json, group: str, *, modern: bool) -> Json:
    """What it said to a client of the other era has who it is in another place."""
    offered = said.get("capabilities")
    kept = carried(offered if isinstance(offered, dict) else {})
    mine = {**_capabilities([kept], whole=True), "extensions": kept.get("extensions")}
    result = {**said, "capabilities": {**kept, **{key: it for key, it in mine.items() if it}}}
    who = _who(said) or {"name": group, "version": VERSION}
    meta = said.get("_meta")
    meta = meta if isinstance(meta, dict) else {}
    if modern:
        result.pop("serverInfo", None)
        return {**result, "_meta": {**meta, SERVER_KEY: who}}
    if SERVER_KEY in meta:
        result["_meta"] = {key: value for key, value in meta.items() if key != SERVER_KEY}
    return {**result, "serverInfo": who}


def _together(heard: Sequence[tuple[str, Json]], group: str, *, modern: bool, whole: bool) -> Json:
    info: Json = {"name": group, "title": group, "version": VERSION}
    meta: Json = {}
    servers = {alias: who for alias, said in heard if (who := _shortened(_who(said)))}
    if servers:
        meta[SERVERS_KEY] = servers
    offered = [said.get("capabilities") for _, said in heard]
    result: Json = {"capabilities": _capabilities(offered, whole=whole)}
    if modern:
        meta[SERVER_KEY] = info
    else:
        result["serverInfo"] = info
    if meta:
        result["_meta"] = meta
    instructions = _instructions(heard)
    return {**result, "instructions": instructions} if instructions else result


def _who(said: Json) -> Json:
    meta, info = said.get("_meta"), said.get("serverInfo")
    told = meta.get(SERVER_KEY) if isinstance(meta, dict) else None
    who = info if isinstance(info, dict) else told
    return who if isinstance(who, dict) else {}


def _shortened(who: Json) -> Json:
    if len(encode(who)) <= LONGEST_WHO:
        return who
    words = {key: who.get(key) for key in ("name", "title", "version")}
    return {key: word[:LONGEST_WORD] for key, word in words.items() if isinstance(word, str)}


def _capabilities(offered: Iterable[object], *, whole: bool) -> Json:
    """Their union.  We follow the members' lists ourselves, and tell of every change.  `whole`:
    nobody is missing; else there may be anything, and what is left out here no client asks for."""
    several = [one for one in offered if isinstance(one, dict)]
    found: Json = {
        kind: {"listChanged": True}
        for kind in ("tools", "prompts", "resources")
        if not whole or any(isinstance(one.get(kind), dict) for one in several)
    }
    resources = [one["resources"] for one in several if isinstance(one.get("resources"), dict)]
    if any(one.get("subscribe") is True for one in resources):
        found["resources"]["subscribe"] = True
    for plain in ("completions", "logging"):
        if any(plain in one for one in several):
            found[plain] = {}
    told = [one["extensions"] for one in several if isinstance(one.get("extensions"), dict)]
    extensions: Json = {name: {} for name in EXTENSIONS if any(name in one for one in told)}
    return {**found, "extensions": extensions} if extensions else found


def _instructions(heard: Sequence[tuple[str, Json]]) -> str:
    parts: list[str] = []
    left = LONGEST
    for alias, said in heard:
        told = said.get("instructions")
        if not isinstance(told, str) or not told.strip():
            continue
        head = f"## {alias}\n\n"
        # Nobody speaks under another's heading.
        part = head + _HEADING.sub("###", _clipped(told.strip(), LONGEST_PART))
        if left <= len(head) + len(_CUT):
            break
        part = _clipped(part, left)
        parts.append(part)
        left -= len(part) + 2
    return "\n\n".join(parts)


def _clipped(text: str, most: int) -> str:
    """Cut between words, where there are any."""
    if len(text) <= most:
        return text
    room = max(0, most - len(_CUT))
    kept = text[:room]
    words = kept.rsplit(None, 1)
    return (words[0] if len(words) == 2 and len(words[1]) < room / 2 else kept) + _CUT
