"""What the proxy itself says a server is: answers to `server/discover` and `initialize`.  Pure.

They are made of what the last look saw, so that they are there while the backend is not: a client
that gets an error from `server/discover` takes the server for a legacy one, and remembers it.
"""

from typing import Final

from ostiary_proxy import VERSION
from ostiary_proxy.era import LEGACY, MODERN, SERVER_KEY
from ostiary_proxy.message import Json
from ostiary_proxy.observe import Seen

TASKS: Final = "io.modelcontextprotocol/tasks"
"""The extension; tasks of 2025-11-25 are another thing, and neither is carried across."""
UNSEEN: Final[Json] = {"tools": {}, "prompts": {}, "resources": {}, "completions": {}}
"""Of a server that nobody has seen yet: what it lacks, it will say itself; what is left out here,
nobody would ask it for."""


def discovered(seen: Seen | None) -> Json:
    """The result for a modern client."""
    about = {} if seen is None else seen.about
    result: Json = {
        "resultType": "complete",
        "supportedVersions": list(MODERN),
        "capabilities": UNSEEN if seen is None else carried(about.get("capabilities", {})),
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": {SERVER_KEY: identity(seen)},
    }
    if "instructions" in about:
        result["instructions"] = about["instructions"]
    return result


def shaken(seen: Seen, requested: object) -> Json:
    """The result for a legacy client: its own revision when there is such a one (18)."""
    result: Json = {
        "protocolVersion": requested if requested in LEGACY else LEGACY[-1],
        "capabilities": carried(seen.about.get("capabilities", {})),
        "serverInfo": identity(seen),
    }
    if "instructions" in seen.about:
        result["instructions"] = seen.about["instructions"]
    return result


def identity(seen: Seen | None) -> Json:
    """Name and version, which every revision requires."""
    info = {} if seen is None else seen.about.get("serverInfo", {})
    if isinstance(info.get("name"), str) and isinstance(info.get("version"), str):
        return dict(info)
    return {**info, "name": str(info.get("name") or "ostiary"), "version": VERSION}


def carried(capabilities: Json) -> Json:
    """Those that cross between the eras: all but tasks."""
    kept = {name: value for name, value in capabilities.items() if name != "tasks"}
    extensions = kept.get("extensions")
    if isinstance(extensions, dict) and TASKS in extensions:
        kept["extensions"] = {name: it for name, it in extensions.items() if name != TASKS}
    return kept


def offers(seen: Seen | None, group: str, flag: str) -> bool:
    """For example ("tools", "listChanged")."""
    capabilities = {} if seen is None else seen.about.get("capabilities", {})
    offered = capabilities.get(group)
    return isinstance(offered, dict) and offered.get(flag) is True
