"""A group's lists, page by page, for several callers, while members come and go."""

import base64
from typing import Any

import orjson
import pytest
from tests.proxy.listings import (
    PLANNER,
    STRANGER,
    Door,
    grant,
    listed,
    member,
    numbered,
    tool,
    tools,
)

from ostiary_proxy import config
from ostiary_proxy.group_lists import (
    MEMBERS_KEY,
    PAGE,
    ListError,
    allowed,
    page,
)
from ostiary_proxy.member_lists import MemberLists, Profile
from ostiary_proxy.message import INTERNAL_ERROR, INVALID_PARAMS
from ostiary_proxy.policy import Caller

WRITER = Caller.service_account("agents", "writer")


def two(**more: Any) -> Door:
    return Door([member("a"), member("b")], {"a": tools("x"), "b": tools("x", "y")}, **more)


async def test_items_come_in_the_order_of_the_members() -> None:
    assert await two().shown() == ["a_x", "b_x", "b_y"]


async def test_all_kinds_of_lists_are_under_the_groups_names() -> None:
    data = {
        **listed("prompts/list", [{"name": "p"}]).items,
        **listed("resources/list", [{"uri": "memo:1", "name": "n"}]).items,
        **listed("resources/templates/list", [{"uriTemplate": "ui://{x}", "name": "n"}]).items,
    }
    door = Door([member("a")], {"a": MemberLists({}, data)})
    assert await door.shown(method="tools/list") == []
    assert await door.shown(method="prompts/list") == ["a_p"]
    assert await door.shown(method="resources/list") == ["a+memo:1"]
    assert await door.shown(method="resources/templates/list") == ["ui://a/{x}"]


async def test_modern_answers_are_for_this_caller_and_this_moment() -> None:
    door = two()
    result = await door.page()
    assert result["resultType"] == "complete"
    assert (result["ttlMs"], result["cacheScope"]) == (0, "private")
    assert "_meta" not in result
    asked = door.asked(profile=Profile("2025-11-25", b"{}"))
    legacy = orjson.loads(await page(asked, {}, await door.admitting(PLANNER), door.memo))
    assert legacy.keys() == {"tools"}


# partial failure


async def test_what_a_member_had_before_is_listed_and_said_to_be_old() -> None:
    door = two(states={"a": "Stale"})
    assert await door.shown() == ["a_x", "b_x", "b_y"]
    assert (await door.page())["_meta"] == {MEMBERS_KEY: {"a": "Stale"}}


async def test_a_member_that_was_never_heard_of_is_left_out_and_named() -> None:
    door = two(states={"a": "Waiting"})
    door.lists["a"] = None
    door.changed()
    result = await door.page()
    assert [one["name"] for one in result["tools"]] == ["b_x", "b_y"]
    assert result["_meta"] == {MEMBERS_KEY: {"a": "Waiting"}}


@pytest.mark.parametrize("state", ["Stale", "Unhealthy", "Waiting"])
async def test_all_or_nothing_for_those_who_want_that(state: str) -> None:
    door = two(states={"b": state}, group={"onMemberFailure": "Fail"})
    with pytest.raises(ListError, match="b cannot") as failed:
        await door.page()
    assert failed.value.code == INTERNAL_ERROR


async def test_a_member_that_does_not_admit_a_caller_fails_no_list_of_its() -> None:
    door = Door(
        [member("a"), member("b", grant("writer"))],
        {"a": tools("x"), "b": tools("x")},
        states={"b": "Unhealthy"},
        group={"onMemberFailure": "Fail"},
    )
    result = await door.page(PLANNER)
    assert [one["name"] for one in result["tools"]] == ["a_x"]
    assert "_meta" not in result
    with pytest.raises(ListError):
        await door.page(WRITER)


# who sees what


async def test_two_callers_in_turns_never_see_each_others_lists() -> None:
    mine, others = (config.Allow(tools=(f"{word}*",)) for word in ("even", "odd"))
    names = [f"{'odd' if number % 2 else 'even'}{number}" for number in range(4 * PAGE)]
    policies = grant("planner", allow=mine), grant("writer", allow=others)
    door = Door([member("a", *policies)], {"a": tools(*names)})
    cursors: dict[str, dict[str, Any]] = {"planner": {}, "writer": {}}
    found: dict[str, list[str]] = {"planner": [], "writer": []}
    for who in ("planner", "writer", "writer", "planner"):
        caller = Caller.service_account("agents", who)
        result = await door.page(caller, **cursors[who])
        found[who] += [one["name"] for one in result["tools"]]
        cursors[who] = {"cursor": result["nextCursor"]} if "nextCursor" in result else {}
    assert cursors == {"planner": {}, "writer": {}}
    assert found["planner"] == [f"a_{name}" for name in names[::2]]
    assert found["writer"] == [f"a_{name}" for name in names[1::2]]
    assert await door.shown(STRANGER) == []


async def test_no_list_shows_what_a_call_would_be_refused() -> None:
    only = config.Allow(tools=("get",), prompts=("p",), resources=("memo:1",))
    data = {
        **tools("get", "set").items,
        **listed("prompts/list", [{"name": "p"}, {"name": "q"}]).items,
        **listed("resources/list", [{"uri": "memo:1"}, {"uri": "memo:2"}]).items,
    }
    door = Door([member("a", grant("planner", allow=only))], {"a": MemberLists({}, data)})
    assert await door.shown() == ["a_get"]
    assert await door.shown(method="prompts/list") == ["a_p"]
    assert await door.shown(method="resources/list") == ["a+memo:1"]


async def test_all_that_a_caller_may_see_can_be_searched() -> None:
    only = config.Allow(tools=("t0*",))
    door = Door([member("a", grant("planner", allow=only))], {"a": tools(*numbered(0, 1200), "z")})
    found = await allowed(door.asked(), await door.admitting(PLANNER), door.memo)
    assert [one.name for one in found] == [f"a_{name}" for name in numbered(0, 1200)]
    assert found[0].own.data["description"] == "Does t00000."
    assert orjson.loads(found[0].raw)["name"] == "a_t00000"


# cursors


async def test_a_cursor_is_one_callers() -> None:
    """Obligation 42."""
    door = Door([member("a")], {"a": tools(*numbered(0, 1001))})
    cursor = (await door.page(PLANNER))["nextCursor"]
    with pytest.raises(ListError, match=r"params\.cursor") as failed:
        await door.page(WRITER, cursor=cursor)
    assert failed.value.code == INVALID_PARAMS
    assert len((await door.page(PLANNER, cursor=cursor))["tools"]) == 1


async def test_a_cursor_is_one_lists() -> None:
    door = Door([member("a")], {"a": tools(*numbered(0, 1001))})
    cursor = (await door.page(PLANNER))["nextCursor"]
    with pytest.raises(ListError):
        await door.page(PLANNER, "prompts/list", cursor=cursor)


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "1000", None, 7, [], {}, "\ud800", "é", "A" * 2049, "A" * 100_000],
    ids=repr,
)
async def test_a_cursor_that_nobody_here_made_opens_nothing(cursor: object) -> None:
    with pytest.raises(ListError) as failed:
        await two().page(cursor=cursor)
    assert failed.value.code == INVALID_PARAMS


async def test_a_cursor_is_sealed_and_short() -> None:
    long = [f"{number}" + "n" * 1000 for number in range(1001)]
    members = [member(f"{'m' * 50}{chr(97 + number)}") for number in range(20)]
    door = Door(members, {members[0].alias: tools(*long), members[1].alias: tools("x")})
    cursor = (await door.page())["nextCursor"]
    assert len(cursor) < 1024
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    assert b"mmmm" not in raw
    changed = base64.urlsafe_b64encode(raw[:-1] + bytes((raw[-1] ^ 1,))).rstrip(b"=").decode()
    with pytest.raises(ListError):
        await door.page(cursor=changed)


async def test_a_page_that_just_fits_is_the_last() -> None:
    door = Door([member("a")], {"a": tools(*numbered(0, PAGE))})
    assert "nextCursor" not in await door.page()


async def test_what_a_caller_may_not_see_makes_no_empty_page() -> None:
    only = config.Allow(tools=("t00000", "t02999"))
    door = Door([member("a", grant("planner", allow=only))], {"a": tools(*numbered(0, 3000))})
    result = await door.page()
    assert [one["name"] for one in result["tools"]] == ["a_t00000", "a_t02999"]
    assert "nextCursor" not in result


async def test_a_member_that_lists_one_name_forever_is_listed_once() -> None:
    door = Door([member("a")], {"a": listed("tools/list", [tool("x")] * 5000)})
    assert await door.shown() == ["a_x"]
