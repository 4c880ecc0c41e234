"""What is kept of a member: for each kind of client, and through its failures."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from ostiary_proxy import config, member_catalogue
from ostiary_proxy.era import LISTS
from ostiary_proxy.member_catalogue import LONGEST_MESSAGE, PROFILES, MemberCatalogue
from ostiary_proxy.member_lists import BASE, AskError, Profile
from ostiary_proxy.pins import Book

OLD = Profile("2025-11-25", b"{}")
AWAY = AskError("Unreachable", "No pod of it can be reached.")
PATIENCE = 5.0


def kind(number: int) -> Profile:
    return Profile("2026-07-28", f'{{"n":{number}}}'.encode())


@dataclass
class Server:
    """A member, as it answers each kind of client."""

    tools: tuple[str, ...] = ("get",)
    prompts: tuple[str, ...] = ()
    others: dict[Profile, tuple[str, ...]] = field(default_factory=dict)
    failures: dict[Profile | None, AskError] = field(default_factory=dict)
    gate: asyncio.Event | None = None
    """Nothing is answered before it is set."""
    hellos: list[Profile] = field(default_factory=list)
    news: list[frozenset[str]] = field(default_factory=list)
    book: Book = field(default_factory=Book)

    async def ask(self, profile: Profile, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method in ("server/discover", "initialize"):
            self.hellos.append(profile)
            if self.gate is not None:
                await self.gate.wait()
            failure = self.failures.get(profile) or self.failures.get(None)
            if failure is not None:
                raise failure
            return {"capabilities": {"tools": {}, "prompts": {}}, "n": len(self.hellos)}
        names = self.others.get(profile, self.tools) if method == "tools/list" else self.prompts
        return {LISTS[method][0]: [{"name": name} for name in names]}

    def catalogue(self) -> MemberCatalogue:
        member = config.Member(alias="clock", namespace="tools", name="clock", uid="u")
        return MemberCatalogue(member, self.ask, changed=self.news.append, book=self.book)


async def tools(catalogue: MemberCatalogue, profile: Profile = BASE) -> tuple[str, ...] | None:
    lists = await catalogue.get(profile, PATIENCE)
    return None if lists is None else lists.names("tools/list")


async def test_it_waits_until_it_is_heard_of() -> None:
    server = Server()
    catalogue = server.catalogue()
    assert (catalogue.state, catalogue.heard, catalogue.stale) == ("Waiting", False, False)
    assert catalogue.known(BASE) is None
    await catalogue.refresh()
    assert (catalogue.state, catalogue.heard, catalogue.stale) == ("Ready", True, False)
    assert await tools(catalogue) == ("get",)
    assert server.hellos == [BASE]
    assert server.news == [{"tools"}]


async def test_each_kind_of_client_has_its_own_lists() -> None:
    server = Server(others={OLD: ("get", "old")})
    catalogue = server.catalogue()
    await catalogue.refresh()
    assert await tools(catalogue, OLD) == ("get", "old")
    assert await tools(catalogue, BASE) == ("get",)
    assert catalogue.tool_names == ("get", "old")
    assert server.news == [{"tools"}, {"tools"}]


async def test_what_is_the_same_for_all_is_kept_once_and_is_no_news() -> None:
    server = Server()
    catalogue = server.catalogue()
    await catalogue.refresh()
    for number in range(5):
        assert await tools(catalogue, kind(number)) == ("get",)
    await catalogue.refresh()
    assert server.news == [{"tools"}]
    kept = [catalogue.known(profile) for profile in (BASE, *map(kind, range(5)))]
    lists = {id(one.items["tools/list"]) for one in kept if one is not None}
    assert len(kept) == 6
    assert len(lists) == 1


async def test_what_changes_is_told_of_by_its_kind() -> None:
    server = Server(prompts=("p",))
    catalogue = server.catalogue()
    await catalogue.refresh()
    server.prompts = ("p", "q")
    await catalogue.refresh()
    assert server.news == [{"tools", "prompts"}, {"prompts"}]
    assert catalogue.prompt_names == ("p", "q")


async def test_a_change_for_one_kind_of_client_is_told_of_too() -> None:
    server = Server()
    catalogue = server.catalogue()
    await catalogue.refresh()
    await tools(catalogue, OLD)
    server.others[OLD] = ()
    await catalogue.refresh()
    assert server.news[1:] == [{"tools"}]


async def test_many_who_come_at_once_ask_once() -> None:
    server = Server(gate=asyncio.Event())
    catalogue = server.catalogue()
    assert server.gate is not None
    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(tools(catalogue, OLD)) for _ in range(20)]
        await asyncio.sleep(0)
        server.gate.set()
    assert [one.result() for one in asking] == [("get",)] * 20
    assert server.hellos == [OLD]


async def test_whoever_waits_goes_on_where_the_one_who_asked_gave_up() -> None:
    server = Server(gate=asyncio.Event())
    catalogue = server.catalogue()
    assert server.gate is not None
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(tools(catalogue, OLD))
        await asyncio.sleep(0)
        others = [tasks.create_task(tools(catalogue, OLD)) for _ in range(5)]
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        server.gate.set()
    assert [one.result() for one in others] == [("get",)] * 5
    assert server.hellos == [OLD, OLD]


async def test_many_who_come_to_a_member_that_fails_ask_once() -> None:
    server = Server(failures={None: AWAY}, gate=asyncio.Event())
    catalogue = server.catalogue()
    assert server.gate is not None
    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(tools(catalogue)) for _ in range(20)]
        await asyncio.sleep(0)
        server.gate.set()
    assert [one.result() for one in asking] == [None] * 20
    assert len(server.hellos) == 1
    assert catalogue.state == "Unhealthy"


async def test_a_slow_member_is_waited_for_so_long_and_no_longer() -> None:
    server = Server(gate=asyncio.Event())
    catalogue = server.catalogue()
    assert await catalogue.get(BASE, 0.01) is None
    report = catalogue.report(())
    assert (report.state, report.reason) == ("Unhealthy", "NoAnswer")


async def test_one_kind_of_client_that_is_kept_waiting_has_what_others_have() -> None:
    server = Server()
    catalogue = server.catalogue()
    await catalogue.refresh()
    server.gate = asyncio.Event()
    lists = await catalogue.get(OLD, 0.01)
    assert lists is not None
    assert lists.names("tools/list") == ("get",)
    assert (catalogue.state, catalogue.stale) == ("Ready", False)
    asked = len(server.hellos)
    assert await tools(catalogue, OLD) == ("get",)
    assert len(server.hellos) == asked
    server.gate.set()
    server.others[OLD] = ("old",)
    await catalogue.refresh()
    assert await tools(catalogue, OLD) == ("old",)


async def test_a_client_whose_kind_a_member_refuses_harms_nobody_else() -> None:
    """Else anybody could have a member taken for a dead one, by what it says that it can."""
    server = Server(failures={kind(7): AskError("Refused", "No.")})
    catalogue = server.catalogue()
    await catalogue.refresh()
    assert await tools(catalogue, kind(7)) == ("get",)
    await catalogue.refresh()
    assert (catalogue.state, catalogue.stale) == ("Ready", False)
    assert server.news == [{"tools"}]


async def test_a_member_that_fails_keeps_what_it_had() -> None:
    server = Server()
    catalogue = server.catalogue()
    await catalogue.refresh()
    server.failures[None] = AWAY
    await catalogue.refresh()
    await catalogue.refresh()
    assert (catalogue.state, catalogue.heard, catalogue.stale) == ("Unhealthy", True, True)
    assert await tools(catalogue) == ("get",)
    report = catalogue.report(("get",))
    assert (report.reason, report.message) == (AWAY.reason, AWAY.message)
    assert (report.toolCount, report.conflicts) == (1, ("get",))
    assert server.news == [{"tools"}, set()]
    server.failures.clear()
    await catalogue.refresh()
    # What changed meanwhile nobody could tell.
    assert server.news[2:] == [{"tools"}]
    assert (catalogue.state, catalogue.stale, catalogue.report(()).reason) == ("Ready", False, "")


async def test_a_member_that_never_comes_to_an_end_has_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(member_catalogue, "FETCH_SECONDS", 0.01)
    server = Server(gate=asyncio.Event())
    catalogue = server.catalogue()
    await catalogue.refresh()
    assert catalogue.report(()).reason == "NoAnswer"


async def test_a_message_of_a_failure_has_a_bound() -> None:
    server = Server(failures={None: AskError("Refused", "x" * 100_000)})
    catalogue = server.catalogue()
    await catalogue.refresh()
    assert len(catalogue.report(()).message) == LONGEST_MESSAGE


async def test_the_kinds_that_came_last_are_kept_and_the_base_always() -> None:
    server = Server()
    catalogue = server.catalogue()
    await catalogue.refresh()
    for number in range(PROFILES + 5):
        if number == PROFILES:
            await catalogue.refresh()
        await tools(catalogue, kind(number))
        await tools(catalogue, kind(0))
    assert catalogue.known(BASE) is not None
    assert catalogue.known(kind(0)) is not None
    assert catalogue.known(kind(1)) is None
    assert catalogue.known(kind(PROFILES + 4)) is not None
    server.hellos.clear()
    await catalogue.refresh()
    assert len(server.hellos) == 1 + PROFILES


async def test_a_client_that_is_of_another_kind_each_time_costs_a_member_little() -> None:
    server = Server(others={kind(999): ("rare",)})
    catalogue = server.catalogue()
    await catalogue.refresh()
    for number in range(10 * PROFILES):
        assert await tools(catalogue, kind(number)) == ("get",)
    assert len(server.hellos) == 1 + PROFILES
    assert await tools(catalogue, kind(999)) == ("get",)
    await catalogue.refresh()
    assert await tools(catalogue, kind(999)) == ("rare",)


async def test_pins_and_effects_are_decided_by_what_the_base_has() -> None:
    server = Server(tools=("get", "set"), others={OLD: ("old",)})
    catalogue = server.catalogue()
    await catalogue.refresh()
    assert server.book.looked
    assert server.book.current.keys() == {"get", "set"}
    assert catalogue.report(()).toolsDigest == server.book.whole
    stamp = server.book.stamp
    await tools(catalogue, OLD)
    await catalogue.refresh()
    assert server.book.stamp == stamp
    server.tools = ("get",)
    await catalogue.refresh()
    assert server.book.current.keys() == {"get"}
