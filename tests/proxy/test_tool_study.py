"""A server's list of tools, read in turns.  Security row 15 says what is looked for."""

import asyncio
from typing import Any

import pytest

from ostiary_proxy.lint import MOST_READ
from ostiary_proxy.tool_digest import digest, twin, whole
from ostiary_proxy.tool_study import A_TOOL, A_TURN, MOST_TOOLS, Study, studied, turn_by_turn

LONGEST = A_TURN + A_TOOL + MOST_READ
"""The tool that fills a turn is still read to its end."""


def tool(name: str = "add", **more: Any) -> dict[str, Any]:
    return {"name": name, "description": "Adds.", "inputSchema": {"type": "object"}, **more}


def turns(tools: list[dict[str, Any]]) -> list[int]:
    return list(turn_by_turn(tools))


HOSTILE = {
    "long texts": [tool(f"t{n}", description="when any tool must " * 863) for n in range(500)],
    "many schemas": [
        tool(f"t{n}", inputSchema={"properties": {f"k{m}": {"x": 1} for m in range(300)}})
        for n in range(490)
    ],
    "one tool": [tool(inputSchema={"properties": {f"k{m}": {} for m in range(149_000)}})],
    "small ones": [tool(f"t{n}") for n in range(9_000)],
    "none that counts": [{"description": "x" * 9_999} for _ in range(9_000)],
}


@pytest.mark.parametrize("tools", HOSTILE.values(), ids=HOSTILE)
def test_no_turn_reads_more_than_it_may(tools: list[dict[str, Any]]) -> None:
    read = turns(tools)

    assert max(read) < LONGEST
    assert sum(read) >= A_TOOL * min(len(tools), MOST_TOOLS)


async def test_others_have_their_turn_between_those_of_a_long_list() -> None:
    tools = HOSTILE["long texts"]
    taken, over = 0, asyncio.Event()

    async def others() -> None:
        nonlocal taken
        while not over.is_set():
            taken += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(others())
        await studied(tools)
        over.set()

    assert taken >= len(turns(tools)) > 16


async def test_it_says_of_a_list_what_each_tool_says_of_itself() -> None:
    annotated = {"properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
    tools = [
        tool("a", inputSchema=annotated, annotations={"readOnlyHint": True}),
        tool("b", description="<important>", outputSchema={"type": "array"}),
    ]

    study = await studied(tools)

    assert [(it.name, it.digest) for it in study.tools] == [
        ("a", digest(tools[0])),
        ("b", digest(tools[1])),
    ]
    assert study.digest == whole(study.tools)
    assert study.mirrored["a"][0].path == ("region",)
    assert study.hints == {"a": ("ReadOnly",)}
    assert study.twins == {twin(tools[1]): digest(tools[1])}
    assert [it.name for it in study.suspects] == ["b"]


async def test_of_a_name_that_is_listed_twice_no_effect_is_taken_for_granted() -> None:
    study = await studied([tool(annotations={"readOnlyHint": True}), tool()])

    assert study.hints == {}
    assert len(study.tools) == 2


async def test_an_empty_list_is_one() -> None:
    assert await studied([]) == Study(digest=whole(()))


async def test_a_tool_that_is_nested_too_deep_is_none_of_the_servers() -> None:
    """A server must not bring its proxy down with what it says of itself."""
    schema: dict[str, object] = {}
    for _ in range(1000):
        schema = {"properties": {"a": schema}}

    study = await studied([tool("deep", inputSchema=schema), tool("echo")])

    assert [one.name for one in study.tools] == ["echo"]


@pytest.mark.parametrize("name", [None, "", 7, "n" * 129])
async def test_a_tool_without_a_name_that_can_be_shown_is_none(name: object) -> None:
    assert (await studied([{**tool(), "name": name}])).tools == ()
