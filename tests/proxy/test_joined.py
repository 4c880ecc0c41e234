"""Head and body of an answer, in one system call."""

import asyncio

from tests.proxy.conditions import PATIENCE
from tests.proxy.test_limits import Echo, dial, post

from ostiary_proxy.limits import LimitedProtocol
from ostiary_proxy.listener import Listener, bind


async def test_an_answer_goes_out_in_one_write() -> None:
    """Head and body each cost a system call otherwise."""
    writes: list[bytes] = []

    class Counting(LimitedProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            inner = self.transport._transport  # type: ignore[attr-defined]
            monitored = inner.write

            def noted(data: bytes) -> None:
                writes.append(data)
                monitored(data)

            inner.write = noted

    listener = Listener(Echo(), bind("127.0.0.1", 0), protocol=Counting)
    await listener.start()
    async with dial(listener.port) as (reader, writer), asyncio.timeout(PATIENCE):
        for _ in range(3):
            writer.write(post(b"Content-Length: 5", body=b"hello"))
            await reader.readuntil(b"\r\n\r\n5")
    await listener.close()

    assert len(writes) == 3
