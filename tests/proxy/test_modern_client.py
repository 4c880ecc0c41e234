"""Modern clients at a legacy backend: states of held calls, and what the era has not."""

import asyncio
import socket
from typing import Any

import httpx2
import pytest
from tests.proxy.conditions import until, until_asked
from tests.proxy.peers.features import Features
from tests.proxy.rig import (
    META,
    OTHER,
    Raw,
    http_rig,
    modern,
    modern_headers,
    policy,
    rig,
    stdio,
    stdio_rig,
)
from tests.proxy.test_stdio import LEGACY, call

from ostiary_proxy import config

ABLE = {**META, "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}
ACCEPTED = {"question": {"action": "accept", "content": {"colour": "red"}}}

pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")


async def ask(raw: Raw, **more: Any) -> httpx2.Response:
    return await raw.modern("tools/call", **{"name": "ask", "_meta": ABLE, **more})


async def retry(raw: Raw, state: str, **more: Any) -> httpx2.Response:
    return await ask(raw, requestState=state, **{"inputResponses": ACCEPTED, **more})


def result(answer: httpx2.Response) -> Any:
    return answer.json()["result"]


async def test_a_state_is_good_once_and_for_whom_it_was_made() -> None:
    """Obligations 33, 52: everything else is -32602 with 400."""
    async with (
        Features().http("legacy") as app,
        http_rig(app) as made,
        made.raw() as raw,
        made.raw(OTHER) as other,
    ):
        asked = result(await ask(raw))
        state = asked["requestState"]
        refused = [
            await retry(other, state),
            await retry(raw, state[:-2] + "AA"),
            await retry(raw, state, name="visit"),
            await retry(raw, state, arguments={"other": 1}),
            await retry(raw, "nonsense"),
            await retry(raw, state, inputResponses={"question": 1}),
        ]
        taken = await retry(raw, state)
        again = await retry(raw, state)

    assert asked["resultType"] == "input_required"
    for answer in (*refused, again):
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32602)
    assert result(taken)["content"][0]["text"] == "red"


async def test_a_retry_is_decided_anew() -> None:
    """Obligation 35: who may no longer call may not answer either; each try has its audit line."""
    async with Features().http("legacy") as app, http_rig(app) as made, made.raw() as raw:
        state = result(await ask(raw))["requestState"]
        made.apply(policies=(policy(deny=("ask",)),))
        refused = await retry(raw, state)

    assert (refused.status_code, refused.json()["error"]["code"]) == (400, -32602)
    (asked,), (answered,) = made.calls(), made.refusals()
    assert (asked["name"], asked["outcome"]) == ("ask", "allowed")
    assert (answered["name"], answered["reason"]) == ("ask", "Denied")


async def test_headers_that_do_not_repeat_the_arguments_are_refused() -> None:
    """Obligation 11: the backend sees no such headers, so the proxy compares."""
    async with Features().http("legacy") as app, http_rig(app) as made, made.raw() as raw:
        body = modern("tools/call", name="echo", arguments={"region": "eu"})
        headers = modern_headers("tools/call", {"name": "echo"})
        refused = await raw.post(body, **headers, mcp_param_region="us")
        taken = await raw.post(body, **headers, mcp_param_region="eu")

    assert (refused.status_code, refused.json()["error"]["code"]) == (400, -32020)
    assert taken.status_code == 200


async def test_a_question_that_was_not_answered_is_asked_again() -> None:
    async with Features().http("legacy") as app, http_rig(app) as made, made.raw() as raw:
        first = result(await ask(raw))
        second = result(await retry(raw, first["requestState"], inputResponses={}))
        answer = await retry(raw, second["requestState"])

    assert second["inputRequests"] == first["inputRequests"]
    assert result(answer)["content"][0]["text"] == "red"


async def test_answers_without_a_state_are_to_nothing_that_was_asked() -> None:
    """Obligation 52, SEP-2322: the call begins, and what it misses is asked for."""
    async with Features().http("legacy") as app, http_rig(app) as made, made.raw() as raw:
        asked = result(await ask(raw, inputResponses=ACCEPTED))
        answer = await retry(raw, asked["requestState"])

    assert asked["resultType"] == "input_required"
    assert result(answer)["content"][0]["text"] == "red"


async def test_a_call_that_nobody_comes_back_for_is_cancelled() -> None:
    """Obligation 52: `inputSeconds`, and then the backend is told."""
    limits = config.Limits(inputSeconds=1)
    async with (
        Features().http("legacy") as app,
        http_rig(app, limits=limits) as made,
        made.raw() as raw,
    ):
        state = result(await ask(raw))["requestState"]
        supervised = next(iter(made.proxy.backends._by_path.values()))
        clients = supervised.bridge.modern
        assert len(clients.holds) == 1
        await until(lambda: len(clients.holds) == 0)
        late = await retry(raw, state)
        upstream = next(iter(clients.upstreams._places.values())).upstream
        assert upstream is not None
        await until(lambda: not upstream.channel.busy)

    assert (late.status_code, late.json()["error"]["code"]) == (400, -32602)


async def test_a_client_that_leaves_cancels_its_call() -> None:
    """Obligation 27, acceptance test d."""
    async with stdio_rig(*LEGACY) as made, made.raw() as raw, made.raw() as leaver:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(leaver.modern("tools/call", name="wait"))
            await until(lambda: made.proxy.backends.in_flight)

            async def waits() -> bool:
                return bool(await call(raw, "echo"))

            await until_asked(waits)
            task.cancel()

        async def told() -> bool:
            return bool((await call(raw, "cancelled"))["cancelled"])

        await until_asked(told)


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
async def test_what_no_legacy_backend_has_is_unknown(method: str) -> None:
    peer = Features()
    async with peer.http("legacy") as app, http_rig(app) as made, made.raw() as raw:
        answer = await raw.post(
            {
                "jsonrpc": "2.0",
                "id": 1,
                "method": method,
                "params": {"taskId": "t", "_meta": META},
            },
            mcp_protocol_version="2026-07-28",
            mcp_method=method,
            mcp_name="t",
        )

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, -32601)


async def test_only_post_is_served_to_a_modern_client() -> None:
    """Obligation 12."""
    async with stdio_rig(*LEGACY) as made, made.raw() as raw:
        headers = {"mcp-protocol-version": "2026-07-28"}
        got = await raw.http.get(made.url, headers=headers)
        deleted = await raw.http.delete(made.url, headers=headers)
        note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {}}
        told = await raw.post(note, mcp_protocol_version="2026-07-28")

    assert (got.status_code, got.headers["allow"]) == (405, "POST")
    assert deleted.status_code == 405
    assert told.status_code == 202


@pytest.mark.parametrize("kind", ["stdio", "http"])
async def test_who_a_server_is_is_answered_while_it_is_down(kind: str) -> None:
    """Fact 9, acceptance test k."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        backend = (
            config.HttpBackend(port=taken.getsockname()[1])
            if kind == "http"
            else stdio("/bin/false")
        )
        async with rig(backend) as made, made.raw() as raw:
            answer = await raw.modern("server/discover")

    assert answer.status_code == 200
    assert answer.json()["result"]["supportedVersions"] == ["2026-07-28"]


async def test_who_a_modern_server_is_is_answered_while_it_is_down() -> None:
    async with (
        Features().http("modern") as app,
        http_rig(app) as made,
        made.raw() as raw,
    ):
        made.backend.pool.close()
        made.backend.pool._port = 1
        answer = await raw.modern("server/discover")
        called = await raw.modern("tools/list")

    assert answer.status_code == 200
    assert answer.json()["result"]["instructions"] == "Try them all."
    assert called.status_code == 502
