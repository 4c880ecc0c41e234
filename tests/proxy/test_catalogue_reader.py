"""What a group's gateway may do by itself at a member: the lists, their news, and no more."""

import asyncio
from typing import Any

import orjson
import pytest
from tests.proxy.conditions import PATIENCE
from tests.proxy.groups import KEY, Member, headers_of, hello, http_member, member, reader
from tests.proxy.peers.scripted import Reply, Scripted, Seen, event, result
from tests.proxy.rig import modern, modern_headers, policy, request, stdio
from tests.proxy.test_legacy_client import MODERN
from tests.proxy.test_stdio import BOTH, LEGACY

from ostiary_proxy import config
from ostiary_proxy.callers import Caller
from ostiary_proxy.catalogue_reader import may_hear, may_say
from ostiary_proxy.era import LISTS
from ostiary_proxy.mailbox import Letter
from ostiary_proxy.message import Message, parse
from ostiary_proxy.policy import Allow, Deny, Target, compile_rules, decide

CALLER = Caller.catalogue("agents", "everyday", "g-1")
CALLS: dict[str, dict[str, Any]] = {
    "tools/call": {"name": "echo"},
    "prompts/get": {"name": "p"},
    "resources/read": {"uri": "memo:one"},
    "completion/complete": {"ref": {"type": "ref/prompt", "name": "p"}, "argument": {}},
    "vendor/anything": {},
}
LEGACY_CALLS = {
    **CALLS,
    "resources/subscribe": {"uri": "memo:one"},
    "resources/unsubscribe": {"uri": "memo:one"},
    "logging/setLevel": {"level": "debug"},
}


def changed(name: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": f"notifications/{name}/list_changed"}


LOG = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "theirs"}}
ASKED = {"jsonrpc": "2.0", "id": "q", "method": "sampling/createMessage", "params": {}}


def said(*messages: dict[str, Any], hang: bool = False) -> Reply:
    body = [event(orjson.dumps(message)) for message in messages]
    return Reply(body=body, kind="text/event-stream", hang=hang)


def named(answer: Any, key: str = "tools") -> list[str]:
    assert answer.status == 200, answer.body
    return [it["name"] for it in answer.json["result"][key]]


# the decision


def test_a_reader_sees_what_there_is_and_uses_nothing() -> None:
    server = config.Server(
        namespace="tools",
        name="time",
        uid="u",
        url="http://x/mcp",
        audiences=(),
        hosts=(),
        backend=config.StdioBackend(),
        tools=config.ToolFilter(allow=("get_*",), deny=("get_secret",)),
        policies=(policy(deny=("get_time",)),),
    )
    rules = compile_rules(server)
    seen = [
        Target("list"),
        Target("protocol"),
        Target("tool", "get_time"),
        Target("prompt", "p"),
        Target("resource", "memo:one"),
    ]
    hidden = [
        Target("tool", "get_secret"),
        Target("tool", "set_time"),
        Target("tool", "get_time", {}),
        Target("prompt", "p", {}),
        Target("resource", "memo:one", {}),
        Target("unknown", "vendor/x"),
    ]

    assert all(isinstance(decide(it, CALLER, rules), Allow) for it in seen)
    assert all(isinstance(decide(it, CALLER, rules), Deny) for it in hidden)


def test_of_methods_it_has_the_lists_and_what_leads_to_them() -> None:
    def message(method: str, kind: str = "request") -> Message:
        ident = {"id": 1} if kind == "request" else {}
        parsed = parse(orjson.dumps({"jsonrpc": "2.0", "method": method, **ident}))
        assert isinstance(parsed, Message)
        return parsed

    answer = parse(b'{"jsonrpc":"2.0","id":1,"result":{}}')

    assert all(may_say(message(method)) for method in (*LISTS, "ping", "subscriptions/listen"))
    assert may_say(message("notifications/initialized", "notification"))
    assert not any(may_say(message(method)) for method in LEGACY_CALLS)
    assert not may_say(message("notifications/cancelled", "notification"))
    assert isinstance(answer, Message)
    assert not may_say(answer)
    assert may_hear(answer, changed("tools"))
    assert may_hear(None, changed("prompts"))
    assert not may_hear(None, {"id": 1, "result": {}})
    assert not any(may_hear(one, it) for one in (answer, None) for it in (LOG, ASKED, [], None))


# over the wire


@pytest.mark.parametrize("words", [BOTH, LEGACY, MODERN], ids=["both", "legacy", "modern"])
async def test_it_reads_all_lists_in_either_era_without_any_policy(words: tuple[str, ...]) -> None:
    tools = config.ToolFilter(deny=("hidden_*",))
    async with member(stdio(*words), policies=(), tools=tools) as made:
        assert (await made.ask(hello(), reader(), key=KEY)).status == 200
        told = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        assert (await made.ask(told, reader(), key=KEY)).status == 202
        pinged = await made.ask(request("ping"), reader(), key=KEY)
        legacy = await made.ask(request("tools/list"), reader(), key=KEY)
        newer = await made.modern("tools/list", reader())
        found = await made.modern("server/discover", reader())
        gone = await made.ask(verb="DELETE", given=reader(), key=KEY)

    assert named(legacy) == named(newer) == ["echo", "pid"]
    assert (pinged.status, found.status, gone.status) == (200, 200, 204)
    assert {line["subject"] for line in made.ended()} == {"catalogue:agents/everyday"}
    assert {line["via"] for line in made.ended()} == {"group:agents/everyday"}


async def test_what_a_pin_does_not_approve_is_in_no_list_for_it_either() -> None:
    pin = config.Pin(mode="Enforce", tools=())
    async with member(stdio(*BOTH), tools=config.ToolFilter(pin=pin)) as made:
        answer = await made.modern("tools/list", reader())

    assert named(answer) == []


async def begun(made: Member) -> None:
    assert (await made.ask(hello(), reader(), key=KEY)).status == 200


async def test_it_may_do_nothing_else_and_no_backend_hears_of_it() -> None:
    peer = Scripted(session="s")
    async with http_member(peer) as made:
        await begun(made)
        before = len(peer.seen)
        legacy = [
            await made.ask(request(method, 1, **params), reader(), key=KEY)
            for method, params in LEGACY_CALLS.items()
        ]
        newer = [await made.modern(it, reader(), **params) for it, params in CALLS.items()]
        words = [
            await made.ask({"jsonrpc": "2.0", **more}, reader(), key=KEY)
            for more in (
                {"id": 1, "result": {}},
                {"method": "notifications/cancelled", "params": {"requestId": 1}},
                {"method": "notifications/vendor"},
            )
        ]
        assert len(peer.seen) == before

    for answer in (*legacy, *newer):
        assert answer.json["error"]["code"] == -32601, answer.body
    assert {answer.status for answer in legacy} == {200}
    assert {answer.status for answer in newer} == {404}
    assert [answer.status for answer in words] == [400, 400, 400]
    refused = made.ended("refusal")
    assert {line["subject"] for line in refused} == {"catalogue:agents/everyday"}
    assert len(refused) == len((*legacy, *newer, *words))


async def test_it_follows_no_resource() -> None:
    wanted = {"toolsListChanged": True, "resourceSubscriptions": ["memo:one"]}
    peer = Scripted()
    async with http_member(peer) as made:
        answer = await made.modern("subscriptions/listen", reader(), notifications=wanted)

    assert answer.status == 400
    assert peer.asked("subscriptions/listen") == []


async def heard(made: Member, sent: dict[str, Any] | None, **headers: Any) -> list[dict[str, Any]]:
    """The messages of a stream up to the last change of a list."""
    content = b"" if sent is None else orjson.dumps(sent)
    async with made.wire() as wire, asyncio.timeout(PATIENCE):
        wire.send("GET" if sent is None else "POST", "/mcp", content, **headers)
        text = await wire.reader.readuntil(b"resources/list_changed")
    lines = [line for line in text.split(b"\n") if line.startswith(b"data: {")]
    found = [orjson.loads(line[6:]) for line in lines[:-1]]
    return [*found, {"method": "notifications/resources/list_changed"}]


async def test_of_a_sessions_stream_it_hears_what_changed() -> None:
    answer = {"jsonrpc": "2.0", "id": 7, "result": {"content": []}}
    news = (LOG, changed("tools"), ASKED, answer, changed("resources"))
    peer = Scripted(
        session="s", eras=("legacy",), answers={"GET": lambda _: said(*news, hang=True)}
    )
    async with http_member(peer) as made:
        await begun(made)
        found = await heard(made, None, **headers_of(reader(), KEY))

    assert [it["method"] for it in found] == [
        "notifications/tools/list_changed",
        "notifications/resources/list_changed",
    ]


async def test_of_a_subscription_it_hears_what_changed() -> None:
    def listen(seen: Seen) -> Reply:
        known = {"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged"}
        updated = {"jsonrpc": "2.0", "method": "notifications/resources/updated"}
        return said(known, LOG, updated, ASKED, changed("resources"), hang=True)

    peer = Scripted(eras=("modern",), answers={"subscriptions/listen": listen})
    sent = modern("subscriptions/listen", 3, notifications={"toolsListChanged": True})
    async with http_member(peer) as made:
        headers = {**headers_of(reader()), **modern_headers("subscriptions/listen", {})}
        found = await heard(made, sent, **headers)

    assert [it["method"] for it in found] == [
        "notifications/subscriptions/acknowledged",
        "notifications/resources/list_changed",
    ]


async def test_beside_a_handshakes_answer_it_hears_nothing() -> None:
    def shake(seen: Seen) -> Reply:
        agreed = {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "serverInfo": {"name": "s", "version": "1"},
        }
        return said(LOG, ASKED, orjson.loads(result(seen.body["id"], agreed)))

    peer = Scripted(eras=("legacy",), answers={"initialize": shake})
    async with http_member(peer) as made, made.wire() as wire:
        wire.send("POST", "/mcp", orjson.dumps(hello()), **headers_of(reader(), KEY))
        async with asyncio.timeout(PATIENCE):
            text = await wire.reader.readuntil(b"0\r\n\r\n")

    assert b"serverInfo" in text
    assert b"theirs" not in text
    assert b"sampling" not in text


async def test_a_childs_own_words_are_not_for_it() -> None:
    async with member(stdio(*BOTH, "watch"), policies=()) as made:
        backend: Any = next(iter(made.proxy.backends._by_path.values())).backend
        await begun(made)
        async with made.wire() as wire, asyncio.timeout(PATIENCE):
            wire.send("GET", "/mcp", **headers_of(reader(), KEY))
            await wire.reader.readuntil(b"\r\n\r\n")
            [desk] = backend.legacy._desks.values()
            desk.held.put(Letter(orjson.dumps(LOG)))
            desk.held.put(Letter(orjson.dumps(ASKED), question="q"))
            backend.legacy.announce("notifications/tools/list_changed")
            text = await wire.reader.readuntil(b"list_changed")

    assert b"theirs" not in text
    assert b"sampling" not in text
