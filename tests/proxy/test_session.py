"""Legacy sessions as clients see them: over HTTP and over stdio.  Security row 7."""

from typing import Any

import pytest
from tests.proxy.rig import OTHER, Raw, Rig
from tests.proxy.test_recipe import NOW, OWNER, PLANNER, initialize, sealer

from ostiary_proxy.policy import Caller
from ostiary_proxy.recipe import LIVES_SECONDS
from ostiary_proxy.session import (
    HELLO_BYTES,
    IDLE_SECONDS,
    Session,
    Sessions,
    TooManySessionsError,
)


def table(now: float = NOW) -> Sessions:
    return Sessions("u1", OWNER, now=lambda: now)


def begin(sessions: Sessions, **params: Any) -> Session:
    return sessions.begin(initialize(**params), "2025-11-25", PLANNER, sealer())


def test_an_idle_session_ends_and_a_busy_one_does_not() -> None:
    now = [NOW]
    sessions = Sessions("u1", OWNER, now=lambda: now[0])
    closed: list[str] = []
    idle, busy = begin(sessions), begin(sessions)
    idle.close = lambda: closed.append("idle")
    busy.close = lambda: closed.append("busy")
    busy.busy = 1

    now[0] += IDLE_SECONDS + 1
    sessions.reap()

    assert closed == ["idle"]
    assert sessions.held(idle.id.encode(), PLANNER) is None
    assert sessions.held(busy.id.encode(), PLANNER) is busy


def test_no_session_lives_longer_than_a_week() -> None:
    now = [NOW]
    sessions = Sessions("u1", OWNER, now=lambda: now[0])
    session = begin(sessions)
    session.busy = 1

    now[0] += LIVES_SECONDS + 1

    assert sessions.held(session.id.encode(), PLANNER) is None
    assert sessions.revive(session.id.encode(), PLANNER, sealer(now[0])) is None


def test_an_unknown_id_makes_its_session_anew_for_its_own_principal_alone() -> None:
    ident = begin(table(), capabilities={"roots": {}}).id.encode()
    sessions = table()
    other = Caller.service_account("agents", "other")

    assert sessions.held(ident, PLANNER) is None
    assert sessions.revive(ident, other, sealer()) is None
    assert len(sessions) == 0
    revived = sessions.revive(ident, PLANNER, sealer())

    assert revived is not None
    assert revived.lost
    assert revived.hello["capabilities"] == {"roots": {}}
    assert sessions.held(ident, PLANNER) is revived


def test_a_long_handshake_is_begun_anew_by_what_the_id_holds_of_it() -> None:
    short = begin(table(), extra="kept", _meta={"progressToken": 1})
    long = begin(table(), extra="x" * HELLO_BYTES)

    assert short.hello["extra"] == "kept"
    assert "_meta" not in short.hello
    assert "extra" not in long.hello
    assert long.hello == long.recipe.hello


def test_what_a_backend_must_be_told_again_is_remembered() -> None:
    session = begin(table())
    for method, params in (
        ("logging/setLevel", {"level": "debug"}),
        ("resources/subscribe", {"uri": "memo:one"}),
        ("resources/subscribe", {"uri": "memo:two"}),
        ("resources/unsubscribe", {"uri": "memo:one"}),
        ("tools/call", {"uri": "memo:three"}),
    ):
        session.note(initialize(method=method, params=params))

    assert list(session.reminders) == [
        ("logging/setLevel", {"level": "debug"}),
        ("resources/subscribe", {"uri": "memo:two"}),
    ]


def test_a_full_table_makes_room_at_the_expense_of_the_idlest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ostiary_proxy.session.MOST_SESSIONS", 2)
    now = [NOW]
    sessions = Sessions("u1", OWNER, now=lambda: now[0])
    first = begin(sessions)
    now[0] += 1
    second = begin(sessions)

    begin(sessions)
    assert sessions.held(first.id.encode(), PLANNER) is None

    for session in sessions:
        session.busy = 1
    with pytest.raises(TooManySessionsError):
        begin(sessions)
    with pytest.raises(TooManySessionsError):
        sessions.revive(first.id.encode(), PLANNER, sealer())
    assert sessions.held(second.id.encode(), PLANNER) is second


def test_one_principals_sessions_leave_room_for_those_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ostiary_proxy.session.MOST_OF_ONE", 2)
    now = [NOW]
    sessions = Sessions("u1", OWNER, now=lambda: now[0])
    other = Caller.service_account("agents", "other")
    theirs = sessions.begin(initialize(), "2025-11-25", other, sealer())
    mine = []
    for _ in range(4):
        now[0] += 1
        mine.append(begin(sessions))

    assert len(sessions) == 3
    assert sessions.held(theirs.id.encode(), other) is theirs
    assert [sessions.held(it.id.encode(), PLANNER) is it for it in mine] == [
        False, False, True, True,
    ]  # fmt: skip

    for session in sessions:
        session.busy = 1
    with pytest.raises(TooManySessionsError):
        begin(sessions)
    assert sessions.begin(initialize(), "2025-11-25", other, sealer()) in sessions


def test_who_has_no_session_left_takes_no_memory() -> None:
    sessions = table()
    session = begin(sessions)

    sessions.end(session)
    sessions.end(session)

    assert len(sessions) == 0
    assert sessions._of == {}


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
        again = await mine.legacy("tools/list", headers=headers)
    statuses = [answer.status_code for answer in (*wrong, right, ended, again)]
    bodies = [answer.json()["error"] for answer in wrong]
    for body in bodies:
        body.pop("data")
    assert all(body == bodies[0] for body in bodies)
    return statuses, [answer.content for answer in (*wrong, right, again)]
