"""What a client is told of where to get a token (RFC 9728): only when there is such a place.

Without an OIDC issuer nothing here hints at OAuth: clients would go into a login that cannot work,
even with a static token in hand.
"""

from urllib.parse import urlsplit

import orjson

from ostiary_proxy.auth import Refusal
from ostiary_proxy.conditions import Budget
from ostiary_proxy.config import WELL_KNOWN
from ostiary_proxy.exchange import Exchange, Headers
from ostiary_proxy.message import INTERNAL_ERROR, Rejection
from ostiary_proxy.origin import without_port
from ostiary_proxy.policy import Target
from ostiary_proxy.runtime import LOCAL_HOSTS, Endpoint, Snapshot
from ostiary_proxy.scopes import missing
from ostiary_proxy.ways import Way


def find(snapshot: Snapshot, path: str) -> Way | None:
    """The endpoint whose metadata lies at this path."""
    if not path.startswith(WELL_KNOWN) or not login_servers(snapshot):
        return None
    rest = path.removeprefix(WELL_KNOWN)
    endpoint = snapshot.paths.get(rest)
    servers = snapshot.config.servers
    if not rest and len(servers) == 1:
        # Clients that know no paths look here; of several endpoints none is meant.
        endpoint = snapshot.endpoints.get(servers[0].path)
    return Way("metadata", endpoint) if endpoint is not None else None


def login_servers(snapshot: Snapshot) -> tuple[str, ...]:
    return tuple(it.issuer for it in snapshot.config.issuers if it.kind == "oidc")


def document(snapshot: Snapshot, endpoint: Endpoint, scheme: str, host: str) -> bytes:
    """`host`: the request's, validated."""
    server = endpoint.server
    return orjson.dumps(
        {
            "resource": resource(endpoint, scheme, host),
            "authorization_servers": login_servers(snapshot),
            "bearer_methods_supported": ["header"],
            "resource_name": f"{server.namespace}/{server.name}",
        }
    )


def resource(endpoint: Endpoint, scheme: str, host: str) -> str:
    """The audience whose host was asked for; of this machine, the very URL that was asked."""
    if without_port(host) in LOCAL_HOSTS:
        return f"{scheme}://{host}{endpoint.server.path}"
    asked = without_port(host)
    exposed = endpoint.server.exposed
    if exposed is not None and asked == exposed.host:
        return exposed.url
    fitting = [it for it in endpoint.server.audiences if urlsplit(it).hostname == asked]
    same = [it for it in fitting if urlsplit(it).scheme == scheme]
    return (same or fitting or [endpoint.server.url])[0]


def unauthenticated(exchange: Exchange, refusal: Refusal) -> Rejection:
    """With a challenge that says where a token is to be had, when there is such a place."""
    headers: list[tuple[bytes, bytes]] = []
    if refusal.challenge:
        headers.append((b"www-authenticate", _challenge(exchange, refusal.challenge)))
    if refusal.retry_after:
        headers.append((b"retry-after", str(refusal.retry_after).encode()))
    return Rejection(
        refusal.status,
        INTERNAL_ERROR,
        refusal.reason,
        headers=tuple(headers),
        reason="Unauthenticated" if refusal.status == 401 else "Busy",
    )


def step_up(exchange: Exchange, target: Target, budget: Budget | None = None) -> Headers:
    """Of a refusal: what to ask the login for, where more scopes would help."""
    assert exchange.caller is not None
    assert exchange.endpoint is not None
    scopes = missing(target, exchange.caller, exchange.endpoint.rules, budget)
    if not scopes:
        return ()
    bare = f'Bearer error="insufficient_scope", scope="{" ".join(scopes)}"'.encode()
    return ((b"www-authenticate", _challenge(exchange, bare)),)


async def serve(exchange: Exchange) -> None:
    assert exchange.snapshot is not None
    assert exchange.endpoint is not None
    body = document(exchange.snapshot, exchange.endpoint, *_asked(exchange))
    await exchange.reply(200, body, ((b"cache-control", b"no-cache"),))


def _challenge(exchange: Exchange, bare: bytes) -> bytes:
    assert exchange.snapshot is not None
    assert exchange.endpoint is not None
    if not login_servers(exchange.snapshot):
        return bare
    scheme, host = _asked(exchange)
    where = f"{scheme}://{host}{WELL_KNOWN}{exchange.endpoint.server.path}"
    exposed = exchange.endpoint.server.exposed
    if exposed is not None and without_port(host) == exposed.host:
        # Outside it is https, whatever the last hop speaks with us.
        where = f"{exposed.origin}{WELL_KNOWN}{exposed.path}"
    separator = b", " if b" " in bare else b" "
    return bare + separator + b'resource_metadata="' + where.encode("latin-1") + b'"'


def _asked(exchange: Exchange) -> tuple[str, str]:
    """Scheme, and the Host, which has been checked."""
    host = exchange.headers.get(b"host", b"").decode("latin-1").lower()
    return exchange.came.scheme, host
