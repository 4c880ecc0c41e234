"""What a member of a group has, kept: the last good lists for each kind of client that came.

A member that fails keeps what it had, marked as old; one that was never heard of has nothing.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from ostiary_proxy.config import MemberReport
from ostiary_proxy.group_shapes import Member
from ostiary_proxy.member_lists import (
    BASE,
    LARGEST,
    Ask,
    AskError,
    Item,
    MemberLists,
    Profile,
    Room,
    fetch,
    weight_of,
)
from ostiary_proxy.message import Json
from ostiary_proxy.pins import Book
from ostiary_proxy.tool_study import studied

PROFILES: Final = 16
"""Kept at once, beside the base; the one that was used longest ago goes."""
LONGEST_MESSAGE: Final = 1024
FETCH_SECONDS: Final = 60.0
"""For all lists of one member, however many pages it has."""
AT_ONCE: Final = 2
"""Kinds of clients that it is asked for at a time, beside the base: what it answers is read whole,
and each answer may be large."""
A_TURN: Final = 200
"""Items that are compared before others have their turn."""
_KINDS: Final = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resources",
}


@dataclass(slots=True)
class _Asking:
    """Somebody is."""

    over: asyncio.Event = field(default_factory=asyncio.Event)
    answered: bool = False
    """There was an end to it, good or bad."""


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
        self._asking: dict[Profile, _Asking] = {}
        self._turn, self._room = asyncio.Semaphore(AT_ONCE), Room()
        self._met = 0
        """Kinds of clients that came since the last look at all of them: what a client says that it
        can is its own to say, and each kind costs the member a walk of its lists."""
        self._failure: AskError | None = None
        self._digest = ""

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

    @property
    def reason(self) -> str:
        """A CamelCase word, while it is Unhealthy."""
        return "" if self._failure is None else self._failure.reason

    def known(self, profile: Profile) -> MemberLists | None:
        """What is kept for it."""
        lists = self._kept.get(profile)
        if lists is not None and profile != BASE:
            # The newest in use last: dicts keep their order.
            self._kept[profile] = self._kept.pop(profile)
        return lists

    async def get(self, profile: Profile, seconds: float) -> MemberLists | None:
        """None: not heard of, in so many seconds."""
        lists, base = self.known(profile), self._kept.get(BASE)
        if lists is not None:
            return lists
        if profile not in self._asking:
            if base is not None and self._met >= PROFILES:
                return base
            self._met += 1
        await self._await(profile, seconds)
        lists, base = self.known(profile), self._kept.get(BASE)
        if lists is None and base is not None:
            # What it says to others, until it says more: nobody waits for it twice.
            self._keep(profile, base)
        return lists or base

    async def _await(self, profile: Profile, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                # Whoever asks already may give up: then the next one asks.
                while not await self._fetch(profile):
                    if self.known(profile) is not None:
                        break
        except TimeoutError:
            if not self.heard:
                self._fail(AskError("NoAnswer", "It did not list what it has in time."))

    async def refresh(self) -> None:
        """Ask for all that is kept anew, and for the base."""
        self._met = 0
        await self._fetch(BASE)
        if self._failure is None:
            for profile in [one for one in self._kept if one != BASE]:
                if profile in self._kept:
                    await self._fetch(profile)

    async def _fetch(self, profile: Profile) -> bool:
        """One at a time for each profile.  False: it was another, who gave up."""
        asking = self._asking.get(profile)
        if asking is not None:
            await asking.over.wait()
            return asking.answered
        asking = self._asking[profile] = _Asking()
        turn = contextlib.nullcontext() if profile == BASE else self._turn
        try:
            async with turn, asyncio.timeout(FETCH_SECONDS):
                lists = await self._shared(await fetch(self._ask, profile, self._room))
            if profile == BASE:
                await self._study(lists)
            asking.answered = True
        except TimeoutError:
            asking.answered = True
            self._fail(AskError("NoAnswer", "It does not come to the end of its lists."), profile)
        except AskError as err:
            asking.answered = True
            self._fail(err, profile)
        else:
            self._keep(profile, lists)
        finally:
            del self._asking[profile]
            asking.over.set()
        return True

    async def _shared(self, lists: MemberLists) -> MemberLists:
        """The same, made of the lists that are kept already where it says the same as before, or
        the same to all: what is made of them is kept by which they are."""
        items = dict(lists.items)
        for method, listed in lists.items.items():
            for kept in tuple(self._kept.values()):
                known = kept.items.get(method, ())
                if await _alike(known, listed):
                    items[method] = known
                    break
        return MemberLists(lists.hello, items)

    def _keep(self, profile: Profile, lists: MemberLists) -> None:
        lists = self._fitted(profile, lists)
        before, fresh = self._kept.get(profile), self._unnamed(lists)
        self._kept[profile] = lists
        recovered = profile == BASE and self._failure is not None
        if profile == BASE:
            self._failure = None
        # What could not be told of while it was away may be news as well.
        kinds = _differing(None if recovered else before, lists)
        if before is None and profile != BASE:
            # It is the first client of its kind: nobody has seen another list.
            if fresh:
                self._changed(fresh)
        elif kinds or recovered or before is None:
            self._changed(kinds)

    def _fitted(self, newest: Profile, lists: MemberLists) -> MemberLists:
        """What was used longest ago goes first; a kind that has no room beside the base has its."""
        others = [one for one in self._kept if one not in (BASE, newest)]
        most = PROFILES if newest == BASE else PROFILES - 1
        base = None if newest == BASE else self._kept.get(BASE)

        def is_over() -> bool:
            kept = [lists, *(self._kept[one] for one in others), *([base] if base else [])]
            return weight_of(kept) > LARGEST

        while others and (len(others) > most or is_over()):
            del self._kept[others.pop(0)]
        return base if base is not None and is_over() else lists

    def _unnamed(self, lists: MemberLists) -> frozenset[str]:
        """The kinds in which it has names that no other has yet."""
        known = {"tools/list": self.tool_names, "prompts/list": self.prompt_names}
        return frozenset(
            _KINDS[method]
            for method, names in known.items()
            if not set(lists.names(method)) <= set(names)
        )

    async def _study(self, lists: MemberLists) -> None:
        """What effects and pins are decided by."""
        tools = lists.items.get("tools/list", ())
        study = await studied([item.data for item in tools])
        self._digest = study.digest
        self._book.saw(study.digest, study.tools, hints=study.hints, twins=study.twins)

    def _fail(self, err: AskError, profile: Profile = BASE) -> None:
        if profile != BASE:
            # What it will not tell one kind of client says nothing of how it fares.
            return
        before, self._failure = self._failure, err
        if before is None or (before.reason, before.message) != (err.reason, err.message):
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

    def tool(self, name: str) -> Json | None:
        """As it lists it to clients of the newest revision."""
        listed = (self._kept.get(BASE) or MemberLists()).items.get("tools/list", ())
        return next((item.data for item in listed if item.name == name), None)

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


async def _alike(one: tuple[Item, ...], other: tuple[Item, ...]) -> bool:
    """In turns: long lists may differ in their last word."""
    if len(one) != len(other):
        return False
    for start in range(0, len(one), A_TURN):
        if one[start : start + A_TURN] != other[start : start + A_TURN]:
            return False
        await asyncio.sleep(0)
    return True


def _differing(before: MemberLists | None, after: MemberLists) -> frozenset[str]:
    old = before or MemberLists()
    return frozenset(
        kind
        for method, kind in _KINDS.items()
        if old.items.get(method, ()) is not after.items.get(method, ())
    )
