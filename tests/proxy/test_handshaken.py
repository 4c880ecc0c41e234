"""One legacy session that modern requests share: ids, tokens, levels and questions."""

from typing import Any

import orjson
from tests.proxy.pipes import piped
from tests.proxy.test_to_legacy import modern

from ostiary_proxy.handshaken import BACKLOG, HandshakenChannel
from ostiary_proxy.lines import Exit
from ostiary_proxy.mailbox import Mailbox

LEVEL = "io.modelcontextprotocol/logLevel"


async def first(mailbox: Mailbox) -> dict[str, Any]:
    letter = await mailbox.get(1.0)
    assert letter is not None
    told: dict[str, Any] = orjson.loads(letter.data)
    return told


async def test_two_requests_with_one_id_and_one_token_do_not_meet() -> None:
    """Obligations 24, 25."""
    channel = HandshakenChannel("s")
    pipe = piped(channel)
    one = channel.begin(modern("tools/call", {"progressToken": "t"}, name="a"))
    two = channel.begin(modern("tools/call", {"progressToken": "t"}, name="b"))
    tokens = [sent["params"]["_meta"]["progressToken"] for sent in pipe.sent]

    pipe.say(method="notifications/progress", params={"progressToken": tokens[1], "progress": 1})
    pipe.say(id=pipe.sent[0]["id"], result={})

    assert pipe.sent[0]["id"] != pipe.sent[1]["id"]
    assert (await first(two))["params"] == {"progressToken": "t", "progress": 1}
    assert "result" in await first(one)
    assert list(channel.calls.values()) == [two]


async def test_a_question_is_for_the_request_on_whose_stream_it_came() -> None:
    channel = HandshakenChannel("s")
    pipe = piped(channel)
    one = channel.begin(modern("tools/call", name="a"))
    two = channel.begin(modern("tools/call", name="b"))
    question = orjson.dumps({"jsonrpc": "2.0", "id": 9, "method": "roots/list"})

    channel.on_line_of(pipe.sent[0]["id"], question)
    channel.on_line_of(pipe.sent[1]["id"], question)

    assert (await first(one))["id"] == 9
    assert (await first(two))["id"] == 9


async def test_a_question_on_no_requests_stream_is_the_only_ones_or_nobodys() -> None:
    channel, strays = HandshakenChannel("s"), list[int]()
    channel.on_stray = lambda: strays.append(1)
    pipe = piped(channel)
    one = channel.begin(modern("tools/call", name="a"))
    channel.begin(modern("tools/list"))
    pipe.say(id=9, method="roots/list")
    two = channel.begin(modern("tools/call", name="b"))
    pipe.say(id=10, method="roots/list")

    assert (await first(one))["id"] == 9
    assert await two.get(0.0) is None
    assert [(it["id"], it["error"]["code"]) for it in pipe.sent if "error" in it] == [(10, -32601)]
    assert strays == [1, 1]


async def test_a_question_waits_for_a_request_that_can_be_answered_by_one() -> None:
    """Obligation 29: not silence."""
    channel = HandshakenChannel("s")
    pipe = piped(channel)
    pipe.say(id=9, method="roots/list")

    listed = channel.begin(modern("tools/list"))
    called = channel.begin(modern("tools/call", name="a"))

    assert await listed.get(0.0) is None
    assert (await first(called))["id"] == 9


async def test_too_many_questions_without_a_request_are_refused() -> None:
    channel = HandshakenChannel("s")
    pipe = piped(channel)
    for ident in range(BACKLOG + 1):
        pipe.say(id=ident, method="roots/list")

    assert [(one["id"], one["error"]["code"]) for one in pipe.sent] == [(BACKLOG, -32601)]


async def test_a_ping_is_answered_by_the_proxy() -> None:
    """Obligation 23."""
    channel = HandshakenChannel("s")
    pipe = piped(channel)
    pipe.say(id=4, method="ping")

    assert pipe.sent == [{"jsonrpc": "2.0", "id": 4, "result": {}}]


async def test_the_level_is_set_only_where_it_can_be_and_only_when_it_must() -> None:
    """Obligation 28."""
    mute, channel = HandshakenChannel("s"), HandshakenChannel("s")
    silent, pipe = piped(mute), piped(channel)
    channel.logs = True
    for one in (mute, channel):
        one.begin(modern("tools/call", {LEVEL: "error"}, name="a"))
        one.begin(modern("tools/call", {LEVEL: "info"}, name="a"))
        one.begin(modern("tools/call", {LEVEL: "warning"}, name="a"))

    assert silent.of("logging/setLevel") == []
    levels = [one["params"]["level"] for one in pipe.of("logging/setLevel")]
    assert levels == ["error", "info"]


async def test_log_messages_are_for_a_request_that_wants_them() -> None:
    channel = HandshakenChannel("s")
    pipe = piped(channel)
    loud = channel.begin(modern("tools/call", {LEVEL: "info"}, name="a"))
    quiet = channel.begin(modern("tools/call", name="a"))
    pipe.say(method="notifications/message", params={"level": "info", "data": "x"})

    assert (await first(loud))["params"]["data"] == "x"
    assert await quiet.get(0.0) is None


async def test_a_call_that_nobody_waits_for_is_cancelled_by_its_own_id() -> None:
    """Obligation 27."""
    channel = HandshakenChannel("s")
    pipe = piped(channel)
    call = channel.begin(modern("tools/call", name="a"))
    channel.cancel(call, "gone")
    channel.cancel(call, "gone")

    told = pipe.of("notifications/cancelled")
    assert [one["params"]["requestId"] for one in told] == [pipe.sent[0]["id"]]
    assert not channel.busy


async def test_listeners_hear_what_belongs_to_no_request_and_the_end() -> None:
    channel = HandshakenChannel("s")
    pipe = piped(channel)
    heard: list[str] = []
    channel.listeners.add(lambda method, data: heard.append(method))
    pipe.say(method="notifications/tools/list_changed")
    channel.on_exit(Exit("CommandExited", "gone"))

    assert heard == ["notifications/tools/list_changed", ""]
