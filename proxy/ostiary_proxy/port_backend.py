"""A backend that listens on a port and is spoken to like a child: HTTP+SSE and WebSocket.

One connection per session or modern principal, as a stdio server has one process; all that is true
of processes there (which request goes to which, idleness, the cap) is true of connections here.
"""

from collections.abc import Callable, Coroutine
from typing import Final

from ostiary_proxy import sse_pipe
from ostiary_proxy.children import StartError
from ostiary_proxy.companion import beside
from ostiary_proxy.config import SseBackend, StdioBackend, WebSocketBackend
from ostiary_proxy.exchange import Exchange
from ostiary_proxy.lines import Listener, Pipe
from ostiary_proxy.metrics import Tally
from ostiary_proxy.observe import LookError, Seen
from ostiary_proxy.recipe import Owner
from ostiary_proxy.stdio_backend import StdioServer

MOST_CONNECTIONS: Final = 1024
IDLE_SECONDS: Final = 600


class PortServer:
    """One such backend."""

    def __init__(
        self,
        backend: SseBackend | WebSocketBackend,
        uid: str,
        owner: Owner,
        *,
        name: str,
        now: Callable[[], float],
        on_trouble: Callable[[], None],
        spawn: Callable[[Coroutine[object, object, None]], object],
        tally: Tally,
    ) -> None:
        self._backend = backend
        self._spawn = spawn
        self._lines = StdioServer(
            StdioBackend(
                maxProcesses=MOST_CONNECTIONS,
                idleSeconds=IDLE_SECONDS,
                protocol=backend.protocol,
            ),
            uid,
            owner,
            name=name,
            now=now,
            on_trouble=on_trouble,
            spawn=spawn,
            tally=tally,
            opener=self._open,
        )
        self.source = self._lines.source
        self._companion = beside(backend, name, on_change=on_trouble, spawn=spawn)

    @property
    def processes(self) -> int:
        """Of the server; connections are none."""
        return self._companion.processes

    async def look(self) -> Seen:
        self._companion.check()
        return await self._lines.look()

    async def probe(self) -> None:
        self._companion.check()
        await self._lines.probe()

    async def serve(self, exchange: Exchange) -> None:
        await self._lines.serve(exchange)

    def reap(self) -> None:
        self._lines.reap()

    async def close(self) -> None:
        await self._lines.close()
        self._companion.stop()

    async def _open(self, listener: Listener) -> Pipe:
        try:
            self._companion.check()
        except LookError as err:
            raise StartError(err.reason, err.message) from err
        if isinstance(self._backend, SseBackend):
            return await sse_pipe.connect(self._backend, listener, self._spawn)
        from ostiary_proxy import websocket_pipe  # a library that most proxies never need

        return await websocket_pipe.connect(self._backend, listener)
