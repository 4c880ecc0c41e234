"""The everything-server as `make conformance` starts it over stdio: forked from a warm process."""

from conformance.everything.server import Everything
from conformance.plan import BACKENDS
from conformance.servers import Place, warm
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client


async def test_a_forked_server_answers_over_stdio_and_ends_with_its_client() -> None:
    backend = next(it for it in BACKENDS if it.name == "python-stdio")

    with warm() as socket:
        command, *words = Place(0, socket).command(backend)
        launch = StdioServerParameters(command=command, args=words)
        async with Client(stdio_client(launch)) as client:
            listed = await client.list_tools()
            answer = await client.call_tool("test_simple_text", {})

    assert {tool.name for tool in listed.tools} == set(Everything().tools)
    assert answer.content[0].text == "This is a simple text response for testing."
