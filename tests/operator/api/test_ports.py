"""Servers that listen on a port."""

import pytest
from pydantic import ValidationError

from ostiary_operator.api.ports import RESERVED_PORTS, Sse, WebSocket
from ostiary_operator.api.server import StreamableHttp

KINDS = (StreamableHttp, Sse, WebSocket)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("port", RESERVED_PORTS)
def test_the_proxys_ports_are_not_a_servers(kind: type, port: int) -> None:
    with pytest.raises(ValidationError, match="rules violated"):
        kind(port=port)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", ["x", "/a b", "/a?b", "/a#b", "//\n"])
def test_a_path_is_a_path_alone(kind: type, path: str) -> None:
    with pytest.raises(ValidationError):
        kind(port=8000, path=path)
    assert kind(port=8000, path="/v1/x").path == "/v1/x"
