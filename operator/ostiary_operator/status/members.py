"""How each member of a group stands: what both sides agreed on, and what the gateway's proxies saw.

A member is Ready as soon as one pod of the gateway has it: one that cannot reach it is said in the
message.  Pure.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ostiary_operator.render.memberships import Membership
from ostiary_proxy.config import MemberReport

from .conditions import in_one_line
from .scene import GroupScene

MAX_MEMBERS: Final = 512
"""Listed; `servers` always tells of all."""
MESSAGE_LENGTH: Final = 1024
_MOST_SAID: Final = 8
"""Names of tools in a message."""
_NOT_HEARD: Final = "no gateway pod has heard of it yet"


@dataclass(frozen=True, slots=True)
class Standing:
    """One server that the group speaks of."""

    server: str
    """<namespace>/<name>"""
    alias: str
    state: str
    tools: int | None = None
    """None: it brought none yet, or it is no member."""
    digest: str = ""
    message: str = ""

    def as_status(self) -> dict[str, Any]:
        given = {
            "server": self.server,
            "alias": self.alias,
            "state": self.state,
            "tools": self.tools,
            "digest": self.digest[:128] or None,
            "message": in_one_line(self.message)[:MESSAGE_LENGTH] or None,
        }
        return {key: value for key, value in given.items() if value is not None}


def standings(scene: GroupScene, found: Iterable[Membership]) -> tuple[Standing, ...]:
    """In the order of `found`, one for each server."""
    return tuple(_standing(scene, one) for one in found)


def tools_of(members: Iterable[Standing]) -> dict[str, Any] | None:
    """Of all members together; None before any was heard of."""
    known = [it for it in members if it.tools is not None]
    if not known:
        return None
    lines = "\n".join(f"{it.alias} {it.digest}" for it in sorted(known, key=lambda it: it.alias))
    return {
        "count": sum(it.tools or 0 for it in known),
        "digest": "sha256:" + hashlib.sha256(lines.encode()).hexdigest(),
    }


def _standing(scene: GroupScene, one: Membership) -> Standing:
    if one.state != "Accepted":
        return Standing(one.place, one.alias, one.state, message=one.message)
    reports = _reports_of(scene, one.alias)
    heard = [it for it in reports if it.state != "Waiting"]
    if not heard:
        return _before(scene, one) or Standing(
            one.place, one.alias, "Waiting", message=_why(reports) or _NOT_HEARD
        )
    ready = [it for it in heard if it.state == "Ready"]
    shown = (ready or heard)[0]
    has_any = bool(ready or shown.toolsDigest)
    return Standing(
        one.place,
        one.alias,
        "Ready" if ready else "Unhealthy",
        tools=shown.toolCount if has_any else None,
        digest=shown.toolsDigest,
        message=_message(reports, shown, len(ready)),
    )


def _message(reports: list[MemberReport], shown: MemberReport, ready: int) -> str:
    if not ready:
        return _why([shown])
    said = []
    if ready < len(reports):
        sick = _why([it for it in reports if it.state != "Ready"])
        said.append(f"{ready} of {len(reports)} gateway pods reach it" + (sick and f": {sick}"))
    if shown.conflicts:
        names = ", ".join(shown.conflicts[:_MOST_SAID])
        more = len(shown.conflicts) - _MOST_SAID
        rest = f" and {more} more" if more > 0 else ""
        said.append(f"left out, for another member has the name too: {names}{rest}")
    return "; ".join(said)


def _why(reports: list[MemberReport]) -> str:
    """What the first of them complains of."""
    said = (": ".join(part for part in (it.reason, it.message) if part) for it in reports)
    return next((it for it in said if it), "")


def _reports_of(scene: GroupScene, alias: str) -> list[MemberReport]:
    """Of the live pods, by name; only from those that enforce the document with these members."""
    return [
        member
        for pod in scene.observed.live_pods
        if (report := scene.observed.report_of(pod)) is not None
        for backend in report.servers
        for member in backend.members
        if member.alias == alias
    ]


def _before(scene: GroupScene, one: Membership) -> Standing | None:
    """After a restart of the operator the last word stands until the proxies were asked."""
    if not scene.unasked:
        return None
    listed: Iterable[Mapping[str, Any]] = scene.previous.get("members") or ()
    for it in listed:
        if (it.get("server"), it.get("alias")) == (one.place, one.alias) and "tools" in it:
            return Standing(
                one.place,
                one.alias,
                str(it["state"]),
                tools=it["tools"],
                digest=str(it.get("digest", "")),
                message=str(it.get("message", "")),
            )
    return None
