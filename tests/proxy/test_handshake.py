"""Beginning a session anew: only at a server that speaks the revision its client was told."""

from tests.proxy.rig import rig, stdio
from tests.proxy.test_session import open_session
from tests.proxy.test_stdio import LEGACY, call


async def test_a_server_that_now_speaks_an_older_revision_begins_no_session_anew() -> None:
    async with rig(stdio(*LEGACY)) as made, made.raw() as raw:
        await made.ready()
        headers = {"mcp-session-id": await open_session(raw)}
        made.apply(backend=stdio(*LEGACY, env={"PLAIN_VERSION": "2025-03-26"}))
        await made.ready()
        gone = await raw.legacy("tools/call", name="pid", headers=headers)
        made.apply(backend=stdio(*LEGACY, env={"PLAIN_VERSION": "2025-11-25"}))
        await made.ready()
        back = await raw.legacy("tools/call", name="pid", headers=headers)

    assert (gone.status_code, back.status_code) == (404, 200)


async def test_the_process_hears_what_the_client_said_of_itself() -> None:
    async with rig(stdio(*LEGACY)) as made, made.raw() as raw:
        await made.ready()
        said = {
            "capabilities": {"roots": {"listChanged": True}},
            "clientInfo": {"name": "raw", "version": "1", "title": "Raw"},
        }
        begun = await raw.legacy("initialize", protocolVersion="2025-06-18", **said)
        session = begun.headers["mcp-session-id"]
        first = await call(raw, "said", session)
        await raw.legacy("tools/call", name="crash", headers={"mcp-session-id": session})
        second = await call(raw, "said", session)

    assert first == second == {"said": [{"protocolVersion": "2025-06-18", **said}]}
