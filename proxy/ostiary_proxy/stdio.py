"""A child's answer to the client: JSON when the answer comes first, an event stream otherwise."""

import asyncio
from typing import Final

from ostiary_proxy import cuts
from ostiary_proxy.catalogue_reader import may_hear
from ostiary_proxy.exchange import Exchange, Refused, failed
from ostiary_proxy.mailbox import Letter, Letters
from ostiary_proxy.message import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    UNSUPPORTED_VERSION,
    decode,
)
from ostiary_proxy.relay import shown
from ostiary_proxy.sse import COMMENT, encode
from ostiary_proxy.watch import Watch, closing_words, error_code

UNREACHABLE: Final = "Unreachable"
"""An `Exit` for this reason: nothing was sent."""
MISSING_CAPABILITY: Final = -32021
_MODERN_STATUS: Final = {
    PARSE_ERROR: 400,
    INVALID_REQUEST: 400,
    INVALID_PARAMS: 400,
    HEADER_MISMATCH: 400,
    MISSING_CAPABILITY: 400,
    UNSUPPORTED_VERSION: 400,
    METHOD_NOT_FOUND: 404,
}
"""What HTTP says of a modern error; a legacy one is 200."""


async def deliver(exchange: Exchange, mailbox: Letters, watch: Watch) -> None:
    """Until the last letter, the end of the child, or the end of patience."""
    exchange.on_cut = mailbox.wake
    loop = asyncio.get_running_loop()
    try:
        while exchange.cut is None:
            if watch.expired(loop.time()):
                exchange.interrupt(watch.why())
                break
            letter = await mailbox.get(watch.patience(loop.time()))
            if letter is not None:
                watch.heard(loop.time())
                if await _pass(exchange, letter, watch):
                    return
            elif mailbox.ended is not None or mailbox.overflowed:
                exchange.interrupt("broken" if mailbox.ended is not None else "overflow")
            elif exchange.cut is None and not watch.expired(loop.time()):
                # Nothing for a while: a stream can be kept alive, a pending JSON answer cannot.
                await _begin(exchange)
                await exchange.write(COMMENT)
        await _close(exchange, mailbox, watch)
    finally:
        exchange.on_cut = None
        watch.close()


async def _pass(exchange: Exchange, letter: Letter, watch: Watch) -> bool:
    """True after the last one."""
    if not letter.last and not _may_hear(exchange, letter):
        return False
    if letter.question is not None:
        watch.ask(letter.question)
    if not letter.last:
        await _begin(exchange)
        await exchange.write(encode(letter.data))
        return False
    code = error_code(letter.data)
    if code is not None:
        exchange.error = code
    data = shown(exchange, letter.data)
    if exchange.answering:
        await exchange.end(encode(data))
    else:
        await exchange.reply(_status(exchange, code), data)
    return True


def _may_hear(exchange: Exchange, letter: Letter) -> bool:
    caller = exchange.caller
    if caller is None or caller.kind != "catalogue":
        return True
    return may_hear(exchange.message, decode(letter.data))


def _status(exchange: Exchange, code: int | None) -> int:
    if code is None or exchange.spoken is None or exchange.spoken.era == "legacy":
        return 200
    return _MODERN_STATUS.get(code, 200)


async def _begin(exchange: Exchange) -> None:
    if not exchange.answering:
        await exchange.start()


async def _close(exchange: Exchange, mailbox: Letters, watch: Watch) -> None:
    """The answer ends without its last letter."""
    if exchange.cut == "gone":
        return
    if exchange.answering or exchange.holding:
        await _begin(exchange)
        await exchange.end(closing_words(exchange, watch))
        return
    told = cuts.refusal(exchange.cut)
    if told is not None:
        raise Refused(told)
    if mailbox.ended is not None and mailbox.ended.reason == UNREACHABLE:
        raise Refused(failed(502, "The server cannot be reached just now.", "Unreachable"))
    raise Refused(failed(502, "The server's process ended during the call.", "Broken"))
