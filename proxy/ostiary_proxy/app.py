"""The MCP port: the ordered stages that every request passes, first failure wins.

    connection limits (limits.py) > endpoint > Host > Origin > verb > who is calling > admitted at
    all > media types > body > JSON-RPC > era > what it is about > may it > backend > audit

Nothing of the body is read before the caller is known, and nothing is decided on headers.
"""

import logging
from dataclasses import replace
from typing import Final

from ostiary_proxy.asgi import Receive, Scope, Send
from ostiary_proxy.auth import Refusal
from ostiary_proxy.backends import Backends
from ostiary_proxy.era import spoken, targets
from ostiary_proxy.exchange import ClientGoneError, Exchange, Refused
from ostiary_proxy.message import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    Message,
    Rejection,
    parse,
)
from ostiary_proxy.policy import Caller, Deny, Target, decide
from ostiary_proxy.runtime import LOCAL_HOSTS, Runtime

REFUSAL_KEY: Final = "ostiary.dev/refusal"
"""In an error's data: the id of the audit line that says why."""
UNADMITTED_BYTES: Final = 64 * 1024
"""How much of a body is read for its id alone, of a caller whom no rule admits."""

_ADMITTED: Final = Target("protocol")
_log = logging.getLogger("ostiary.app")


def make_app(runtime: Runtime, backends: Backends) -> "App":
    return App(runtime, backends)


class App:
    """The ASGI application of the MCP port."""

    def __init__(self, runtime: Runtime, backends: Backends) -> None:
        self._runtime = runtime
        self._backends = backends

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        exchange = Exchange(self._runtime, scope, receive, send)
        connection = scope.get("extensions", {}).get("ostiary.connection")
        if connection is not None:
            connection.exchange = exchange
        try:
            await self._pass(exchange)
        finally:
            if connection is not None:
                connection.exchange = None

    async def _pass(self, exchange: Exchange) -> None:
        try:
            await self._stages(exchange)
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
        self._find_endpoint(exchange)
        _check_host(exchange)
        _check_origin(exchange)
        _check_verb(exchange)
        self._authenticate(exchange)
        await _check_admitted(exchange)
        _check_media(exchange)
        if exchange.verb == "POST":
            await _read_message(exchange)
            _decide(exchange)
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

    def _find_endpoint(self, exchange: Exchange) -> None:
        snapshot = self._runtime.snapshot
        if snapshot is None:
            raise Refused(
                Rejection(
                    503,
                    INTERNAL_ERROR,
                    "This proxy has no configuration yet.",
                    headers=((b"retry-after", b"1"),),
                    reason="NoConfig",
                )
            )
        endpoint = snapshot.endpoints.get(exchange.scope["path"])
        if endpoint is None:
            why = "There is nothing at this path."
            raise Refused(Rejection(404, INVALID_REQUEST, why, reason="NoSuchPath"))
        exchange.snapshot = snapshot
        exchange.endpoint = endpoint

    def _authenticate(self, exchange: Exchange) -> None:
        assert exchange.snapshot is not None
        assert exchange.endpoint is not None
        verified = exchange.snapshot.verifier.verify(
            exchange.headers.get(b"authorization"),
            exchange.endpoint.audiences,
            exchange.endpoint.rules.admits_anonymous,
        )
        if isinstance(verified, Caller):
            exchange.caller = verified
            return
        raise Refused(_unauthenticated(verified))


def _unauthenticated(refusal: Refusal) -> Rejection:
    headers: list[tuple[bytes, bytes]] = []
    if refusal.challenge:
        headers.append((b"www-authenticate", refusal.challenge))
    if refusal.retry_after:
        headers.append((b"retry-after", str(refusal.retry_after).encode()))
    return Rejection(
        refusal.status,
        INTERNAL_ERROR,
        refusal.reason,
        headers=tuple(headers),
        reason="Unauthenticated" if refusal.status == 401 else "Busy",
    )


def _check_host(exchange: Exchange) -> None:
    assert exchange.endpoint is not None
    host = exchange.headers.get(b"host", b"").decode("latin-1").lower()
    if _without_port(host) not in exchange.endpoint.hosts:
        why = "This Host is not served here."
        raise Refused(Rejection(421, INVALID_REQUEST, why, reason="BadHost"))


def _check_origin(exchange: Exchange) -> None:
    """No browser page is let in, but one of this very loopback address."""
    origin = exchange.headers.get(b"origin")
    if origin is None:
        return
    host = exchange.headers.get(b"host", b"")
    local = _without_port(host.decode("latin-1").lower()) in LOCAL_HOSTS
    if not (local and origin.lower() == b"http://" + host.lower()):
        why = "This Origin is not allowed."
        raise Refused(Rejection(403, INVALID_REQUEST, why, reason="BadOrigin"))


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() and (":" not in name or name[-1:] == "]") else host


def _check_verb(exchange: Exchange) -> None:
    if exchange.verb not in ("POST", "GET", "DELETE"):
        raise Refused(
            Rejection(
                405,
                INVALID_REQUEST,
                "Only POST, GET and DELETE are served here.",
                headers=((b"allow", b"POST, GET, DELETE"),),
                reason="BadVerb",
            )
        )


async def _check_admitted(exchange: Exchange) -> None:
    assert exchange.caller is not None
    assert exchange.endpoint is not None
    decision = decide(_ADMITTED, exchange.caller, exchange.endpoint.rules)
    if not isinstance(decision, Deny):
        exchange.allow = decision
        return
    exchange.deny = decision
    ident = None
    if exchange.verb == "POST":
        parsed = parse(await exchange.body(UNADMITTED_BYTES))
        ident = parsed.id if isinstance(parsed, Message) and parsed.kind == "request" else None
    raise Refused(
        Rejection(403, INTERNAL_ERROR, decision.message, id=ident, reason=decision.reason)
    )


def _check_media(exchange: Exchange) -> None:
    if exchange.verb == "DELETE":
        return
    accept = exchange.headers.get(b"accept", b"").lower()
    wanted: tuple[bytes, ...] = (b"text/event-stream",)
    if exchange.verb == "POST":
        kind = exchange.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if kind != b"application/json":
            why = "Content-Type must be application/json."
            raise Refused(Rejection(415, INVALID_REQUEST, why, reason="BadMediaType"))
        wanted = (b"application/json", b"text/event-stream")
    if not all(_accepts(accept, kind) for kind in wanted):
        names = b" and ".join(wanted).decode()
        why = f"Accept must list {names}."
        raise Refused(Rejection(406, INVALID_REQUEST, why, reason="NotAcceptable"))


def _accepts(accept: bytes, kind: bytes) -> bool:
    if kind in accept:
        return True
    ranges = {part.partition(b";")[0].strip() for part in accept.split(b",")}
    return b"*/*" in ranges or kind.partition(b"/")[0] + b"/*" in ranges


async def _read_message(exchange: Exchange) -> None:
    assert exchange.endpoint is not None
    parsed = parse(await exchange.body(exchange.endpoint.server.limits.requestBytes))
    if isinstance(parsed, Rejection):
        raise Refused(parsed)
    exchange.message = parsed
    speaks = spoken(exchange.headers, parsed)
    if isinstance(speaks, Rejection):
        raise Refused(speaks)
    exchange.spoken = speaks


def _decide(exchange: Exchange) -> None:
    assert exchange.message is not None
    assert exchange.caller is not None
    assert exchange.endpoint is not None
    about = targets(exchange.message)
    if isinstance(about, Rejection):
        raise Refused(about)
    exchange.targets = about
    for target in about:
        decision = decide(target, exchange.caller, exchange.endpoint.rules)
        if isinstance(decision, Deny):
            exchange.allow, exchange.deny = None, decision
            raise Refused(_denied(exchange, decision))
        exchange.allow = decision


def _denied(exchange: Exchange, deny: Deny) -> Rejection:
    """The same bytes whether the name exists or not."""
    assert exchange.message is not None
    assert exchange.spoken is not None
    modern = exchange.spoken.era == "modern"
    # A legacy answer to a request is 200; a notification has no answer that could say it.
    plain = 200 if exchange.message.kind == "request" else 400
    if deny.reason == "UnknownMethod":
        status = 404 if modern else plain
        return Rejection(status, METHOD_NOT_FOUND, deny.message, reason=deny.reason)
    status = 400 if modern else plain
    return Rejection(status, INVALID_PARAMS, deny.message, reason=deny.reason)
