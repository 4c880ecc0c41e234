"""What is written down, and what is asked of it."""

from typing import Any

import pytest
from tests.cli.access.written import a_server
from tests.operator.build import server

from ostiary_cli.access.standing import Standing
from ostiary_cli.endpoint import CallFailed
from ostiary_operator.api import MCPServer

ITEMS = [{"name": "a"}, {"name": "b"}]


def standing(tools: object = None) -> Standing:
    return Standing({"tools/time": a_server()}, {}, statuses={"tools/time": {"tools": tools}})


def test_a_server_is_chosen_by_name_or_all_are() -> None:
    assert [it.metadata.name for it in standing().chosen("tools", None)] == ["time"]
    with pytest.raises(CallFailed, match="no MCPServer tools/x: write -n and --server; it has too"):
        standing().chosen("tools", "x")
    with pytest.raises(CallFailed, match="no MCPServer in shop"):
        standing().chosen("shop", None)


def test_tools_are_known_where_all_are_listed() -> None:
    assert standing({"count": 2, "items": ITEMS}).tools_of(a_server()) == {"a", "b"}
    assert standing({"count": 3, "items": ITEMS}).tools_of(a_server()) is None
    assert standing().tools_of(a_server()) is None


def test_what_is_written_down_stands_before_what_is_made_up() -> None:
    old = Standing({}, {}, namespaces={"a": {"x": "1"}})

    found = old.with_namespaces({"a": {}, "b": {}}).namespaces

    assert found == {"a": {"x": "1"}, "b": {}}


A, B, C = ("sha256:" + digit * 64 for digit in "abc")


def pinned(mode: str = "Enforce", **pin: Any) -> MCPServer:
    tools = {"allow": ["get_*"], "pin": {"mode": mode, **pin}}
    return server({"image": "img", "command": ["c"], "tools": tools})


def shown(of: MCPServer, *items: dict[str, str], digest: str = C, count: int | None = None) -> Any:
    """Which names exist, as far as is written down; None: the filter alone says so."""
    tools = {
        "items": list(items),
        "count": len(items) if count is None else count,
        "digest": digest,
    }
    found = Standing({"tools/time": of}, {}, statuses={"tools/time": {"tools": tools}})
    allow = found.as_pinned(of).tools.allow
    return None if allow == ("get_*",) else set(allow or ())


def test_what_an_enforced_pin_hides_is_nobodys_to_call() -> None:
    known = [{"name": "get_time", "digest": A}, {"name": "get_x", "digest": B}]
    pins = [{"name": "get_time", "digest": A}, {"name": "get_x", "digest": C}]

    assert shown(pinned(tools=pins), *known) == {"get_time"}
    assert shown(pinned(digest=C), *known) == {"get_time", "get_x"}
    assert shown(pinned(digest=A), *known) == set()
    assert shown(pinned(), *known) == set()
    assert shown(pinned("Warn", tools=pins), *known) is None


def test_without_the_tools_the_approved_names_are_taken_to_stand() -> None:
    pins = [{"name": "get_time", "digest": A}, {"name": "drop", "digest": C}]

    assert shown(pinned(tools=pins)) == {"get_time"}
    assert shown(pinned(digest=A)) is None, "a digest of the whole set tells no names"
    assert shown(pinned(digest=A), {"name": "get_time", "digest": A}, count=9) is None
