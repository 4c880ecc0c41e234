"""A TCP forwarder from the host's loopback into a network namespace, or back with --reverse.

    python -m e2e.cluster.forward NAMESPACE LISTEN_PORT TARGET_PORT [--reverse]

--reverse listens inside the namespace and connects on the host.  Linux, root."""

import asyncio
import contextlib
import ctypes
import os
import socket
import sys
from typing import Final

CLONE_NEWNET: Final = 0x40000000  # os.setns came with Python 3.12


def enter(descriptor: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


async def serve(listener: socket.socket, target: int) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, onward = await asyncio.open_connection("127.0.0.1", target)
        except OSError:
            writer.close()
            return
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(copy(reader, onward))
                both.create_task(copy(there, writer))
        finally:
            writer.close()
            onward.close()

    server = await asyncio.start_server(connected, sock=listener)
    await server.serve_forever()


def main(namespace: str, listen: int, target: int, *, reverse: bool) -> None:
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    away = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    enter(away if reverse else home)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", listen))
    listener.listen(256)
    enter(home if reverse else away)  # a socket stays where it was made: new ones are made there
    asyncio.run(serve(listener, target))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), reverse="--reverse" in sys.argv)
