"""Ends what a child of ours started when we are killed in a way that leaves us no time to.

The kernel tells only the child itself, and only on Linux.  So a small shell in a session of its own
waits on a pipe beside each child: a word on it means that the child's end was seen; the pipe's end
without a word means that we are gone, and the child's whole process group follows.
"""

import asyncio
from collections.abc import Callable
from typing import Final

SHELL: Final = "/bin/sh"
DONE: Final = b"done\n"
_SCRIPT: Final = (
    "trap '' INT HUP TERM; read -r word; "
    '[ "$word" = done ] || kill -s KILL -- "-$1" 2>/dev/null; exit 0'
)


class Guardian:
    """Of one process group."""

    def __init__(self, transport: asyncio.SubprocessTransport) -> None:
        self._transport = transport

    def dismiss(self) -> None:
        """The group has ended: its number may soon be somebody else's."""
        pipe: asyncio.WriteTransport | None
        pipe = self._transport.get_pipe_transport(0)  # type: ignore[assignment]  # uvloop's
        if pipe is not None and not pipe.is_closing():
            pipe.write(DONE)
            pipe.close()


class _Shell(asyncio.SubprocessProtocol):
    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def process_exited(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_end()


async def guard(group: int, on_end: Callable[[], None]) -> Guardian | None:
    """None where there is no shell: the kernel's word to the child is all there is then.

    `on_end`: the shell has ended and is reaped."""
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.subprocess_exec(
            lambda: _Shell(on_end),
            *(SHELL, "-c", _SCRIPT, "guardian", str(group)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
            start_new_session=True,
        )
    except OSError:
        return None
    return Guardian(transport)
