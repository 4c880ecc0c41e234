"""What of a request reaches an HTTP backend."""

from tests.proxy.peers.scripted import Scripted
from tests.proxy.rig import http_rig, modern, modern_headers

from ostiary_proxy.era import encode_value


async def test_nothing_of_the_caller_reaches_the_backend_but_what_it_must_know() -> None:
    """Obligations 4 and 59, security row 1: an allow-list, and what mirrors the body built anew."""
    peer = Scripted()
    odd = {
        "cookie": "canary",
        "x_forwarded_for": "canary",
        "proxy_authorization": "canary",
        "origin": "",
        "mcp_session_id": "canary",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "mcp_param_region": "eu",
    }
    async with http_rig(peer) as rig, rig.raw() as raw:
        odd["origin"] = f"http://127.0.0.1:{rig.port}"
        name = "höy"
        headers = modern_headers("tools/call", {"name": encode_value(name).decode()})
        await raw.post(modern("tools/call", name=name), **headers, **odd)

    headers_seen = peer.asked("tools/call")[0].headers
    assert "canary" not in str(headers_seen)
    assert headers_seen["host"].startswith("127.0.0.1:")
    assert headers_seen["mcp-name"] == "=?base64?aMO2eQ==?="
    assert headers_seen["mcp-param-region"] == "eu"
    assert headers_seen["traceparent"] == odd["traceparent"]
    assert set(headers_seen) <= {
        "host",
        "user-agent",
        "accept",
        "accept-encoding",
        "content-type",
        "content-length",
        "mcp-protocol-version",
        "mcp-method",
        "mcp-name",
        "mcp-param-region",
        "traceparent",
    }
