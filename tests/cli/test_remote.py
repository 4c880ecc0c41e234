"""What a client of an endpoint never hears of: see also test_relay, which sees it from outside."""

import httpx2
from tests.cli.endpoints import Asked, Fake, Says, error, result
from tests.proxy.rig import served

from ostiary_cli.answers import Handshake
from ostiary_cli.endpoint import Endpoint
from ostiary_cli.remote import Remote


async def test_an_endpoint_that_begins_no_other_session_keeps_the_lost_one() -> None:
    """And says so: the request then gets the endpoint's own 404."""
    told: list[str] = []
    fake = Fake(lambda asked: Says(error(None, -32603), 503))
    async with served(fake) as port, httpx2.AsyncClient() as http:
        remote = Remote(endpoint=Endpoint(f"http://127.0.0.1:{port}/"), http=http, tell=told.append)
        lost = remote.session = Handshake({"id": 1, "method": "initialize"}, "s1", "2025-06-18")
        await remote.mend(lost)

    assert remote.session is lost
    assert told == ["The session was lost, and the endpoint begins no other."]


async def test_every_page_of_the_tools_is_learned_from() -> None:
    def answer(asked: Asked) -> Says:
        further = "cursor" in asked.body["params"]
        name = "second" if further else "first"
        schema = {"properties": {"a": {"type": "integer", "x-mcp-header": "A"}}}
        more = {} if further else {"nextCursor": ""}
        return Says(result("ostiary", tools=[{"name": name, "inputSchema": schema}], **more))

    fake = Fake(answer)
    async with served(fake) as port, httpx2.AsyncClient() as http:
        remote = Remote(endpoint=Endpoint(f"http://127.0.0.1:{port}/"), http=http, tell=print)
        await remote.learn("2026-07-28")

    call = {"method": "tools/call", "params": {"name": "second", "arguments": {"a": 5}}}
    assert remote.parameters.mirrored(call, "2026-07-28")["Mcp-Param-A"] == "5"
    assert [it.body["params"].get("cursor") for it in fake.asked] == [None, ""]
