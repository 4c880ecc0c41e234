"""An HTTP/1.1 client small enough to see what is on the wire."""

import asyncio
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import orjson
from tests.proxy.conditions import PATIENCE


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class Wire:
    """One connection, kept alive until somebody ends it."""

    port: int
    host: str = "127.0.0.1"
    local: str = ""
    """The address that it comes from; empty: the kernel's choice."""
    reader: asyncio.StreamReader = field(init=False)
    writer: asyncio.StreamWriter = field(init=False)

    async def __aenter__(self) -> Self:
        local = (self.local, 0) if self.local else None
        self.reader, self.writer = await asyncio.open_connection(
            self.host, self.port, local_addr=local
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.writer.close()

    def send(self, method: str, path: str, body: bytes = b"", **headers: str | bytes) -> None:
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost:{self.port}\r\n".encode()
        if body:
            head += f"Content-Length: {len(body)}\r\n".encode()
        for name, value in headers.items():
            raw = value if isinstance(value, bytes) else value.encode()
            head += name.replace("_", "-").encode() + b": " + raw + b"\r\n"
        self.writer.write(head + b"\r\n" + body)

    async def receive(self) -> Answer:
        async with asyncio.timeout(PATIENCE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.rstrip("\r\n").split("\r\n")
            headers = {}
            for line in lines:
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(int(first.split()[1]), headers, body)

    async def ask(
        self, method: str, path: str, body: bytes = b"", **headers: str | bytes
    ) -> Answer:
        self.send(method, path, body, **headers)
        return await self.receive()

    async def ended(self) -> bool:
        """The other side closes the connection."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.read() == b""


async def ask(
    port: int, method: str, path: str, body: bytes = b"", **headers: str | bytes
) -> Answer:
    """One request on a connection of its own."""
    async with Wire(port) as wire:
        return await wire.ask(method, path, body, **headers)
