"""ToolsPinned and ToolsSuspect: what the proxies see of a server's tools, and what was approved.

The sentences serve `ostiary up` as well.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Final

from ostiary_operator.api import Reason, Type
from ostiary_operator.render.policies import pin_of
from ostiary_proxy.config import Drift, Pin, ServerReport, drift

from .conditions import Verdict, find
from .scene import ServerScene

MOST_NAMED: Final = 8
"""Tools of a kind in a message; the rest is a number.  All digests are in status.tools.items."""
_LONGEST_NAME: Final = 64
_LONGEST_FINDINGS: Final = 200


def pinned(scene: ServerScene) -> Verdict:
    pin = pin_of(scene.root)
    reports = [it for it in scene.observed.backends if it.state == "Ready"]
    if pin.mode == "Off":
        why = "tools may change unseen: write spec.tools.pin to approve them as they stand"
        return Verdict("False", Reason.NOT_REQUESTED, why)
    if not reports:
        before = find(scene.previous.get("conditions") or (), Type.TOOLS_PINNED)
        if before is not None and before["reason"] in (Reason.PINNED, Reason.DRIFTED):
            # No list is known now: the last word stands until there is one.
            return Verdict(before["status"], before["reason"], before.get("message", ""))
        hidden = "; until then every tool is hidden" if pin.mode == "Enforce" else ""
        return Verdict("Unknown", Reason.PROGRESSING, f"known once the server has listed{hidden}")
    said = next((it for report in reports if (it := drifted(pin, report))), "")
    if said:
        return Verdict("False", Reason.DRIFTED, said)
    return Verdict("True", Reason.PINNED, f"all {reports[0].toolCount} tools are as approved")


def suspect(scene: ServerScene) -> Verdict | None:
    why = suspected(scene.observed.backends)
    return Verdict("True", Reason.SUSPECT_TEXT, why) if why else None


def suspected(reports: Iterable[ServerReport]) -> str:
    """Which tools to read before a model does; empty: none."""
    found = {tool.name: tool.findings for report in reports for tool in report.suspects}
    if not found:
        return ""
    said = [
        f"{_name(name)}: {', '.join(found[name])[:_LONGEST_FINDINGS]}"
        for name in sorted(found)[:MOST_NAMED]
    ]
    more = f"; and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    return f"read these tools before you let a model see them: {'; '.join(said)}{more}"


def drifted(pin: Pin, report: ServerReport) -> str:
    """What is not as approved, what follows, and what to write to approve it; empty: all is."""
    found = drift(pin, report.toolsDigest, report.tools)
    unlisted = pin.digest != report.toolsDigest and len(report.tools) < report.toolCount
    if not found and not unlisted:
        return ""
    parts = _what(pin, found)
    if pin.mode == "Enforce" and (found.unapproved or unlisted):
        parts.append("what is not approved is hidden and refused")
    return "; ".join([*parts, *_remedy(pin, report, found)])


def _what(pin: Pin, found: Drift) -> list[str]:
    if not pin.approves_any:
        return ["nothing is approved yet"]
    if found.whole:
        # One digest does not tell which of them changed: that is what `tools` is for.
        now = _names(found.appeared) or "empty"
        return [f"the tool set is another than the approved one: it is now {now}"]
    kinds = (("changed", found.changed), ("new", found.appeared), ("gone", found.vanished))
    said = [f"{word}: {_names(names)}" for word, names in kinds if names]
    return said or ["there are more tools than can be listed"]


def _remedy(pin: Pin, report: ServerReport, found: Drift) -> Iterator[str]:
    if pin.tools and found.vanished and not found.unapproved:
        yield "if that is meant, take them out of spec.tools.pin.tools"
        return
    digests = {tool.name: tool.digest for tool in report.tools}
    single = [(name, digests[name]) for name in found.unapproved[:MOST_NAMED]]
    if pin.tools and single:
        wanted = ", ".join(f"{{name: {json.dumps(name)}, digest: {it}}}" for name, it in single)
        yield f"to approve them one by one, write into spec.tools.pin.tools: {wanted}"
    yield f"to approve all as they stand, write spec.tools.pin.digest: {report.toolsDigest}"


def _names(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(map(_name, names[:MOST_NAMED])) + more


def _name(name: str) -> str:
    """A server may call a tool what it likes."""
    shown = name if name.isascii() and name.isprintable() else ascii(name)[1:-1]
    return shown[:_LONGEST_NAME]
