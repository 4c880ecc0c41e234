"""A member's words on their way to a group's client."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary_proxy.config import GroupBackend, Member
from ostiary_proxy.exchange import Refused
from ostiary_proxy.group_names import group_names
from ostiary_proxy.mailbox import Mailbox
from ostiary_proxy.member_answer import Feed, Speech, inward_id, outward_id, translated
from ostiary_proxy.message import Message, parse

GROUP = GroupBackend(
    members=tuple(
        Member(alias=alias, namespace="tools", name=alias, uid=alias) for alias in ("a", "b")
    )
)
SPEECH = Speech("a", group_names(GROUP, {"a": ["one"]}, {}))


@given(st.one_of(st.integers(-(2**63), 2**63 - 1), st.text(st.characters(codec="utf-8"))))
def test_an_id_comes_back_with_its_type(ident: int | str) -> None:
    assert inward_id(outward_id("clock", ident)) == ("clock", ident)


@pytest.mark.parametrize("ident", [None, 7, "", "clock", "clock|", "clock|{}", "clock|true"])
def test_an_id_that_no_member_gave_is_nobodys(ident: Any) -> None:
    assert inward_id(ident) is None


class Chunks:
    """A connection's far end."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = list(chunks)
        self.closed = False

    @property
    def connection(self) -> "Chunks":
        return self

    async def chunk(self, seconds: float) -> bytes | None:
        return self._chunks.pop(0) if self._chunks else None

    def close(self) -> None:
        self.closed = True


def event(data: dict[str, Any], **fields: str) -> bytes:
    more = "".join(f"{name}: {value}\n" for name, value in fields.items())
    return more.encode() + b"data: " + orjson.dumps(data) + b"\n\n"


async def read(*chunks: bytes, ident: int | str = 1) -> tuple[list[Any], Feed]:
    mailbox = Mailbox()
    feed = Feed(mailbox, SPEECH, method="tools/call", ident=ident)
    answer: Any = Chunks(*chunks)
    await feed.read(answer)
    assert answer.closed
    feed.end()
    letters = []
    while (letter := await mailbox.get(0.01)) is not None:
        letters.append(letter)
    return letters, feed


async def test_questions_bear_their_member_and_the_answer_is_last() -> None:
    asked = {"jsonrpc": "2.0", "id": 5, "method": "elicitation/create", "params": {}}
    link = {"type": "resource_link", "name": "x", "uri": "memo:one"}
    answered = {"jsonrpc": "2.0", "id": 1, "result": {"content": [link]}}
    letters, feed = await read(event(asked, id="e1", retry="50"), event(answered))
    assert feed.answered
    assert (feed.last_id, feed.retry) == (b"e1", 0.05)
    assert orjson.loads(letters[0].data)["id"] == "a|5"
    assert letters[0].question == "a|5"
    assert orjson.loads(letters[0].data)["params"] == {"_meta": {"ostiary.dev/server": "a"}}
    assert letters[1].last
    assert orjson.loads(letters[1].data)["result"]["content"][0]["uri"] == "a+memo:one"


@pytest.mark.parametrize(
    "said",
    [
        {"jsonrpc": "2.0", "id": "1", "result": {}},
        {"jsonrpc": "2.0", "id": True, "result": {}},
        {"jsonrpc": "2.0", "id": 2, "result": {}},
    ],
)
async def test_an_answer_to_another_request_is_none(said: dict[str, Any]) -> None:
    letters, feed = await read(event(said))
    assert letters == []
    assert not feed.answered


async def test_what_is_no_json_is_passed_over() -> None:
    letters, feed = await read(b"data: nonsense\n\ndata: [1]\n\n", event({"id": 1, "result": {}}))
    assert feed.answered
    assert len(letters) == 1


def test_a_stateless_question_says_which_member_asks() -> None:
    """Obligation 32."""
    question = {"method": "elicitation/create", "params": {"message": "Which?", "_meta": {"k": 1}}}
    answer = {"id": 1, "result": {"resultType": "input_required", "inputRequests": {"q": question}}}
    told = SPEECH.response("tools/call", answer)["result"]["inputRequests"]["q"]["params"]
    assert told == {"message": "Which?", "_meta": {"k": 1, "ostiary.dev/server": "a"}}


@pytest.mark.parametrize("method", [[], {}, None, 7])
async def test_what_has_no_method_is_passed_over(method: Any) -> None:
    odd = {"jsonrpc": "2.0", "method": method}
    letters, feed = await read(event(odd), event({**odd, "id": 1}), event({"id": 1, "result": {}}))
    assert feed.answered
    assert len(letters) == 1


def asked(ident: int | str = 1) -> Message:
    call = {"jsonrpc": "2.0", "id": ident, "method": "tools/call", "params": {"name": "a_one"}}
    message = parse(orjson.dumps(call))
    assert isinstance(message, Message)
    return message


@pytest.mark.parametrize("ident", [b"2", b'"1"', b"true", b"null", b'1,"id":2'])
def test_json_that_answers_another_request_is_refused(ident: bytes) -> None:
    """A client that gets it would give it to whoever asked another member."""
    with pytest.raises(Refused, match="NotMCP"):
        translated(b'{"jsonrpc":"2.0","id":%b,"result":{}}' % ident, asked(), SPEECH)


def test_json_that_has_no_id_is_refused() -> None:
    with pytest.raises(Refused, match="NotMCP"):
        translated(b'{"result":{}}', asked(), SPEECH)


def test_an_error_under_an_id_of_the_servers_own_is_this_requests() -> None:
    said = b'{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"no"}}'
    assert orjson.loads(translated(said, asked(), SPEECH))["id"] == 1


def test_json_without_names_passes_as_it_came() -> None:
    said = b'{ "jsonrpc": "2.0", "id": 1, "result": {} }'
    assert translated(said, asked(), SPEECH) == said


@pytest.mark.parametrize(
    "key", [b"uri", b"\\u0075ri", b"u\\u0072i", b"ur\\u0069", b'uri":"b+memo:two","uri']
)
def test_a_uri_is_the_members_own_however_its_key_is_written(key: bytes) -> None:
    """Else it could speak of what another member has."""
    link = b'{"type":"resource_link","name":"x","%b":"b+memo:one"}' % key
    said = b'{"jsonrpc":"2.0","id":1,"result":{"content":[%b]}}' % link
    sent = translated(said, asked(), SPEECH)
    assert orjson.loads(sent)["result"]["content"][0]["uri"] == "a+b+memo:one"
    assert b'"b+memo' not in sent
