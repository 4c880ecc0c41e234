"""What a stdio server answers to anybody: `initialize` and its lists, per revision and client
capabilities.

A process of our own is asked once and ended; what it said is kept until the server's lists change.
So clients that only look around cost no process each.  A session whose client wants more gets a
process of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from hashlib import sha256
from typing import Final

from ostiary_proxy import children
from ostiary_proxy.channel import Channel
from ostiary_proxy.crew import not_started
from ostiary_proxy.era import LISTS
from ostiary_proxy.exchange import Refused
from ostiary_proxy.handshake import INITIALIZED, answer, shake
from ostiary_proxy.message import INVALID_PARAMS, Json, encode
from ostiary_proxy.observe import CLIENT, PAGES
from ostiary_proxy.tool_digest import canonical

PROFILES: Final = 16
"""Kept at once; the one that was used longest ago goes."""
FRESH_SECONDS: Final = 600.0
LARGEST: Final = 8 * 1024 * 1024
"""Bytes of one profile's lists; those of a longer one are left to the sessions' own processes."""
LIST_SECONDS: Final = 10.0

Page = tuple[str, str | None]


class _Profile:
    """What one process said."""

    def __init__(self, born: float) -> None:
        self.born = born
        self.shaken = asyncio.Event()
        self.listed = {method: asyncio.Event() for method in LISTS}
        """One each: a server may leave a list unanswered that it does not have."""
        self.hello: Json = {}
        self.failure: Refused | None = None
        self.pages: dict[Page, Json] = {}
        self.size = 0

    def keep(self, page: Page, response: Json) -> None:
        self.size += len(encode(response))
        self.pages[page] = response

    def end(self) -> None:
        self.shaken.set()
        for listed in self.listed.values():
            listed.set()


class Catalogue:
    """Of one stdio server."""

    def __init__(
        self,
        name: str,
        start: Callable[[Channel], Awaitable[None]],
        *,
        now: Callable[[], float],
        spawn: Callable[[Coroutine[object, object, None]], object],
    ) -> None:
        self._name = name
        self._start = start
        self._now = now
        self._spawn = spawn
        self._profiles: dict[bytes, _Profile] = {}
        self._turn = asyncio.Lock()
        """One process at a time: capabilities are what callers say they are."""
        self.processes = 0

    async def hello(self, version: str, capabilities: Json, seconds: float) -> Json:
        """The response to a handshake, less its id.  Refused when there is none."""
        profile = self._profile(version, capabilities, seconds)
        await profile.shaken.wait()
        if profile.failure is not None:
            raise profile.failure
        return profile.hello

    async def page(
        self, version: str, capabilities: Json, page: Page, seconds: float
    ) -> Json | None:
        """The response to a list, less its id; None when only a session's own process can tell."""
        profile = self._profile(version, capabilities, seconds)
        method, cursor = page
        await profile.listed[method].wait()
        if (method, None) not in profile.pages or cursor is None:
            return profile.pages.get((method, None))
        unknown = {"code": INVALID_PARAMS, "message": "Unknown cursor."}
        return profile.pages.get(page, {"jsonrpc": "2.0", "error": unknown})

    def forget(self) -> None:
        """The lists have changed."""
        self._profiles.clear()

    def _profile(self, version: str, capabilities: Json, seconds: float) -> _Profile:
        key = sha256(canonical([version, capabilities])).digest()
        profile = self._profiles.pop(key, None)
        if profile is None or self._now() - profile.born > FRESH_SECONDS:
            profile = _Profile(self._now())
            self._spawn(self._fill(key, profile, version, capabilities, seconds))
        self._profiles[key] = profile
        if len(self._profiles) > PROFILES:
            del self._profiles[next(iter(self._profiles))]
        return profile

    async def _fill(
        self, key: bytes, profile: _Profile, version: str, capabilities: Json, seconds: float
    ) -> None:
        try:
            async with self._turn:
                await self._ask(profile, version, capabilities, seconds)
            if "result" not in profile.hello:
                self._forget(key, profile)  # a no may be a yes the next time
        except Refused as refused:
            if not profile.shaken.is_set():
                profile.failure = refused
                self._forget(key, profile)
        finally:
            profile.end()

    def _forget(self, key: bytes, profile: _Profile) -> None:
        if self._profiles.get(key) is profile:
            del self._profiles[key]

    async def _ask(
        self, profile: _Profile, version: str, capabilities: Json, seconds: float
    ) -> None:
        channel = Channel(self._name)
        try:
            await self._start(channel)
        except children.StartError as err:
            raise Refused(not_started()) from err
        self.processes += 1
        try:
            hello = {"protocolVersion": version, "capabilities": capabilities, "clientInfo": CLIENT}
            profile.hello = await shake(channel, hello, seconds)
            profile.shaken.set()
            if isinstance(profile.hello.get("result"), dict):
                channel.send(INITIALIZED)
                for method in LISTS:
                    await self._walk(channel, profile, method)
                    profile.listed[method].set()
        finally:
            self.processes -= 1
            channel.close()

    async def _walk(self, channel: Channel, profile: _Profile, method: str) -> None:
        cursor: str | None = None
        pages: dict[Page, Json] = {}
        for _ in range(PAGES):
            params = {} if cursor is None else {"cursor": cursor}
            try:
                response = await answer(channel, method, params, LIST_SECONDS)
            except Refused:
                return  # half a list is none
            response.pop("id", None)
            pages[method, cursor] = response
            result = response.get("result")
            following = result.get("nextCursor") if isinstance(result, dict) else None
            if not isinstance(following, str) or (method, following) in pages:
                break
            cursor = following
        for page, response in pages.items():
            if profile.size < LARGEST:
                profile.keep(page, response)
