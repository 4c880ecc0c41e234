"""Sessions of callers that a group's gateway sends: held under (principal, key), and under nothing
else."""

import asyncio
from typing import Any

import orjson
import pytest
from tests.proxy.conditions import PATIENCE
from tests.proxy.groups import (
    ELSEWHERE,
    GROUP_AUDIENCE,
    KEY,
    OTHER_KEY,
    Member,
    headers_of,
    hello,
    http_member,
    member,
    token,
)
from tests.proxy.peers.scripted import Reply, Scripted, Seen
from tests.proxy.rig import OTHER, request, stdio
from tests.proxy.test_legacy_client import MODERN
from tests.proxy.test_stdio import BOTH, LEGACY
from tests.proxy.wire import Answer

from ostiary_proxy import config
from ostiary_proxy.era import CAPABILITIES_KEY
from ostiary_proxy.session import HELLO_BYTES

THEIRS = token(OTHER, GROUP_AUDIENCE)
ERAS = pytest.mark.parametrize("words", [BOTH, MODERN], ids=["same-era", "bridged"])


async def begin(made: Member, key: str = KEY, given: str = "") -> Answer:
    answer = await made.ask(hello(), given, key=key)
    assert answer.status == 200, answer.body
    return answer


def pid(answer: Answer) -> int:
    assert answer.status == 200, answer.body
    return int(answer.json["result"]["pid"])


def is_unknown(answer: Answer) -> bool:
    assert answer.json["error"]["code"] == -32600
    return answer.status == 404 and answer.json["error"]["message"] == "Session not found."


@ERAS
async def test_a_session_is_found_by_its_key_and_no_id_is_told(words: tuple[str, ...]) -> None:
    async with member(stdio(*words)) as made:
        begun = await begin(made)
        await begin(made, OTHER_KEY)
        first, again = await made.call("pid"), await made.call("pid")
        other = await made.call("pid", OTHER_KEY)

    assert "mcp-session-id" not in begun.headers
    assert pid(first) == pid(again) != pid(other)


@ERAS
async def test_an_unknown_key_is_a_session_that_is_gone(words: tuple[str, ...]) -> None:
    async with member(stdio(*words)) as made:
        await begin(made)
        for verb in ("GET", "DELETE"):
            assert is_unknown(await made.ask(verb=verb, key=OTHER_KEY))
        unknown = await made.call("pid", OTHER_KEY)

    assert is_unknown(unknown)
    assert unknown.json["id"] == 1


@ERAS
async def test_two_principals_with_one_key_share_nothing(words: tuple[str, ...]) -> None:
    async with member(stdio(*words)) as made:
        await begin(made)
        mine = pid(await made.call("pid"))
        stolen = await made.call("pid", given=THEIRS)
        ended = await made.ask(verb="DELETE", key=KEY, given=THEIRS)
        await begin(made, given=THEIRS)
        theirs = pid(await made.call("pid", given=THEIRS))
        still = pid(await made.call("pid"))

    assert is_unknown(stolen)
    assert is_unknown(ended)
    assert mine == still != theirs


@ERAS
async def test_goodbye_frees_it(words: tuple[str, ...]) -> None:
    async with member(stdio(*words)) as made:
        await begin(made)
        pid(await made.call("pid"))
        gone = await made.ask(verb="DELETE", key=KEY)
        after = await made.call("pid")

    assert (gone.status, gone.body) == (204, b"")
    assert is_unknown(after)


@ERAS
async def test_a_handshake_under_a_held_key_replaces_the_session(words: tuple[str, ...]) -> None:
    async with member(stdio(*words)) as made:
        await begin(made)
        before = pid(await made.call("pid"))
        await begin(made)
        after = pid(await made.call("pid"))

    assert before != after


async def test_no_id_finds_it_and_no_key_finds_what_an_id_holds() -> None:
    async with member(stdio(*BOTH)) as made:
        await begin(made)
        own = token()
        direct = await made.ask(hello(), own, local=ELSEWHERE)
        ident = direct.headers["mcp-session-id"]
        tries = [
            await made.ask(request("ping"), own, local=ELSEWHERE, Mcp_Session_Id=guess)
            for guess in (KEY, f"{KEY}%0A", "x")
        ]
        both = await made.ask(request("ping"), key=KEY, Mcp_Session_Id=ident)
        known = await made.ask(request("ping"), own, local=ELSEWHERE, Mcp_Session_Id=ident)
        mixed = await made.ask(request("ping"), own, Mcp_Session_Id=ident)

    assert [answer.status for answer in tries] == [404, 404, 404]
    assert (both.status, known.status, mixed.status) == (400, 200, 200)


async def test_a_process_that_died_begins_anew_in_the_same_session() -> None:
    async with member(stdio(*BOTH)) as made:
        await begin(made)
        before = pid(await made.call("pid"))
        await made.call("crash")
        after = pid(await made.call("pid"))

    assert before != after
    assert [line["repaired"] for line in made.ended() if "repaired" in line] == ["process"]


async def test_a_session_that_ends_with_its_process_is_gone_by_its_key_too() -> None:
    async with member(stdio(*BOTH), onSessionLoss="End") as made:
        await begin(made)
        await made.call("crash")
        after = await made.call("pid")

    assert is_unknown(after)


async def test_what_a_client_says_of_itself_at_length_is_not_kept() -> None:
    """The same as an id would hold of it."""
    async with member(stdio(*BOTH)) as made:
        wordy = {"roots": {}, "experimental": {"x": "y" * HELLO_BYTES}}
        await made.ask(hello(wordy), key=KEY)
        said = await made.call("said")

    assert said.json["result"]["said"][-1]["capabilities"] == {"roots": {}}


# HTTP backends


async def test_an_http_backends_own_id_stays_here_and_the_key_never_gets_there() -> None:
    peer = Scripted(session="their-id", eras=("legacy",))
    async with http_member(peer) as made:
        begun = await begin(made)
        answer = await made.ask(request("tools/list"), key=KEY)
        unknown = await made.call("echo", OTHER_KEY)
        gone = await made.ask(verb="DELETE", key=KEY)

    assert "mcp-session-id" not in begun.headers
    assert answer.status == 200
    assert is_unknown(unknown)
    assert gone.status == 204
    assert peer.asked("tools/list")[-1].headers["mcp-session-id"] == "their-id"
    assert not [name for seen in peer.seen for name in seen.headers if "ostiary-" in name]
    assert KEY.encode() not in b"".join(seen.raw for seen in peer.seen)


async def test_a_backend_without_sessions_has_one_for_a_gateway_all_the_same() -> None:
    peer = Scripted(eras=("legacy",))
    async with http_member(peer) as made:
        before = await made.ask(request("tools/list"), key=KEY)
        await begin(made)
        answer = await made.ask(request("tools/list"), key=KEY)

    assert is_unknown(before)
    assert answer.status == 200
    assert "mcp-session-id" not in peer.asked("tools/list")[-1].headers


async def test_what_such_a_backend_does_not_find_is_no_session() -> None:
    def missing(seen: Seen) -> Reply:
        return Reply(404, orjson.dumps({"jsonrpc": "2.0", "id": 1, "error": {"code": 1}}))

    peer = Scripted(eras=("legacy",), answers={"tools/call": missing})
    async with http_member(peer) as made:
        await begin(made)
        answer = await made.call("echo")
        still = await made.ask(request("tools/list"), key=KEY)

    assert answer.json["error"]["code"] == 1
    assert still.status == 200
    assert len(peer.asked("tools/call")) == 1


# the modern era


@pytest.mark.parametrize("words", [BOTH, LEGACY], ids=["same-era", "bridged"])
async def test_a_modern_callers_process_is_that_of_its_key(words: tuple[str, ...]) -> None:
    async with member(stdio(*words)) as made:
        asked: list[dict[str, Any]] = [
            {"key": KEY},
            {"key": KEY},
            {"key": OTHER_KEY},
            {"key": KEY, "given": THEIRS},
            {},
        ]
        pids = [pid(await made.modern("tools/call", name="pid", **one)) for one in asked]

    assert pids[0] == pids[1]
    assert len(set(pids)) == 4


async def test_one_process_for_each_user_stays_one_whatever_the_keys() -> None:
    backend = config.StdioBackend(command=BOTH, process="PerUser")
    async with member(backend) as made:
        keys = (KEY, OTHER_KEY)
        pids = [pid(await made.modern("tools/call", name="pid", key=key)) for key in keys]

    assert pids[0] == pids[1]


async def test_a_modern_request_bears_its_key_to_no_backend() -> None:
    peer = Scripted(eras=("modern",))
    async with http_member(peer) as made:
        answer = await made.modern("tools/call", name="echo", key=KEY)

    assert answer.status == 200
    assert not [name for seen in peer.seen for name in seen.headers if "ostiary-" in name]


async def test_what_a_gateway_sends_goes_to_no_other_pod() -> None:
    """It chose this one; another would see it come from here, and not from the gateway."""
    met: list[str] = []

    def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.append("somebody")
        writer.close()

    async with member(stdio(*BOTH), address="127.0.0.1", pods="time-pods") as made:
        made.names["time-pods"] = frozenset({"127.0.0.1", "127.0.0.3"})
        other = await asyncio.start_server(meet, "127.0.0.3", made.proxy.port)
        async with other:
            for key in (f"{number:032x}" for number in range(8)):
                await begin(made, key)
                pid(await made.call("pid", key))
                pid(await made.modern("tools/call", name="pid", key=key))
                pid(await made.modern("tools/call", name="pid"))
            through = len(met)
            for number in range(32):
                meta = {CAPABILITIES_KEY: {"experimental": {"n": number}}}
                direct = {"given": token(), "local": ELSEWHERE, "_meta": meta}
                await made.modern("tools/call", name="pid", **direct)

    assert through == 0
    assert met


async def test_a_gateway_sends_no_batches() -> None:
    async with member(stdio(*BOTH)) as made:
        await begin(made)
        answer = await made.ask([request("ping")], key=KEY)

    assert answer.status == 400


async def test_a_stream_is_held_for_what_the_server_says_by_itself() -> None:
    async with member(stdio(*BOTH)) as made:
        await begin(made)
        async with made.wire() as wire, asyncio.timeout(PATIENCE):
            wire.send("GET", "/mcp", **headers_of(key=KEY))
            head = await wire.reader.readuntil(b"\r\n\r\n")
            await made.call("wonder")
            await wire.reader.readuntil(b"roots/list")
            second = await made.ask(verb="GET", key=KEY)

    assert b" 200 " in head
    assert second.status == 409
