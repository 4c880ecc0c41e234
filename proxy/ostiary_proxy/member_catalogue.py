"""What a member of a group has, kept: the last good lists for each kind of client that came.

A member that fails keeps what it had, marked as old; one that was never heard of has nothing.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, Literal

from ostiary_proxy.config import MemberReport
from ostiary_proxy.group_shapes import Member
from ostiary_proxy.member_lists import BASE, Ask, AskError, MemberLists, Profile, fetch
from ostiary_proxy.pins import Book
from ostiary_proxy.tool_study import studied

PROFILES: Final = 16
"""Kept at once, beside the base; the one that was used longest ago goes."""
LONGEST_MESSAGE: Final = 1024
_KINDS: Final = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resources",
}


class MemberCatalogue:
    """Of one member."""

    def __init__(
        self,
        member: Member,
        ask: Ask,
        *,
        changed: Callable[[frozenset[str]], None],
        book: Book,
    ) -> None:
        """`changed`: told of the kinds of lists that are others now; empty: how it fares is."""
        self._alias = member.alias
        self._ask, self._changed, self._book = ask, changed, book
        self._kept: dict[Profile, MemberLists] = {}
        self._asking: dict[Profile, asyncio.Event] = {}
        self._failure: AskError | None = None
        self._digest = ""
        self.stamp = 0
        """Another number with each change of what is kept."""

    @property
    def heard(self) -> bool:
        return BASE in self._kept

    @property
    def stale(self) -> bool:
        """The last try failed: what is kept is from before."""
        return self._failure is not None

    @property
    def state(self) -> Literal["Waiting", "Ready", "Unhealthy"]:
        if self._failure is not None:
            return "Unhealthy"
        return "Ready" if self.heard else "Waiting"

    def known(self, profile: Profile) -> MemberLists | None:
        """What is kept for it."""
        lists = self._kept.get(profile)
        if lists is not None and profile != BASE:
            # The newest in use last: dicts keep their order.
            self._kept[profile] = self._kept.pop(profile)
        return lists

    async def get(self, profile: Profile, seconds: float) -> MemberLists | None:
        """None: not heard of, in so many seconds."""
        lists = self.known(profile)
        if lists is not None:
            return lists
        asking = self._asking.get(profile)
        try:
            async with asyncio.timeout(seconds):
                if asking is not None:
                    await asking.wait()
                else:
                    await self._fetch(profile)
        except TimeoutError:
            base = self._kept.get(BASE)
            if base is None:
                self._fail(AskError("NoAnswer", "It did not list what it has in time."))
            else:
                # What it says to others, until it says more: nobody waits for it twice.
                self._kept.setdefault(profile, base)
        return self.known(profile)

    async def refresh(self) -> None:
        """Ask for all that is kept anew, and for the base."""
        await self._fetch(BASE)
        if self._failure is None:
            for profile in [one for one in self._kept if one != BASE]:
                await self._fetch(profile)

    async def _fetch(self, profile: Profile) -> None:
        """One at a time for each profile."""
        asking = self._asking.get(profile)
        if asking is not None:
            await asking.wait()
            return
        asking = self._asking[profile] = asyncio.Event()
        try:
            lists = await fetch(self._ask, profile)
            if profile == BASE:
                await self._study(lists)
            self._keep(profile, lists)
        except AskError as err:
            self._fail(err)
        finally:
            del self._asking[profile]
            asking.set()

    def _keep(self, profile: Profile, lists: MemberLists) -> None:
        before = self._kept.get(profile)
        self._kept[profile] = lists
        others = [one for one in self._kept if one != BASE]
        for gone in others[: max(0, len(others) - PROFILES)]:
            del self._kept[gone]
        recovered = self._failure is not None
        self._failure = None
        kinds = _differing(MemberLists() if recovered else before, lists)
        if kinds or recovered or before is None:
            self.stamp += 1
            self._changed(kinds)

    async def _study(self, lists: MemberLists) -> None:
        """What effects and pins are decided by."""
        tools = lists.items.get("tools/list", ())
        study = await studied([item.data for item in tools])
        self._digest = study.digest
        self._book.saw(study.digest, study.tools, hints=study.hints, twins=study.twins)

    def _fail(self, err: AskError) -> None:
        before, self._failure = self._failure, err
        if before is None or (before.reason, before.message) != (err.reason, err.message):
            self.stamp += before is None
            self._changed(frozenset())

    @property
    def tool_names(self) -> tuple[str, ...]:
        return self._names("tools/list")

    @property
    def prompt_names(self) -> tuple[str, ...]:
        return self._names("prompts/list")

    def _names(self, method: str) -> tuple[str, ...]:
        """Of all kinds of clients: a name means one thing to each of them."""
        every = (name for lists in self._kept.values() for name in lists.names(method))
        return tuple(dict.fromkeys(every))

    def report(self, conflicts: Iterable[str]) -> MemberReport:
        failure, base = self._failure, self._kept.get(BASE) or MemberLists()
        return MemberReport(
            alias=self._alias,
            state=self.state,
            reason="" if failure is None else failure.reason,
            message="" if failure is None else failure.message[:LONGEST_MESSAGE],
            toolCount=len(base.items.get("tools/list", ())),
            toolsDigest=self._digest,
            conflicts=tuple(conflicts),
        )


def _differing(before: MemberLists | None, after: MemberLists) -> frozenset[str]:
    old = before or MemberLists()
    return frozenset(
        kind
        for method, kind in _KINDS.items()
        if old.items.get(method, ()) != after.items.get(method, ())
    )
