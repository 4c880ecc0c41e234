"""Calls that are still open after a while: that they were allowed is recorded before they end.

One may end in hours, or with this process.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final

from ostiary_proxy.exchange import Exchange

TOLD_AFTER_SECONDS: Final = 5.0
EACH_SECONDS: Final = 1.0


async def tell(opened: Callable[[], Iterable[Exchange]]) -> None:
    """Until cancelled.  What was sent on to another pod is told of there."""
    while True:
        await asyncio.sleep(EACH_SECONDS)
        before = time.perf_counter() - TOLD_AFTER_SECONDS
        for exchange in opened():
            if exchange.started < before and not exchange.told_as and not exchange.hop:
                exchange.tell_of()
