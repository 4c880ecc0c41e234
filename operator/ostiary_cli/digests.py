"""`ostiary tools NAME --digests`: what to commit so that tools are approved as they stand.

Reads the MCPServer's status through kubectl; approves nothing itself.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from ostiary_operator.api import GROUP

from . import kubectl
from .endpoint import IMPOSSIBLE, CallFailed

RESOURCE: Final = f"mcpservers.{GROUP}"


def run(name: str, namespace: str) -> Iterator[str]:
    """`name`: a server's, or <namespace>/<name>.  Raises CallFailed."""
    place, _, bare = name.rpartition("/")
    place = place or namespace or kubectl.own_namespace()
    server = kubectl.read("get", RESOURCE, bare, "-n", place)
    tools = server.get("status", {}).get("tools") or {}
    if not tools.get("digest"):
        raise CallFailed(
            f"MCPServer {place}/{bare} has not told its tools yet: see the conditions of "
            f"kubectl get {RESOURCE} {bare} -n {place} -o yaml",
            code=IMPOSSIBLE,
        )
    return block(tools, (server["spec"].get("tools") or {}).get("pin") or {})


def block(tools: dict[str, Any], pin: dict[str, Any]) -> Iterator[str]:
    """The YAML of `spec`; the mode is the one that stands, else Enforce."""
    items = tools.get("items") or []
    yield "spec:"
    yield "  tools:"
    yield "    pin:"
    yield f"      mode: {pin.get('mode', 'Enforce')}"
    if len(items) < tools.get("count", len(items)):
        yield "      # more tools than the status lists: the digest of the whole set approves them"
        yield f"      digest: {tools['digest']}"
        return
    yield "      tools:" if items else "      tools: []"
    for item in items:
        yield f"      - {{name: {json.dumps(item['name'])}, digest: {item['digest']}}}"
