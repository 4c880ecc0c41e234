"""What a caller may see of a list.  Security row 12."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.proxy import documents
from tests.proxy.conditions import until
from tests.proxy.peers.scripted import Reply, Scripted, error, event, result
from tests.proxy.rig import http_rig, policy, request
from tests.proxy.test_session import open_session

from ostiary_proxy import era
from ostiary_proxy.lists import MOST_ITEMS, visible
from ostiary_proxy.message import ITEMS, STRINGS, Message, encode, parse
from ostiary_proxy.policy import Allow, Caller, Target, compile_rules, decide

LISTS = {
    "json": Reply(body=result(1, {"tools": [{"name": "echo"}, {"name": "hidden_one"}]})),
    "twice": Reply(
        body=b'{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"echo"}]},'
        b'"result":{"tools":[{"name":"hidden_one"}]}}'
    ),
    "a nameless item": Reply(body=result(1, {"tools": [{"title": "hidden_one"}, "hidden_one"]})),
    "no list": Reply(body=result(1, {"tools": {"hidden_one": {}}})),
    "no JSON": Reply(body=b'{"result": hidden_one}'),
    "no response": Reply(body=b'{"jsonrpc":"2.0","method":"hidden_one"}'),
    "stream": Reply(
        body=[event(result(1, {"tools": [{"name": "hidden_one"}, {"name": "echo"}]}))],
        kind="text/event-stream",
    ),
    "stream in pieces": Reply(
        body=[
            bytes((byte,))
            for byte in b'\xef\xbb\xbfdata: {"jsonrpc":"2.0","id":1,\r\ndata: "result":{"tools":'
            b'[{"name":"hidden_one"},\rdata: {"name":"echo"}]}}\r\n\r\n'
        ],
        kind="text/event-stream",
    ),
    "stream that cannot be read": Reply(
        body=[b'data: {"tools": [{"name": "hidden_one"\n\n'], kind="text/event-stream"
    ),
    "stream without end": Reply(
        body=[b'data: {"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"hidden_one"}]}}'],
        kind="text/event-stream",
    ),
}


@pytest.mark.parametrize("reply", LISTS.values(), ids=LISTS.keys())
async def test_no_name_out_of_reach_is_ever_in_a_list(reply: Reply) -> None:
    """Security row 12: whatever cannot be read is not passed on."""
    peer = Scripted(answers={})
    async with http_rig(peer, policies=(policy(deny=("hidden_*",)),)) as rig, rig.raw() as raw:
        peer.answers["tools/list"] = lambda _: reply
        answer = await raw.legacy("tools/list")

    assert b"hidden_one" not in answer.content
    assert answer.status_code == 200


async def test_a_filtered_modern_list_is_private() -> None:
    """Security row 13."""
    value = {"tools": [], "ttlMs": 60000, "cacheScope": "public", "resultType": "complete"}
    peer = Scripted()
    async with http_rig(peer) as rig, rig.raw() as raw:
        peer.answers["tools/list"] = lambda seen: Reply(body=result(seen.body["id"], value))
        answer = await raw.modern("tools/list")

    assert answer.json()["result"] == {**value, "cacheScope": "private"}


STREAM = "text/event-stream"
NAMES = st.sampled_from(["echo", "hidden_one", "get_a", "get_b"])
GLOBS = st.sampled_from(["*", "echo", "get_*", "hidden_*", "*_one"])


@given(st.lists(NAMES), st.lists(GLOBS), st.lists(GLOBS))
def test_what_is_listed_is_what_may_be_called(
    names: list[str], allowed: list[str], denied: list[str]
) -> None:
    rules = compile_rules(
        documents.server(policies=(policy(tools=tuple(allowed), deny=tuple(denied)),))
    )
    caller = Caller.service_account("agents", "planner")
    answer = result(1, {"tools": [{"name": name} for name in names]})

    listed = json.loads(visible("tools/list", answer, caller, rules, 1))["result"]["tools"]

    callable_ = [n for n in names if isinstance(decide(Target("tool", n), caller, rules), Allow)]
    assert [tool["name"] for tool in listed] == callable_


CURSORS = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)


@given(st.sampled_from(sorted(era.LISTS)), CURSORS, st.booleans())
def test_a_cursor_is_the_servers_own_business(method: str, cursor: str, modern: bool) -> None:
    """Asked for and given back as it is: the empty one too, and nothing but a string is made up."""
    rules = compile_rules(documents.server(policies=(policy(),)))
    caller = Caller.service_account("agents", "planner")
    asked = parse(encode(request(method, 1, cursor=cursor)))
    page = {era.LISTS[method][0]: [], "nextCursor": cursor}
    last = {era.LISTS[method][0]: []}

    more = visible(method, result(1, page), caller, rules, 1, modern=modern)
    end = visible(method, result(1, last), caller, rules, 1, modern=modern)

    assert isinstance(asked, Message)
    assert json.loads(asked.canonical)["params"] == {"cursor": cursor}
    assert json.loads(more)["result"]["nextCursor"] == cursor
    assert "nextCursor" not in json.loads(end)["result"]


def test_an_error_of_the_servers_is_passed_on() -> None:
    rules = compile_rules(documents.server())
    answer = error(1, -32601)

    assert visible("tools/list", answer, Caller.anonymous(), rules, 1) == answer


async def test_a_list_that_is_replayed_is_filtered_too() -> None:
    """A legacy client may resume a broken stream by GET, and gets the rest of its answers there."""
    answers = [
        b"id: 1\ndata: "
        + result(5, {"tools": [{"name": "echo"}, {"name": "hidden_one"}], "prompts": []})
        + b"\n\n",
        b"id: 2\ndata: hidden_one\n\n",
        b'id: 3\ndata: {"jsonrpc":"2.0","method":"notifications/vendor"}\n\n',
        b"id: 4\ndata: " + result(6, {"content": []}) + b"\n\n",
    ]
    peer = Scripted(session="s", answers={"GET": lambda _: Reply(body=answers, kind=STREAM)})
    async with http_rig(peer, policies=(policy(deny=("hidden_*",)),)) as rig, rig.raw() as raw:
        headers = {"mcp-session-id": await open_session(raw)}
        first = await raw.http.get(rig.url, headers=headers)
        lines = [line for line in first.content.splitlines() if line.startswith(b"id: ")]
        headers["last-event-id"] = lines[0].removeprefix(b"id: ").decode()
        answer = await raw.http.get(rig.url, headers=headers)

    assert b"hidden_one" not in answer.content
    assert b'"echo"' in answer.content
    assert b"notifications/vendor" in answer.content
    assert len(set(lines)) == 4
    assert any(one.headers.get("last-event-id") == "1" for one in peer.seen)


PLANNER = Caller.service_account("agents", "planner")


def nested(levels: int) -> bytes:
    return b'{"a":' * levels + b"{}" + b"}" * levels


@pytest.mark.parametrize("levels", [100, 1000])
def test_an_item_that_is_nested_too_deep_is_left_out(levels: int) -> None:
    """Writing it would cost the stack; the look at the server leaves it out as well."""
    rules = compile_rules(documents.server())
    tools = b'[{"name":"echo"},{"name":"deep","inputSchema":%s}]' % nested(levels)
    answer = b'{"jsonrpc":"2.0","id":1,"result":{"tools":%s}}' % tools

    shown = json.loads(visible("tools/list", answer, PLANNER, rules, 1))

    assert shown["result"]["tools"] == [{"name": "echo"}]


@pytest.mark.parametrize("part", ["error", "result"])
def test_an_answer_that_is_nested_too_deep_beside_its_items_is_an_error(part: str) -> None:
    rules = compile_rules(documents.server())
    body = b'{"code":1,"message":"no","data":%s,"tools":[]}' % nested(500)
    answer = b'{"jsonrpc":"2.0","id":1,"%s":%s}' % (part.encode(), body)

    shown = json.loads(visible("tools/list", answer, PLANNER, rules, 1))

    assert shown["error"]["message"] == "The server's list is nested too deep to be passed on."


@pytest.mark.parametrize(("count", "passes"), [(MOST_ITEMS, True), (MOST_ITEMS + 1, False)])
def test_a_list_of_too_many_items_is_an_error(count: int, passes: bool) -> None:
    rules = compile_rules(documents.server())
    answer = result(1, {"tools": [{"name": f"t{n}"} for n in range(count)]})

    shown = json.loads(visible("tools/list", answer, PLANNER, rules, 1))

    assert ("result" in shown) == passes
    assert ("error" in shown) != passes
    assert shown["id"] == 1


CROWDS = {
    "items": [{"name": "a"}] * (STRINGS // 2 + 1),
    "texts": [{"name": "a", "inputSchema": {"enum": ["b"] * STRINGS}}],
    "numbers": [{"name": "a", "inputSchema": {"enum": [0] * (ITEMS + 1)}}],
}


@pytest.mark.parametrize("tools", CROWDS.values(), ids=CROWDS)
async def test_a_list_of_too_many_values_is_read_neither_by_a_look_nor_for_a_caller(
    tools: list[object],
) -> None:
    """It would hold the loop: what no caller may send, no server may list."""
    peer = Scripted()
    async with http_rig(peer) as rig, rig.raw() as raw:
        peer.answers["tools/list"] = lambda _: Reply(body=result(1, {"tools": tools}))
        answer = await raw.legacy("tools/list")
        rig.proxy.backends._by_path["/mcp"].look_again()
        await until(lambda: rig.report.message)
        look = rig.report.message

    assert answer.json()["error"]["message"].endswith("let it answer in pages.")
    assert look.endswith("let it answer in pages.")
