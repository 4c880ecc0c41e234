"""One member as its group's gateway has it: the way there, what it has, and whoever follows both.

It is asked when the gateway starts, when it says that something changed, and now and then; one that
cannot be reached keeps its last lists, and is asked again sooner.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from ostiary_proxy.group_shapes import Member
from ostiary_proxy.member_asks import MemberAsks
from ostiary_proxy.member_catalogue import MemberCatalogue
from ostiary_proxy.member_link import MemberLink
from ostiary_proxy.member_lists import BASE, AskError
from ostiary_proxy.pins import Book

FIRST_RETRY_SECONDS: Final = 0.25
LAST_RETRY_SECONDS: Final = 5.0
SOONEST_SECONDS: Final = 0.1
"""Between two looks, and at least as long as the last one took: one that always tells of changes
leaves the others their time."""
REFRESH_SECONDS: Final = 30.0
"""A member that was fine is asked again after this: not every change is told of."""


class GroupMember:
    """Run it."""

    def __init__(
        self,
        link: MemberLink,
        asks: MemberAsks,
        *,
        changed: Callable[[frozenset[str]], None],
        book: Book,
    ) -> None:
        self.link = link
        self.catalogue = MemberCatalogue(link.member, asks.ask, changed=changed, book=book)
        self._asks = asks
        self._again = asyncio.Event()

    @property
    def member(self) -> Member:
        return self.link.member

    def look_again(self) -> None:
        """Something suggests that its lists are others by now."""
        self._again.set()

    async def run(self) -> None:
        """Until cancelled."""
        wait, loop = FIRST_RETRY_SECONDS, asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            while True:
                self._again.clear()
                began = loop.time()
                await self.catalogue.refresh()
                ended = loop.time()
                fine = self.catalogue.state == "Ready"
                wait = FIRST_RETRY_SECONDS if fine else min(wait * 2, LAST_RETRY_SECONDS)
                await self._rest(REFRESH_SECONDS if fine else wait)
                pause = min(max(ended - began, SOONEST_SECONDS), LAST_RETRY_SECONDS)
                await asyncio.sleep(max(0.0, ended + pause - loop.time()))

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._again.wait()
        except TimeoutError:
            self.link.pods.prune()

    async def _listen(self) -> None:
        """Hear of changes; what was missed while nobody listened is looked up.  A member that ends
        the stream before it has said anything is asked less and less."""
        wait = FIRST_RETRY_SECONDS
        while True:
            wait = min(wait * 2, REFRESH_SECONDS)
            try:
                async for _ in self._asks.changes(BASE):
                    wait = FIRST_RETRY_SECONDS
                    self.look_again()
            except AskError:
                pass
            await asyncio.sleep(wait)
