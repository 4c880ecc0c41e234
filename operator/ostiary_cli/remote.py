"""The endpoint's side of a relay: one HTTP client, one legacy session, and what of both is unseen.

A session that the endpoint has lost is begun anew with the client's own words; headers that a
modern call lacks are learned from the tools' schemas.  The client hears of neither.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import httpx2

from ostiary_proxy.message import Json, encode

from .answers import Handshake, Stream, whole
from .endpoint import Endpoint, refused
from .mirrors import Parameters, envelope

LEAVE_SECONDS: Final = 0.5
MOST_PAGES: Final = 20
INITIALIZED: Final[Json] = {"jsonrpc": "2.0", "method": "notifications/initialized"}

_JSON: Final = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
}


class Remote:
    """One endpoint, as one client of its sees it."""

    def __init__(
        self, *, endpoint: Endpoint, http: httpx2.AsyncClient, tell: Callable[[str], None]
    ) -> None:
        self.endpoint = endpoint
        self._http = http
        self._tell = tell
        self._mending = asyncio.Lock()
        self.session = Handshake()
        self.parameters = Parameters()

    def post(self, data: Any, modern: str = "") -> AbstractAsyncContextManager[httpx2.Response]:
        """`data`: a message or a batch; `modern`: the revision that it names, if any."""
        headers = {**_JSON, **(self.parameters.mirrored(data, modern) if modern else {})}
        if not modern and not (isinstance(data, dict) and data.get("method") == "initialize"):
            headers |= self.session.headers
        return self._http.stream("POST", self.endpoint.url, headers=headers, content=encode(data))

    def get(self, last_id: str) -> AbstractAsyncContextManager[httpx2.Response]:
        headers = {"Accept": "text/event-stream", **self.session.headers}
        if last_id:
            headers["Last-Event-ID"] = last_id
        return self._http.stream("GET", self.endpoint.url, headers=headers)

    async def say(self, data: Json) -> int:
        """A message that is not answered; the status says whether it was taken."""
        async with self.post(data) as response:
            await whole(response)
            status: int = response.status_code
        if status >= 400 and status != 404:
            self._tell(refused(self.endpoint, status, "a message was refused"))
        return status

    async def mend(self, lost: Handshake) -> None:
        """The endpoint knows the session no more: the same client begins another, unseen."""
        async with self._mending:
            if self.session is not lost:
                return  # somebody else has done it meanwhile
            fresh = Handshake(request=lost.request)
            async with self.post(lost.request) as response:
                fresh.id = response.headers.get("mcp-session-id", "")
                async for data in Stream().answers(response):
                    if "method" not in data:
                        fresh.note(data.get("result"))
            if not fresh.version:
                self._tell("The session was lost, and the endpoint begins no other.")
                return
            self.session = fresh
            await self.say(INITIALIZED)

    async def learn(self, version: str) -> None:
        """A header was missing or wrong: the tools' schemas say which are wanted."""
        cursor: object = None
        for _ in range(MOST_PAGES):
            params: Json = {"_meta": envelope(version)}
            if isinstance(cursor, str):
                params["cursor"] = cursor
            data = {"jsonrpc": "2.0", "id": "ostiary", "method": "tools/list", "params": params}
            result: object = None
            async with self.post(data, version) as response:
                async for answer in Stream().answers(response):
                    result = answer.get("result")
            self.parameters.learn(result)
            cursor = result.get("nextCursor") if isinstance(result, dict) else None
            if not isinstance(cursor, str):
                return

    async def leave(self) -> None:
        if not self.session.id:
            return
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._http.delete(self.endpoint.url, headers=self.session.headers)
        except (httpx2.HTTPError, TimeoutError):
            return  # it will notice by itself
