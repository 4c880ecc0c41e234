"""Looks at an HTTP server: only POST, and one handshake for all of them."""

import pytest
from tests.proxy.conditions import until
from tests.proxy.peers.scripted import TOOLS, Reply, Scripted, error, result
from tests.proxy.rig import http_rig, rig, served
from tests.proxy.test_observe import unavailable

from ostiary_proxy import config

PAGES = {
    "credentials": (Reply(401, b"{}"), "NotMCP", "asks for credentials"),
    "another site": (Reply(404, b"<html>", kind="text/html"), "NotMCP", "HTTP 404 at /mcp"),
    "failing": (Reply(500, b"boom", kind="text/plain"), "NotMCP", "HTTP 500"),
    "no JSON": (Reply(200, b"hello", kind="application/json"), "NotMCP", "not JSON-RPC"),
    "unknown revisions": (
        Reply(200, error(1, -32602)),
        "ProtocolUnsupported",
        "no MCP revision",
    ),
}


@pytest.mark.parametrize(("reply", "reason", "words"), PAGES.values(), ids=PAGES.keys())
async def test_an_http_server_that_cannot_be_used_says_why(
    reply: Reply, reason: str, words: str
) -> None:
    answers = {"server/discover": lambda _: reply, "initialize": lambda _: reply}
    peer = Scripted(answers=answers)
    async with served(peer) as port, rig(config.HttpBackend(port=port)) as made:
        report = await unavailable(made)

    assert report.reason == reason
    assert words in report.message
    assert not [one for one in peer.seen if one.verb == "GET"]


async def test_a_legacy_server_is_initialised_once_for_all_looks() -> None:
    peer = Scripted(eras=("legacy",), session="s1")
    async with http_rig(peer) as made:
        made.proxy.backends._by_path["/mcp"].look_again()
        await until(lambda: len(peer.asked("tools/list")) == 2)

    assert len(peer.asked("initialize")) == 1


async def test_a_legacy_server_that_forgot_the_session_is_initialised_again() -> None:
    peer = Scripted(eras=("legacy",), session="s1")
    async with http_rig(peer) as made:
        forgot = iter([Reply(404, b"gone", kind="text/plain")])
        listed = peer._plain
        peer.answers["tools/list"] = lambda seen: next(forgot, None) or listed("tools/list", seen)
        made.proxy.backends._by_path["/mcp"].look_again()
        await until(lambda: len(peer.asked("initialize")) == 2)
        await made.ready()


async def test_a_server_without_tools_has_none() -> None:
    answers = {"tools/list": lambda seen: Reply(body=error(seen.body["id"], -32601))}
    async with http_rig(Scripted(answers=answers)) as made:
        assert made.report.toolCount == 0
        assert made.report.state == "Ready"


async def test_a_look_reads_streams_too() -> None:
    def streamed(seen: object) -> Reply:
        ident = seen.body["id"]  # type: ignore[attr-defined]
        note = b'event: message\ndata: {"jsonrpc":"2.0","method":"notifications/message"}\n\n'
        last = b"data: " + result(ident, {"tools": TOOLS}) + b"\n\n"
        return Reply(body=[note, last], kind="text/event-stream")

    async with http_rig(Scripted(answers={"tools/list": streamed})) as made:
        assert made.report.toolCount == len(TOOLS)
