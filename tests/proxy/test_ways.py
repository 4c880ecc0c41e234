"""Paths to ways in, and what each wants of a head."""

import pytest
from tests.proxy.documents import document, server
from tests.proxy.test_assemble import assembler

from ostiary_proxy.config import Clients
from ostiary_proxy.exchange import Refused
from ostiary_proxy.ways import check_media, check_verb, find

BOTH = Clients(sse=True, webSocket=True)


def kind(path: str, clients: Clients, own: str = "/mcp") -> str | None:
    config = document(servers=(server(clients=clients, path=own),))
    way = find(assembler().build(config, "").endpoints, path)
    return way.kind if way else None


@pytest.mark.parametrize(
    ("own", "path", "found"),
    [
        ("/mcp", "/mcp", "mcp"),
        ("/mcp", "/sse", "sse"),
        ("/mcp", "/messages", "messages"),
        ("/mcp", "/ws", "webSocket"),
        ("/default/time/mcp", "/default/time/sse", "sse"),
        ("/default/time/mcp", "/default/time/ws", "webSocket"),
        ("/time", "/time/sse", "sse"),
        ("/mcp", "/mcp/sse", "sse"),
        ("/default/time/mcp", "/default/other/sse", None),
        ("/default/time/mcp", "/sse", None),
        ("/mcp", "/sse/", None),
        ("/mcp", "/SSE", None),
        ("/mcp", "//sse", None),
    ],
)
def test_a_way_stands_beside_the_endpoint(own: str, path: str, found: str | None) -> None:
    assert kind(path, BOTH, own) == found
    assert kind(path, Clients(), own) == ("mcp" if path == own else None)


def test_each_way_is_opened_by_itself() -> None:
    assert kind("/sse", Clients(webSocket=True)) is None
    assert kind("/messages", Clients(webSocket=True)) is None
    assert kind("/ws", Clients(sse=True)) is None


@pytest.mark.parametrize(
    ("way", "verb", "allow"),
    [
        ("mcp", "PUT", b"POST, GET, DELETE"),
        ("sse", "POST", b"GET"),
        ("messages", "GET", b"POST"),
        ("webSocket", "DELETE", b"GET"),
    ],
)
def test_a_verb_that_a_way_has_not_is_405_with_those_it_has(
    way: str, verb: str, allow: bytes
) -> None:
    with pytest.raises(Refused) as caught:
        check_verb(way, verb)  # type: ignore[arg-type]

    assert caught.value.rejection.status == 405
    assert caught.value.rejection.headers == ((b"allow", allow),)


def test_a_client_of_the_old_transport_need_not_accept_what_is_never_answered() -> None:
    headers = {b"content-type": b"application/json; charset=utf-8"}
    check_media("messages", "POST", headers)

    for way, verb, status in (("mcp", "POST", 406), ("sse", "GET", 406)):
        with pytest.raises(Refused) as caught:
            check_media(way, verb, headers)  # type: ignore[arg-type]
        assert caught.value.rejection.status == status
    with pytest.raises(Refused) as caught:
        check_media("messages", "POST", {})
    assert caught.value.rejection.status == 415
