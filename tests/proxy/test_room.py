"""What one backend may have open at once."""

from typing import Any

import orjson
import pytest
from tests.proxy.conditions import until_asked
from tests.proxy.peers.everything import Peer
from tests.proxy.peers.scripted import Reply
from tests.proxy.rig import OTHER, Raw, http_rig, request
from tests.proxy.streams import held, listening, patient, session_of
from tests.proxy.test_relay import dump, saying

from ostiary_proxy import config, room


async def test_more_calls_than_allowed_are_turned_away() -> None:
    peer = saying(Reply(body=[], hang=True, kind="text/event-stream"))
    async with (
        http_rig(peer, limits=config.Limits(concurrency=1)) as made,
        made.raw() as raw,
    ):
        sent = dump(request("tools/call", name="echo"))
        headers = {"content-type": "application/json"}
        async with raw.http.stream("POST", made.url, content=sent, headers=headers):
            busy = await raw.legacy("tools/call", name="echo")
            discovered = await raw.modern("server/discover")

    assert (busy.status_code, busy.headers["retry-after"]) == (503, "1")
    assert orjson.loads(busy.content)["error"]["code"] == -32603
    assert discovered.status_code == 200


async def test_one_principal_alone_cannot_take_every_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """security.md row 22."""
    monkeypatch.setattr(room, "STREAMS_OF_ONE", 1)
    peer = Peer()
    async with (
        peer.http() as app,
        http_rig(app) as rig,
        rig.raw() as raw,
        rig.raw(OTHER) as theirs,
    ):
        mine, second = await session_of(raw), await session_of(raw)
        async with raw.http.stream("GET", rig.url, headers=mine) as held:
            refused = await raw.http.get(rig.url, headers=second)
            async with theirs.http.stream("GET", rig.url, headers=await session_of(theirs)) as fine:
                assert (held.status_code, fine.status_code) == (200, 200)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")

        async def has_room() -> bool:
            async with raw.http.stream("GET", rig.url, headers=second) as again:
                return again.status_code == 200

        await until_asked(has_room)


@pytest.mark.parametrize("transport", ["http", "stdio"])
@pytest.mark.parametrize("kind", ["GET", "listen"])
async def test_all_principals_together_cannot_take_more_streams_than_there_are(
    kind: str, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """security.md row 22."""
    monkeypatch.setattr(room, "STREAMS", 1)
    async with patient(transport) as (rig, _), rig.raw() as raw, rig.raw(OTHER) as theirs:
        mine, other = await session_of(raw), await session_of(theirs)

        def stream(who: Raw, session: dict[str, str]) -> Any:
            return held(who, session) if kind == "GET" else listening(who)

        async with stream(raw, mine) as first, stream(theirs, other) as refused:
            await refused.aread()
            called = await theirs.modern("tools/call", name="echo")
            assert first.status_code == 200
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            # Streams and calls have room of their own.
            assert called.status_code == 200

        async def has_room() -> bool:
            async with stream(theirs, other) as again:
                return bool(again.status_code == 200)

        await until_asked(has_room)
