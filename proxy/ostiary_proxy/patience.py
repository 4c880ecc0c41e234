"""Waiting for a child that does not read, no longer than caller, rules and limits allow."""

import asyncio
from typing import Protocol

from ostiary_proxy import cuts
from ostiary_proxy.exchange import Exchange, Refused, failed


class Reader(Protocol):
    """Whom something is to be sent."""

    async def writable(self) -> None: ...


async def until_it_reads(exchange: Exchange, reader: Reader) -> bool:
    """False: the client has left.  Raises Refused when the wait ends in another way.

    Nothing may be sent after either: what was revoked meanwhile must not be carried out.
    """
    assert exchange.endpoint is not None
    loop = asyncio.get_running_loop()
    scope = asyncio.timeout(exchange.endpoint.server.limits.callSeconds)

    def hurry() -> None:
        if not scope.expired():
            scope.reschedule(loop.time())

    exchange.on_cut = hurry
    try:
        if exchange.cut is None:
            async with scope:
                await reader.writable()
    except TimeoutError:
        exchange.on_cut = None
        exchange.interrupt("silent")
    finally:
        exchange.on_cut = None
    if exchange.cut in (None, "gone"):
        return exchange.cut is None
    unread = failed(504, "The server does not read what it is sent.", "NoAnswer")
    told = None if exchange.cut == "silent" else cuts.refusal(exchange.cut)
    raise Refused(told or unread)
