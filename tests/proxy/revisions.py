"""A client of each revision, which asks for what its specification demands and no other does.

SDKs hide most of it, so these write what such a client writes.
"""

from typing import Any

import httpx2
import orjson
from tests.proxy.rig import META, NEW, Raw, Rig, dashed, modern, modern_headers, request

from ostiary_proxy.era import LEGACY, MODERN

NO_SUCH = "2030-01-01"
VERSIONED = LEGACY[LEGACY.index("2025-06-18") :]
"""Whose clients say their revision in a header of each request after the handshake."""
BATCHES = "2025-03-26"
CONTENT = {"2024-11-05": ["text", "text"], "2025-03-26": ["audio", "text"]}
"""Of an audio and a link for who knows one or neither; everybody later knows both."""
WHOLE = ["audio", "resource_link"]


async def handshake(rig: Rig, version: str, *, translated: bool) -> None:
    """`translated`: the server speaks the other era, so that its content is the proxy's to fit."""
    async with rig.raw() as raw:
        begun = await raw.initialize(version)
        session = begun.headers["mcp-session-id"]
        headers = {"mcp_session_id": session}
        if version in VERSIONED:
            headers["mcp_protocol_version"] = version
        assert message(begun)["result"]["protocolVersion"] == version
        initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        assert (await raw.post(initialized, **headers)).status_code == 202

        said = message(await raw.post(call("echo", text="hello"), **headers))
        assert said["result"]["content"][0]["text"] == "hello"
        assert "resultType" not in said["result"]
        sung = message(await raw.post(call("sing"), **headers))["result"]["content"]
        wanted = CONTENT.get(version, WHOLE) if translated else WHOLE
        assert [item["type"] for item in sung] == wanted

        await _batches(raw, version, headers)
        await _wrong(raw, headers)
        assert (await raw.http.delete(raw.url, headers=dashed(headers))).status_code in (200, 204)


async def _batches(raw: Raw, version: str, headers: dict[str, str]) -> None:
    batch = [request("ping", "p"), call("echo", text="hello")]
    answer = await raw.post(batch, **headers)
    if version != BATCHES:
        assert (answer.status_code, message(answer)["error"]["code"]) == (400, -32600)
        return
    assert answer.status_code == 200
    assert sorted(str(each["id"]) for each in several(answer)) == ["7", "p"]


async def _wrong(raw: Raw, headers: dict[str, str]) -> None:
    """A revision that nobody speaks, and a session that nobody has."""
    refused = await raw.post(call("echo"), **{**headers, "mcp_protocol_version": NO_SUCH})
    assert refused.status_code == 400
    unknown = await raw.post(call("echo"), **{**headers, "mcp_session_id": "none"})
    assert unknown.status_code == 404


async def stateless(rig: Rig) -> None:
    async with rig.raw() as raw:
        found = await raw.modern("server/discover")
        assert set(message(found)["result"]["supportedVersions"]) >= set(MODERN)
        said = await raw.modern("tools/call", 7, name="echo", arguments={"text": "hello"})
        assert message(said)["result"]["content"][0]["text"] == "hello"
        assert message(said)["result"]["resultType"] == "complete"
        assert "mcp-session-id" not in said.headers
        sung = message(await raw.modern("tools/call", 7, name="sing", arguments={}))
        assert [item["type"] for item in sung["result"]["content"]] == WHOLE
        listed = message(await raw.modern("tools/list"))["result"]
        assert {"resultType", "ttlMs", "cacheScope"} <= listed.keys()
        await _stateless_refusals(raw)


async def _stateless_refusals(raw: Raw) -> None:
    headers = modern_headers("tools/list", {})
    bare = request("tools/list")
    later = modern("tools/list", _meta={next(iter(META)): NO_SUCH})
    for body, given, code in (
        ([modern("tools/list")], headers, -32600),
        (modern("tools/list"), {}, -32020),
        (modern("tools/list"), {**headers, "mcp_method": "tools/call"}, -32020),
        (bare, headers, -32602),
        (later, {**headers, "mcp_protocol_version": NO_SUCH}, -32022),
    ):
        refused = await raw.post(body, **given)
        assert (refused.status_code, message(refused)["error"]["code"]) == (400, code)
    gone = await raw.modern("initialize")
    assert (gone.status_code, message(gone)["error"]["code"]) == (404, -32601)
    version = {"mcp-protocol-version": NEW}
    for verb in ("GET", "DELETE"):
        answer = await raw.http.request(verb, raw.url, headers=version)
        assert answer.status_code == 405


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return request("tools/call", 7, name=name, arguments=arguments)


def message(answer: httpx2.Response) -> Any:
    """The response, which is the last message of a stream."""
    return several(answer)[-1]


def several(answer: httpx2.Response) -> list[Any]:
    if answer.headers["content-type"].startswith("application/json"):
        told = orjson.loads(answer.content)
        return told if isinstance(told, list) else [told]
    lines = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")]
    return [orjson.loads(line) for line in lines]
