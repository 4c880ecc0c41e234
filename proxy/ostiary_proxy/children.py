"""Lines to and from one child process: through the shim's socket, or a child of our own.

The shim starts a process for each connection and ends it with the connection.  A child of our own
(local role) has its own process group, ends with it, and dies with us, whatever ends us.  What the
lines mean is `channel`'s business.
"""

import asyncio
import ctypes
import logging
import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final, cast

from ostiary_proxy.config import SHIM_EXIT_KEY, PortBackend, StdioBackend
from ostiary_proxy.endings import own_exit, shim_exit
from ostiary_proxy.guardian import Guardian, guard
from ostiary_proxy.lines import LONGEST_LINE, Exit, Lines, Listener, Pipe

CONNECT_SECONDS: Final = 5.0
KILL_SECONDS: Final = 5.0
"""Between asking a child's group to end and ending it."""
LAST_LINES_SECONDS: Final = 1.0
LONGEST_LOGGED: Final = 512
UNREAD_BYTES: Final = 64 * 1024
"""What a child leaves unread before writers are made to wait."""
INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER", "LOGNAME", "SHELL", "TERM")
"""All that a child of our own takes over from our environment."""

_PR_SET_PDEATHSIG: Final = 1
_log = logging.getLogger("ostiary.server")


class StartError(Exception):
    """No child could be started."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class _Flow:
    """Writers wait while the child does not read."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._gone = asyncio.Event()

    def pause_writing(self) -> None:
        self._open.clear()

    def resume_writing(self) -> None:
        self._open.set()

    async def writable(self) -> None:
        await self._open.wait()

    async def closed(self) -> None:
        """It has ended and nothing of it is left."""
        await self._gone.wait()


class _Socket(_Flow, asyncio.Protocol):
    """A child behind the shim."""

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self._listener = listener
        self._lines = Lines(self)
        self._transport: asyncio.Transport | None = None
        self._exit = Exit("CommandExited", "The command ended.")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is no subclass, so that only a cast can say what it is.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(UNREAD_BYTES)

    def data_received(self, data: bytes) -> None:
        if not self._lines.feed(data):
            self._exit = Exit("NotMCP", f"The command wrote a line over {LONGEST_LINE} bytes.")
            self.close()

    def on_line(self, line: bytes) -> None:
        if SHIM_EXIT_KEY.encode() in line:
            ended = shim_exit(line)
            if ended is not None:
                self._exit = ended
                return
        self._listener.on_line(line)

    def on_exit(self, ended: Exit) -> None:
        self._listener.on_exit(ended)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.resume_writing()
        self._gone.set()
        self._listener.on_exit(self._exit)

    def write(self, line: bytes) -> None:
        if self._transport is not None:
            self._transport.write(line + b"\n")

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class _Child(_Flow, asyncio.SubprocessProtocol):
    """A child of our own."""

    def __init__(self, listener: Listener, name: str) -> None:
        super().__init__()
        self._listener = listener
        self._name = name
        self._lines = Lines(listener)
        self._errors = Lines(self)
        self._transport: asyncio.SubprocessTransport | None = None
        self._stdin: asyncio.WriteTransport | None = None
        self._pid = 0
        self._flaw: Exit | None = None
        self._guardian: Guardian | None = None
        self._attached = self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)
        self._pid = self._transport.get_pid()

    async def attach(self) -> None:
        """Once the pipes are there."""
        if self._transport is not None:
            self._stdin = cast(asyncio.WriteTransport, self._transport.get_pipe_transport(0))
        self._guardian = await guard(self._pid, self._gone.set)
        self._attached = True
        if self._ended:
            self._leave()

    def _leave(self) -> None:
        if self._guardian is None:
            self._gone.set()
        else:
            self._guardian.dismiss()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            if not self._errors.feed(data):
                self._errors = Lines(self)
        elif not self._lines.feed(data):
            self._flaw = Exit("NotMCP", f"The command wrote a line over {LONGEST_LINE} bytes.")
            self.close()

    def on_line(self, line: bytes) -> None:
        """Of its standard error."""
        text = line[:LONGEST_LOGGED].decode(errors="replace")
        _log.info("server=%s %s", self._name, "".join(filter(str.isprintable, text)))

    def on_exit(self, ended: Exit) -> None:
        self._listener.on_exit(ended)

    def process_exited(self) -> None:
        transport = self._transport
        if transport is None:
            return
        self._signal(signal.SIGKILL)  # what it left behind in its group
        self._flaw = self._flaw or own_exit(transport.get_returncode())
        # Its last lines are still in the pipe; a descendant that fled may hold it open for good.
        asyncio.get_running_loop().call_later(LAST_LINES_SECONDS, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._transport.close()
        self._transport = None
        self.resume_writing()
        self._ended = True
        if self._attached:
            self._leave()
        self.on_exit(self._flaw or Exit("CommandExited", "The command ended."))

    def write(self, line: bytes) -> None:
        if self._stdin is not None and not self._stdin.is_closing():
            self._stdin.write(line + b"\n")

    def close(self) -> None:
        if self._transport is None:
            return
        self._signal(signal.SIGTERM)
        asyncio.get_running_loop().call_later(KILL_SECONDS, self._kill)

    def _kill(self) -> None:
        if self._transport is not None:
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._pid, number)
        except (ProcessLookupError, PermissionError):
            return  # nobody of the group is left


Opener = Callable[[Listener], Awaitable[Pipe]]
"""Begins a child of one backend, or what is served as one.  Raises StartError."""


def opener_of(backend: StdioBackend, name: str) -> Opener:
    if backend.command:
        return lambda listener: start(backend, listener, name)
    return lambda listener: connect(backend.socket, listener)


async def connect(path: str, listener: Listener) -> Pipe:
    """A child behind the shim."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, made = await loop.create_unix_connection(lambda: _Socket(listener), path)
    except (OSError, TimeoutError) as err:
        why = "The server's container does not take connections yet: it may still be starting."
        raise StartError("ConnectionRefused", why) from err
    return made


async def start(backend: StdioBackend | PortBackend, listener: Listener, name: str) -> Pipe:
    """A child of our own."""
    command = backend.command
    environment = {key: os.environ[key] for key in INHERITED if key in os.environ}
    environment |= backend.env
    if not _found(command[0], environment, backend.workingDir):
        why = f"The command {command[0]!r} was not found: install it, or write its full path."
        raise StartError("CommandNotFound", why)
    loop = asyncio.get_running_loop()
    try:
        _, child = await loop.subprocess_exec(
            lambda: _Child(listener, name),
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            cwd=backend.workingDir or None,
            start_new_session=True,
            preexec_fn=_die_with_parent(),
        )
    except OSError as err:
        why = f"The command could not be started: {err.strerror or 'unknown error'}."
        raise StartError("CommandNotFound", why) from err
    await child.attach()
    return child


def _found(program: str, environment: Mapping[str, str], folder: str) -> bool:
    if os.sep in program:
        return (Path(folder or ".") / program).is_file()
    return shutil.which(program, path=environment.get("PATH")) is not None


def _die_with_parent() -> Callable[[], None] | None:
    """Linux ends the child when we die in a way that leaves us no time to."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def ask_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return ask_kernel
