"""Items of a group's lists: written once for all, decided once for each caller, and kept small."""

import asyncio
import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.proxy.conditions import turns_during
from tests.proxy.listings import PLANNER, STRANGER, Door, grant, listed, member, tool, tools

from ostiary_proxy import config, group_items
from ostiary_proxy.policy import Caller

MEMBERS, TOOLS = 100, 20


def account(number: int) -> Caller:
    return Caller.service_account("agents", f"caller-{number}")


def many(members: int = MEMBERS, count: int = TOOLS) -> Door:
    """Each member admits two callers of three, and shows each of them a part.
    Its policies are short, for they are not what is tried here."""
    servers = [
        member(
            f"m{number}",
            *(
                grant(
                    *(f"caller-*{digit}" for digit in range(10) if (digit + number) % 3 != part),
                    allow=config.Allow(tools=(f"t?{part}", f"t{part}")),
                )
                for part in range(3)
            ),
        )
        for number in range(members)
    ]
    names = [f"t{number}" for number in range(count)]
    return Door(servers, {one.alias: tools(*names) for one in servers})


async def begun(counted: Callable[[], int]) -> None:
    """Turn by turn, so that it is not done by then."""
    for _ in range(100):
        if counted():
            return
        await asyncio.sleep(0)


async def test_each_item_is_written_once_whoever_comes() -> None:
    door = many()
    for number in range(30):
        await door.page(account(number))
    assert door.memo.encodings == MEMBERS * TOOLS


async def test_each_caller_is_decided_on_once() -> None:
    door = many()
    await door.shown(account(1))
    decided = door.memo.decisions
    assert 0 < decided <= MEMBERS * TOOLS
    await door.shown(account(1))
    assert door.memo.decisions == decided
    await door.shown(account(2))
    assert decided < door.memo.decisions <= 2 * MEMBERS * TOOLS


async def test_many_who_come_at_once_have_the_list_written_once_and_see_their_own() -> None:
    door, slowly = many(), many()
    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(door.shown(account(number))) for number in range(10)]
    assert door.memo.encodings == MEMBERS * TOOLS
    for number, one in enumerate(asking):
        assert one.result() == await slowly.shown(account(number))
    assert len({tuple(one.result()) for one in asking}) == 3


async def test_rules_that_change_while_a_list_is_decided_on_count_from_then_on() -> None:
    names = [f"t{number}" for number in range(2000)]
    door = Door([member("a")], {"a": tools(*names)})
    async with asyncio.TaskGroup() as tasks:
        before = tasks.create_task(door.page())
        await begun(lambda: door.memo.decisions)
        door.members = [member("a", grant("*", allow=config.Allow(tools=("t7",))))]
        door.changed()
        after = tasks.create_task(door.shown())
    assert len(before.result()["tools"]) == 1000
    assert after.result() == ["a_t7"]
    assert await door.shown() == ["a_t7"]


async def test_names_that_change_while_a_list_is_written_count_from_then_on() -> None:
    names = [f"t{number}" for number in range(900)]
    door = Door([member("a")], {"a": tools(*names)})
    async with asyncio.TaskGroup() as tasks:
        before = tasks.create_task(door.page())
        await begun(lambda: door.memo.encodings)
        door.group = {"naming": config.Naming(separator=".")}
        door.changed()
        after = tasks.create_task(door.shown())
    assert before.result()["tools"][0]["name"] == "a_t0"
    assert after.result()[0] == "a.t0"
    assert (await door.shown())[0] == "a.t0"


async def test_callers_with_other_rights_cost_a_few_bytes_each() -> None:
    """What is kept beside the items: 1,000 callers, of whom no two kinds see the same."""
    door = many(20, 5)
    for number in range(900):
        await door.page(account(number))
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(900, 1000):
            await door.page(account(number))
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(door.memo.seen) == 1000
    assert grown < 100 * 2048
    assert door.memo.encodings == 20 * 5
    assert door.rules.group is not None
    remembered = [len(one.own.decided) for one in door.rules.group.members.values()]
    assert sum(remembered) == 0


async def test_what_is_remembered_of_callers_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_items, "REMEMBERED", 8)
    door = Door([member("clock")], {"clock": tools("get")})
    for number in range(20):
        assert await door.shown(account(number)) == ["clock_get"]
    assert len(door.memo.seen) == len(door.memo.admitted) == 8


async def test_another_set_of_rules_decides_anew() -> None:
    door = Door([member("clock")], {"clock": tools("get", "set")})
    assert await door.shown() == ["clock_get", "clock_set"]
    door.members = [member("clock", grant("*", allow=config.Allow(tools=("get",))))]
    door.changed()
    assert await door.shown() == ["clock_get"]
    door.members = [member("clock", grant("somebody-else"))]
    door.changed()
    assert await door.shown() == []


async def test_what_becomes_known_of_tools_decides_anew() -> None:
    """A pin that stands no more hides a tool at once, though the list is the same."""
    door = Door([member("clock")], {"clock": tools("get", "set")})
    assert door.rules.group is not None
    own = door.rules.group.members["clock"].own
    pinned = replace(own.pinned, mode="Enforce", whole="sha256:1")
    joined = replace(door.rules.group.members["clock"], own=replace(own, pinned=pinned))
    door.rules = replace(door.rules, group=replace(door.rules.group, members={"clock": joined}))
    reports = [config.ToolReport(name=name, digest="d") for name in ("get", "set")]
    pinned.book.saw("sha256:1", reports, hints={}, twins={})
    assert await door.shown() == ["clock_get", "clock_set"]
    pinned.book.doubt("set")
    assert await door.shown() == ["clock_get"]


async def test_a_member_that_changes_is_written_anew_and_the_others_are_not() -> None:
    door = Door([member("a"), member("b")], {"a": tools("x", "y"), "b": tools("x")})
    await door.page()
    assert door.memo.encodings == 3
    door.lists["b"] = listed("tools/list", [tool("x", title="Another")])
    assert (await door.page())["tools"][2]["title"] == "Another"
    assert door.memo.encodings == 4


async def test_clients_of_another_kind_share_what_is_the_same_for_them() -> None:
    door = Door([member("a"), member("b")], {"a": tools("x", "y"), "b": tools("x")})
    await door.page()
    kinds = [tools("x") for _ in range(10)]
    for kind in kinds:
        door.lists["b"] = kind
        assert await door.shown() == ["a_x", "a_y", "b_x"]
    assert door.memo.encodings == 3 + len(kinds)
    assert len(door.memo.parts["tools/list", "a"]) == 1
    assert len(door.memo.parts["tools/list", "b"]) == group_items.VARIANTS


async def test_what_a_member_lists_twice_is_listed_once() -> None:
    twice = [tool("x", title="first"), tool("x", title="second"), tool("y")]
    door = Door([member("a")], {"a": listed("tools/list", twice)})
    found = (await door.page())["tools"]
    assert [(one["name"], one.get("title")) for one in found] == [("a_x", "first"), ("a_y", None)]


async def test_names_that_another_member_has_are_left_out() -> None:
    lists = {"a": tools("x", "y"), "b": tools("y", "z")}
    door = Door([member("a"), member("b")], lists, group={"naming": config.Naming(mode="Never")})
    assert await door.shown() == ["x", "z"]
    assert door.names.tools.conflicts == {"a": ("y",), "b": ("y",)}


async def test_writing_a_long_list_lets_others_have_their_turn() -> None:
    door = Door([member("a")], {"a": tools(*(f"t{number}" for number in range(2000)))})
    turns = await turns_during(door.page())
    assert turns >= 2000 * group_items.AN_ITEM // group_items.A_TURN


async def test_of_members_that_do_not_admit_a_caller_nothing_is_said() -> None:
    door = Door([member("a"), member("b", grant("nobody"))], {"a": tools("x"), "b": tools("x")})
    assert await group_items.admitted(PLANNER, door.rules, door.memo) == ["a"]
    assert await group_items.admitted(STRANGER, door.rules, door.memo) == []


async def test_a_member_that_is_none_any_more_shows_nothing() -> None:
    """A list that was asked for when it still was one."""
    door = Door([member("a"), member("b")], {"a": tools("x"), "b": tools("x")})
    listed_before = await door.admitting(PLANNER)
    door.members = [member("a")]
    door.changed()
    parts = await group_items.written("tools/list", listed_before, door.names, door.memo)
    bits = await group_items.visible("tools/list", parts, PLANNER, door.rules, door.memo)
    assert bits == 0b1


async def test_of_a_member_that_was_never_heard_of_there_is_nothing_to_write() -> None:
    door = Door([member("a"), member("b")], {"a": None, "b": tools("x")})
    assert await door.shown() == ["b_x"]
