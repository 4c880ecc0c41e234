"""What a relay does when an endpoint is not at its best.  Obligations 2, 7, 21, 31 and 63."""

import asyncio
from typing import Any

import pytest
from tests.cli.endpoints import Asked, Fake, Says, error, events, relayed, result
from tests.proxy.conditions import until

NEW = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": NEW,
    "io.modelcontextprotocol/clientCapabilities": {},
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def request(method: str, ident: Any = 1, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": ident, "method": method, "params": params}


INITIALIZE = request("initialize", 0, protocolVersion="2025-06-18", capabilities={})


def shaken(asked: Asked, session: str = "s1") -> Says:
    answer = result(asked.body["id"], protocolVersion="2025-06-18", capabilities={})
    return Says(answer, headers={"mcp-session-id": session})


def plain(asked: Asked) -> Says | None:
    """A server that is content with everything and offers no stream."""
    if asked.verb == "GET":
        return Says(status=405)
    if asked.method == "initialize":
        return shaken(asked)
    if isinstance(asked.body, dict) and "id" in asked.body and asked.method:
        return Says(result(asked.body["id"], method=asked.method))
    return None


async def test_a_legacy_session_is_spoken_as_its_clients_speak_it() -> None:
    fake = Fake(plain)
    async with relayed(fake) as local:
        local.send(INITIALIZE, INITIALIZED, request("tools/list", "x"))
        assert (await local.hear())["result"]["protocolVersion"] == "2025-06-18"
        assert await local.hear() == {
            "jsonrpc": "2.0",
            "id": "x",
            "result": {"method": "tools/list"},
        }
        await until(lambda: "GET" in fake.methods())

    assert sorted(fake.methods()) == sorted(
        ["initialize", "notifications/initialized", "tools/list", "GET", "DELETE"]
    )
    assert fake.asked[-1].verb == "DELETE"
    assert "mcp-session-id" not in fake.asked[0].headers
    for asked in fake.asked[1:]:
        assert asked.headers["mcp-session-id"] == "s1"
        assert asked.headers["mcp-protocol-version"] == "2025-06-18"


async def test_a_lost_session_is_begun_anew_unseen_and_the_request_runs() -> None:
    """Obligation 21, on the client's side: a client that was started once never sees a 404."""
    lost: list[str] = []

    def answer(asked: Asked) -> Says | None:
        if asked.method == "initialize":
            return shaken(asked, f"s{len(lost) + 1}")
        if asked.headers.get("mcp-session-id") in lost:
            return Says(error(None, -32600, "Session not found."), 404)
        return plain(asked)

    fake = Fake(answer)
    async with relayed(fake) as local:
        local.send(INITIALIZE, INITIALIZED)
        await local.hear()
        await until(lambda: "GET" in fake.methods())
        lost.append("s1")
        local.send(request("tools/call", 5, name="a"), request("tools/call", 6, name="b"))
        answers = [await local.hear(), await local.hear()]

    assert sorted(it["id"] for it in answers) == [5, 6]
    assert all("result" in it for it in answers)
    assert fake.methods().count("initialize") == 2
    assert fake.methods().count("notifications/initialized") == 2
    assert fake.asked[-1].headers["mcp-session-id"] == "s2"
    assert local.told == []


async def test_the_servers_own_words_are_heard_for_as_long_as_the_session_lives() -> None:
    words = {"jsonrpc": "2.0", "id": "q1", "method": "roots/list"}
    streams: list[Asked] = []

    def answer(asked: Asked) -> Says | None:
        if asked.verb != "GET":
            return plain(asked)
        streams.append(asked)
        says = events(
            f'{{"jsonrpc":"2.0","id":"q{len(streams)}",\ndata: "method":"roots/list"}}'.encode(),
            ident=f"e{len(streams)}",
        )
        says.hang = len(streams) > 1
        return says

    fake = Fake(answer)
    async with relayed(fake) as local:
        local.send(INITIALIZE, INITIALIZED)
        await local.hear()
        assert await local.hear() == words
        assert (await local.hear())["id"] == "q2"
        local.send({"jsonrpc": "2.0", "id": "q2", "result": {"roots": []}})
        await until(lambda: any(it.body and "result" in it.body for it in fake.asked))

    assert streams[1].headers["last-event-id"] == "e1"
    posted = next(it for it in fake.asked if it.body and "result" in it.body)
    assert posted.headers["mcp-session-id"] == "s1"


async def test_an_answer_whose_stream_breaks_off_is_looked_for_where_it_goes_on() -> None:
    """2025-11-25: a server may close the connection after an event id."""

    def answer(asked: Asked) -> Says | None:
        if asked.method == "tools/call":
            return events(ident="e1")
        if asked.verb == "GET" and asked.headers.get("last-event-id") == "e1":
            return events(result(5, done=True))
        return plain(asked)

    fake = Fake(answer)
    async with relayed(fake) as local:
        local.send(INITIALIZE)
        await local.hear()
        local.send(request("tools/call", 5, name="slow"))
        assert (await local.hear())["result"] == {"done": True}


async def test_an_answer_that_never_comes_is_an_error_and_no_silence() -> None:
    def answer(asked: Asked) -> Says | None:
        return Says(kind="text/event-stream") if asked.method == "tools/call" else plain(asked)

    async with relayed(Fake(answer)) as local:
        local.send(INITIALIZE, request("tools/call", 5, name="x"))
        await local.hear()
        said = await local.hear()

    assert (said["id"], said["error"]["code"]) == (5, -32603)
    assert "broke off" in said["error"]["message"]


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (Says(b"<html>", 502, "text/html"), "HTTP 502"),
        (Says(b'{"error": "upstream"}', 502), "HTTP 502"),
        (Says(b"", 200), "HTTP 200"),
        (Says(b"null", 200), "HTTP 200"),
        (Says(error(None, -32603, "A rule is missing."), 403), "A rule is missing."),
        (Says(error(None, -32600, "There is nothing at this path."), 404), None),
    ],
    ids=["a page", "JSON that is no message", "nothing", "null", "no id", "no endpoint"],
)
async def test_whatever_an_endpoint_answers_the_client_gets_a_message(
    says: Says, words: str | None
) -> None:
    """Obligation 8: also where the answer came from something that knows no MCP."""
    async with relayed(Fake(lambda asked: says)) as local:
        local.send(request("server/discover", 3, _meta=META))
        said = await local.hear()

    assert (said["jsonrpc"], said["id"]) == ("2.0", 3)
    if words is not None:
        assert words in said["error"]["message"]
    if says.status >= 400:
        assert len(set(local.told)) == 1


async def test_a_modern_request_bears_the_headers_that_repeat_its_body() -> None:
    """Obligations 10 and 49: stdio has none, HTTP wants them."""
    schema = {
        "type": "object",
        "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
    }

    def answer(asked: Asked) -> Says | None:
        if asked.method == "tools/list":
            return Says(result(asked.body["id"], tools=[{"name": "größe", "inputSchema": schema}]))
        if asked.method == "tools/call" and "mcp-param-region" not in asked.headers:
            return Says(error(asked.body["id"], -32020, "Mcp-Param-Region is missing"), 400)
        return plain(asked)

    fake = Fake(answer)
    call = request("tools/call", 2, name="größe", arguments={"region": "süd"}, _meta=META)
    async with relayed(fake) as local:
        local.send(call)
        assert (await local.hear())["result"] == {"method": "tools/call"}
        local.send({**call, "id": 3})
        assert (await local.hear())["id"] == 3

    assert fake.methods() == ["tools/call", "tools/list", "tools/call", "tools/call"]
    headers = fake.asked[-1].headers
    assert headers["mcp-protocol-version"] == NEW
    assert headers["mcp-method"] == "tools/call"
    assert headers["mcp-name"] == "=?base64?Z3LDtsOfZQ==?="
    assert headers["mcp-param-region"] == "=?base64?c8O8ZA==?="
    assert "mcp-session-id" not in headers
    assert local.told == []


async def test_a_batch_goes_out_and_comes_back_as_one() -> None:
    def answer(asked: Asked) -> Says | None:
        if isinstance(asked.body, list):
            return Says(b"[" + b",".join(result(it["id"]) for it in asked.body) + b"]")
        return plain(asked)

    async with relayed(Fake(answer)) as local:
        local.send(INITIALIZE, [request("ping", 1), request("ping", 2)])
        await local.hear()
        assert [it["id"] for it in await local.hear()] == [1, 2]


async def test_a_legacy_cancellation_is_passed_on_and_a_modern_one_is_not() -> None:
    """Obligations 26 and 27."""
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 9}}
    modern, legacy = Fake(plain), Fake(plain)
    async with relayed(modern) as local:
        local.send(request("server/discover", 1, _meta=META), cancel)
        await local.hear()
    async with relayed(legacy) as local:
        local.send(INITIALIZE, cancel)
        await local.hear()

    assert modern.methods() == ["server/discover"]
    assert legacy.methods() == ["initialize", "notifications/cancelled", "DELETE"]


def hangs(asked: Asked) -> Says | None:
    """A server whose calls and subscriptions stay open."""
    if asked.method in ("tools/call", "subscriptions/listen"):
        return Says(kind="text/event-stream", hang=True)
    return plain(asked)


async def test_a_signal_gives_up_what_is_not_answered_yet() -> None:
    fake = Fake(hangs)
    async with relayed(fake) as local:
        local.send(INITIALIZE, INITIALIZED, request("tools/call", 1, name="a"))
        await until(lambda: "tools/call" in fake.methods())
        local.hurry()

    assert fake.asked[-1].verb == "DELETE"


async def test_an_open_subscription_does_not_hold_the_end() -> None:
    fake = Fake(hangs)
    async with relayed(fake) as local:
        local.send(request("subscriptions/listen", 1, _meta=META))
        await until(lambda: "subscriptions/listen" in fake.methods())

    assert fake.methods() == ["subscriptions/listen"]


async def test_what_was_asked_before_the_end_is_answered_after_it() -> None:
    opened = asyncio.Event()

    def answer(asked: Asked) -> Says | None:
        if asked.method == "tools/call":
            return Says(result(asked.body["id"]), until=opened)
        return plain(asked)

    fake = Fake(answer)
    async with relayed(fake) as local:
        local.send(INITIALIZE, INITIALIZED, request("tools/call", "late", name="a"))
        await until(lambda: "tools/call" in fake.methods())
        local.lines.put_nowait(None)
        await until(local.ended.is_set)
        opened.set()

    assert [it["id"] for it in local.left()] == [0, "late"]
