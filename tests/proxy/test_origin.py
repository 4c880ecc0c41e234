"""Host, Origin and CORS, by exact bytes.  Security row 6; protocol.md obligation 4."""

import orjson
import pytest
from tests.proxy import signing
from tests.proxy.peers.scripted import Scripted
from tests.proxy.rig import PLANNER, Rig, http_rig, request
from tests.proxy.wire import Answer, Wire

from ostiary_proxy.config import Clients

PAGE = b"https://app.example"
ALLOWED = Clients(
    allowedOrigins=(PAGE.decode(), "http://[::1]:3000", "https://xn--bcher-kva.example")
)
CALL = orjson.dumps(request("tools/call", name="echo", arguments={}))

HOSTILE_ORIGINS: dict[str, bytes] = {
    "another site": b"https://evil.example",
    "null": b"null",
    "empty": b"",
    "a star": b"*",
    "an unknown port": b"https://app.example:8443",
    "the usual port, which no browser writes": b"https://app.example:443",
    "an empty port": b"https://app.example:",
    "another scheme": b"http://app.example",
    "no scheme": b"app.example",
    "upper case, which no browser writes": b"https://APP.example",
    "a trailing dot": b"https://app.example.",
    "a trailing slash": b"https://app.example/",
    "a path": b"https://app.example/x",
    "a longer name": b"https://app.example.evil.example",
    "a name that ends alike": b"https://evil-app.example",
    "a subdomain": b"https://sub.app.example",
    "a user before it": b"https://app.example@evil.example",
    "a user in it": b"https://evil@app.example",
    "two of them": b"https://app.example, https://evil.example",
    "two of them, spaced": b"https://app.example https://app.example",
    "IDN as text": "https://bücher.example".encode(),
    "IDN in another case": b"https://XN--bcher-kva.example",
    "a look-alike letter": "https://\u0430pp.example".encode(),
    "a NUL's escape": b"https://app.example%00",
    "the longhand of an address": b"http://[0:0:0:0:0:0:0:1]:3000",
    "a file": b"file://",
    "the endpoint's own host": b"http://time.tools.svc",
    "this loopback on another port": b"http://localhost:1",
}

HOSTILE_HOSTS: dict[str, bytes] = {
    "another site": b"evil.example",
    "empty": b"",
    "a longer name": b"time.tools.svc.evil.example",
    "a name that ends alike": b"eviltime.tools.svc",
    "a subdomain": b"x.time.tools.svc",
    "a trailing dot": b"localhost.",
    "a user before it": b"localhost@evil.example",
    "a port that is a site": b"localhost:evil.example",
    "two ports": b"localhost:80:80",
    "a port of other digits": "localhost:\uff18\uff10".encode(),
    "a rebinding name": b"127.0.0.1.nip.example",
    "a short loopback": b"127.1",
    "loopback as one number": b"2130706433",
    "loopback in hex": b"0x7f.0.0.1",
    "another loopback": b"127.0.0.2",
    "all addresses": b"0.0.0.0",
    "IPv6 without brackets": b"::1",
    "half a bracket": b"[::1",
    "a bracket and more": b"[::1]evil.example",
    "IPv4 in IPv6": b"[::ffff:127.0.0.1]",
    "a scope": b"[::1%25lo]",
    "two of them": b"localhost, evil.example",
    "a path": b"localhost/x",
    "a look-alike letter": "l\u043ecalhost".encode(),
}


async def send(
    rig: Rig, verb: str, *, host: bytes = b"localhost", token: bool = True, **headers: bytes
) -> Answer:
    bearer = f"Bearer {signing.sign(signing.claims(PLANNER))}".encode()
    lines = [b"%b /mcp HTTP/1.1" % verb.encode(), b"Host: " + host]
    lines += [b"%b: %b" % (key.replace("_", "-").encode(), it) for key, it in headers.items()]
    body = CALL if verb == "POST" else b""
    if token:
        lines.append(b"Authorization: " + bearer)
    if body:
        lines += [
            b"Content-Type: application/json",
            b"Accept: application/json, text/event-stream",
            b"Content-Length: %d" % len(body),
        ]
    async with Wire(rig.port) as wire:
        wire.writer.write(b"\r\n".join((*lines, b"", body)))
        return await wire.receive()


def cors_of(answer: Answer) -> dict[str, str]:
    return {
        name.removeprefix("access-control-"): value
        for name, value in answer.headers.items()
        if name.startswith("access-control-")
    }


@pytest.mark.parametrize("origin", HOSTILE_ORIGINS.values(), ids=HOSTILE_ORIGINS.keys())
async def test_an_origin_that_is_not_listed_is_refused_before_anything_else(origin: bytes) -> None:
    """Row 6: also the preflight, and also where the caller has no token."""
    peer = Scripted()
    async with http_rig(peer, clients=ALLOWED) as rig:
        before = len(peer.seen)
        answers = [
            await send(rig, "POST", origin=origin),
            await send(rig, "POST", origin=origin, token=False),
            await send(rig, "OPTIONS", origin=origin, access_control_request_method=b"POST"),
        ]

    assert [answer.status for answer in answers] == [403, 403, 403]
    assert [cors_of(answer) for answer in answers] == [{}, {}, {}]
    assert len(peer.seen) == before
    assert {line["reason"] for line in rig.refusals()} == {"BadOrigin"}


@pytest.mark.parametrize("host", HOSTILE_HOSTS.values(), ids=HOSTILE_HOSTS.keys())
async def test_a_host_that_is_not_ours_is_refused_whatever_the_origin(host: bytes) -> None:
    peer = Scripted()
    async with http_rig(peer, clients=ALLOWED) as rig:
        before = len(peer.seen)
        answers = [
            await send(rig, "POST", host=host),
            await send(rig, "POST", host=host, origin=PAGE),
            await send(rig, "POST", host=host, origin=b"http://" + host),
            await send(
                rig, "OPTIONS", host=host, origin=PAGE, access_control_request_method=b"POST"
            ),
        ]

    assert [answer.status for answer in answers] == [421] * 4
    assert [cors_of(answer) for answer in answers] == [{}] * 4
    assert len(peer.seen) == before


async def test_two_origins_are_no_request_at_all() -> None:
    async with http_rig(Scripted(), clients=ALLOWED) as rig, Wire(rig.port) as wire:
        wire.writer.write(
            b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nOrigin: https://app.example\r\n"
            b"Origin: https://evil.example\r\nContent-Length: 0\r\n\r\n"
        )
        answer = await wire.receive()

    assert answer.status == 400


async def test_a_preflight_of_a_listed_page_is_answered_before_anybody_is_asked_for_a_token() -> (
    None
):
    wanted = b"authorization, content-type, mcp-protocol-version, mcp-session-id"
    async with http_rig(Scripted(), clients=ALLOWED, policies=()) as rig:
        answer = await send(
            rig,
            "OPTIONS",
            token=False,
            origin=PAGE,
            access_control_request_method=b"POST",
            access_control_request_headers=wanted,
        )

    assert (answer.status, answer.body) == (204, b"")
    assert cors_of(answer) == {
        "allow-origin": PAGE.decode(),
        "allow-methods": "POST, GET, DELETE",
        "allow-headers": wanted.decode(),
        "max-age": "600",
    }
    assert "Origin" in answer.headers["vary"]
    assert rig.calls()[-1]["method"] == "OPTIONS"


async def test_headers_that_are_no_names_are_not_echoed() -> None:
    async with http_rig(Scripted(), clients=ALLOWED) as rig:
        answer = await send(
            rig,
            "OPTIONS",
            origin=PAGE,
            access_control_request_method=b"POST",
            access_control_request_headers=b'x-ok, <script>"',
        )

    assert answer.status == 204
    assert "allow-headers" not in cors_of(answer)


@pytest.mark.parametrize("origin", [o.encode() for o in ALLOWED.allowedOrigins])
async def test_every_answer_to_a_listed_page_can_be_read_by_it(origin: bytes) -> None:
    """Refusals too: a page that cannot read a 401 cannot ask for a better token."""
    async with http_rig(Scripted(), clients=ALLOWED) as rig:
        answers = [
            await send(rig, "POST", origin=origin),
            await send(rig, "POST", origin=origin, token=False),
            await send(rig, "PUT", origin=origin),
            await send(rig, "OPTIONS", origin=origin),
        ]

    assert [answer.status for answer in answers] == [200, 401, 405, 405]
    for answer in answers:
        assert cors_of(answer) == {
            "allow-origin": origin.decode(),
            "expose-headers": "Mcp-Session-Id, WWW-Authenticate, Retry-After",
        }
        assert answer.headers["vary"] == "Origin"


async def test_whoever_sends_no_origin_gets_no_cors_headers() -> None:
    async with http_rig(Scripted(), clients=ALLOWED) as rig:
        answer = await send(rig, "POST")

    assert (answer.status, cors_of(answer)) == (200, {})
    assert answer.headers["vary"] == "Origin"


async def test_a_loopback_page_of_this_very_port_needs_no_list() -> None:
    async with http_rig(Scripted()) as rig:
        host = f"127.0.0.1:{rig.port}".encode()
        own = await send(rig, "POST", host=host, origin=b"http://" + host)
        asked = await send(
            rig,
            "OPTIONS",
            host=host,
            origin=b"http://" + host,
            access_control_request_method=b"POST",
        )

    assert (own.status, cors_of(own)) == (200, {})
    assert asked.status == 405


async def test_a_page_that_is_taken_off_the_list_is_refused_at_once() -> None:
    async with http_rig(Scripted(), clients=ALLOWED) as rig:
        before = await send(rig, "POST", origin=PAGE)
        rig.apply(clients=Clients())
        after = await send(rig, "POST", origin=PAGE)

    assert (before.status, after.status) == (200, 403)
