"""A group's lists while its members, and what they have, come and go between two pages."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.proxy.listings import Door, member, numbered, tools

from ostiary_proxy.group_lists import AROUND, PAGE, ListError
from ostiary_proxy.message import INVALID_PARAMS


async def first(door: Door) -> tuple[list[str], str]:
    result = await door.page()
    return [one["name"] for one in result["tools"]], result["nextCursor"]


async def rest(door: Door, cursor: str) -> list[str]:
    found: list[str] = []
    while cursor:
        result = await door.page(cursor=cursor)
        found += [one["name"] for one in result["tools"]]
        cursor = result.get("nextCursor", "")
    return found


def door_of(lists: Iterable[tuple[str, list[str]]]) -> Door:
    had = {alias: tools(*names) for alias, names in lists}
    return Door([member(alias) for alias in had], dict(had))


async def test_a_list_of_10000_tools_is_paged_while_members_come_and_go() -> None:
    """Nothing that was there all the time is left out or comes twice."""
    chance = random.Random(6)
    names = numbered(0, 500)
    steady = [f"m{number}" for number in range(20)]
    door = door_of((alias, names) for alias in steady)
    found, cursor = await first(door)
    for step in range(100):
        guest = f"guest{step}"
        place = chance.randrange(len(door.members))
        door.members.insert(place, member(guest))
        door.lists[guest] = tools(*numbered(0, 3))
        if step % 2:
            gone = next(one for one in door.members if one.alias.startswith("guest"))
            door.members.remove(gone)
        churned = chance.choice(steady)
        door.lists[churned] = tools(f"new{step}", *names) if step % 3 else tools(*names)
        door.changed()
        result = await door.page(cursor=cursor)
        found += [one["name"] for one in result["tools"]]
        if "nextCursor" not in result:
            break
        cursor = result["nextCursor"]
    lasting = [name for name in found if not name.startswith("guest") and "new" not in name]
    assert lasting == [f"{alias}_{name}" for alias in steady for name in names]


async def test_the_items_around_a_cursor_go_and_the_list_goes_on() -> None:
    names = numbered(0, 1100)
    door = door_of([("a", names)])
    _, cursor = await first(door)
    door.lists["a"] = tools(*names[: PAGE - AROUND], *names[PAGE + AROUND - 1 :])
    door.changed()
    assert await rest(door, cursor) == [f"a_{name}" for name in names[PAGE + AROUND - 1 :]]


async def test_all_before_a_cursor_goes_and_the_list_goes_on() -> None:
    names = numbered(0, 1100)
    door = door_of([("a", names)])
    _, cursor = await first(door)
    door.lists["a"] = tools(*names[PAGE:])
    door.changed()
    assert await rest(door, cursor) == [f"a_{name}" for name in names[PAGE:]]


async def test_where_nothing_is_known_again_its_place_is_taken_up() -> None:
    door = door_of([("a", numbered(0, 1100)), ("b", ["x"])])
    _, cursor = await first(door)
    door.lists["a"] = tools("one", "two")
    door.changed()
    assert await rest(door, cursor) == ["b_x"]


async def test_the_member_of_a_cursor_leaves_and_the_next_one_goes_on() -> None:
    door = door_of([("z", ["x"]), ("a", numbered(0, 1100)), ("c", ["x"]), ("b", ["x"])])
    _, cursor = await first(door)
    door.members = [one for one in door.members if one.alias not in ("z", "a")]
    door.changed()
    assert await rest(door, cursor) == ["c_x", "b_x"]
    door.members = [one for one in door.members if one.alias != "c"]
    door.changed()
    assert await rest(door, cursor) == ["b_x"]


async def test_a_group_that_is_another_one_altogether_is_listed_anew() -> None:
    door = door_of([("a", numbered(0, 1100)), ("b", ["x"])])
    _, cursor = await first(door)
    door.members = [member("c")]
    door.changed()
    with pytest.raises(ListError, match="changed too much") as failed:
        await door.page(cursor=cursor)
    assert failed.value.code == INVALID_PARAMS


async def test_the_last_member_leaves_and_the_list_ends() -> None:
    door = door_of([("b", ["x"]), ("a", numbered(0, 1100))])
    _, cursor = await first(door)
    door.members = [member("b")]
    door.changed()
    assert await rest(door, cursor) == []


async def test_a_member_that_cannot_be_asked_any_more_is_passed_over() -> None:
    door = door_of([("a", numbered(0, 1100)), ("b", ["x"])])
    _, cursor = await first(door)
    door.lists["a"] = None
    door.changed()
    assert await rest(door, cursor) == ["b_x"]


ALIASES = st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1)
NAMES = st.lists(st.sampled_from(["get", "set", "a_get", "b", "ünter", "x" * 60]), unique=True)
CASTS = st.lists(st.tuples(ALIASES, st.dictionaries(st.sampled_from("abcdefgh"), NAMES)))


@given(casts=CASTS)
async def test_names_stay_as_they_are_while_members_come_and_go(
    casts: list[tuple[list[str], dict[str, list[str]]]],
) -> None:
    """A tool of a member is called one thing, whoever else is there."""
    known: dict[tuple[str, str], str] = {}
    for aliases, lists in casts:
        door = door_of((alias, lists.get(alias, [])) for alias in aliases)
        shown = await door.shown()
        places = [(alias, name) for alias in aliases for name in lists.get(alias, [])]
        assert len(shown) == len(places)
        for place, name in zip(places, shown, strict=True):
            assert known.setdefault(place, name) == name
            assert door.names.place("tool", name) == place
    assert len(set(known.values())) == len(known)
