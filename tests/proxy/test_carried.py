"""Inner exchanges: what would be an HTTP answer becomes messages."""

from typing import Any

from ostiary_proxy.carried import Answer
from ostiary_proxy.sse import COMMENT


class Heard:
    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.alive = 0

    async def message(self, data: bytes) -> None:
        self.messages.append(data)

    async def life(self) -> None:
        self.alive += 1


def start(kind: str, status: int = 200, **headers: str) -> dict[str, Any]:
    lines = [(b"content-type", kind.encode())]
    lines += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": lines}


def chunk(body: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}


async def test_a_body_is_one_message_once_it_is_whole() -> None:
    heard = Heard()
    answer = Answer(heard.message, heard.life)
    await answer(start("application/json", 404, mcp_session_id="s"))
    await answer(chunk(b'{"a"'))
    assert heard.messages == []

    await answer(chunk(b":1}", more=False))

    assert (answer.status, answer.headers[b"mcp-session-id"]) == (404, b"s")
    assert (heard.messages, heard.alive) == ([b'{"a":1}'], 0)


async def test_an_empty_answer_says_nothing() -> None:
    heard = Heard()
    answer = Answer(heard.message, heard.life)
    await answer(start("application/json", 202))
    await answer(chunk(b"", more=False))

    assert (answer.status, heard.messages) == (202, [])


async def test_a_stream_is_taken_apart_wherever_its_chunks_end() -> None:
    """Obligation 2: events, not chunks; comments are a sign of life."""
    heard = Heard()
    answer = Answer(heard.message, heard.life)
    await answer(start("text/event-stream"))
    stream = b'id: e1\ndata: \n\ndata: {"a":\ndata: 1}\r\n\r\nid: e2\ndata: "\xc3\xbc"\n\n'
    for position in range(len(stream)):
        await answer(chunk(stream[position : position + 1]))
    await answer(chunk(COMMENT))
    await answer(chunk(b"", more=False))

    assert heard.messages == [b'{"a":\n1}', '"ü"'.encode()]
    assert (heard.alive, answer.last_id) == (2, b"e2")
