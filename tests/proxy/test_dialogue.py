"""A legacy client's request at a modern backend, through all its rounds: obligation 51."""

from typing import Any

import orjson
from tests.proxy.conditions import until
from tests.proxy.pipes import Recorded, piped
from tests.proxy.test_to_modern import legacy

from ostiary_proxy import to_modern
from ostiary_proxy.dialogue import ROUNDS, Dialogue
from ostiary_proxy.lines import Exit
from ostiary_proxy.message import Json
from ostiary_proxy.shared import ModernChannel

FORM = {"method": "elicitation/create", "params": {"message": "?"}}
ROOTS = {"method": "roots/list"}


class Client:
    """`dialogue.Partner`."""

    version = "2025-11-25"

    def __init__(self, **capabilities: Json) -> None:
        self.capabilities: Json = capabilities
        self.asked = 0
        self.tools: list[Json] = []

    def meta(self) -> Json:
        return to_modern.envelope(self.capabilities, None, "")

    def new_id(self) -> str:
        self.asked += 1
        return f"q{self.asked}"

    def relisted(self, tools: list[Json]) -> None:
        self.tools = tools


def begun(client: Client, method: str = "tools/call", **params: Any) -> tuple[Dialogue, Recorded]:
    channel = ModernChannel("s")
    pipe = piped(channel)
    dialogue = Dialogue(client, channel, legacy(method, **{"name": "t", **params}))
    dialogue.begin()
    return dialogue, pipe


async def told(dialogue: Dialogue) -> list[Any]:
    letters = []
    while (letter := await dialogue.out.get(0.0)) is not None:
        letters.append(orjson.loads(letter.data))
    return letters


def ask(pipe: Recorded, state: str | None = "s1", **requests: Any) -> None:
    result: Json = {"resultType": "input_required"}
    if requests:
        result["inputRequests"] = requests
    if state is not None:
        result["requestState"] = state
    pipe.say(id=pipe.last["id"], result=result)


async def test_questions_go_to_the_client_and_its_answers_back() -> None:
    dialogue, pipe = begun(Client(elicitation={}, roots={}))
    ask(pipe, a=FORM, b=ROOTS)
    questions = await told(dialogue)
    dialogue.reply("q2", {"result": {"roots": []}})
    assert len(pipe.sent) == 1
    dialogue.reply("q1", {"result": {"action": "accept"}})
    retry = pipe.last
    pipe.say(id=retry["id"], result={"resultType": "complete", "content": []})

    assert [(one["id"], one["method"]) for one in questions] == [
        ("q1", "elicitation/create"),
        ("q2", "roots/list"),
    ]
    assert retry["id"] != pipe.sent[0]["id"]
    assert retry["params"]["requestState"] == "s1"
    assert retry["params"]["inputResponses"] == {
        "a": {"action": "accept"},
        "b": {"roots": []},
    }
    assert await told(dialogue) == [{"jsonrpc": "2.0", "id": 3, "result": {"content": []}}]
    assert dialogue.over


async def test_no_state_given_is_none_sent() -> None:
    """Obligation 33."""
    dialogue, pipe = begun(Client(roots={}))
    ask(pipe, None, a=ROOTS)
    dialogue.reply("q1", {"result": {"roots": []}})

    assert "requestState" not in pipe.last["params"]


async def test_a_state_alone_is_brought_back_after_a_moment() -> None:
    dialogue, pipe = begun(Client())
    ask(pipe, "later")
    await until(lambda: len(pipe.sent) == 2)

    assert pipe.last["params"]["requestState"] == "later"
    assert "inputResponses" not in pipe.last["params"]
    assert not dialogue.over


async def test_a_client_that_cannot_be_asked_learns_why() -> None:
    """Obligation 34."""
    dialogue, pipe = begun(Client(roots={}))
    ask(pipe, a=FORM)
    (answer,) = await told(dialogue)

    assert answer["error"]["code"] == -32603
    assert "elicitation/create" in answer["error"]["message"]


async def test_a_client_that_answers_with_an_error_ends_the_call() -> None:
    dialogue, pipe = begun(Client(sampling={}))
    ask(pipe, a={"method": "sampling/createMessage", "params": {}})
    await told(dialogue)
    dialogue.reply("q1", {"error": {"code": -1, "message": "no model"}})
    (answer,) = await told(dialogue)

    assert "no model" in answer["error"]["message"]


async def test_rounds_are_bounded() -> None:
    """Obligation 65."""
    dialogue, pipe = begun(Client(roots={}))
    for number in range(ROUNDS + 1):
        ask(pipe, a=ROOTS)
        dialogue.reply(f"q{number + 1}", {"result": {"roots": []}})
    answer = (await told(dialogue))[-1]

    assert answer["error"]["code"] == -32603


async def test_a_cancelled_call_ends_and_the_backend_is_told() -> None:
    """Obligation 26."""
    dialogue, pipe = begun(Client())
    dialogue.cancelled()
    (answer,) = await told(dialogue)

    assert (answer["id"], answer["error"]["code"]) == (3, -32800)
    assert pipe.last["params"]["requestId"] == pipe.sent[0]["id"]
    assert dialogue.over


async def test_a_mismatched_header_is_mended_by_looking_at_the_tools_again() -> None:
    """Obligation 49: once."""
    client = Client()
    dialogue, pipe = begun(client)
    pipe.say(id=pipe.last["id"], error={"code": -32020, "message": "Mcp-Param-X"})
    assert pipe.last["method"] == "tools/list"
    pipe.say(id=pipe.last["id"], result={"tools": [{"name": "a"}], "nextCursor": ""})
    assert pipe.last["params"]["cursor"] == ""
    pipe.say(id=pipe.last["id"], result={"tools": [{"name": "b"}]})
    assert pipe.last["method"] == "tools/call"
    pipe.say(id=pipe.last["id"], error={"code": -32020, "message": "Mcp-Param-X"})
    (answer,) = await told(dialogue)

    assert [tool["name"] for tool in client.tools] == ["a", "b"]
    assert answer["error"]["code"] == -32603


async def test_the_end_of_the_process_ends_the_call() -> None:
    dialogue, pipe = begun(Client())
    pipe.channel.on_exit(Exit("CommandExited", "gone"))

    assert dialogue.out.ended is not None
    assert dialogue.over


async def test_a_question_to_a_client_that_has_left_cancels_the_call() -> None:
    dialogue, pipe = begun(Client(roots={}))
    dialogue.out.close()
    ask(pipe, a=ROOTS)

    assert dialogue.over
    assert dialogue.asked == {}
