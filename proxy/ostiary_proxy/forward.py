"""One request on to the pod that owns its session, and the answer back: one hop, never two.

The caller's own token travels, and the owner decides again.  A request that bears the mark is never
sent on, whoever sent it; it is served only when it came from a pod of this server.

What must not run twice is offered before it is sent (`Expect: 100-continue`, RFC 9110, 10.1.1): a
pod may leave between our request and its reading it, and only so can one tell that it never did.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from ostiary_proxy import cuts, relay
from ostiary_proxy.era import ONCE
from ostiary_proxy.exchange import FORWARDED, NOT_HERE, Exchange, Headers, Refused, failed
from ostiary_proxy.message import Rejection
from ostiary_proxy.pool import Pool
from ostiary_proxy.upstream import (
    BrokenError,
    Connection,
    NotTakenError,
    SilentError,
    UnreachableError,
)
from ostiary_proxy.watch import Watch

MARGIN_SECONDS: Final = 60.0
DIAL_SECONDS: Final = 2.0
"""A pod takes a connection within milliseconds, however busy it is; an address that nobody has any
more may swallow the try, and what waits for it goes to the next."""
_PASSED: Final = frozenset(
    {
        b"accept",
        b"authorization",
        b"content-type",
        b"host",
        b"last-event-id",
        b"user-agent",
        b"traceparent",
        b"tracestate",
        b"baggage",
    }
)
_RETURNED: Final = (b"allow", b"mcp-session-id", b"retry-after", b"www-authenticate")


class NotServedError(Exception):
    """It was not carried out there: it may be served elsewhere."""

    def __init__(self, *, gone: bool) -> None:
        super().__init__()
        self.gone = gone
        """The pod could not be reached at all."""


def pool_from(own: str, address: str, port: int) -> Pool:
    """Connections to a sibling, which knows us by the address that they come from."""

    async def dial(make: Callable[[], Connection]) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(DIAL_SECONDS):
                _, made = await loop.create_connection(make, address, port, local_addr=(own, 0))
        except (OSError, TimeoutError) as err:
            raise UnreachableError from err
        return made

    pool = Pool(host=address, port=port)
    pool.dial = dial
    return pool


async def forward(exchange: Exchange, pool: Pool, now: float) -> None:
    """Answered, or NotServedError."""
    assert exchange.endpoint is not None
    limits = exchange.endpoint.server.limits
    seconds = max(limits.callSeconds, limits.inputSeconds) + MARGIN_SECONDS
    connection = await _send(exchange, pool, seconds)
    if connection is None:
        return
    try:
        if NOT_HERE in connection.head.headers:
            raise NotServedError(gone=False)
        if relay.is_stream(connection):
            watch = Watch(limits, now, holding=exchange.holding)
            await relay.stream(exchange, connection, watch)
            return
        body = await relay.whole(connection, seconds)
        relay.note(exchange, body)
        await exchange.reply(connection.head.status, body, _returned(connection))
    except (BrokenError, SilentError) as err:
        if exchange.cut != "gone":
            raise Refused(_broken(exchange)) from err
    finally:
        exchange.on_cut = None
        pool.give_back(connection)


async def _send(exchange: Exchange, pool: Pool, seconds: float) -> Connection | None:
    """None: the client left meanwhile."""
    message = exchange.message
    body = b"" if message is None else message.canonical
    safe = message is None or message.method not in ONCE
    head = _head(exchange, body, offered=not safe)
    sent, offered = (head + body, b"") if safe else (head, body)
    try:
        return await pool.request(
            sent, safe=safe, seconds=seconds, holder=exchange, offered=offered
        )
    except (UnreachableError, NotTakenError) as err:
        raise NotServedError(gone=True) from err
    except BrokenError as err:
        if exchange.cut == "gone":
            return None
        if safe and exchange.cut is None:
            raise NotServedError(gone=True) from err
        raise Refused(_broken(exchange)) from err
    except SilentError as err:
        raise Refused(failed(504, "The server did not answer in time.", "NoAnswer")) from err


def _broken(exchange: Exchange) -> Rejection:
    why = "The pod that held this session ended during the call."
    return cuts.refusal(exchange.cut) or failed(502, why, "Broken")


def _head(exchange: Exchange, body: bytes, *, offered: bool) -> bytes:
    lines = [f"{exchange.verb} {exchange.scope['path']} HTTP/1.1\r\n".encode()]
    lines += [
        b"%b: %b\r\n" % (name, value)
        for name, value in exchange.headers.items()
        if name in _PASSED or name.startswith(b"mcp-")
    ]
    lines.append(b"%b: %b\r\n" % (FORWARDED, exchange.came.source.encode()))
    lines.append(b"accept-encoding: identity\r\n")
    if exchange.verb == "POST":
        lines.append(b"content-length: %d\r\n" % len(body))
    if offered:
        lines.append(b"expect: 100-continue\r\n")
    return b"".join((*lines, b"\r\n"))


def _returned(connection: Connection) -> Headers:
    kept = connection.head.headers
    return tuple((name, kept[name]) for name in _RETURNED if name in kept)
