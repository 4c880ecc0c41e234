"""Kept connections to a backend, over TCP, a unix socket or what `dial` opens.

A request is sent once; it is sent again only when it was `safe`, went out on a connection kept from
before, and that connection died without a byte of an answer.  One whose body waits for the other
side's word (`Expect: 100-continue`) was not carried out before it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from ostiary_proxy.upstream import BrokenError, Connection, NotTakenError, UnreachableError

CONNECT_SECONDS: Final = 5.0
KEPT_SECONDS: Final = 4.0
"""Idle for longer, a connection is not used again: uvicorn and Node close theirs after 5 s."""
KEPT_CONNECTIONS: Final = 128


class Holder(Protocol):
    """Whoever a request is for; it may lose interest."""

    on_cut: Callable[[], None] | None

    @property
    def cut(self) -> object: ...


Dialer = Callable[[Callable[[], Connection]], Awaitable[Connection]]  # or UnreachableError


class Pool:
    """Connections to one backend."""

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, unix: str = "") -> None:
        self._host, self._port, self._unix = host, port, unix
        self.dial: Dialer = self._dial_here
        self._idle: list[Connection] = []
        self._retired = False
        self.requests = 0
        """Sent so far."""
        self.opened = 0
        """Connections made so far."""

    async def request(
        self,
        data: bytes,
        *,
        safe: bool,
        seconds: float,
        holder: Holder | None = None,
        offered: bytes = b"",
    ) -> Connection:
        """Send it and wait for the answer's head.  The caller gives the connection back.

        `holder` can cut the wait short by then.  `offered`: the body behind a head that expects
        100-continue, sent when it is asked for; NotTakenError when the connection ends before.
        """
        while True:
            kept = self._kept()
            connection = kept or await self._open()
            try:
                self.requests += 1
                if holder is not None:
                    holder.on_cut = connection.close
                connection.send(data)
                if offered:
                    await connection.offer(offered, seconds)
                await connection.read_head(seconds)
                return connection
            except BrokenError as err:
                given_up = holder is not None and holder.cut is not None
                untaken = bool(offered) and not connection.received
                if given_up or connection.received or not (safe or untaken):
                    raise
                if kept is None:
                    raise (NotTakenError if untaken else BrokenError) from err
            except BaseException:  # a cancelled call too leaves a connection of no use
                connection.close()
                raise

    def give_back(self, connection: Connection) -> None:
        """Keep it when its answer was read to the end, close it otherwise."""
        if self._retired or not connection.reusable or len(self._idle) >= KEPT_CONNECTIONS:
            connection.close()
            return
        connection.busy = False
        connection.kept_at = asyncio.get_running_loop().time()
        self._idle.append(connection)

    def retire(self) -> None:
        """Keep nothing any more, not even what is in use now."""
        self._retired = True
        self.close()

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    async def probe(self) -> None:
        """Can it be reached at all?  Sends nothing."""
        self.prune()
        (await self._open()).close()

    def prune(self) -> None:
        oldest = asyncio.get_running_loop().time() - KEPT_SECONDS
        while self._idle and (self._idle[0].kept_at < oldest or not self._idle[0].alive):
            self._idle.pop(0).close()

    def _kept(self) -> Connection | None:
        oldest = asyncio.get_running_loop().time() - KEPT_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.alive and connection.kept_at >= oldest:
                return connection
            connection.close()
        return None

    async def _open(self) -> Connection:
        loop = asyncio.get_running_loop()
        made = await self.dial(lambda: Connection(loop))
        self.opened += 1
        return made

    async def _dial_here(self, make: Callable[[], Connection]) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                if self._unix:
                    _, made = await loop.create_unix_connection(make, self._unix)
                else:
                    _, made = await loop.create_connection(make, self._host, self._port)
        except (OSError, TimeoutError) as err:
            raise UnreachableError from err
        return made
