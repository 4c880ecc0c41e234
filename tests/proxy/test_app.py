"""The stages of the MCP port, each from the outside."""

from typing import Any

import orjson
import pytest
from tests.proxy.peers.scripted import Scripted
from tests.proxy.rig import (
    ANYBODY,
    OTHER,
    PLANNER,
    Rig,
    http_rig,
    modern,
    modern_headers,
    policy,
    request,
)
from tests.proxy.wire import Wire

CALL = request("tools/call", name="echo", arguments={})
LEGACY_CALL = orjson.dumps(CALL)


async def ask(rig: Rig, verb: str = "POST", path: str = "/mcp", **more: Any) -> Any:
    headers = more.pop("headers", {})
    async with rig.raw(more.pop("who", PLANNER)) as raw:
        sent = {"content-type": "application/json", **headers}
        url = f"http://127.0.0.1:{rig.port}{path}"
        return await raw.http.request(
            verb, url, content=more.pop("body", LEGACY_CALL), headers=sent
        )


EDGES: dict[str, tuple[dict[str, Any], int, int]] = {
    "a strange host": ({"headers": {"host": "evil.example"}}, 421, -32600),
    "a host that only begins well": ({"headers": {"host": "localhost.evil.example"}}, 421, -32600),
    "a host with a trailing dot": ({"headers": {"host": "localhost."}}, 421, -32600),
    "a strange origin": ({"headers": {"origin": "http://evil.example"}}, 403, -32600),
    "a null origin": ({"headers": {"origin": "null"}}, 403, -32600),
    "another port's origin": ({"headers": {"origin": "http://localhost:1"}}, 403, -32600),
    "put": ({"verb": "PUT"}, 405, -32600),
    "options": ({"verb": "OPTIONS"}, 405, -32600),
    "no path": ({"path": "/"}, 404, -32600),
    "a path below": ({"path": "/mcp/x"}, 404, -32600),
    "oauth metadata": (
        {"verb": "GET", "path": "/.well-known/oauth-protected-resource"},
        404,
        -32600,
    ),
    "oauth metadata of the path": (
        {"verb": "GET", "path": "/.well-known/oauth-protected-resource/mcp"},
        404,
        -32600,
    ),
    "authorization server": (
        {"verb": "GET", "path": "/.well-known/oauth-authorization-server"},
        404,
        -32600,
    ),
    "registration": ({"path": "/register"}, 404, -32600),
    "no token": ({"who": None}, 401, -32603),
    "a bad token": ({"who": None, "headers": {"authorization": "Bearer x"}}, 401, -32603),
    "a text body": ({"headers": {"content-type": "text/plain"}}, 415, -32600),
    "only JSON accepted": ({"headers": {"accept": "application/json"}}, 406, -32600),
    "only streams accepted": ({"headers": {"accept": "text/event-stream"}}, 406, -32600),
    "a stream not accepted": (
        {"verb": "GET", "headers": {"accept": "application/json"}},
        406,
        -32600,
    ),
    "no JSON": ({"body": b"{"}, 400, -32700),
    "a batch": ({"body": b"[" + LEGACY_CALL + b"]"}, 400, -32600),
    "a huge body": ({"body": b" " * 5_000_000}, 413, -32600),
    "an unknown session": ({"headers": {"mcp-session-id": "x"}}, 404, -32600),
    "a session to end that is none": ({"verb": "DELETE"}, 400, -32600),
    "a revision to come": (
        {
            "body": orjson.dumps(
                modern(
                    "tools/call",
                    name="echo",
                    _meta={"io.modelcontextprotocol/protocolVersion": "2030-01-01"},
                )
            ),
            "headers": {
                "mcp-protocol-version": "2030-01-01",
                "mcp-method": "tools/call",
                "mcp-name": "echo",
            },
        },
        400,
        -32022,
    ),
}


@pytest.mark.parametrize(("sent", "status", "code"), EDGES.values(), ids=EDGES.keys())
async def test_an_odd_request_gets_its_status_and_a_json_rpc_error(
    sent: dict[str, Any], status: int, code: int
) -> None:
    """Security rows 6 and 24; nothing of it reaches the backend."""
    peer = Scripted()
    async with http_rig(peer) as rig:
        before = len(peer.seen)

        answer = await ask(rig, **sent)

    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code
    assert len(peer.seen) == before
    assert [line["status"] for line in rig.refusals()] == [status]
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert "resource_metadata" not in answer.headers["www-authenticate"]
    if status == 405:
        assert answer.headers["allow"] == "POST, GET, DELETE"


async def test_a_local_page_of_the_same_origin_is_let_in() -> None:
    async with http_rig(Scripted()) as rig:
        answer = await ask(rig, headers={"origin": f"http://127.0.0.1:{rig.port}"})

    assert answer.status_code == 200


@pytest.mark.parametrize("host", ["time.tools.svc", "TIME.tools.svc:80", "localhost:1", "[::1]:9"])
async def test_a_host_of_the_endpoint_is_served(host: str) -> None:
    async with http_rig(Scripted()) as rig:
        answer = await ask(rig, headers={"host": host})

    assert answer.status_code == 200


@pytest.mark.parametrize("policies", [(), (policy("other"),)], ids=["no policy", "no rule"])
async def test_whom_no_rule_admits_is_told_the_policy_to_write(policies: Any) -> None:
    peer = Scripted()
    async with http_rig(peer, policies=policies) as rig:
        before = len(peer.seen)
        answer = await ask(rig)
        get = await ask(rig, "GET", body=b"")

    body = answer.json()
    assert (answer.status_code, get.status_code) == (403, 403)
    assert (body["id"], body["error"]["code"]) == (1, -32603)
    assert "MCPAccessPolicy" in body["error"]["message"]
    assert len(peer.seen) == before
    refusal = rig.refusals()[0]
    assert refusal["id"] == body["error"]["data"]["ostiary.dev/refusal"]
    assert (refusal["reason"], refusal["subject"]) == ("NotAdmitted", PLANNER)


async def test_a_name_out_of_reach_looks_like_one_that_is_not_there() -> None:
    """Security row 34: the same bytes but for the refusal's id, and no backend call."""
    peer = Scripted()
    async with http_rig(peer, policies=(policy(deny=("hidden_*", "absent")),)) as rig:
        before = len(peer.seen)
        async with rig.raw() as raw:
            answers = [
                (await raw.legacy("tools/call", name="hidden_one"), 200),
                (await raw.legacy("tools/call", name="absent"), 200),
                (await raw.modern("tools/call", name="hidden_one"), 400),
                (await raw.modern("tools/call", name="absent"), 400),
            ]

    assert len(peer.seen) == before
    bodies = []
    for answer, status in answers:
        body = answer.json()
        assert (answer.status_code, body["error"]["code"]) == (status, -32602)
        assert len(body["error"]["data"].pop("ostiary.dev/refusal")) == 26
        bodies.append(body)
    assert bodies[0] == bodies[1]
    assert bodies[2] == bodies[3]
    assert len(rig.refusals()) == 4


async def test_a_method_that_nobody_knows_passes_only_for_whoever_may_use_every_tool() -> None:
    peer = Scripted()
    async with http_rig(peer) as rig, rig.raw() as raw:
        passed = await raw.legacy("vendor/thing", name="x")
        rig.apply(policies=(policy(tools=("echo",)),))
        legacy = await raw.legacy("vendor/thing", name="x")
        modern_answer = await raw.modern("vendor/thing")
        notified = await raw.post({"jsonrpc": "2.0", "method": "notifications/vendor"})

    assert passed.json()["result"]["method"] == "vendor/thing"
    assert [legacy.status_code, modern_answer.status_code, notified.status_code] == [200, 404, 400]
    assert legacy.json()["error"]["code"] == -32601
    assert len(peer.asked("vendor/thing")) == 1


async def test_anonymous_needs_a_rule_of_its_own() -> None:
    async with http_rig(Scripted(), policies=(ANYBODY,)) as rig:
        nobody = await ask(rig, who=None)
        somebody = await ask(rig, who=OTHER)

    assert nobody.status_code == 200
    assert somebody.status_code == 403


async def test_a_body_is_not_read_before_the_caller_is_known() -> None:
    """A caller without a token gets its answer while its body is still on the way."""
    async with http_rig(Scripted()) as rig, Wire(rig.port) as wire:
        wire.writer.write(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
        answer = await wire.receive()

    assert answer.status == 401


async def test_a_modern_header_that_differs_from_the_body_is_refused() -> None:
    peer = Scripted()
    async with http_rig(peer) as rig, rig.raw() as raw:
        body = modern("tools/call", name="hidden_one")
        answer = await raw.post(body, **modern_headers("tools/call", {"name": "echo"}))

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == -32020
    assert peer.asked("tools/call") == []
