"""One request, one audit line."""

from tests.proxy.peers.scripted import Scripted
from tests.proxy.rig import (
    http_rig,
)
from tests.proxy.test_app import ask


async def test_every_call_and_every_refusal_is_audited_once() -> None:
    """Obligation 64: and no argument is in it."""
    async with http_rig(Scripted()) as rig, rig.raw() as raw:
        await raw.legacy("tools/call", name="echo", arguments={"password": "canary-1"})
        await raw.modern("tools/call", name="echo")
        await raw.post(b"{canary-2")
        await raw.post({"jsonrpc": "2.0", "method": "notifications/initialized"})

    calls = [(line["method"], line.get("name"), line["outcome"]) for line in rig.calls()]
    assert calls == [
        ("tools/call", "echo", "allowed"),
        ("tools/call", "echo", "allowed"),
        ("notifications/initialized", None, "allowed"),
    ]
    assert [line["reason"] for line in rig.refusals()] == ["NotJSON"]
    assert "canary" not in str(rig.trail)
    assert rig.calls()[0]["policy"] == "tools/p"


async def test_draining_tells_peers_to_close() -> None:
    async with http_rig(Scripted()) as rig:
        before = await ask(rig)
        rig.proxy.runtime.draining = True
        after = await ask(rig)

    assert "connection" not in before.headers
    assert after.headers["connection"] == "close"
    assert after.status_code == 200
