"""Who is calling, and whether a group's gateway sent it.  In order, and the first that fits:

    the gateway itself, in the local role, by the process's own secret
    what the server's own audiences and access tokens admit
    from a gateway's address: what that group's audiences and access tokens admit
    from a gateway's address: the gateway itself, by its own token

A gateway is known by nothing but the address that the request came from (`gateways`); in the local
role, which is one process, by that secret and nothing else (`between`).  From any other address a
token for a group is a token for somebody else, and a session key is refused.
"""

from dataclasses import replace
from ipaddress import ip_address
from typing import Final

from ostiary_proxy.addresses import Resolve
from ostiary_proxy.auth import Refusal
from ostiary_proxy.between import SESSION_HEADER, asks_for_lists, internal_group, is_key
from ostiary_proxy.callers import Caller
from ostiary_proxy.config import CATALOGUE_AUDIENCE, GroupLink
from ostiary_proxy.era import SESSION
from ostiary_proxy.exchange import Exchange, Refused
from ostiary_proxy.gateways import Gateways
from ostiary_proxy.message import INVALID_REQUEST, Rejection
from ostiary_proxy.resource_metadata import unauthenticated
from ostiary_proxy.runtime import Endpoint
from ostiary_proxy.siblings import plain
from ostiary_proxy.ways import Kind

_CATALOGUE: Final = frozenset({CATALOGUE_AUDIENCE})


class Entrance:
    """Of one proxy."""

    def __init__(self, *, resolve: Resolve) -> None:
        self._gateways = Gateways(resolve=resolve)

    async def enter(self, exchange: Exchange, kind: Kind, given: bytes | None) -> None:
        """`given`: the Authorization.  Raises Refused."""
        assert exchange.endpoint is not None
        found = _verified(exchange, given, exchange.endpoint.audiences, open_to_all=True)
        # A gateway comes over streamable HTTP.
        links = exchange.endpoint.server.groups if kind == "mcp" else ()
        if links:
            found = await self._by_group(exchange, given, found, links)
        if isinstance(found, Refusal):
            raise Refused(unauthenticated(exchange, found))
        exchange.caller = found
        exchange.key = _key(exchange)

    async def _by_group(
        self,
        exchange: Exchange,
        given: bytes | None,
        found: Caller | Refusal,
        links: tuple[GroupLink, ...],
    ) -> Caller | Refusal:
        """`found`: what it is by itself."""
        assert exchange.endpoint is not None
        if isinstance(found, Refusal) and found.status != 401:
            return found
        among = await self._senders(exchange, found, links)
        if among and exchange.runtime.role == "local" and asks_for_lists(exchange.headers):
            return _as_gateway(exchange, among[0])
        if isinstance(found, Refusal):
            return _by_its_token(exchange, given, among or ()) or found
        if among:
            _mark(exchange, among[0])
        if found.kind != "anonymous":
            return replace(found, through=among[0].uid) if among else found
        if among is None and exchange.endpoint.has_walls:
            return Caller.relayed_anonymous()
        return Caller.relayed_anonymous(among[0].uid) if among else found

    async def _senders(
        self, exchange: Exchange, found: Caller | Refusal, links: tuple[GroupLink, ...]
    ) -> tuple[GroupLink, ...] | None:
        """The groups whose gateway sent it.  None: nobody can tell just now."""
        assert exchange.endpoint is not None
        client = exchange.scope.get("client") or ("", 0)
        address = plain(client[0])
        if exchange.runtime.role == "local":
            uid = internal_group(exchange.headers, exchange.runtime.internal)
            return tuple(link for link in links if _is_loopback(address) and link.uid == uid != "")
        if _matters(exchange, found, exchange.endpoint):
            return await self._gateways.at(links, address)
        # A caller that may come by itself waits for no resolver.
        return self._gateways.known(links, address)


def _matters(exchange: Exchange, found: Caller | Refusal, endpoint: Endpoint) -> bool:
    """Where it came from decides what it is."""
    if isinstance(found, Refusal):
        return b"authorization" in exchange.headers
    if SESSION_HEADER in exchange.headers:
        return True
    return found.kind == "anonymous" and endpoint.has_walls


def _by_its_token(
    exchange: Exchange, given: bytes | None, among: tuple[GroupLink, ...]
) -> Caller | None:
    """What is not good here by itself: for a group that sent it, or that group's own."""
    if given is None:
        return None
    for link in among:
        found = _verified(exchange, given, frozenset(link.audiences), through=frozenset({link.uid}))
        if isinstance(found, Caller):
            _mark(exchange, link)
            return replace(found, through=link.uid)
    for link in among:
        found = _verified(exchange, given, _CATALOGUE, by="kubernetes")
        if isinstance(found, Caller) and found.principal == link.subject:
            return _as_gateway(exchange, link, found.expires)
    return None


def _verified(
    exchange: Exchange,
    given: bytes | None,
    audiences: frozenset[str],
    *,
    open_to_all: bool = False,
    by: str = "",
    through: frozenset[str] = frozenset(),
) -> Caller | Refusal:
    """`open_to_all`: nobody in particular may be let in; `by`: the only kind of issuer."""
    assert exchange.snapshot is not None
    assert exchange.endpoint is not None
    return exchange.snapshot.verifier.verify(
        given,
        audiences,
        open_to_all and exchange.endpoint.rules.admits_anonymous,
        kind=by,
        tokens=exchange.endpoint.tokens,
        through=through,
    )


def _as_gateway(exchange: Exchange, link: GroupLink, expires: float = float("inf")) -> Caller:
    _mark(exchange, link)
    return Caller.catalogue(link.namespace, link.name, link.uid, expires)


def _mark(exchange: Exchange, link: GroupLink) -> None:
    exchange.through = link
    exchange.via = f"group:{link.namespace}/{link.name}"


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _key(exchange: Exchange) -> bytes:
    value = exchange.headers.get(SESSION_HEADER)
    if value is None:
        return b""
    if exchange.through is None:
        raise Refused(
            _bad(
                "Ostiary-Session is for the gateways of groups that this server is a member of, "
                "and this request came from none of them.",
                "NotAGateway",
            )
        )
    if not is_key(value):
        raise Refused(_bad("Ostiary-Session must be 32 lower-case hex digits.", "BadSessionKey"))
    if SESSION in exchange.headers:
        raise Refused(_bad("Beside Ostiary-Session there is no Mcp-Session-Id.", "BadSessionKey"))
    return value


def _bad(why: str, reason: str) -> Rejection:
    return Rejection(400, INVALID_REQUEST, why, reason=reason)
