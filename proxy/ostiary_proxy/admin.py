"""The admin port: /healthz, /readyz and /metrics for anybody, /status for the operator alone.

No MCP here, nothing that changes anything, and nothing about callers, tools or errors to a reader
without a token.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import parse_qs

from ostiary_proxy.asgi import Receive, Scope, Send
from ostiary_proxy.auth import Refusal
from ostiary_proxy.config import STATUS_AUDIENCE, StatusReport
from ostiary_proxy.metrics import CONTENT_TYPE
from ostiary_proxy.runtime import Runtime
from ostiary_proxy.status import Status

LONGEST_WAIT: Final = 25
"""Seconds of one long poll."""
MOST_WAITING: Final = 16
"""Long polls at a time: the operator and its successor need two."""

_TEXT: Final = b"text/plain; charset=utf-8"
_JSON: Final = b"application/json"
_AUDIENCES: Final = frozenset({STATUS_AUDIENCE})


class Admin:
    """The ASGI application of the admin port."""

    def __init__(
        self,
        *,
        runtime: Runtime,
        status: Status,
        missing: Callable[[], Iterable[str]],
    ) -> None:
        """`missing`: in a word each, what this proxy still waits for; nothing = ready."""
        self._runtime = runtime
        self._status = status
        self._missing = missing
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path not in ("/healthz", "/readyz", "/metrics", "/status"):
            await _answer(send, 404, b'{"error":"not found"}\n', _JSON)
        elif scope["method"] not in ("GET", "HEAD"):
            allow = [(b"allow", b"GET, HEAD")]
            await _answer(send, 405, b'{"error":"only GET and HEAD"}\n', _JSON, allow)
        elif path == "/healthz":
            await _answer(send, 200, b"ok\n")
        elif path == "/readyz":
            await self._readyz(send)
        elif path == "/metrics":
            await _answer(send, 200, self._runtime.metrics.text(), CONTENT_TYPE)
        else:
            await self._answer_status(scope, receive, send)

    async def _readyz(self, send: Send) -> None:
        missing = ", ".join(self._missing())
        if missing:
            await _answer(send, 503, f"not ready: {missing}\n".encode())
        else:
            await _answer(send, 200, b"ready\n")

    async def _answer_status(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refuse(scope)
        if refusal is not None:
            await self._send_refusal(scope, send, refusal)
            return
        query = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=8)
        since = query.get("since", [""])[-1].strip('"')
        wait = query.get("wait", ["0"])[-1]
        if not (wait.isascii() and wait.isdigit()) or int(wait[:4]) > LONGEST_WAIT:
            say = b'{"error":"wait is a whole number of seconds from 0 to 25"}\n'
            await _answer(send, 400, say, _JSON)
            return
        if self._waiting >= MOST_WAITING:
            retry = [(b"retry-after", b"1")]
            await _answer(send, 503, b'{"error":"too many long polls"}\n', _JSON, retry)
            return
        report = await self._wait(since, int(wait), receive)
        if report is not None:
            headers = [(b"etag", f'"{report.etag}"'.encode()), (b"cache-control", b"no-store")]
            await _answer(send, 200, report.model_dump_json().encode(), _JSON, headers)

    def _refuse(self, scope: Scope) -> Refusal | None:
        """None for the operator: a cluster's token, our audience, its ServiceAccount."""
        snapshot = self._runtime.snapshot
        if snapshot is None:
            # Without a config there is no issuer to trust and no operator to know.
            return Refusal(503, "There is no config yet.", retry_after=1)
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) > 1:
            return Refusal(401, "One Authorization header, please.", b"Bearer")
        token = given[0] if given else None
        caller = snapshot.verifier.verify(token, _AUDIENCES, False, kind="kubernetes")
        if isinstance(caller, Refusal):
            return caller
        if not snapshot.config.operatorSubject:
            return Refusal(403, "No operator is named in the config.")
        if caller.principal != snapshot.config.operatorSubject:
            return Refusal(403, "Only the operator may read the status.")
        return None

    async def _send_refusal(self, scope: Scope, send: Send, refusal: Refusal) -> None:
        client = scope.get("client")
        name = self._runtime.audit.event(
            event="status",
            outcome="denied",
            status=refusal.status,
            reason=refusal.reason,
            source=client[0] if client else "",
        )
        headers = []
        if refusal.challenge:
            headers.append((b"www-authenticate", refusal.challenge))
        if refusal.retry_after:
            headers.append((b"retry-after", str(refusal.retry_after).encode()))
        body = f'{{"error":"{refusal.reason}","id":"{name}"}}\n'.encode()
        await _answer(send, refusal.status, body, _JSON, headers)

    async def _wait(self, since: str, seconds: int, receive: Receive) -> StatusReport | None:
        """None when the reader left."""
        self._waiting += 1
        try:
            async with asyncio.TaskGroup() as group:
                waiting = group.create_task(self._status.wait(since, seconds))
                leaving = group.create_task(_until_gone(receive))
                await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
                gone = not waiting.done()
                waiting.cancel()
                leaving.cancel()
            return None if gone else waiting.result()
        finally:
            self._waiting -= 1


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer(
    send: Send,
    status: int,
    body: bytes,
    media_type: bytes = _TEXT,
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    length = str(len(body)).encode()
    start = [(b"content-type", media_type), (b"content-length", length), *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})
