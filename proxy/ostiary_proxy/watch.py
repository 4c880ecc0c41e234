"""How long an answer may take, and how it ends when it takes longer.  No I/O.

`callSeconds` counts a backend's silence: each message begins it anew, a comment on a stream does
not, since frameworks send those for as long as a tool hangs.  While the backend waits for a
person's answer to a request of its own, `inputSeconds` counts instead, from the question on,
whatever else it says.  Streams that are held for the server's own messages live an hour.
"""

from typing import Final

from ostiary_proxy.config import Limits
from ostiary_proxy.era import SUBSCRIPTION_KEY
from ostiary_proxy.exchange import Cut, Exchange
from ostiary_proxy.message import INTERNAL_ERROR, Id, Json, decode, encode, error_body
from ostiary_proxy.sse import encode as event

KEEP_ALIVE_SECONDS: Final = 15.0
STREAM_SECONDS: Final = 3600.0
LOOKED_AT: Final = 64 * 1024
"""Answers longer than this are not parsed only to see whether they are errors."""


class Watch:
    """The clock of one answer."""

    def __init__(
        self,
        limits: Limits,
        now: float,
        *,
        holding: bool = False,
        questions: "dict[Id, Watch] | None" = None,
    ) -> None:
        """`questions`: of the session, so that an answer posted beside this stream is noticed."""
        self._questions = {} if questions is None else questions
        self._limits = limits
        self._holding = holding
        self._heard = now
        self._end = now + STREAM_SECONDS
        self._asked: dict[Id, float] = {}
        """Questions that wait for an answer, and since when; the oldest first."""
        self.answered = False
        """The final response went by."""
        self.resumable = False

    def heard(self, now: float) -> None:
        """A message came, or a part of one."""
        self._heard = now

    def ask(self, ident: Id) -> None:
        """The backend waits for a person, since it was heard last."""
        self._asked.setdefault(ident, self._heard)
        self._questions[ident] = self

    def answer_to(self, ident: Id, now: float) -> None:
        self._asked.pop(ident, None)
        self._heard = now

    def close(self) -> None:
        """Nobody answers this stream's questions any more."""
        for ident in self._asked:
            self._questions.pop(ident, None)

    @property
    def deadline(self) -> float:
        if self._holding:
            return self._end
        if self._asked:
            return next(iter(self._asked.values())) + self._limits.inputSeconds
        return self._heard + self._limits.callSeconds

    def patience(self, now: float) -> float:
        """Until something is due: a comment of ours, or the end."""
        return max(0.0, min(KEEP_ALIVE_SECONDS, self.deadline - now))

    def expired(self, now: float) -> bool:
        return now >= self.deadline

    def why(self) -> Cut:
        return "old" if self._holding else "silent"

    def saw(self, data: bytes, exchange: Exchange) -> None:
        """One message on the stream: is it the answer, or a question?"""
        if b'"method"' in data:
            message = decode(data) if len(data) <= LOOKED_AT else None
            if isinstance(message, dict) and isinstance(message.get("method"), str):
                if isinstance(message.get("id"), str | int):
                    self.ask(message["id"])
                return
        self.answered = True
        code = error_code(data)
        if code is not None:
            exchange.error = code


def error_code(body: bytes) -> int | None:
    """The code of a JSON-RPC error; None for a result, or what is too long to look at."""
    if b'"error"' not in body or len(body) > LOOKED_AT:
        return None
    data = decode(body)
    error = data.get("error") if isinstance(data, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) else None


_WORDS: Final[dict[str, str]] = {
    "silent": "The server did not answer in time.",
    "broken": "The server's answer broke off.",
    "revoked": "Access was revoked while the call was running.",
    "draining": "This proxy is stopping.",
    "overflow": "The answer was not read fast enough.",
}


def closing_words(exchange: Exchange, watch: Watch) -> bytes:
    """The event that ends a stream which has had no final answer; empty when none is owed."""
    message = exchange.message
    if message is None or message.kind != "request" or watch.answered:
        return b""
    if exchange.holding and exchange.cut in ("draining", "old"):
        return event(encode(completed(message.id)))
    if watch.resumable and exchange.cut in (None, "broken"):
        return b""
    exchange.error = INTERNAL_ERROR
    why = _WORDS.get(exchange.cut or "broken", _WORDS["broken"])
    return event(error_body(message.id, INTERNAL_ERROR, why))


def completed(ident: Id | None) -> Json:
    """How a listen stream ends well."""
    meta = {SUBSCRIPTION_KEY: ident}
    return {"jsonrpc": "2.0", "id": ident, "result": {"resultType": "complete", "_meta": meta}}
