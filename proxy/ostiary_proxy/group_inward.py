"""Which member of a group a client's request is for, and how that member has it.  Pure.

Only the places that name a tool, a prompt or a resource are rewritten (protocol.md 47); arguments
and whatever else a request holds are the member's to read.  Nothing is changed in place, and what
needs no change is the very object that came: then the bytes that came may be sent on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from ostiary_proxy.group_names import GroupNames
from ostiary_proxy.message import Json

Named = Literal["tool", "prompt", "resource"]

SUBSCRIPTIONS: Final = "resourceSubscriptions"

_PLACES: Final[Mapping[str, tuple[Named, str]]] = {
    "tools/call": ("tool", "name"),
    "prompts/get": ("prompt", "name"),
    "resources/read": ("resource", "uri"),
    "resources/subscribe": ("resource", "uri"),
    "resources/unsubscribe": ("resource", "uri"),
}
_REFERENCES: Final[Mapping[str, tuple[Named, str]]] = {
    "ref/prompt": ("prompt", "name"),
    "ref/resource": ("resource", "uri"),
}


@dataclass(frozen=True, slots=True)
class Routed:
    """For this member alone."""

    alias: str
    params: Json
    kind: Named
    name: str
    """Or URI; the member's own, as a mirrored header has to say it."""


@dataclass(frozen=True, slots=True)
class Nobodys:
    """It names something that no member has."""

    kind: Named
    name: str
    """As the client has it; empty where it is not even text."""


@dataclass(frozen=True, slots=True)
class Unaddressed:
    """Its method names no member's thing."""


def route(method: str, params: Json, names: GroupNames) -> Routed | Nobodys | Unaddressed:
    if method == "completion/complete":
        return _completed(params, names)
    place = _PLACES.get(method)
    if place is None:
        return Unaddressed()
    return _found(*place, params, names)


def _completed(params: Json, names: GroupNames) -> Routed | Nobodys | Unaddressed:
    ref = params.get("ref")
    about = ref.get("type") if isinstance(ref, dict) else None
    place = _REFERENCES.get(about) if isinstance(about, str) else None
    if place is None or not isinstance(ref, dict):
        return Unaddressed()
    found = _found(*place, ref, names)
    if isinstance(found, Nobodys):
        return found
    changed = params if found.params is ref else {**params, "ref": found.params}
    return Routed(found.alias, changed, found.kind, found.name)


def _found(kind: Named, key: str, holder: Json, names: GroupNames) -> Routed | Nobodys:
    shown = holder.get(key)
    if not isinstance(shown, str):
        return Nobodys(kind, "")
    owned = names.place(kind, shown)
    if owned is None:
        return Nobodys(kind, shown)
    changed = holder if owned.name == shown else {**holder, key: owned.name}
    return Routed(owned.alias, changed, kind, owned.name)


@dataclass(frozen=True, slots=True)
class Followed:
    """The resources that a listening client wants to hear of."""

    by_alias: Mapping[str, tuple[str, ...]]
    """Under the members' own names for them, in the order in which they were asked for."""
    nobodys: tuple[str, ...]


def followed(params: Json, names: GroupNames) -> Followed:
    """Of a `subscriptions/listen`."""
    wanted = params.get("notifications")
    uris = wanted.get(SUBSCRIPTIONS) if isinstance(wanted, dict) else None
    by_alias: dict[str, dict[str, None]] = {}
    nobodys: dict[str, None] = {}
    for uri in uris if isinstance(uris, list) else ():
        if not isinstance(uri, str):
            continue
        owned = names.place("resource", uri)
        if owned is None:
            nobodys[uri] = None
        else:
            by_alias.setdefault(owned.alias, {})[owned.name] = None
    return Followed({alias: tuple(own) for alias, own in by_alias.items()}, tuple(nobodys))


def listen(params: Json, uris: tuple[str, ...]) -> Json:
    """The params of a `subscriptions/listen` for a member of which these resources are followed:
    the kinds of changes are for all members."""
    wanted = params.get("notifications")
    if not isinstance(wanted, dict) or wanted.get(SUBSCRIPTIONS, []) == list(uris):
        return params
    others = {key: value for key, value in wanted.items() if key != SUBSCRIPTIONS}
    own = {SUBSCRIPTIONS: list(uris)} if uris else {}
    return {**params, "notifications": {**others, **own}}
