"""A legacy session at an HTTP backend that has forgotten it (protocol.md 6.4.21)."""

import asyncio
from typing import Any

import pytest
from tests.proxy.peers.scripted import Reply, Scripted, Seen, error
from tests.proxy.rig import Raw, Rig, http_rig
from tests.proxy.test_session import open_session

from ostiary_proxy.upstream_session import LONGEST_REFUSAL, is_forgotten

TEXT = "text/plain"


class Forgetful(Scripted):
    """A backend whose sessions can be ended behind everybody's back."""

    def __init__(self, status: int = 404, body: bytes = b"what?") -> None:
        super().__init__(eras=("legacy",))
        self._number = 0
        self._refusal = Reply(status, body, kind=TEXT)
        self.forget()

    def forget(self) -> None:
        self._number += 1
        self.session = f"backend-{self._number}"

    def _reply(self, seen: Seen) -> Reply:
        known = seen.headers.get("mcp-session-id") == self.session
        method = seen.body.get("method") if isinstance(seen.body, dict) else ""
        if method == "initialize" or known:
            return super()._reply(seen)
        return self._refusal


REFUSALS = [
    (404, b"what?"),
    (404, error(1, -32600, "Session not found")),
    (400, b"Bad Request: No valid session ID provided"),
    (400, error(1, -32600, "SESSION expired")),
]


@pytest.mark.parametrize(("status", "body"), REFUSALS)
async def test_a_forgotten_session_is_begun_anew_and_the_request_sent_again(
    status: int, body: bytes
) -> None:
    peer = Forgetful(status, body)
    async with http_rig(peer) as rig, rig.raw() as raw:
        headers = {"mcp-session-id": await open_session(raw)}
        await raw.legacy("logging/setLevel", level="debug", headers=headers)
        await raw.legacy("resources/subscribe", uri="memo:one", headers=headers)
        peer.forget()
        peer.seen.clear()
        answer = await raw.legacy("tools/call", 5, name="echo", headers=headers)
        text = rig.proxy.runtime.metrics.text()

    assert answer.status_code == 200
    assert answer.json()["id"] == 5
    bodies = [one.body for one in peer.seen if one.verb == "POST"]
    methods = [body["method"] for body in bodies if body["method"] != "tools/list"]
    assert methods == [
        "tools/call",
        "initialize",
        "notifications/initialized",
        "logging/setLevel",
        "resources/subscribe",
        "tools/call",
    ]
    hello = peer.asked("initialize")[0].body["params"]
    assert hello["clientInfo"] == {"name": "raw", "version": "1"}
    assert b'ostiary_sessions_repaired_total{server="tools/time"} 1.0' in text
    assert [line["method"] for line in rig.calls() if line.get("repaired")] == ["tools/call"]


async def test_an_answer_that_is_no_refusal_of_a_session_is_passed_on() -> None:
    peer = Scripted(session="backend-1")
    async with http_rig(peer) as rig, rig.raw() as raw:
        headers = {"mcp-session-id": await open_session(raw)}
        peer.answers["tools/call"] = lambda seen: Reply(400, error(seen.body["id"], -32602))
        answer = await raw.legacy("tools/call", 5, name="echo", headers=headers)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32602)
    assert len(peer.asked("tools/call")) == 1


async def test_a_backend_that_forgets_at_once_is_asked_only_twice() -> None:
    peer = Scripted(session="backend-1")
    async with http_rig(peer) as rig, rig.raw() as raw:
        headers = {"mcp-session-id": await open_session(raw)}
        peer.answers["tools/call"] = lambda _: Reply(404, b"what?", kind=TEXT)
        answer = await raw.legacy("tools/call", name="echo", headers=headers)

    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "Session not found."
    assert len(peer.asked("tools/call")) == 2


async def test_many_who_find_it_forgotten_begin_it_once() -> None:
    peer = Forgetful()
    async with http_rig(peer) as rig, rig.raw() as raw:
        headers = {"mcp-session-id": await open_session(raw)}
        peer.forget()
        peer.seen.clear()
        answers = await asyncio.gather(
            *(raw.legacy("tools/call", n, name="echo", headers=headers) for n in range(20))
        )

    assert {answer.status_code for answer in answers} == {200}
    assert len(peer.asked("initialize")) == 1


async def gone_on(rig: Rig, raw: Raw) -> list[int]:
    headers = {"mcp-session-id": await open_session(raw)}
    deleted = await raw.http.delete(rig.url, headers=headers)
    answer = await raw.legacy("tools/call", name="echo", headers=headers)
    return [deleted.status_code, answer.status_code]


async def test_a_client_that_deletes_its_session_and_goes_on_is_served() -> None:
    async with http_rig(Forgetful()) as rig, rig.raw() as raw:
        assert await gone_on(rig, raw) == [204, 200]


async def test_where_the_owner_wants_it_a_forgotten_session_ends() -> None:
    peer = Forgetful()
    async with http_rig(peer, onSessionLoss="End") as rig, rig.raw() as raw:
        headers = {"mcp-session-id": await open_session(raw)}
        peer.forget()
        forgotten = await raw.legacy("tools/call", name="echo", headers=headers)

        assert forgotten.status_code == 404
        assert await gone_on(rig, raw) == [204, 404]


async def test_a_call_whose_answer_broke_off_is_never_sent_again() -> None:
    peer = Scripted(session="backend-1")
    async with http_rig(peer) as rig, rig.raw() as raw:
        headers = {"mcp-session-id": await open_session(raw)}

        def breaks(_: Any) -> Reply:
            raise ConnectionError

        peer.answers["tools/call"] = breaks
        answer = await raw.legacy("tools/call", name="echo", headers=headers)

    assert answer.status_code >= 500
    assert len(peer.asked("tools/call")) == 1


async def test_a_backend_that_has_no_sessions_any_more_serves_those_of_before() -> None:
    peer = Scripted(session="backend-1")
    async with http_rig(peer) as rig, rig.raw() as raw:
        headers = {"mcp-session-id": await open_session(raw)}
        peer.session = ""
        rig.backend.sessions.end_all()
        peer.seen.clear()
        answers = [
            await raw.legacy("tools/call", n, name="echo", headers=headers) for n in range(2)
        ]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert len(peer.asked("initialize")) == 1
    assert all("mcp-session-id" not in one.headers for one in peer.asked("tools/call"))


@pytest.mark.parametrize(
    ("status", "body", "forgotten"),
    [
        (404, None, True),
        (400, b"no valid Session", True),
        (400, b"bad arguments", False),
        (400, b"session" + b"x" * LONGEST_REFUSAL, False),
        (200, None, False),
        (500, None, False),
    ],
)
def test_what_says_that_a_session_is_forgotten(
    status: int, body: bytes | None, forgotten: bool
) -> None:
    assert is_forgotten(status, body) is forgotten
