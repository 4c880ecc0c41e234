"""A local client's messages to an endpoint over streamable HTTP, and what comes back, as JSON.

In a legacy session it does what a client of that era does: it holds the GET stream, sends the
session's id and revision, and begins a session anew, unseen, when the endpoint has lost it.  In the
modern era a cancelled request is a closed stream.  Which bytes come from where is `stdio`'s.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import httpx2

from ostiary_proxy.message import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    Json,
    Rejection,
    decode,
    encode,
    error_body,
)
from ostiary_proxy.sse import TooLargeError

from .answers import Handshake, Stream, is_stream, whole
from .endpoint import Endpoint, refused, unreachable
from .mirrors import modern_version
from .remote import INITIALIZED, Remote

GRACE_SECONDS: Final = 30.0
"""After the end of its input, what was asked already has this long to be answered: a first call may
have to wait for its server's process.  A client that will not wait sends a signal."""
MOST_IN_FLIGHT: Final = 1024
FIRST_WAIT: Final = 0.25
LAST_WAIT: Final = 15.0
RESUMES: Final = 10
"""An answer whose stream breaks off is looked for this often."""

Verdict = Literal["over", "lost", "mismatch"]
Lines = AsyncIterator[bytes]
_CANCELLED: Final = "notifications/cancelled"
LISTEN: Final = "subscriptions/listen"
_FIRST: Final = asyncio.FIRST_COMPLETED


@dataclass(slots=True, eq=False)
class _Asked:
    """One request, or one batch, that waits for its answer."""

    data: Any
    ident: Any = None
    modern: str = ""
    answered: bool = False
    task: "asyncio.Task[None] | None" = None

    @property
    def method(self) -> str:
        return str(self.data.get("method")) if isinstance(self.data, dict) else ""


class Relay:
    """One client's whole life."""

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        http: httpx2.AsyncClient,
        emit: Callable[[bytes], Awaitable[None]],
        tell: Callable[[str], None],
    ) -> None:
        """`emit`: a message for the client; `tell`: a sentence for the person."""
        self._remote = Remote(endpoint=endpoint, http=http, tell=tell)
        self._emit = emit
        self._tell = tell
        self._asked: dict[tuple[type, Any], _Asked] = {}
        self._listening: asyncio.Task[None] | None = None
        self._hurried = asyncio.Event()
        self.served = False
        """The endpoint has given a result, not errors alone."""

    def hurry(self) -> None:
        """Wait for no answer any more: what is open at the end of the lines is given up."""
        self._hurried.set()

    async def run(self, lines: Lines) -> None:
        """Until the lines end; then the session is given back."""
        async with asyncio.TaskGroup() as group:
            async for line in lines:
                await self._take(line, group)
            # A subscription is answered when it ends, and nobody is left to end it.
            asked = [it for it in self._asked.values() if it.task and it.method != LISTEN]
            answers = asyncio.gather(*(it.task for it in asked if it.task), return_exceptions=True)
            hurried = group.create_task(self._hurried.wait())
            await asyncio.wait((answers, hurried), timeout=GRACE_SECONDS, return_when=_FIRST)
            tasks = [it.task for it in self._asked.values()]
            for task in (*tasks, self._listening, hurried):
                if task is not None:
                    task.cancel()
        await self._remote.leave()

    async def _take(self, line: bytes, group: asyncio.TaskGroup) -> None:
        data = decode(line)
        if isinstance(data, Rejection):
            await self._emit(data.body())
        elif isinstance(data, list):
            await self._ask(_Asked(data, ident=object()), group)
        elif not isinstance(data, dict):
            await self._emit(error_body(None, INVALID_REQUEST, "A message is a JSON object."))
        elif "method" in data and "id" in data:
            asked = _Asked(data, data["id"], modern_version(data))
            await self._ask(asked, group)
        else:
            await self._pass(data, group)

    # requests

    async def _ask(self, asked: _Asked, group: asyncio.TaskGroup) -> None:
        key = (type(asked.ident), asked.ident)
        if len(self._asked) >= MOST_IN_FLIGHT:
            await self._fail(asked, f"More than {MOST_IN_FLIGHT} requests at once.")
        elif asked.method == "initialize":
            # Whatever the client sends next belongs to the session that this begins.
            self._remote.session = Handshake(request=asked.data)
            await self._answer(asked)
        else:
            asked.task = group.create_task(self._answer(asked))
            self._asked[key] = asked
            asked.task.add_done_callback(lambda _: self._asked.pop(key, None))

    async def _answer(self, asked: _Asked) -> None:
        try:
            await self._post(asked)
        except httpx2.HTTPError as err:
            await self._fail(asked, unreachable(self._remote.endpoint, err))
        except TooLargeError:
            await self._fail(asked, "The answer is larger than 16 MiB.")
        if not asked.answered and isinstance(asked.data, dict):
            await self._fail(asked, "The endpoint's answer broke off.")

    async def _post(self, asked: _Asked) -> None:
        """Once, and once more where the first try cannot have been carried out."""
        for again in (False, True):
            session = self._remote.session
            async with self._remote.post(asked.data, asked.modern) as response:
                verdict = await self._read(asked, response, session, last=again)
            if verdict == "lost":
                await self._remote.mend(session)
            elif verdict == "mismatch":
                await self._remote.learn(asked.modern)
            else:
                return

    async def _read(
        self, asked: _Asked, response: httpx2.Response, session: Handshake, *, last: bool
    ) -> Verdict:
        if asked.method == "initialize":
            session.id = response.headers.get("mcp-session-id", "")
        if is_stream(response):
            await self._follow(asked, response)
            return "over"
        body = await whole(response)
        data: Any = decode(body) if body else None
        if not last and not asked.modern and response.status_code == 404 and session.id:
            return "lost"
        if not last and asked.modern and asked.method == "tools/call" and _mismatches(data):
            return "mismatch"
        await self._conclude(asked, response.status_code, data)
        return "over"

    async def _conclude(self, asked: _Asked, status: int, data: Any) -> None:
        """An answer that is no stream: a message, a batch of them, or only a status."""
        error = data.get("error") if isinstance(data, dict) else None
        told: Json = error if isinstance(error, dict) else {}
        endpoint = self._remote.endpoint
        message = str(told.get("message") or f"{endpoint.url} answered HTTP {status}.")
        why = refused(endpoint, status, message)
        if status >= 400 and told.get("code") not in (METHOD_NOT_FOUND, HEADER_MISMATCH):
            self._tell(why)
        if told and isinstance(asked.data, dict) and data.get("id") is None:
            data["id"] = asked.ident
        if not await self._say(data, asked) and isinstance(asked.data, dict):
            await self._fail(asked, why)

    async def _follow(self, asked: _Asked, response: httpx2.Response) -> None:
        """A stream to its end, and where it goes on when it ends before the answer."""
        stream = Stream()
        async for message in stream.messages(response):
            await self._say(message, asked)
        for _ in range(RESUMES):
            if asked.answered or asked.modern or not stream.last_id:
                return
            await asyncio.sleep(stream.retry)
            async with self._remote.get(stream.last_id) as again:
                if not is_stream(again):
                    return
                async for message in stream.messages(again):
                    await self._say(message, asked)

    async def _say(self, data: Any, asked: _Asked | None = None) -> bool:
        """A message of the endpoint's, to the client; False: it was none."""
        many = data if isinstance(data, list) else [data]
        if not many or not all(isinstance(it, dict) and it.get("jsonrpc") == "2.0" for it in many):
            return False
        if asked is not None:
            self._note(asked, data)
        await self._emit(encode(data))
        return True

    def _note(self, asked: _Asked, data: Any) -> None:
        """What an answer teaches."""
        if isinstance(data, list):
            asked.answered = self.served = True
        elif "method" not in data and data.get("id") == asked.ident:
            asked.answered = True
            self.served = self.served or "result" in data
            if asked.method == "initialize":
                self._remote.session.note(data.get("result"))
            elif asked.method == "tools/list" and asked.modern:
                self._remote.parameters.learn(data.get("result"))

    async def _fail(self, asked: _Asked, why: str) -> None:
        self._tell(why)
        if not asked.answered and isinstance(asked.data, dict):
            asked.answered = True
            await self._emit(error_body(asked.ident, INTERNAL_ERROR, why))

    # notifications and answers

    async def _pass(self, data: Json, group: asyncio.TaskGroup) -> None:
        if data.get("method") == _CANCELLED and self._cancel(data.get("params")):
            return
        if not self._remote.session.request:
            return  # a modern client has nothing else to say
        try:
            session = self._remote.session
            status = await self._remote.say(data)
            if status == 404 and session.id and "method" in data:
                await self._remote.mend(session)
        except httpx2.HTTPError as err:
            self._tell(unreachable(self._remote.endpoint, err))
        if data.get("method") == INITIALIZED["method"] and self._listening is None:
            self._listening = group.create_task(self._listen())

    def _cancel(self, params: object) -> bool:
        """True: that was a modern request, whose stream is closed now."""
        ident = params.get("requestId") if isinstance(params, dict) else None
        if not isinstance(ident, str | int):
            return False
        asked = self._asked.get((type(ident), ident))
        if asked is None or not asked.modern:
            return asked is None and not self._remote.session.request
        if asked.task is not None:
            asked.task.cancel()
        return True

    # the session

    async def _listen(self) -> None:
        """What the server says of its own accord, for as long as the session lives."""
        wait = FIRST_WAIT
        stream, session = Stream(), self._remote.session
        while True:
            if session is not self._remote.session:
                stream, session = Stream(), self._remote.session
            try:
                offered = await self._hear(stream)
                wait = FIRST_WAIT
            except (httpx2.HTTPError, TooLargeError):
                offered, wait = True, min(wait * 2, LAST_WAIT)
            if not offered:
                return
            await asyncio.sleep(max(wait, stream.retry))

    async def _hear(self, stream: Stream) -> bool:
        """One connection of it; False: the endpoint offers none."""
        session = self._remote.session
        async with self._remote.get(stream.last_id) as response:
            status: int = response.status_code
            if is_stream(response):
                async for message in stream.messages(response):
                    await self._say(message)
        if status == 404 and session.id:
            await self._remote.mend(session)
            return True
        return not 400 <= status < 500 or status in (409, 429)


def _mismatches(data: Any) -> bool:
    error = data.get("error") if isinstance(data, dict) else None
    return isinstance(error, dict) and error.get("code") == HEADER_MISMATCH
