"""All OIDC issuers of the settings, followed: as many as are written there now, each fetched when
it is due.

An issuer that is written is asked at once; one that is taken away, or becomes another, is dropped
with its keys at the next look.  The same on a cluster and for `ostiary up`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from ostiary_proxy.config import Issuer

from .fetch import Fetcher
from .oidc import OidcIssuer, OnResult
from .trusted_issuers import TrustedIssuer

NOBODY: Final = "nobody of it is let in until it does"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the settings say."""

    issuers: tuple[TrustedIssuer, ...] = ()
    closed: tuple[str, ...] = ()
    """The cluster's own networks that lie in the internet's space."""
    loopback: bool = False
    """On a laptop an issuer may be a program beside this one."""

    def fetcher(self, said: TrustedIssuer) -> Fetcher:
        host = urlsplit(said.url).hostname or ""
        return Fetcher(
            private_host=host if said.private else "",
            closed=self.closed,
            loopback=self.loopback,
            ca=said.caBundle,
        )


class OidcIssuers:
    def __init__(
        self,
        *,
        wanted: Callable[[], Wanted],
        clock: Callable[[], float],
        on_result: OnResult = lambda name, result, keys: None,
        on_gone: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._wanted = wanted
        self._clock = clock
        self._on_result = on_result
        self._on_gone = on_gone
        self._followed: dict[str, OidcIssuer] = {}
        """By name."""
        self._before: dict[str, Issuer] = {}
        """What an earlier process, or an issuer's earlier settings, knew, by URL."""
        self._again = asyncio.Event()

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        self._settle()
        return tuple(self._followed[name].issuer for name in sorted(self._followed))

    @property
    def troubles(self) -> dict[str, str]:
        """Of issuers whose last fetch failed: why, by name."""
        return {name: it.trouble for name, it in self._followed.items() if it.trouble}

    @property
    def silent(self) -> dict[str, str]:
        """Of issuers that give no keys just now, by URL: what is so, in a sentence."""
        found = {}
        for it in self._followed.values():
            if it.trouble:
                held = bool(it.issuer.keys)
                left = "the keys that it gave before are still good" if held else NOBODY
                found[it.settings.url] = f"its keys could not be fetched: {it.trouble}; {left}"
            elif it.has_answered and not it.issuer.keys:
                found[it.settings.url] = f"it lists no key that could check a signature; {NOBODY}"
        return found

    def remember(self, issuers: Iterable[Issuer]) -> None:
        """Keys that were good before this process began."""
        self._before |= {it.issuer: it for it in issuers if it.kind == "oidc"}

    def look_again(self, key_ids: Iterable[str]) -> None:
        """Somebody bears a token that one of these may have signed."""
        named = tuple(key_ids)
        news = [it for it in self._followed.values() if it.look_again(named)]
        if news:
            self._again.set()

    def look_at_settings(self) -> None:
        """They may have changed."""
        self._again.set()

    async def run(
        self,
        changed: Callable[[], None],
        settled: Callable[[], Awaitable[float | None]],
        told: Callable[[], None] = lambda: None,
    ) -> None:
        """For ever.  `changed`: other keys, or others' keys; `settled`: after each round; says
        after how many seconds it wants another, if it does; `told`: `silent` is another."""
        before: tuple[Issuer, ...] = ()
        silent: dict[str, str] = {}
        while True:
            self._again.clear()
            self._settle()
            now = self._clock()
            async with asyncio.TaskGroup() as tasks:
                for issuer in list(self._followed.values()):
                    if issuer.due <= now:
                        tasks.create_task(issuer.fetch())
            if self.issuers != before:
                before = self.issuers
                changed()
            if self.silent != silent:
                silent = self.silent
                told()
            await self._pause(await settled())

    async def _pause(self, longest: float | None) -> None:
        times = [max(0.0, it.due - self._clock()) for it in self._followed.values()]
        if longest is not None:
            times.append(longest)
        try:
            async with asyncio.timeout(min(times, default=None)):
                await self._again.wait()
        except TimeoutError:
            return

    def _settle(self) -> None:
        """Be what the settings say."""
        wanted = self._wanted()
        by_name = {it.name: it for it in wanted.issuers}
        for name, issuer in list(self._followed.items()):
            if by_name.get(name) != issuer.settings or issuer.fetcher != wanted.fetcher(
                issuer.settings
            ):
                del self._followed[name]
                self._on_gone(name)
                if name in by_name and by_name[name].url == issuer.settings.url:
                    self._before[issuer.settings.url] = issuer.issuer
        for name, said in by_name.items():
            if name not in self._followed:
                self._followed[name] = self._make(said, wanted)
                self._again.set()

    def _make(self, said: TrustedIssuer, wanted: Wanted) -> OidcIssuer:
        made = OidcIssuer(
            said, fetcher=wanted.fetcher(said), clock=self._clock, on_result=self._on_result
        )
        before = self._before.pop(said.url, None)
        if before is not None:
            made.remember(before.keys)
        return made
