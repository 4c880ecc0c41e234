"""What a caller may see of a list.  Security row 12."""

import pytest
from tests.proxy.peers.scripted import Reply, Scripted, event, result
from tests.proxy.rig import http_rig, policy

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
