"""What an endpoint answers over HTTP, as JSON-RPC messages: a body, or the events of a stream."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

from ostiary_proxy.message import Json, decode
from ostiary_proxy.sse import Decoder, TooLargeError

LARGEST: Final = 16 * 1024 * 1024
LONGEST_RETRY: Final = 60.0


@dataclass(slots=True, eq=False)
class Handshake:
    """A legacy session, as far as the endpoint has agreed to one."""

    request: Json = field(default_factory=dict)
    """The client's `initialize`; empty: there was none."""
    id: str = ""
    version: str = ""

    def note(self, result: object) -> None:
        version = result.get("protocolVersion") if isinstance(result, dict) else None
        if isinstance(version, str):
            self.version = version

    @property
    def headers(self) -> dict[str, str]:
        headers = {"Mcp-Session-Id": self.id} if self.id else {}
        return {**headers, "MCP-Protocol-Version": self.version} if self.version else headers


def is_stream(response: httpx2.Response) -> bool:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return response.status_code == 200 and kind == "text/event-stream"


async def whole(response: httpx2.Response) -> bytes:
    """Raises TooLargeError."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > LARGEST:
            raise TooLargeError
    return bytes(body)


class Stream:
    """Where one stream stands, across the connections that carry it."""

    def __init__(self) -> None:
        self.last_id = ""
        self.retry = 0.0

    async def messages(self, response: httpx2.Response) -> AsyncIterator[Json]:
        """To the end of the connection, however it ends."""
        decoder = Decoder()
        try:
            async for chunk in response.aiter_bytes():
                for event in decoder.feed(chunk):
                    if event.id is not None:
                        self.last_id = event.id.decode("latin-1")
                    if event.retry is not None:
                        self.retry = min(int(event.retry[:9]) / 1000, LONGEST_RETRY)
                    for message in _messages(event.data):
                        yield message
        except httpx2.TransportError:
            return

    async def answers(self, response: httpx2.Response) -> AsyncIterator[Json]:
        """Whichever way they come."""
        if is_stream(response):
            async for message in self.messages(response):
                yield message
            return
        for message in _messages(await whole(response)):
            yield message


def _messages(data: bytes) -> list[Json]:
    value: Any = decode(data) if data else None
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]
