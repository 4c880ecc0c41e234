"""The process of an HTTP server in the local role: started, kept running, and ended with us.

On a cluster the kubelet does this.  The port is looked at before each start, so that a stranger who
listens there is never taken for the server, nor its own predecessor that has not left yet.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Final

from ostiary_proxy import children
from ostiary_proxy.config import PortBackend
from ostiary_proxy.lines import Exit, Pipe
from ostiary_proxy.observe import LookError

FIRST_WAIT: Final = 0.5
LAST_WAIT: Final = 30.0
STABLE_SECONDS: Final = 10.0
"""Who lived this long is started again soon; who did not waits twice as long each time."""
LEAVE_SECONDS: Final = 10.0
"""A predecessor has this long to give up the port."""
LISTEN_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.05
LONGEST_LOGGED: Final = 512

_log = logging.getLogger("ostiary.server")


def beside(
    backend: PortBackend,
    name: str,
    *,
    on_change: Callable[[], None],
    spawn: Callable[[Coroutine[object, object, None]], object],
) -> "Companion | Nobody":
    """The backend's own process, begun; or nobody, where somebody else runs it."""
    if not backend.command:
        return Nobody()
    companion = Companion(backend, name, on_change=on_change)
    spawn(companion.run())
    return companion


class Nobody:
    """Stands where there is no process of ours."""

    processes: Final = 0

    def check(self) -> None:
        """Whether it could answer, only asking tells."""

    def stop(self) -> None:
        """It is not ours to end."""


class Companion:
    """One child, again and again, until `stop`."""

    def __init__(
        self,
        backend: PortBackend,
        name: str,
        *,
        on_change: Callable[[], None],
        leave_seconds: float = LEAVE_SECONDS,
    ) -> None:
        """`on_change`: it listens, or it ended."""
        self._leave_seconds = leave_seconds
        self._backend = backend
        self._name = name
        self._on_change = on_change
        self._failure = LookError("ConnectionRefused", "The server is being started.")
        self._running = False
        self._child: Pipe | None = None
        self._stopped = asyncio.Event()

    @property
    def processes(self) -> int:
        return int(self._running)

    def check(self) -> None:
        """Raises LookError while there is no process that could answer."""
        if not self._running:
            raise self._failure

    def stop(self) -> None:
        """The process is asked to end; `run` returns when it has."""
        self._stopped.set()
        if self._child is not None:
            self._child.close()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        wait = FIRST_WAIT
        while not self._stopped.is_set():
            began = loop.time()
            await self._live()
            self._on_change()
            stable = loop.time() - began > STABLE_SECONDS
            wait = FIRST_WAIT if stable else min(wait * 2, LAST_WAIT)
            await self._rest(wait)

    async def _live(self) -> None:
        """One process, from before its start until after its end."""
        if not await self._port_is_free():
            port = self._backend.port
            why = f"Another program listens on port {port}: stop it, or give the server another."
            self._failure = LookError("ConnectionRefused", why)
            return
        if self._stopped.is_set():
            return
        self._running = True  # before the start: it may have ended again when that returns
        try:
            child = await children.start(self._backend, self, self._name)
        except children.StartError as err:
            self._running, self._failure = False, LookError(err.reason, err.message)
            return
        self._child = child
        try:
            await self._tell_when_it_listens()
            await child.closed()
        finally:
            child.close()
            self._child = None

    async def _port_is_free(self) -> bool:
        until = asyncio.get_running_loop().time() + self._leave_seconds
        while await self._listens():
            if self._stopped.is_set() or asyncio.get_running_loop().time() > until:
                return False
            await asyncio.sleep(POLL_SECONDS)
        return True

    async def _tell_when_it_listens(self) -> None:
        until = asyncio.get_running_loop().time() + LISTEN_SECONDS
        while self._running and asyncio.get_running_loop().time() < until:
            if await self._listens():
                self._on_change()
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _listens(self) -> bool:
        try:
            async with asyncio.timeout(1.0):
                _, writer = await asyncio.open_connection(self._backend.host, self._backend.port)
        except ConnectionRefusedError:
            return False
        except OSError:  # TimeoutError is one; somebody is there, who has no time
            return True
        writer.close()
        return True

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopped.wait()
        except TimeoutError:
            return

    def on_line(self, line: bytes) -> None:
        """Of its standard output, which is its log."""
        text = line[:LONGEST_LOGGED].decode(errors="replace")
        _log.info("server=%s %s", self._name, "".join(filter(str.isprintable, text)))

    def on_exit(self, ended: Exit) -> None:
        self._running = False
        self._failure = LookError(ended.reason, ended.message)
