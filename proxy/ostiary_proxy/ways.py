"""Which ways lead to an endpoint, and what each wants of a request's head.  Pure.

Beside the endpoint's own path, and only where the server's `clients` opens them: `sse` and
`messages` (HTTP+SSE of 2024-11-05) and `ws` (WebSocket), in place of its last step, or below it
where that is not `mcp`.
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from ostiary_proxy.exchange import Refused
from ostiary_proxy.message import INVALID_REQUEST, Rejection
from ostiary_proxy.runtime import Endpoint

Kind = Literal["mcp", "sse", "messages", "webSocket", "metadata"]
"""metadata: what RFC 9728 says of an endpoint, `resource_metadata`."""

USUAL: Final = "mcp"
"""Last step of an endpoint's path."""

_STEPS: Final[dict[str, Kind]] = {"sse": "sse", "messages": "messages", "ws": "webSocket"}
_VERBS: Final[dict[Kind, tuple[str, ...]]] = {
    "mcp": ("POST", "GET", "DELETE"),
    "sse": ("GET",),
    "messages": ("POST",),
    "webSocket": ("GET",),
    "metadata": ("GET",),
}
_JSON: Final = b"application/json"
_STREAM: Final = b"text/event-stream"


class Way(NamedTuple):
    kind: Kind
    endpoint: Endpoint


def find(endpoints: Mapping[str, Endpoint], path: str) -> Way | None:
    endpoint = endpoints.get(path)
    if endpoint is not None:
        return Way("mcp", endpoint)
    base, _, step = path.rpartition("/")
    kind = _STEPS.get(step)
    endpoint = endpoints.get(f"{base}/{USUAL}") or endpoints.get(base)
    if kind is None or endpoint is None:
        return None
    clients = endpoint.server.clients
    opened = clients.webSocket if kind == "webSocket" else clients.sse
    return Way(kind, endpoint) if opened else None


def check_verb(kind: Kind, verb: str) -> None:
    """Raises Refused."""
    verbs = _VERBS[kind]
    if verb in verbs:
        return
    named = verbs[0] if len(verbs) == 1 else f"{', '.join(verbs[:-1])} and {verbs[-1]}"
    why = f"Only {named} {'is' if len(verbs) == 1 else 'are'} served here."
    allow = ((b"allow", ", ".join(verbs).encode()),)
    raise Refused(Rejection(405, INVALID_REQUEST, why, headers=allow, reason="BadVerb"))


def check_media(kind: Kind, verb: str, headers: Mapping[bytes, bytes]) -> None:
    """Raises Refused."""
    if verb == "DELETE" or kind == "webSocket":
        return
    wanted: tuple[bytes, ...] = (_STREAM,)
    if verb == "POST":
        content = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if content != _JSON:
            why = "Content-Type must be application/json."
            raise Refused(Rejection(415, INVALID_REQUEST, why, reason="BadMediaType"))
        # What is posted beside a stream is answered on the stream.
        wanted = (_JSON, _STREAM) if kind == "mcp" else ()
    accept = headers.get(b"accept", b"").lower()
    if not all(_accepts(accept, it) for it in wanted):
        names = b" and ".join(wanted).decode()
        why = f"Accept must list {names}."
        raise Refused(Rejection(406, INVALID_REQUEST, why, reason="NotAcceptable"))


def _accepts(accept: bytes, kind: bytes) -> bool:
    if kind in accept:
        return True
    ranges = {part.partition(b";")[0].strip() for part in accept.split(b",")}
    return b"*/*" in ranges or kind.partition(b"/")[0] + b"/*" in ranges
