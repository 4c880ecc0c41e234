"""The context of a trace over the bridge: headers of HTTP, keys of `_meta`, and back (SEP-414)."""

from typing import Any

import pytest
from tests.proxy.peers.scripted import Scripted
from tests.proxy.rig import Raw, dashed, http_rig, modern, modern_headers, stdio_rig
from tests.proxy.test_legacy_client import MODERN
from tests.proxy.test_reach import remote_rig
from tests.proxy.test_session import open_session
from tests.proxy.test_stdio import LEGACY
from tests.proxy.test_to_modern import legacy

from ostiary_proxy.trace import from_headers, to_headers

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER = "00-11111111111111111111111111111111-2222222222222222-01"
SENT = {b"traceparent": PARENT.encode(), b"tracestate": b"a=1", b"baggage": b"k=v;x"}
CONTEXT = {"traceparent": PARENT, "tracestate": "a=1", "baggage": "k=v;x"}


def test_the_request_that_brought_it_gives_a_message_its_context() -> None:
    message = from_headers(legacy("tools/call", name="a"), SENT, baggage=True)

    assert message.params == {"name": "a", "_meta": CONTEXT}
    assert message.data["params"] == message.params


def test_a_message_that_bears_one_keeps_it_whole() -> None:
    """Half of one context and half of another would be neither."""
    own = {"traceparent": OTHER, "com.x/y": 1}
    message = from_headers(legacy("tools/call", _meta=own), SENT, baggage=True)

    assert message.params["_meta"] == {**own, "baggage": "k=v;x"}


def test_baggage_is_kept_from_servers_that_somebody_else_runs() -> None:
    message = from_headers(legacy("tools/call"), SENT, baggage=False)

    assert "baggage" not in message.params["_meta"]


@pytest.mark.parametrize("value", [b"", b"x" * 10_000, b"a\r\nb: c", "ü".encode(), b" x"])
def test_what_is_no_header_value_is_left_out(value: bytes) -> None:
    sent = dict.fromkeys(SENT, value)
    meta = dict.fromkeys(CONTEXT, value.decode())

    assert from_headers(legacy("tools/call", name="a"), sent, baggage=True).params == {"name": "a"}
    assert to_headers({"params": {"_meta": meta}}) == ()


def test_a_message_gives_the_request_that_takes_it_on_its_context() -> None:
    assert dict(to_headers({"params": {"_meta": CONTEXT}})) == SENT
    assert to_headers({"params": {"_meta": {"tracestate": "a=1"}}}) == ()
    assert to_headers({"params": {"_meta": {"traceparent": 7}}}) == ()
    assert to_headers({"params": {"_meta": None}}) == to_headers({}) == ()


async def called(raw: Raw, client: str, meta: dict[str, Any], headers: dict[str, str]) -> Any:
    params = {"name": "echo", "_meta": meta}
    if client == "legacy":
        headers = {**headers, "mcp-session-id": await open_session(raw)}
        answer = await raw.legacy("tools/call", headers=headers, **params)
    else:
        heads = {**dashed(modern_headers("tools/call", params)), **headers}
        answer = await raw.post(modern("tools/call", **params), **heads)
    return answer.json()["result"]


@pytest.mark.parametrize("client", ["legacy", "modern"])
@pytest.mark.parametrize("said", ["header", "meta"])
async def test_it_crosses_the_bridge_to_an_http_backend(client: str, said: str) -> None:
    peer = Scripted(eras=("modern" if client == "legacy" else "legacy",))
    async with http_rig(peer) as made, made.raw() as raw:
        headers = CONTEXT if said == "header" else {}
        await called(raw, client, CONTEXT if said == "meta" else {}, headers)

    (sent,) = peer.asked("tools/call")
    assert {name: sent.headers.get(name) for name in CONTEXT} == CONTEXT
    meta = sent.body["params"]["_meta"]
    assert {name: meta.get(name) for name in CONTEXT} == CONTEXT


@pytest.mark.parametrize(("client", "words"), [("legacy", MODERN), ("modern", LEGACY)])
async def test_it_crosses_the_bridge_to_a_process(client: str, words: tuple[str, ...]) -> None:
    async with stdio_rig(*words) as made, made.raw() as raw:
        told = await called(raw, client, {}, CONTEXT)

    meta = told["params"]["_meta"]
    assert {name: meta.get(name) for name in CONTEXT} == CONTEXT


@pytest.mark.parametrize("client", ["legacy", "modern"])
async def test_a_remote_over_the_bridge_gets_no_baggage_of_the_request(client: str) -> None:
    peer = Scripted(eras=("modern" if client == "legacy" else "legacy",))
    async with remote_rig(peer) as made, made.raw() as raw:
        await called(raw, client, {}, CONTEXT)

    (sent,) = peer.asked("tools/call")
    assert sent.headers["traceparent"] == PARENT
    assert "baggage" not in sent.headers
    assert "baggage" not in sent.body["params"]["_meta"]
