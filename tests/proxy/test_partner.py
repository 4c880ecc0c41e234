"""A legacy client's session at a modern backend: what it listens to."""

from typing import Any

import orjson
from tests.proxy.pipes import Recorded, piped
from tests.proxy.test_to_modern import legacy

from ostiary_proxy.lines import Exit
from ostiary_proxy.mailbox import Mailbox
from ostiary_proxy.observe import Seen
from ostiary_proxy.partner import Partner
from ostiary_proxy.shared import ModernChannel

SEEN = Seen(about={"capabilities": {"tools": {"listChanged": True}, "resources": {}}})


def partner() -> tuple[Partner, Recorded]:
    channel = ModernChannel("s")
    pipe = piped(channel)
    message = legacy("initialize", capabilities={"roots": {"listChanged": True}})
    made = Partner(message.params, "2025-06-18", channel, lambda tools: None)
    made.held = Mailbox()
    return made, pipe


async def heard(made: Partner) -> list[dict[str, Any]]:
    assert made.held is not None
    letters = []
    while (letter := await made.held.get(0.0)) is not None:
        letters.append(orjson.loads(letter.data))
    return letters


async def test_it_listens_to_what_the_backend_offers_and_the_client_subscribed_to() -> None:
    """Obligation 51."""
    made, pipe = partner()
    made.uris = {"memo:b", "memo:a"}
    made.listen(made.channel, SEEN)

    assert pipe.last["method"] == "subscriptions/listen"
    assert pipe.last["params"]["notifications"] == {
        "toolsListChanged": True,
        "resourceSubscriptions": ["memo:a", "memo:b"],
    }


async def test_what_changes_is_re_emitted_as_the_client_knows_it() -> None:
    made, pipe = partner()
    made.listen(made.channel, SEEN)
    meta = {"_meta": {"io.modelcontextprotocol/subscriptionId": pipe.last["id"]}}
    pipe.say(method="notifications/subscriptions/acknowledged", params=meta)
    pipe.say(method="notifications/tools/list_changed", params=meta)

    assert await heard(made) == [{"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}]


async def test_listening_anew_ends_what_was_before() -> None:
    made, pipe = partner()
    made.listen(made.channel, SEEN)
    made.uris = {"memo:a"}
    made.listen(made.channel, SEEN)

    methods = [one["method"] for one in pipe.sent]
    assert methods == ["subscriptions/listen", "notifications/cancelled", "subscriptions/listen"]
    assert pipe.sent[1]["params"]["requestId"] == pipe.sent[0]["id"]


async def test_a_subscription_that_ends_is_noticed() -> None:
    made, pipe = partner()
    made.listen(made.channel, SEEN)
    assert not made.deaf
    pipe.say(id=pipe.last["id"], result={"resultType": "complete"})

    assert made.deaf


async def test_the_end_of_its_process_ends_the_stream_only_where_that_is_wanted() -> None:
    for ends in (False, True):
        made, _ = partner()
        made.ends = ends
        made.listen(made.channel, SEEN)
        made.channel.on_exit(Exit("CommandExited", "The command ended."))

        assert made.held is not None
        assert (made.held.ended is not None) is ends
        assert made.deaf
        assert made.has_lost


async def test_a_channel_that_serves_others_too_is_not_closed() -> None:
    made, pipe = partner()
    made.sit(made.channel, shares=True)
    made.close()

    assert not pipe.ended


async def test_nobody_who_listens_is_nothing_listened_to() -> None:
    made, pipe = partner()
    made.held = None
    made.listen(made.channel, SEEN)

    assert pipe.sent == []
    made.close()
    assert pipe.ended
