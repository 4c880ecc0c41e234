"""One request of a legacy client's at a modern backend, through all its rounds (protocol.md 51).

The backend's `input_required` becomes requests on the client's own stream; when the client has
answered them all, its request is made again with the answers.  Driven by what arrives, from either
side; whoever delivers it to the client reads `out`.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from ostiary_proxy import to_modern
from ostiary_proxy.channel import Call
from ostiary_proxy.exclusive import CANCELLED
from ostiary_proxy.lines import Exit
from ostiary_proxy.mailbox import Letter, Mailbox
from ostiary_proxy.message import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    Id,
    Json,
    Message,
    decode,
    encode,
    error_body,
)
from ostiary_proxy.shared import ModernChannel

ROUNDS: Final = 16
"""Times that a backend may answer one request with a question."""
QUESTIONS: Final = 16
"""Asked in one round."""
PAGES: Final = 100
FIRST_WAIT: Final = 0.05
LAST_WAIT: Final = 1.0


class Partner(Protocol):
    """What a dialogue needs of its client's session."""

    version: str
    capabilities: Json

    def meta(self) -> Json:
        """The envelope of a request upstream."""

    def new_id(self) -> str:
        """For a request to the client."""

    def relisted(self, tools: list[Json]) -> None:
        """What the backend's tools are now."""


class Leg(Call):
    """One request upstream, whose letters are taken as they come."""

    def __init__(
        self,
        ident: Id,
        message: Message,
        take: Callable[[Letter], None],
        lost: Callable[[Exit], None],
    ) -> None:
        super().__init__(ident, message)
        self._taken, self._lost = take, lost

    def put(self, letter: Letter) -> None:
        if not self.closed:
            self._taken(letter)

    def end(self, ended: Exit) -> None:
        super().end(ended)
        if not self.closed:
            self._lost(ended)


class Dialogue:
    """From the client's request to its answer."""

    def __init__(self, partner: Partner, channel: ModernChannel, message: Message) -> None:
        self.out = Mailbox()
        self.over = False
        self.on_over: Callable[[], None] = lambda: None
        self.asked: dict[Id, str] = {}
        """Questions on the client's stream, by id -> the backend's key."""
        self._partner, self._channel, self._message = partner, channel, message
        self._leg: Leg | None = None
        self._rounds = 0
        self._methods: dict[str, str] = {}
        self._answers: dict[str, Json] = {}
        self._state: object = None
        self._relisted = False
        self._tools: list[Json] = []

    def begin(self) -> None:
        self._send({})

    def cancel(self, why: str) -> None:
        """Nobody waits any more: the backend is told."""
        leg, self._leg = self._leg, None
        if leg is not None:
            self._channel.cancel(leg, why)
        self._end()

    def cancelled(self) -> None:
        """By the client, which may be waiting for a last word."""
        self.cancel("The client cancelled it.")
        body = error_body(self._message.id, CANCELLED, "The request was cancelled.")
        self.out.put(Letter(body, last=True))

    def reply(self, ident: Id, response: Json) -> None:
        """The client has answered one of the questions."""
        key = self.asked.pop(ident, None)
        if key is None:
            return
        said = to_modern.reply(self._methods[key], response)
        if said is None:
            error = response.get("error")
            why = error.get("message") if isinstance(error, dict) else None
            self._fail(f"The client could not answer the server: {str(why or 'no reason')[:200]}")
            return
        self._answers[key] = said
        if not self.asked:
            self._retry()

    # towards the backend

    def _send(self, more: Json) -> None:
        message = to_modern.request(self._message, self._partner.meta(), more)
        self._leg = self._begin(message, self._take)

    def _begin(self, message: Message, take: Callable[[Letter], None]) -> Leg:
        made = self._channel.begin(message, lambda ident, sent: Leg(ident, sent, take, self._lost))
        assert isinstance(made, Leg)
        return made

    def _retry(self) -> None:
        if self.over:
            return
        more: Json = {}
        if self._answers:
            more["inputResponses"] = self._answers
        if self._state is not None:
            more["requestState"] = self._state
        self._answers = {}
        self._send(more)

    # from the backend

    def _lost(self, ended: Exit) -> None:
        self._end()
        self.out.end(ended)

    def _end(self) -> None:
        self.over = True
        self._leg = None
        self.asked.clear()
        self.on_over()

    def _take(self, letter: Letter) -> None:
        if not letter.last:
            self.out.put(letter)
            return
        data = decode(letter.data)
        if to_modern.asks(data):
            self._ask(data["result"])
        elif _mismatched(data) and not self._relisted and self._message.method == "tools/call":
            # Its tools may have changed since they were listed (49): once more, with new headers.
            self._relisted = True
            self._relist({})
        else:
            self._finish(encode(to_modern.answer(self._message, data, self._partner.version)))

    def _finish(self, body: bytes) -> None:
        self._end()
        self.out.put(Letter(body, last=True))

    def _fail(self, why: str) -> None:
        self._finish(error_body(self._message.id, INTERNAL_ERROR, why))

    def _ask(self, result: Json) -> None:
        if self.out.closed:
            self.cancel("The client has left.")
            return
        questions = to_modern.questions(result)
        self._rounds += 1
        self._state = result.get("requestState")
        if self._rounds > ROUNDS or len(questions) > QUESTIONS:
            self._fail("The server asks more than can be answered.")
            return
        lacking = to_modern.unanswerable(questions, self._partner.capabilities)
        if lacking:
            self._fail(
                f"The server needs an answer to {lacking}, and this client did not declare that "
                "it can be asked that."
            )
            return
        if not questions:
            # The backend only wants to be asked again.
            wait = min(FIRST_WAIT * 2 ** (self._rounds - 1), LAST_WAIT)
            asyncio.get_running_loop().call_later(wait, self._retry)
        for key, one in questions.items():
            ident = self._partner.new_id()
            self.asked[ident], self._methods[key] = key, one["method"]
            body = to_modern.question(one, ident, self._partner.version)
            self.out.put(Letter(encode(body), question=ident))

    def _relist(self, params: Json) -> None:
        data = {"jsonrpc": "2.0", "id": 0, "method": "tools/list", "params": params}
        message = Message("request", 0, "tools/list", params, data, b"")
        sent = to_modern.request(message, self._partner.meta(), {})
        self._leg = self._begin(sent, self._listed)

    def _listed(self, letter: Letter) -> None:
        if not letter.last:
            return
        result = decode(letter.data).get("result")
        tools = result.get("tools") if isinstance(result, dict) else None
        if isinstance(tools, list):
            self._tools += [tool for tool in tools if isinstance(tool, dict)]
        cursor = result.get("nextCursor") if isinstance(result, dict) else None
        self._rounds += 1
        if isinstance(cursor, str) and self._rounds < PAGES:
            self._relist({"cursor": cursor})
            return
        self._rounds = 0
        self._partner.relisted(self._tools)
        self._send({})


def _mismatched(data: Json) -> bool:
    error = data.get("error")
    return isinstance(error, dict) and error.get("code") == HEADER_MISMATCH
