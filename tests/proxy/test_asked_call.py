"""A legacy backend's letters as a modern client gets them: obligation 52."""

from typing import Any

import orjson
from tests.proxy.pipes import Recorded, piped
from tests.proxy.test_to_legacy import INFO, modern

from ostiary_proxy.asked_call import AskedCall
from ostiary_proxy.handshaken import HandshakenChannel
from ostiary_proxy.held import Held
from ostiary_proxy.policy import Caller, Target
from ostiary_proxy.upstreams import Upstream

CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
LEVEL = "io.modelcontextprotocol/logLevel"
FORM = {"message": "?", "requestedSchema": {}}


def asked(
    method: str = "tools/call", *, room: bool = True, **meta: Any
) -> tuple[AskedCall, Recorded]:
    channel = HandshakenChannel("s")
    pipe = piped(channel)
    message = modern(method, {key.replace("__", "/"): value for key, value in meta.items()})
    upstream = Upstream(channel, 0.0, kept=True)

    def hold(call: AskedCall, question: Any, ident: Any) -> Held | None:
        me, about = Caller.service_account("agents", "me"), (Target("tool", "a"),)
        held = Held(me, about, call.call, upstream, "question", question, ident)
        return held if room else None

    made = AskedCall(
        message,
        upstream,
        channel.begin(message),
        info=INFO,
        hold=hold,
        sealed=lambda ident: f"sealed {ident}",
        again=None,
    )
    return made, pipe


def able(**capabilities: Any) -> dict[str, Any]:
    return {CAPABILITIES.replace("/", "__"): capabilities}


async def test_a_question_ends_the_request_and_the_call_is_held() -> None:
    made, pipe = asked(**able(elicitation={}))
    pipe.say(id=5, method="elicitation/create", params=FORM)
    letter = await made.get(1.0)

    assert letter is not None
    assert letter.last
    assert made.held is not None
    assert orjson.loads(letter.data)["result"] == {
        "resultType": "input_required",
        "inputRequests": {"question": {"method": "elicitation/create", "params": FORM}},
        "requestState": f"sealed {made.held.ident}",
        "_meta": {"io.modelcontextprotocol/serverInfo": INFO},
    }


async def test_a_backend_that_asks_what_may_not_be_asked_is_told_so() -> None:
    """Obligation 30: the tool unblocks."""
    for made, pipe in (
        asked(**able(elicitation={"url": {}})),
        asked("completion/complete", **able(elicitation={})),
        asked(room=False, **able(elicitation={})),
    ):
        body = {"jsonrpc": "2.0", "id": 5, "method": "elicitation/create", "params": FORM}
        pipe.channel.on_line_of(pipe.sent[0]["id"], orjson.dumps(body))

        assert await made.get(0.01) is None
        assert (pipe.last["id"], pipe.last["error"]["code"]) == (5, -32601)
        assert made.held is None


async def test_only_log_messages_of_the_wanted_level_pass() -> None:
    made, pipe = asked(**{LEVEL.replace("/", "__"): "warning"})
    pipe.say(method="notifications/message", params={"level": "info", "data": "low"})
    pipe.say(method="notifications/message", params={"level": "error", "data": "loud"})
    letter = await made.get(1.0)

    assert letter is not None
    assert orjson.loads(letter.data)["params"]["data"] == "loud"


async def test_a_page_for_a_client_that_opens_none() -> None:
    """Obligation 52: -32042 never reaches a modern client."""
    made, pipe = asked()
    page = {"mode": "url", "url": "https://e.org", "message": "go", "elicitationId": "e"}
    error = {"code": -32042, "message": "go", "data": {"elicitations": [page]}}
    pipe.say(id=pipe.last["id"], error=error)
    letter = await made.get(1.0)

    assert letter is not None
    told = orjson.loads(letter.data)["error"]
    assert told["code"] == -32021
    assert told["data"]["requiredCapabilities"] == {"elicitation": {"url": {}}}
