"""Leaving without a failed call: say goodbye, go on accepting for a moment, finish, stop.

Begun by the preStop hook of the server's container, through a unix socket (the kubelet ends the
server before the sidecar, so the server must wait for us), or by SIGTERM.  Either way it runs once.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ostiary_proxy.runtime import Runtime

ACCEPT_SECONDS: Final = 3.0
"""New connections are still served this long: endpoints take a moment to move."""
DEFAULT_DRAIN_SECONDS: Final = 30
"""Without a config nothing says how long."""
LOOK_SECONDS: Final = 0.05
DONE: Final = b"drained\n"
SOCKET_MODE: Final = 0o660
"""The server's container runs as another user and shares the group."""

log = logging.getLogger(__name__)


class Drain:
    """Drains this process, once."""

    def __init__(
        self,
        *,
        runtime: Runtime,
        in_flight: Callable[[], int],
        finish: Callable[[], Awaitable[None]],
        stop_accepting: Callable[[], None],
        accept_seconds: float = ACCEPT_SECONDS,
    ) -> None:
        """`finish`: end streams with a result and let calls come to their end."""
        self._runtime = runtime
        self._in_flight = in_flight
        self._finish = finish
        self._stop_accepting = stop_accepting
        self._accept_seconds = accept_seconds
        self._begun = False
        self._done = asyncio.Event()

    async def run(self) -> None:
        """Returns when drained, whoever began it."""
        if self._begun:
            await self._done.wait()
            return
        self._begun = True
        try:
            await self._drain()
        finally:
            self._done.set()

    async def _drain(self) -> None:
        snapshot = self._runtime.snapshot
        seconds = snapshot.config.drainSeconds if snapshot else DEFAULT_DRAIN_SECONDS
        log.info("drain=begun seconds=%d in_flight=%d", seconds, self._in_flight())
        self._runtime.draining = True
        self._runtime.changed()
        try:
            async with asyncio.timeout(seconds):
                await asyncio.sleep(self._accept_seconds)
                self._stop_accepting()
                await self._finish()
                # A plain counter of the hot path: an event would cost every call something.
                while self._in_flight():  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            self._stop_accepting()
            log.warning("drain=cut in_flight=%d", self._in_flight())
        else:
            log.info("drain=done")


class DrainSocket:
    """A connection starts the drain; `drained` and end of file say that it is over."""

    def __init__(self, path: Path, drain: Drain) -> None:
        self._path = path
        self._drain = drain
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        # A socket of this proxy's last life: the emptyDir outlives a container's restart.
        self._path.unlink(missing_ok=True)
        try:
            self._server = await asyncio.start_unix_server(self._serve, str(self._path))
        except OSError as err:
            raise OSError(err.errno, f"{err.strerror}: {self._path}") from err
        self._path.chmod(SOCKET_MODE)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._drain.run()
        writer.write(DONE)
        writer.close()
        try:
            await writer.wait_closed()
        except ConnectionError:
            log.info("drain=unheard")
