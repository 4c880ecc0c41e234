"""Where a request says it comes from: the Host it asked for, and the page that asked.

Pure.  Both are checked before anything else of a request is looked at.  A page of another origin is
let in only when the server's `allowedOrigins` names it, byte for byte as a browser writes it; the
same list is what preflights are answered for, so what a browser may try and what is served agree.
No credentials of a browser's own (cookies, client certificates) are ever asked for.
"""

import re
from collections.abc import Mapping
from typing import Final

from ostiary_proxy.exchange import Headers, Refused
from ostiary_proxy.message import INVALID_REQUEST, Rejection
from ostiary_proxy.runtime import LOCAL_HOSTS, Endpoint

EXPOSED: Final = b"Mcp-Session-Id, WWW-Authenticate, Retry-After"
"""What a page may read of an answer's head beside what browsers always show."""
METHODS: Final = b"POST, GET, DELETE"
PREFLIGHT_SECONDS: Final = 600
"""A browser may remember a preflight this long; the Origin of each request is checked all the
same."""

_ORIGIN: Final = b"origin"
_WANTED_METHOD: Final = b"access-control-request-method"
_WANTED_HEADERS: Final = b"access-control-request-headers"
_NAMES: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+( *, *[!#$%&'*+.^_`|~0-9A-Za-z-]+)*")
_VARY: Final = (b"vary", b"Origin")
_VARY_PREFLIGHT: Final = (
    b"vary",
    b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
)


def check_host(headers: Mapping[bytes, bytes], endpoint: Endpoint) -> None:
    """Raises Refused."""
    host = headers.get(b"host", b"").decode("latin-1").lower()
    if without_port(host) not in endpoint.hosts:
        why = "This Host is not served here."
        raise Refused(Rejection(421, INVALID_REQUEST, why, reason="BadHost"))


def is_outside(headers: Mapping[bytes, bytes], path: str, endpoint: Endpoint) -> bool:
    """Did it come by the way that leads in from outside the cluster?  Whoever brings it there has
    one network for all of its clients."""
    exposed, own = endpoint.server.exposed, endpoint.server.path
    if exposed is None:
        return False
    host = headers.get(b"host", b"").decode("latin-1").lower()
    below = exposed.path != own and path.startswith(exposed.path.removesuffix("/mcp") + "/")
    beside = path == exposed.path != own or below
    return without_port(host) == exposed.host or beside


def check_origin(headers: Mapping[bytes, bytes], endpoint: Endpoint) -> Headers:
    """What every answer to this request must say to the browser.  Raises Refused."""
    origin = headers.get(_ORIGIN)
    if origin is None:
        # Without a list no answer depends on the Origin: nothing has to be said to caches.
        return (_VARY,) if endpoint.origins else ()
    if origin in endpoint.origins:
        return (
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", EXPOSED),
            _VARY,
        )
    if _is_own(origin, headers.get(b"host", b"")):
        return ()
    why = "This Origin is not allowed."
    raise Refused(Rejection(403, INVALID_REQUEST, why, reason="BadOrigin"))


def preflight(verb: str, headers: Mapping[bytes, bytes], endpoint: Endpoint) -> Headers | None:
    """The answer's head when a browser only asks whether it may; None for any other request."""
    if verb != "OPTIONS" or _WANTED_METHOD not in headers:
        return None
    origin = headers.get(_ORIGIN)
    if origin is None or origin not in endpoint.origins:
        return None
    answer = [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", METHODS),
        (b"access-control-max-age", str(PREFLIGHT_SECONDS).encode()),
        _VARY_PREFLIGHT,
    ]
    wanted = headers.get(_WANTED_HEADERS, b"").strip()
    if _NAMES.fullmatch(wanted):
        answer.append((b"access-control-allow-headers", wanted))
    return tuple(answer)


def _is_own(origin: bytes, host: bytes) -> bool:
    """A page that this very loopback address served, as far as a browser can tell."""
    local = without_port(host.decode("latin-1").lower()) in LOCAL_HOSTS
    return local and origin.lower() in (b"http://" + host.lower(), b"https://" + host.lower())


def without_port(host: str) -> str:
    """Of a Host header's value."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() and (":" not in name or name[-1:] == "]") else host
