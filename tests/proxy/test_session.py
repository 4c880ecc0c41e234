"""Legacy sessions as clients see them: over HTTP and over stdio.  Security row 7."""

from typing import Any

import pytest
from tests.proxy.rig import OTHER, Raw, Rig

from ostiary_proxy.message import Message, parse
from ostiary_proxy.policy import Caller
from ostiary_proxy.seal import Sealer
from ostiary_proxy.session import (
    LIVES_SECONDS,
    LONGEST_ID,
    PURPOSE,
    Sessions,
    TooManySessionsError,
)

INITIALIZE = b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":%b}'
PLANNER = Caller.service_account("agents", "planner")


def sealer() -> Sealer:
    return Sealer({0: b"k" * 32}, now=lambda: 1000.0, process_nonce=b"n" * 16)


def begin(sessions: Sessions, params: bytes = b"{}") -> Any:
    message = parse(INITIALIZE % params)
    assert isinstance(message, Message)
    return sessions.begin(message, "2025-11-25", PLANNER, sealer(), server="u1", pod="p1")


def test_an_id_is_a_sealed_recipe() -> None:
    sessions = Sessions(now=lambda: 1000.0, idle_seconds=10)

    session = begin(sessions, b'{"capabilities":{"roots":{}},"clientInfo":{"name":"c"}}')

    assert session.id.isascii()
    assert session.id.isprintable()
    recipe = sealer().unseal(PURPOSE, b"u1", session.id)
    assert recipe is not None
    assert b'"v":"2025-11-25"' in recipe
    assert b'"o":"p1"' in recipe
    assert sealer().unseal(PURPOSE, b"u2", session.id) is None


def test_ids_are_never_alike() -> None:
    sessions = Sessions(now=lambda: 1000.0, idle_seconds=10)

    assert len({begin(sessions).id for _ in range(100)}) == 100


@pytest.mark.parametrize("filler", [b"clientInfo", b"capabilities"])
def test_an_id_stays_short_however_long_a_client_speaks_of_itself(filler: bytes) -> None:
    sessions = Sessions(now=lambda: 1000.0, idle_seconds=10)

    session = begin(sessions, b'{"%b":{"name":"%b"}}' % (filler, b"x" * 100_000))

    assert len(session.id) <= LONGEST_ID


def test_an_idle_session_ends_and_a_busy_one_does_not() -> None:
    now = [1000.0]
    sessions = Sessions(now=lambda: now[0], idle_seconds=10)
    closed: list[str] = []
    idle, busy = begin(sessions), begin(sessions)
    idle.close = lambda: closed.append("idle")
    busy.close = lambda: closed.append("busy")
    busy.busy = 1

    now[0] += 11
    sessions.reap()

    assert closed == ["idle"]
    assert sessions.find(idle.id.encode(), PLANNER) is None
    assert sessions.find(busy.id.encode(), PLANNER) is busy


def test_no_session_lives_longer_than_a_week() -> None:
    now = [1000.0]
    sessions = Sessions(now=lambda: now[0], idle_seconds=10**9)
    session = begin(sessions)

    now[0] += LIVES_SECONDS + 1

    assert sessions.find(session.id.encode(), PLANNER) is None


def test_a_full_table_makes_room_at_the_expense_of_the_idlest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ostiary_proxy.session.MOST_SESSIONS", 2)
    now = [1000.0]
    sessions = Sessions(now=lambda: now[0], idle_seconds=10)
    first = begin(sessions)
    now[0] += 1
    second = begin(sessions)

    begin(sessions)
    assert sessions.find(first.id.encode(), PLANNER) is None

    for session in sessions:
        session.busy = 1
    with pytest.raises(TooManySessionsError):
        begin(sessions)
    assert sessions.find(second.id.encode(), PLANNER) is second


async def open_session(raw: Raw) -> str:
    answer = await raw.initialize()
    assert answer.status_code == 200
    ident = answer.headers["mcp-session-id"]
    await raw.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, mcp_session_id=ident)
    return str(ident)


async def two_users(rig: Rig) -> tuple[list[int], list[bytes]]:
    async with rig.raw() as mine, rig.raw(OTHER) as other:
        ident = await open_session(mine)
        headers = {"mcp-session-id": ident}
        wrong = [
            await other.legacy("tools/list", headers=headers),
            await other.http.delete(rig.url, headers=headers),
            await other.http.get(rig.url, headers=headers),
            await mine.legacy("tools/list", headers={"mcp-session-id": ident[:-1] + "x"}),
            await mine.legacy("tools/list", headers={"mcp-session-id": "backend-1"}),
        ]
        right = await mine.legacy("tools/list", headers=headers)
        ended = await mine.http.delete(rig.url, headers=headers)
        gone = await mine.legacy("tools/list", headers=headers)
    statuses = [answer.status_code for answer in (*wrong, right, ended, gone)]
    bodies = [answer.json()["error"] for answer in (*wrong, gone)]
    for body in bodies:
        body.pop("data")
    assert all(body == bodies[0] for body in bodies)
    return statuses, [answer.content for answer in (*wrong, right, gone)]
