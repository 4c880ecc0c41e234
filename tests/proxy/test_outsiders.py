"""Whom a network stands for has no other proof, and that network is not the edge's.

An anonymous entry with a `network` admits whoever the NetworkPolicy lets in from there.  What comes
from outside the cluster comes from the edge's own network: such an entry grants it nothing."""

from typing import Any

import pytest
from tests.proxy.test_exposed import HOST, ask, exposed

from ostiary_proxy import config
from ostiary_proxy.origin import is_outside
from ostiary_proxy.runtime import Endpoint


def nobody(*, network: bool) -> config.Policy:
    subject = config.Subject(kind="anonymous", network=network)
    rule = config.Rule(name="nobody", subjects=(subject,), allow=config.Allow(tools=("*",)))
    return config.Policy(namespace="tools", name="p", rules=(rule,))


@pytest.mark.parametrize(
    ("network", "path", "host", "status"),
    [
        (True, "/mcp", "time.tools.svc", 200),
        (True, "/team/time", HOST, 403),
        (True, "/team/time", "time.tools.svc", 403),
        (True, "/mcp", HOST, 403),
        (False, "/team/time", HOST, 200),
        (False, "/mcp", "time.tools.svc", 200),
    ],
)
async def test_an_entry_with_a_network_grants_nothing_to_who_comes_from_outside(
    network: bool, path: str, host: str, status: int
) -> None:
    async with exposed(policies=(nobody(network=network),)) as rig:
        answer = await ask(rig, path, host=host)

    assert answer.status_code == status


def endpoint(path: str | None) -> Endpoint:
    url = f"https://{HOST}{path}"
    outside = config.Exposed(url=url, host=HOST, path=path) if path else None
    server = config.Server(
        namespace="tools",
        name="time",
        uid="u",
        url="http://time.tools.svc/mcp",
        audiences=(),
        hosts=(),
        exposed=outside,
        backend=config.StdioBackend(),
    )
    made = Endpoint.__new__(Endpoint)
    object.__setattr__(made, "server", server)
    return made


@pytest.mark.parametrize(
    ("exposed_at", "path", "host", "outside"),
    [
        (None, "/mcp", HOST, False),
        ("/time", "/time", "time.tools.svc", True),
        ("/time", "/time/sse", "time.tools.svc", True),
        ("/a/mcp", "/a/ws", "time.tools.svc", True),
        ("/time", "/sse", "time.tools.svc", False),
        ("/time", "/mcp", f"{HOST}:443", True),
        ("/mcp", "/mcp", "time.tools.svc", False),
        ("/mcp", "/sse", "time.tools.svc", False),
        ("/mcp", "/mcp", HOST.upper(), True),
    ],
)
def test_outside_is_told_by_host_and_path(
    exposed_at: str | None, path: str, host: str, outside: bool
) -> None:
    headers: dict[Any, Any] = {b"host": host.encode()}

    assert is_outside(headers, path, endpoint(exposed_at)) is outside
