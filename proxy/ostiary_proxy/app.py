"""The MCP port: the ordered stages that every request passes, first failure wins.

    connection limits (limits.py) > endpoint > Host > Origin > verb > who is calling > admitted at
    all > media types > body > JSON-RPC > era > what it is about > may it > backend > audit

A browser's preflight ends after the Origin, the question where to get a token after the verb.
HTTP+SSE and WebSocket, where they are opened, pass the stages up to the media types with their
connection, and the rest with each message.  Nothing of the body is read before the caller is known,
and nothing is decided on headers.
"""

import logging
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, Final

from ostiary_proxy import REFUSAL_KEY, batch, resource_metadata, websocket_door
from ostiary_proxy.addresses import Resolve, by_dns
from ostiary_proxy.asgi import Receive, Scope, Send
from ostiary_proxy.backends import Backends
from ostiary_proxy.batch import is_batch
from ostiary_proxy.entrance import Entrance
from ostiary_proxy.era import spoken
from ostiary_proxy.exchange import NOT_HERE, ClientGoneError, Exchange, Refused, failed
from ostiary_proxy.hops import told
from ostiary_proxy.judgement import decided, judge
from ostiary_proxy.message import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    Message,
    Rejection,
    parse,
)
from ostiary_proxy.origin import check_host, check_origin, is_outside, preflight
from ostiary_proxy.policy import Caller, Deny, Target
from ostiary_proxy.runtime import Runtime
from ostiary_proxy.sse_door import SseDoor
from ostiary_proxy.ways import Kind, check_media, check_verb, find

UNADMITTED_BYTES: Final = 64 * 1024
"""How much of a body is read for its id alone, of a caller whom no rule admits."""

_ADMITTED: Final = Target("protocol")
_log = logging.getLogger("ostiary.app")


def make_app(runtime: Runtime, backends: Backends, resolve: Resolve = by_dns) -> "App":
    """`resolve`: a name to its addresses."""
    return App(runtime, backends, resolve)


class App:
    """The ASGI application of the MCP port."""

    def __init__(self, runtime: Runtime, backends: Backends, resolve: Resolve) -> None:
        self._runtime = runtime
        self._entrance = Entrance(resolve=resolve)
        self._backends = backends
        self._sse = SseDoor(self.carry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        exchange = Exchange(self._runtime, scope, receive, send)
        connection = scope.get("extensions", {}).get("ostiary.connection")
        if connection is not None:
            connection.exchange = exchange
        try:
            await self._pass(exchange, self._stages(exchange))
        finally:
            if connection is not None:
                connection.exchange = None

    async def carry(self, exchange: Exchange, part: Message | Rejection | None) -> None:
        """What another exchange carried, through the stages that are its own."""
        await self._pass(exchange, self._inner_stages(exchange, part))

    async def _pass(self, exchange: Exchange, stages: Coroutine[Any, Any, None]) -> None:
        try:
            await stages
            exchange.finish()
        except Refused as refused:
            await self._refuse(exchange, refused.rejection)
        except ClientGoneError:
            return
        except Exception:  # noqa: BLE001 -- the outermost layer
            # Whatever went wrong, the caller learns nothing of our insides.
            _log.exception("a request failed: method=%s", exchange.verb)
            await self._refuse(
                exchange,
                Rejection(500, INTERNAL_ERROR, "The proxy failed.", reason="ProxyFailed"),
            )

    async def _stages(self, exchange: Exchange) -> None:
        kind = self._find_endpoint(exchange)
        assert exchange.snapshot is not None
        exchange.come(told(exchange.came, exchange.scope["headers"], exchange.snapshot.hops))
        if await _greet(exchange):
            return
        check_verb(kind, exchange.verb)
        if self._runtime.unrecorded:
            raise Refused(_unrecorded())
        if kind == "metadata":
            await resource_metadata.serve(exchange)
            return
        given = exchange.headers.get(b"authorization")
        if kind == "webSocket":
            given = websocket_door.bearer(exchange.headers)
        await self._entrance.enter(exchange, kind, given)
        _look_whence(exchange)
        await _check_admitted(exchange)
        check_media(kind, exchange.verb, exchange.headers)
        match kind:
            case "sse":
                await self._sse.stream(exchange)
            case "messages":
                await self._sse.post(exchange)
            case "webSocket":
                await websocket_door.serve(exchange, self.carry)
            case _:
                await self._serve(exchange)

    async def _serve(self, exchange: Exchange) -> None:
        """Streamable HTTP."""
        if exchange.verb == "POST":
            assert exchange.endpoint is not None
            body = await exchange.body(exchange.endpoint.server.limits.requestBytes)
            if is_batch(body):
                await batch.serve(exchange, body, self.carry)
                return
            _read(exchange, parse(body))
            await self._backends.known(exchange)
            judge(exchange)
        await self._backends.serve(exchange)

    async def _inner_stages(self, exchange: Exchange, part: Message | Rejection | None) -> None:
        if isinstance(part, Message):
            exchange.message = part
        self._find_endpoint(exchange)
        if self._runtime.unrecorded:
            raise Refused(_unrecorded())
        if exchange.verb != "DELETE":
            # What a connection held is given back, whatever its caller may do by now.
            await _check_admitted(exchange)
        if part is not None:
            _read(exchange, part)
            await self._backends.known(exchange)
            judge(exchange)
        await self._backends.serve(exchange)

    async def _refuse(self, exchange: Exchange, rejection: Rejection) -> None:
        """Answer with our own error, unless an answer has begun: then its stream just ends."""
        ident = self._runtime.audit.new_id()
        message = exchange.message
        if rejection.id is None and message is not None and message.kind == "request":
            rejection = replace(rejection, id=message.id)
        if rejection.reason != "UnsupportedVersion":
            rejection = replace(rejection, data={**(rejection.data or {}), REFUSAL_KEY: ident})
        exchange.error = rejection.code
        if not exchange.answering and exchange.cut != "gone":
            await exchange.reply(rejection.status, rejection.body(), rejection.headers)
        exchange.finish(rejection, ident=ident)

    def refused_early(self, rejection: Rejection, source: str) -> None:
        """A connection's limits ended it before there was a request to speak of."""
        self._runtime.metrics.request("", "", "denied", rejection.status, 0.0)
        self._runtime.audit.event(
            event="refusal",
            outcome="denied",
            source=source,
            status=rejection.status,
            reason=rejection.reason,
        )

    def _find_endpoint(self, exchange: Exchange) -> Kind:
        snapshot = self._runtime.snapshot
        if snapshot is None:
            raise Refused(
                Rejection(
                    503,
                    INTERNAL_ERROR,
                    "This proxy has no configuration yet.",
                    headers=((b"retry-after", b"1"), (NOT_HERE, b"1")),
                    reason="NoConfig",
                )
            )
        path = exchange.scope["path"]
        way = find(snapshot.paths, path) or resource_metadata.find(snapshot, path)
        if way is None:
            why = "There is nothing at this path."
            raise Refused(Rejection(404, INVALID_REQUEST, why, reason="NoSuchPath"))
        exchange.snapshot = snapshot
        exchange.endpoint = way.endpoint
        return way.kind

    def takes_websocket(self, path: str) -> bool:
        """May a connection that asks for it leave HTTP there?  Who asks is seen later."""
        snapshot = self._runtime.snapshot
        way = None if snapshot is None else find(snapshot.paths, path)
        return way is not None and way.kind == "webSocket"


def _unrecorded() -> Rejection:
    why = "The audit trail cannot be written just now, and nothing is served without it."
    return failed(503, why, "AuditFull", headers=((b"retry-after", b"1"),))


def _look_whence(exchange: Exchange) -> None:
    """From outside the cluster everybody comes by one network, which tells nobody from others."""
    assert exchange.caller is not None
    assert exchange.endpoint is not None
    caller, path = exchange.caller, exchange.scope["path"]
    # One that a gateway sent is known by that group, and ends with it.
    if caller.kind != "anonymous" or caller.relayed:
        return
    if is_outside(exchange.headers, path, exchange.endpoint):
        exchange.caller = Caller.relayed_anonymous()


async def _greet(exchange: Exchange) -> bool:
    """Host and Origin; True: it was a browser's preflight, and is answered."""
    endpoint = exchange.endpoint
    assert endpoint is not None
    check_host(exchange.headers, endpoint)
    permitted = preflight(exchange.verb, exchange.headers, endpoint)
    if permitted is None:
        exchange.cors = check_origin(exchange.headers, endpoint)
        return False
    await exchange.reply(204, headers=permitted)
    return True


async def _check_admitted(exchange: Exchange) -> None:
    assert exchange.caller is not None
    assert exchange.endpoint is not None
    if not exchange.endpoint.knows(exchange.caller):
        # What carries it has not ended yet.
        raise Refused(failed(403, "Access was just revoked.", "Revoked"))
    decision = decided(exchange, _ADMITTED)
    if not isinstance(decision, Deny):
        exchange.allow = decision
        return
    exchange.deny = decision
    ident = None
    if exchange.verb == "POST" and exchange.message is None:
        parsed = parse(await exchange.body(UNADMITTED_BYTES))
        ident = parsed.id if isinstance(parsed, Message) and parsed.kind == "request" else None
    more = resource_metadata.step_up(exchange, _ADMITTED)
    why, reason = decision.message, decision.reason
    raise Refused(Rejection(403, INTERNAL_ERROR, why, id=ident, headers=more, reason=reason))


def _read(exchange: Exchange, parsed: Message | Rejection) -> None:
    if isinstance(parsed, Rejection):
        raise Refused(parsed)
    exchange.message = parsed
    speaks = spoken(exchange.headers, parsed)
    if isinstance(speaks, Rejection):
        raise Refused(speaks)
    exchange.spoken = speaks
