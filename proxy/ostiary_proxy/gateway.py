"""A group's members, kept in mind: what each has, what all of it is called, and who hears of news.

One for a group, however many ways lead to it (`/mcp`, `/servers/<alias>/mcp`).
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Final

from ostiary_proxy.addresses import Resolve
from ostiary_proxy.config import MemberReport, ServerReport
from ostiary_proxy.era import LEGACY, MODERN
from ostiary_proxy.exchange import Headers
from ostiary_proxy.group_lists import Listed, State
from ostiary_proxy.group_member import GroupMember
from ostiary_proxy.group_names import GroupNames, group_names
from ostiary_proxy.group_places import GroupPlaces
from ostiary_proxy.group_shapes import GroupBackend, Member
from ostiary_proxy.member_asks import REFUSED, Identity, MemberAsks
from ostiary_proxy.member_link import MemberLink
from ostiary_proxy.member_lists import BASE, MemberLists, Profile
from ostiary_proxy.pins import Book
from ostiary_proxy.runtime import Endpoint

_log: Final = logging.getLogger("ostiary.gateway")
COLD_SECONDS: Final = 3.0
"""A list waits this long for members that were never heard of; others are not waited for."""
INTRODUCED_SECONDS: Final = 40.0
"""Resolvers of a cluster keep an answer for half a minute."""
CHANGED: Final = frozenset({"tools", "prompts", "resources"})
Spawn = Callable[[Coroutine[object, object, None]], "asyncio.Task[None]"]


class Gateway:
    """Of one group.  `apply` puts a config in force; `run` it, once there is one."""

    def __init__(
        self,
        *,
        port: Callable[[], int],
        resolve: Resolve,
        clock: Callable[[], float],
        spawn: Spawn,
        identity: Identity,
        mark: Headers,
        process: str,
        own: str,
        changed: Callable[[], None],
    ) -> None:
        """`changed`: the report is another; the rest is as in `member_link` and `member_asks`."""
        self._port, self._resolve, self._clock = port, resolve, clock
        self._spawn, self._identity, self._process = spawn, identity, process
        self._mark, self._own = mark, own
        self._report_changed = changed
        self._members: dict[str, GroupMember] = {}
        """By uid and place."""
        self.members: tuple[GroupMember, ...] = ()
        """In the group's order."""
        self._by_alias: dict[str, GroupMember] = {}
        self._following: dict[str, asyncio.Task[None]] = {}
        self._follows = False
        self._born = clock()
        self._states: dict[str, str] = {}
        self._endpoint: Endpoint | None = None
        self._named_by: object = None
        """What the names were made of."""
        self._hearers: list[Callable[[frozenset[str]], None]] = []
        self._warm = False

    def apply(self, endpoint: Endpoint) -> None:
        """The group's own endpoint: members come, go and change their rules."""
        before, self._endpoint = self._endpoint, endpoint
        group = self.group
        wanted = {_key(member): member for member in group.members}
        for key in self._members.keys() - wanted.keys():
            self._end(key)
        for key, member in wanted.items():
            if key in self._members:
                self._members[key].link.member = member
            else:
                self._begin(key, member)
        self.members = tuple(self._members[key] for key in wanted)
        self._by_alias = {one.member.alias: one for one in self.members}
        if before is None or before.server != endpoint.server:
            self._news(CHANGED)

    async def run(self) -> None:
        """Follow the members, until cancelled."""
        self._follows = True
        try:
            for key in self._members:
                self._follow(key)
            await asyncio.Event().wait()
        finally:
            self._follows = False
            for key in tuple(self._members):
                self._end(key)

    def _follow(self, key: str) -> None:
        self._following[key] = self._spawn(self._members[key].run())

    def _end(self, key: str) -> None:
        self._members.pop(key).link.close()
        following = self._following.pop(key, None)
        if following is not None:
            following.cancel()

    @property
    def group(self) -> GroupBackend:
        assert self._endpoint is not None
        backend = self._endpoint.server.backend
        assert isinstance(backend, GroupBackend)
        return backend

    def _places(self) -> GroupPlaces:
        assert self._endpoint is not None
        assert self._endpoint.rules.group is not None
        places = self._endpoint.rules.group.places
        assert isinstance(places, GroupPlaces)
        return places

    @property
    def names(self) -> GroupNames:
        return self._places().names

    def member(self, alias: str) -> GroupMember | None:
        return self._by_alias.get(alias)

    def _begin(self, key: str, member: Member) -> None:
        link = MemberLink(
            member,
            port=self._port,
            resolve=self._resolve,
            clock=self._clock,
            mark=self._mark,
            own=self._own,
        )
        asks = MemberAsks(link, self._identity, self._process)
        book = self._places().books(self.group).get(member.alias, Book())
        self._members[key] = GroupMember(link, asks, changed=self._news, book=book)
        if self._follows:
            self._follow(key)

    # what they have

    @property
    def introduced(self) -> bool:
        """It need not be waited for: no member refuses it as one whose address it does not know
        yet, which takes as long as names are remembered, and some member has told of itself."""
        known = [one.catalogue for one in self.members]
        if not known or self._clock() - self._born > INTRODUCED_SECONDS:
            return True
        if any(one.reason == REFUSED for one in known):
            return False
        return any(one.state != "Waiting" for one in known)

    @property
    def is_warm(self) -> bool:
        """Each member was heard of once, or waited for long enough."""
        return self._warm

    async def warm(self, alias: str | None) -> None:
        """Wait for that: for all of them, or for one alone."""
        await self.lists(BASE, None if alias is None else (alias,))
        self._warm = alias is None

    async def lists(self, profile: Profile, aliases: Sequence[str] | None = None) -> list[Listed]:
        """Of these members, or of all."""
        wanted = [it for it in self.members if aliases is None or it.member.alias in aliases]
        known = [it.catalogue.known(profile) for it in wanted]
        if any(one is None for one in known):
            known = await asyncio.gather(*(self._get(it, profile) for it in wanted))
        return [
            (it.member.alias, one, _state(it, one)) for it, one in zip(wanted, known, strict=True)
        ]

    async def _get(self, member: GroupMember, profile: Profile) -> MemberLists | None:
        catalogue = member.catalogue
        if catalogue.stale and catalogue.known(profile) is None:
            # It is down: nobody waits for it again.
            return catalogue.known(BASE)
        found = await catalogue.get(profile, COLD_SECONDS)
        return found if found is not None else catalogue.known(BASE)

    # news

    def hear(self, hearer: Callable[[frozenset[str]], None]) -> Callable[[], None]:
        """Told of the kinds of lists that changed; returns the way to stop that."""
        self._hearers.append(hearer)
        return lambda: self._hearers.remove(hearer)

    def _news(self, kinds: frozenset[str]) -> None:
        self._name()
        self._log()
        for hearer in tuple(self._hearers):
            hearer(kinds)
        self._report_changed()

    def _log(self) -> None:
        """How members fare, when that is another."""
        now: dict[str, str] = {one.member.alias: one.catalogue.state for one in self.members}
        server = None if self._endpoint is None else self._endpoint.server
        for one in self.members:
            member, state = one.member, now[one.member.alias]
            if server is not None and self._states.get(member.alias, "Waiting") != state:
                _log.log(
                    logging.WARNING if state == "Unhealthy" else logging.INFO,
                    "member state: group=%s/%s alias=%s server=%s/%s state=%s reason=%s",
                    server.namespace,
                    server.name,
                    member.alias,
                    member.namespace,
                    member.name,
                    state,
                    one.catalogue.reason,
                )
        self._states = now

    def _name(self) -> None:
        """Anew, only where names are others: what is written of lists is kept by it."""
        listed = [(one.member.alias, one.catalogue) for one in self.members]
        tools = tuple((alias, catalogue.tool_names) for alias, catalogue in listed)
        prompts = tuple((alias, catalogue.prompt_names) for alias, catalogue in listed)
        made_of = self.group.naming, self.group.discovery, tools, prompts
        if self._named_by != made_of:
            self._named_by = made_of
            self._places().names = group_names(self.group, dict(tools), dict(prompts))

    def report(self) -> ServerReport:
        assert self._endpoint is not None
        server, names = self._endpoint.server, self.names
        members: list[MemberReport] = []
        for one in self.members:
            alias = one.member.alias
            tools = names.tools.conflicts.get(alias, ())
            report = one.catalogue.report((*tools, *names.prompts.conflicts.get(alias, ())))
            # What clients find: not what is left out.
            count = max(0, report.toolCount - len(tools))
            members.append(report.model_copy(update={"toolCount": count}))
        return ServerReport(
            kind="MCPGroup",
            namespace=server.namespace,
            name=server.name,
            state="Ready",
            protocol=MODERN[-1],
            served=(*LEGACY, *MODERN),
            serverName=f"{server.namespace}/{server.name}",
            toolCount=sum(one.toolCount for one in members),
            members=tuple(members),
        )


def _state(member: GroupMember, lists: MemberLists | None) -> State:
    if lists is None:
        return "Unhealthy" if member.catalogue.stale else "Waiting"
    return "Stale" if member.catalogue.stale else "Ready"


def _key(member: Member) -> str:
    """A member lives on across configs while this stays the same."""
    return "|".join((member.uid, member.alias, member.host, str(member.port), member.path))
