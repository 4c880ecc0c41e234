"""What our own proxies say of themselves: one long poll of `/status` per pod.

Bounded and validated: an answer is at most 1 MiB, follows no redirect, and is a StatusReport or
nothing.  Speaks to nobody but the admin port of pods it is told to follow.  Decides nothing: a
change enqueues the server.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp
from pydantic import ValidationError

from ostiary_proxy.config import ADMIN_PORT, StatusReport

from .credentials import read_token
from .metrics import Metrics
from .status.observed import Unreachable

WAIT_SECONDS: Final = 25
LARGEST_REPORT: Final = 1024 * 1024
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 5.0
GRACE_SECONDS: Final = 5.0
"""A proxy that starts, or starts again, is not called unreachable before."""
_TIMEOUT: Final = aiohttp.ClientTimeout(total=WAIT_SECONDS + 10, connect=3)

log = logging.getLogger(__name__)


class NoReport(Exception):
    """The proxy did not answer, or not as it should."""


Answer = StatusReport | Unreachable


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where one proxy answers."""

    uid: str
    address: str


class _Poll:
    def __init__(self, proxy: Proxy, owner: Hashable) -> None:
        self.proxy = proxy
        self.owner = owner
        self.answer: Answer | None = None
        self.task: asyncio.Task[None] | None = None


class Reports:
    def __init__(
        self,
        *,
        token_file: Path,
        metrics: Metrics,
        clock: Callable[[], float],
        changed: Callable[[Hashable, StatusReport | None], None],
        port: int = ADMIN_PORT,
    ) -> None:
        self._token_file = token_file
        self._metrics = metrics
        self._clock = clock
        self._changed = changed
        self._port = port
        self._polls: dict[str, _Poll] = {}
        self._tasks = asyncio.TaskGroup()
        self._closed = False
        metrics.proxies.set_function(lambda: len(self._polls))

    async def __aenter__(self) -> Self:
        # One connection per proxy is held all the time; what it answers is never inflated.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), auto_decompress=False
        )
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        try:
            await self._tasks.__aexit__(kind, error, trace)
        finally:
            await self._session.close()

    def follow(self, owner: Hashable, proxies: Mapping[str, str]) -> None:
        """Poll exactly these proxies (address by pod uid) on behalf of `owner`."""
        for uid, poll in list(self._polls.items()):
            if poll.owner == owner and proxies.get(uid) != poll.proxy.address:
                self._stop(uid)
        for uid, address in proxies.items():
            if uid not in self._polls and not self._closed:
                poll = _Poll(Proxy(uid, address), owner)
                self._polls[uid] = poll
                poll.task = self._tasks.create_task(self._run(poll))

    def close(self) -> None:
        """Follow nobody any more."""
        for uid in list(self._polls):
            self._stop(uid)
        self._closed = True

    def of(self, uid: str) -> Answer | None:
        """The latest answer; None while it is too early to tell."""
        poll = self._polls.get(uid)
        return poll.answer if poll else None

    def all(self) -> tuple[StatusReport, ...]:
        """The latest of each proxy that answers."""
        answers = (poll.answer for poll in self._polls.values())
        return tuple(it for it in answers if isinstance(it, StatusReport))

    def _stop(self, uid: str) -> None:
        poll = self._polls.pop(uid)
        if poll.task:
            poll.task.cancel()

    async def _run(self, poll: _Poll) -> None:
        pause, failing_since = FIRST_PAUSE, self._clock()
        while True:
            try:
                report = await self._ask(poll)
            except NoReport as err:
                self._metrics.polls.labels("failed").inc()
                if self._clock() - failing_since > GRACE_SECONDS:
                    self._settle(poll, Unreachable(str(err)))
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, pause * 2)
                continue
            pause, failing_since = FIRST_PAUSE, self._clock()
            self._settle(poll, report)

    async def _ask(self, poll: _Poll) -> StatusReport:
        known = poll.answer.etag if isinstance(poll.answer, StatusReport) else ""
        query = {"since": known, "wait": str(WAIT_SECONDS)} if known else {}
        address = poll.proxy.address
        host = f"[{address}]" if ":" in address else address
        try:
            token = await read_token(self._token_file)
            async with self._session.get(
                f"http://{host}:{self._port}/status",
                params=query,
                headers={"Authorization": f"Bearer {token}"},
                timeout=_TIMEOUT,
                allow_redirects=False,
            ) as answer:
                if answer.status == 304 and isinstance(poll.answer, StatusReport):
                    return poll.answer
                if answer.status != 200:
                    raise NoReport(f"HTTP {answer.status}")
                report = StatusReport.model_validate_json(await _bounded(answer.content))
        except (TimeoutError, aiohttp.ClientError, OSError) as err:
            raise NoReport(str(err) or type(err).__name__) from err
        except ValidationError as err:
            raise NoReport(f"not a status report: {err.error_count()} errors") from err
        # A pod's address may have passed to another pod.
        if report.podUid and report.podUid != poll.proxy.uid:
            raise NoReport("another pod answers at this address")
        return report

    def _settle(self, poll: _Poll, answer: Answer) -> None:
        before, poll.answer = poll.answer, answer
        same = _meaning(before) == _meaning(answer)
        if isinstance(answer, StatusReport):
            self._metrics.polls.labels("unchanged" if same else "report").inc()
        if not same and self._polls.get(poll.proxy.uid) is poll:
            self._changed(poll.owner, answer if isinstance(answer, StatusReport) else None)


def _meaning(answer: Answer | None) -> str:
    match answer:
        case StatusReport():
            return answer.etag
        case Unreachable():
            return "unreachable"
        case None:
            return ""


async def _bounded(stream: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for chunk in stream.iter_any():
        body += chunk
        if len(body) > LARGEST_REPORT:
            raise NoReport(f"the report is larger than {LARGEST_REPORT} bytes")
    return bytes(body)
