"""What one member lists, read whole: page by page, and with nothing in it that could be misread."""

from typing import Any

import pytest
from tests.proxy.conditions import turns_during

from ostiary_proxy import member_lists
from ostiary_proxy.era import LISTS
from ostiary_proxy.member_lists import (
    BASE,
    MOST_ITEMS,
    AskError,
    MemberLists,
    Profile,
    fetch,
)
from ostiary_proxy.message import METHOD_NOT_FOUND
from ostiary_proxy.observe import PAGES

OLD = Profile("2025-11-25", b"{}")
SCHEMA = {"type": "object"}


class Told:
    """A member that answers what it is told to."""

    def __init__(self, *pages: Any, method: str = "tools/list", **capabilities: Any) -> None:
        self._pages = {method: list(pages)}
        self._capabilities = capabilities or {"tools": {}}
        self.asked: list[tuple[str, Any]] = []

    async def ask(self, profile: Profile, method: str, params: dict[str, Any]) -> dict[str, Any]:
        del profile
        self.asked.append((method, params.get("cursor")))
        if method in ("server/discover", "initialize"):
            return {"capabilities": self._capabilities, "instructions": "Be kind."}
        pages = self._pages.get(method, [])
        found = pages.pop(0) if len(pages) > 1 else (pages or [{LISTS[method][0]: []}])[0]
        if isinstance(found, AskError):
            raise found
        result: dict[str, Any] = found
        return result

    async def tools(self, profile: Profile = BASE) -> tuple[str, ...]:
        return (await fetch(self.ask, profile)).names("tools/list")


def page(*names: str, cursor: Any = None) -> dict[str, Any]:
    tools = [{"name": name, "inputSchema": SCHEMA} for name in names]
    return {"tools": tools} if cursor is None else {"tools": tools, "nextCursor": cursor}


async def test_what_a_member_declares_is_asked_for_and_nothing_else() -> None:
    told = Told(page("a"), tools={}, resources={})
    lists = await fetch(told.ask, BASE)
    assert [method for method, _ in told.asked] == [
        "server/discover",
        "tools/list",
        "resources/list",
        "resources/templates/list",
    ]
    assert lists.names("tools/list") == ("a",)
    assert lists.hello["instructions"] == "Be kind."


async def test_a_client_of_an_older_revision_is_introduced_as_one() -> None:
    told = Told(page("a"))
    await fetch(told.ask, OLD)
    assert told.asked[0][0] == "initialize"


async def test_pages_are_followed_to_the_last() -> None:
    told = Told(page("a", cursor=""), page("b", cursor="x"), page("c"))
    assert await told.tools() == ("a", "b", "c")
    assert [cursor for method, cursor in told.asked if method == "tools/list"] == [None, "", "x"]


async def test_a_list_that_it_does_not_have_after_all_is_empty() -> None:
    gone = AskError("Refused", "No.", code=METHOD_NOT_FOUND)
    assert await Told(gone).tools() == ()
    with pytest.raises(AskError, match="No"):
        await Told(page("a", cursor="1"), gone).tools()


@pytest.mark.parametrize("capabilities", [None, [], "tools", 7, {"tasks": {}}], ids=repr)
async def test_whatever_else_it_declares_is_no_list(capabilities: Any) -> None:
    async def ask(profile: Profile, method: str, params: Any) -> dict[str, Any]:
        assert method == "server/discover"
        return {"capabilities": capabilities}

    assert await fetch(ask, BASE) == MemberLists({"capabilities": {}}, {})


@pytest.mark.parametrize(
    ("pages", "reason"),
    [
        ([{}], "NotMCP"),
        ([{"tools": {"a": 1}}], "NotMCP"),
        ([page("a", cursor="x"), page("b", cursor="x"), page("c", cursor="x")], "NotMCP"),
        ([page("a", cursor="x"), page("b", cursor="y"), page("c", cursor="x")], "NotMCP"),
        ([{"tools": [7] * (MOST_ITEMS + 1)}], "TooLarge"),
        ([{"tools": [7] * MOST_ITEMS, "nextCursor": "x"}, page("a")], "TooLarge"),
        ([page("a", cursor=str(number)) for number in range(PAGES + 1)], "TooLarge"),
        ([AskError("Unreachable", "No pod.")], "Unreachable"),
    ],
    ids=["none", "an object", "same", "cycle", "many", "many in pages", "endless", "away"],
)
async def test_a_list_without_an_end_or_a_shape_is_none(pages: list[Any], reason: str) -> None:
    with pytest.raises(AskError) as failed:
        await Told(*pages).tools()
    assert failed.value.reason == reason


async def test_lists_that_would_fill_the_memory_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_lists, "LARGEST", 20_000)
    fat = {"name": "a", "description": "x" * 6000, "inputSchema": SCHEMA}
    assert await Told({"tools": [fat]}).tools() == ("a",)
    with pytest.raises(AskError) as failed:
        await Told({"tools": [fat], "nextCursor": "x"}, {"tools": [fat | {"name": "b"}]}).tools()
    assert failed.value.reason == "TooLarge"


def nested(depth: int) -> dict[str, Any]:
    deep: dict[str, Any] = {}
    for _ in range(depth):
        deep = {"x": deep}
    return deep


@pytest.mark.parametrize(
    "item",
    [
        None,
        7,
        "a tool",
        ["name", "x"],
        {},
        {"name": None},
        {"name": 7},
        {"name": ["x"]},
        {"name": ""},
        {"name": "x" * 1025},
        {"name": "x", "Name": "y"},
        {"Name": "y"},
        {"name": "x", "name\0": "y"},
        {"name": "x", "\uff4eame": "y"},
        {"name": "x", **{f"k{number}": 0 for number in range(2000)}},
        {"name": "x", "k" * 300: 0},
        {"name": "x", "inputSchema": nested(2000)},
    ],
    ids=lambda item: "" if isinstance(item, dict) else str(item),
)
async def test_an_item_that_could_be_read_in_two_ways_is_left_out(item: Any) -> None:
    assert await Told({"tools": [item, {"name": "good"}, item]}).tools() == ("good",)


async def test_resources_go_by_their_uris() -> None:
    told = Told(
        {"resources": [{"name": "no uri"}, {"uri": "memo:1"}, {"uri": "x" * 8193}]},
        method="resources/list",
        resources={},
    )
    assert (await fetch(told.ask, BASE)).names("resources/list") == ("memo:1",)


@pytest.mark.parametrize("profile", [BASE, OLD], ids=["modern", "older"])
async def test_a_tool_whose_annotations_nobody_can_follow_is_no_modern_clients(
    profile: Profile,
) -> None:
    """Obligation 45."""
    flawed = {"name": "bad", "inputSchema": {"properties": {"a": {"x-mcp-header": "no name"}}}}
    sound = {"name": "good", "inputSchema": {"properties": {"a": {"type": "string"}}}}
    names = ("good",) if profile.modern else ("bad", "good")
    assert await Told({"tools": [flawed, sound]}).tools(profile) == names


async def test_tasks_are_no_groups() -> None:
    tools = [
        {"name": "a", "execution": {"taskSupport": "required"}},
        {"name": "b", "execution": {"taskSupport": "optional", "other": 1}},
        {"name": "c", "execution": "odd"},
    ]
    extensions = {"io.modelcontextprotocol/tasks": {}, "io.modelcontextprotocol/ui": {}}
    told = Told({"tools": tools}, tools={}, tasks={}, extensions=extensions)
    lists = await fetch(told.ask, BASE)
    assert [item.data for item in lists.items["tools/list"]] == [
        {"name": "a"},
        {"name": "b", "execution": {"other": 1}},
        {"name": "c", "execution": "odd"},
    ]
    offered = {"tools": {}, "extensions": {"io.modelcontextprotocol/ui": {}}}
    assert lists.hello["capabilities"] == offered


async def turns_of(told: Told) -> int:
    """How often others had their turn while it was read."""
    return await turns_during(told.tools())


async def test_a_long_list_is_read_in_turns() -> None:
    few, many = Told(page("a")), Told(page(*(f"t{number}" for number in range(2560))))
    assert await turns_of(many) >= await turns_of(few) + 10


async def test_schemas_that_take_long_to_read_take_a_turn_each() -> None:
    properties = {f"p{number}": {"type": "string"} for number in range(3000)}
    schema = {"properties": {**properties, "a": {"type": "string", "x-mcp-header": "A"}}}
    tools = [{"name": f"t{number}", "inputSchema": schema} for number in range(20)]
    assert await turns_of(Told({"tools": tools})) >= 20


# kinds of clients


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({}, b"{}"),
        ({"sampling": {}, "roots": {"listChanged": True}}, b'{"roots":{},"sampling":{}}'),
        ({"roots": None, "sampling": None}, b"{}"),
        ({"sampling": {"tools": {"x": 1}, "y": 2}}, b'{"sampling":{"tools":{}}}'),
        ({"elicitation": {"url": {}, "form": {}}}, b'{"elicitation":{"form":{},"url":{}}}'),
        ({"elicitation": "yes"}, b'{"elicitation":{}}'),
        ({"experimental": {"mine": {"n": 7}}, "made": "up"}, b"{}"),
        ({"extensions": {"io.example/x": {}}}, b"{}"),
        ({"extensions": {"io.modelcontextprotocol/ui": 7}}, b"{}"),
        (
            {"extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": ["a", {"b": 1}]}}},
            b'{"extensions":{"io.modelcontextprotocol/ui":{}}}',
        ),
        (
            {
                "extensions": {
                    "io.modelcontextprotocol/ui": {
                        "mimeTypes": ["text/html;profile=mcp-app", "a"],
                        "n": 7,
                    }
                }
            },
            b'{"extensions":{"io.modelcontextprotocol/ui":'
            b'{"mimeTypes":["text/html;profile=mcp-app"]}}}',
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_there_are_few_kinds_of_clients(said: dict[str, Any], kept: bytes) -> None:
    """Else a caller could have every member asked anew with each request."""
    assert Profile.of("2026-07-28", said).capabilities == kept
