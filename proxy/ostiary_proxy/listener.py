"""One listening port: uvicorn's protocol class on sockets of ours.

uvicorn's own `Server` is left out: it takes the process's signals, ticks ten times a second, and
cannot stop accepting without also ending the calls that are open.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Sequence
from email.utils import formatdate
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from ostiary_proxy.asgi import Application

BACKLOG: Final = 2048
KEEP_ALIVE_SECONDS: Final = 75
"""Longer than the minute after which common load balancers give up an idle connection."""
HANDSHAKE_SECONDS: Final = 10.0
"""Of TLS: as long as a head may take."""
LAST_SECONDS: Final = 1.0
"""What still runs when the port is closed for good has this long to notice."""


class _NoCancellations(logging.Filter):
    """uvicorn reports a call that we cancelled as a failure, with a stack."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def bind(host: str, port: int) -> list[socket.socket]:
    """Listening sockets; no host: every address of both families.  Raises OSError."""
    if host:
        return [_bind(host, port)]
    sockets = [_bind("0.0.0.0", port)]
    try:
        # Two sockets rather than one for both: the audit then shows IPv4 callers as such.
        sockets.append(_bind("::", sockets[0].getsockname()[1]))
    except OSError:
        return sockets  # the node has no IPv6
    return sockets


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((host, port))
        bound.listen(BACKLOG)
        bound.setblocking(False)
    except OSError as err:
        bound.close()
        raise OSError(err.errno, f"{err.strerror}: {host} port {port}") from err
    return bound


_NO_CANCELLATIONS: Final = _NoCancellations()


class Listener:
    """Serves an ASGI application on sockets that are bound already."""

    def __init__(
        self,
        app: Application,
        sockets: Sequence[socket.socket],
        *,
        protocol: type[HttpToolsProtocol],
        context: ssl.SSLContext | None = None,
    ) -> None:
        """`context`: of TLS; None: plain."""
        self._sockets = tuple(sockets)
        self.port = int(self._sockets[0].getsockname()[1])
        self._protocol = protocol
        self._tls: dict[str, Any] = {}
        if context is not None:
            self._tls = {"ssl": context, "ssl_handshake_timeout": HANDSHAKE_SECONDS}
        self._config = Config(
            app,
            interface="asgi3",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
        self._state = ServerState()
        self._servers: list[asyncio.Server] = []
        self._clock: asyncio.TimerHandle | None = None

    @property
    def open(self) -> bool:
        return bool(self._servers)

    async def start(self) -> None:
        self._config.load()
        logging.getLogger("uvicorn.error").addFilter(_NO_CANCELLATIONS)
        self._tell_time()
        loop = asyncio.get_running_loop()
        for bound in self._sockets:
            self._servers.append(
                await loop.create_server(self._accept, sock=bound, backlog=BACKLOG, **self._tls)
            )

    def stop_accepting(self) -> None:
        """Close the port and the idle connections; calls that are open go on."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        for connection in tuple(self._state.connections):
            connection.shutdown()

    async def close(self) -> None:
        """End everything."""
        self.stop_accepting()
        if self._clock is not None:
            self._clock.cancel()
        # Connections first: a call that is cancelled must not answer with an error any more.
        for connection in tuple(self._state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        tasks = tuple(self._state.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=LAST_SECONDS)

    def _accept(self) -> asyncio.Protocol:
        return self._protocol(self._config, self._state, {})

    def _tell_time(self) -> None:
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        self._clock = asyncio.get_running_loop().call_later(1.0, self._tell_time)
