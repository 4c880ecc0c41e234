"""How a group introduces itself: what its members can do and say of themselves.  Pure.

It answers whatever its members do: a client that gets an error here takes us for something else,
and remembers it.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from ostiary_proxy import VERSION
from ostiary_proxy.discovery import carried
from ostiary_proxy.era import MODERN, SERVER_KEY
from ostiary_proxy.member_lists import MemberLists
from ostiary_proxy.message import Json

SERVERS_KEY: Final = "ostiary.dev/servers"
"""In `_meta`: who each member says it is, for display."""
LONGEST_PART: Final = 4096
"""Characters of one member's instructions."""
LONGEST: Final = 16_384
"""Of all of them."""
EXTENSIONS: Final = frozenset({"io.modelcontextprotocol/ui"})
"""Those whose methods and identifiers a group carries."""
Heard = tuple[str, MemberLists | None]
"""(alias, what it says; None: it was never heard of)."""


def hello(members: Sequence[Heard], *, group: str, sole: bool, modern: bool, version: str) -> Json:
    """The result of `initialize` or `server/discover`.  `group`: <namespace>/<name>; `sole`: the
    only member speaks for itself; `version`: as negotiated."""
    heard = [(alias, lists.hello) for alias, lists in members if lists is not None]
    alone = sole and bool(heard)
    result = _alone(heard[0][1]) if alone else _together(heard, group, modern=modern)
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


def _alone(said: Json) -> Json:
    offered = said.get("capabilities")
    mine = _capabilities([offered if isinstance(offered, dict) else {}])
    kept = offered if isinstance(offered, dict) else {}
    return {**said, "capabilities": {**carried(kept), **mine}}


def _together(heard: Sequence[tuple[str, Json]], group: str, *, modern: bool) -> Json:
    info: Json = {"name": group, "title": group, "version": VERSION}
    meta: Json = {}
    servers = {alias: who for alias, said in heard if (who := _who(said))}
    if servers:
        meta[SERVERS_KEY] = servers
    result: Json = {"capabilities": _capabilities([said.get("capabilities") for _, said in heard])}
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


def _capabilities(offered: Iterable[object]) -> Json:
    """Their union.  We follow the members' lists ourselves, and tell of every change."""
    several = [one for one in offered if isinstance(one, dict)]
    if not several:
        every = ("tools", "prompts", "resources")
        return {kind: {"listChanged": True} for kind in every}
    found: Json = {
        kind: {"listChanged": True}
        for kind in ("tools", "prompts")
        if any(kind in one for one in several)
    }
    resources = [one["resources"] for one in several if isinstance(one.get("resources"), dict)]
    if resources:
        found["resources"] = {"listChanged": True}
        if any(one.get("subscribe") is True for one in resources):
            found["resources"]["subscribe"] = True
    for plain in ("completions", "logging"):
        if any(plain in one for one in several):
            found[plain] = {}
    extensions: Json = {}
    for one in several:
        told = one.get("extensions")
        if isinstance(told, dict):
            extensions |= {name: told[name] for name in EXTENSIONS & told.keys()}
    return {**found, "extensions": extensions} if extensions else found


def _instructions(heard: Sequence[tuple[str, Json]]) -> str:
    parts = [
        f"## {alias}\n\n{told[:LONGEST_PART].strip()}"
        for alias, said in heard
        if isinstance(told := said.get("instructions"), str) and told.strip()
    ]
    whole, size = [], 0
    for part in parts:
        size += len(part) + 2
        if size > LONGEST:
            break
        whole.append(part)
    return "\n\n".join(whole)
