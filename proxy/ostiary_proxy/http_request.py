"""The request that goes to an HTTP backend: built anew from an allow-list, never passed along, with
the credentials that its own owner gave; and what is read of the answer to a handshake.

No Authorization, Cookie, Origin or Host of the caller's ever gets into it.  Pure.
"""

from collections.abc import Mapping
from typing import Final

from ostiary_proxy.config import HttpBackend
from ostiary_proxy.era import METHOD, NAME, NAMED_BY, VERSION, encode_value
from ostiary_proxy.exchange import Headers
from ostiary_proxy.message import Json, Message, decode, encode
from ostiary_proxy.sse import Decoder
from ostiary_proxy.upstream_files import UpstreamFiles

PARAM: Final = b"mcp-param-"
BAGGAGE: Final = b"baggage"
"""What callers tell each other of themselves: kept from servers that somebody else runs."""
_KEPT: Final = frozenset({VERSION, b"traceparent", b"tracestate", BAGGAGE})


class HttpTarget:
    """Where the requests of one backend go."""

    def __init__(self, backend: HttpBackend, files: UpstreamFiles | None = None) -> None:
        self._files = files
        self._withheld = backend.outside is not None and backend.outside.source == "remote"
        where = f" {backend.path} HTTP/1.1\r\nhost: {_authority(backend)}\r\n"
        common = where + "user-agent: ostiary\r\naccept-encoding: identity\r\n"
        both = "accept: application/json, text/event-stream\r\n"
        self._starts = {
            "POST": f"POST{common}{both}content-type: application/json\r\n".encode(),
            "GET": f"GET{common}accept: text/event-stream\r\n".encode(),
            "DELETE": f"DELETE{common}{both}".encode(),
        }

    def request(self, verb: str, headers: Headers, body: bytes = b"") -> bytes:
        lines = [self._starts[verb]]
        if self._files is not None:
            lines.append(self._files.lines)
        if self._withheld:
            headers = tuple(header for header in headers if header[0] != BAGGAGE)
        lines += [b"%b: %b\r\n" % header for header in headers]
        if verb == "POST":
            lines.append(b"content-length: %d\r\n" % len(body))
        return b"".join((*lines, b"\r\n", body))


def _authority(backend: HttpBackend) -> str:
    """A port that the scheme implies is left out, as browsers do: some hosts know no other form."""
    host = f"[{backend.host}]" if ":" in backend.host else backend.host
    outside = backend.outside
    implied = outside is not None and backend.port == (443 if outside.tls else 80)
    return host if implied else f"{host}:{backend.port}"


def kept(headers: Mapping[bytes, bytes]) -> Headers:
    """What a caller's headers may add."""
    return tuple(
        header for header in headers.items() if header[0] in _KEPT or header[0].startswith(PARAM)
    )


def mirrored(message: Message) -> Headers:
    """The headers that say what the body says, built from the body."""
    named = NAMED_BY.get(message.method)
    name = message.params.get(named) if named is not None else None
    method = (METHOD, message.method.encode())
    return (method, (NAME, encode_value(name))) if isinstance(name, str) else (method,)


def given_up(message: Message) -> bytes:
    """What tells a legacy backend that nobody waits for its answer any more."""
    params = {"requestId": message.id, "reason": "No answer in time."}
    return encode({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})


def handshake_result(body: bytes, *, streamed: bool) -> Json | None:
    """Of a handshake's answer."""
    if not streamed:
        data = decode(body)
        result = data.get("result") if isinstance(data, dict) else None
        return result if isinstance(result, dict) else None
    for event in Decoder().feed(body):
        data = decode(event.data) if event.data else None
        result = data.get("result") if isinstance(data, dict) else None
        if isinstance(result, dict):
            return result
    return None
