"""A member's answer on its way to a group's client: under the group's names, with the group's ids.

JSON stays JSON; its bytes are passed as they came where nothing in them can be a name of the
member's, and it answers what was asked.
An event stream is taken apart and written anew.  What a member asks the client bears the member's
alias in its id, so that the answer finds its way back without anything being kept.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ostiary_proxy import group_outward
from ostiary_proxy.exchange import Exchange, Refused, failed
from ostiary_proxy.group_names import GroupNames
from ostiary_proxy.lines import Exit
from ostiary_proxy.mailbox import Letter, Mailbox
from ostiary_proxy.member_link import Answer
from ostiary_proxy.message import Id, Json, Message, Rejection, decode, encode
from ostiary_proxy.relay import kept_headers, note, shown, whole
from ostiary_proxy.sse import Decoder, TooLargeError
from ostiary_proxy.upstream import BrokenError, SilentError

MEMBER_KEY: Final = "ostiary.dev/server"
SEPARATOR: Final = "|"
"""In a request's id, after the member's alias; no alias holds it."""
SILENCE_SECONDS: Final = 3600.0
"""Patience is the reader's business (`watch`); this only ends what nobody reads any more."""
_MARKS: Final = (b"uri", b"Uri", b"inputRequests", b"\\u00")
"""What every place has that is rewritten in an answer that is no list; any of its letters may be
written as an escape."""


@dataclass(frozen=True, slots=True)
class Speech:
    """Of one member, to clients of one group."""

    alias: str
    names: GroupNames

    def response(self, method: str, data: Json) -> Json:
        changed = group_outward.response(method, data, self.alias, self.names)
        result = changed.get("result")
        if self.names.sole is not None or not isinstance(result, dict):
            return changed
        asked = result.get("inputRequests")
        if not isinstance(asked, dict):
            return changed
        marked = {key: self._marked(one) for key, one in asked.items()}
        return {**changed, "result": {**result, "inputRequests": marked}}

    def said(self, data: Json) -> Json:
        """Its own request or notification; a request gets an id that names the member."""
        changed = group_outward.said(data, self.alias, self.names)
        if "id" not in data or "method" not in data:
            return changed
        return {**self._marked(changed), "id": outward_id(self.alias, data["id"])}

    def _marked(self, asked: Any) -> Any:
        """A question to the client's user or model, with the member that asks it in `_meta`: the
        client sees but the group (obligation 32)."""
        params = asked.get("params", {}) if isinstance(asked, dict) else None
        if not isinstance(params, dict):
            return asked
        meta = params.get("_meta")
        kept = meta if isinstance(meta, dict) else {}
        return {**asked, "params": {**params, "_meta": {**kept, MEMBER_KEY: self.alias}}}


def outward_id(alias: str, ident: Id) -> str:
    return f"{alias}{SEPARATOR}{encode(ident).decode()}"


def inward_id(ident: Id | None) -> tuple[str, Id] | None:
    """Whose question it was, and under which id; None: no member of any group asked so."""
    if not isinstance(ident, str):
        return None
    alias, separator, own = ident.partition(SEPARATOR)
    value = decode(own.encode("utf-8", "surrogatepass")) if separator else None
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return alias, value


async def json_answer(exchange: Exchange, answer: Answer, speech: Speech, seconds: float) -> None:
    """Pass on an answer that is no stream.  Raises Refused."""
    message, status = exchange.message, answer.status
    body = await whole(answer.connection, seconds)
    note(exchange, body)
    if status == 401:
        raise Refused(refused_by(speech.alias))
    kind = answer.connection.head.headers.get(b"content-type", b"")
    if body and not kind.startswith(b"application/json"):
        why = f"The answer of {speech.alias} is neither JSON nor an event stream."
        raise Refused(failed(502, why, "NotMCP"))
    if message is not None and message.kind == "request" and speech.names.sole is None:
        legacy = exchange.spoken is None or exchange.spoken.era == "legacy"
        if status == 404 and legacy:
            # To the client it would say that its session with the whole group is gone.
            why = f"{speech.alias} does not keep this client's session."
            raise Refused(failed(502, why, "NoSession"))
        body = translated(body, message, speech)
    await exchange.reply(status, shown(exchange, body), kept_headers(answer.connection))


def translated(body: bytes, message: Message, speech: Speech) -> bytes:
    """The answer to this request, and to no other: by its id the client would take it for what
    another member was asked.  Raises Refused."""
    data = decode(body)
    if not isinstance(data, dict):
        raise Refused(failed(502, f"The answer of {speech.alias} is not JSON.", "NotMCP"))
    changed = data
    if data.get("id") != message.id or type(data["id"]) is not type(message.id):
        if "error" not in data:
            why = f"{speech.alias} answered another request than it was asked."
            raise Refused(failed(502, why, "NotMCP"))
        # Servers that could not read a request say so under ids of their own.
        changed = {**data, "id": message.id}
    if any(mark in body for mark in _MARKS):
        # Written anew, so that no key that another parser would find is left.
        return encode(speech.response(message.method, changed))
    return body if changed is data else encode(changed)


def refused_by(alias: str) -> Rejection:
    """It cost this member's own things, and no other's."""
    why = f"{alias} does not take this caller's token from this group."
    return failed(502, why, "MemberRefused")


class Feed:
    """One stream of a member's into the mailbox of a client's answer."""

    def __init__(
        self,
        mailbox: Mailbox,
        speech: Speech,
        *,
        method: str = "",
        ident: Id | None = None,
        turn: Callable[[Json], Json | None] = lambda data: data,
    ) -> None:
        """`method`, `ident`: of the request that it answers, where it answers one; `turn`: what
        becomes of each notification, None: nothing."""
        self._mailbox, self._speech = mailbox, speech
        self._method, self._ident = method, ident
        self._turn = turn
        self.last_id: bytes | None = None
        """Of the events so far: where the member could take it up again."""
        self.retry = 0.0
        """Seconds after which the member wants to be asked again."""
        self.answered = False
        self.heard = False
        """Something was said at all."""

    async def read(self, answer: Answer) -> None:
        """Until its end, or the final response."""
        decoder = Decoder()
        try:
            while not self.answered:
                chunk = await answer.connection.chunk(SILENCE_SECONDS)
                if chunk is None:
                    return
                for event in decoder.feed(chunk):
                    self.last_id = event.id if event.id is not None else self.last_id
                    if event.retry is not None:
                        self.retry = int(event.retry[:9]) / 1000
                    if event.data:
                        self.heard = True
                        self._take(event.data)
        except (BrokenError, SilentError, TooLargeError):
            return
        finally:
            answer.close()

    @property
    def alias(self) -> str:
        return self._speech.alias

    def end(self) -> None:
        """No more comes, and there was no final response."""
        if not self.answered:
            self._mailbox.end(Exit("MemberEnded", ""))

    def _take(self, raw: bytes) -> None:
        data = decode(raw)
        if not isinstance(data, dict):
            return
        if "method" in data:
            if isinstance(data["method"], str):
                self._say(data)
        elif self._method and data.get("id") == self._ident and self._is_of_type(data["id"]):
            self.answered = True
            changed = self._speech.response(self._method, data)
            self._mailbox.put(Letter(encode(changed), last=True))

    def _is_of_type(self, ident: object) -> bool:
        return type(ident) is type(self._ident)

    def _say(self, data: Json) -> None:
        told = self._speech.said(data)
        if "id" in data:
            self._mailbox.put(Letter(encode(told), question=told["id"]))
            return
        turned = self._turn(told)
        if turned is not None:
            self._mailbox.put(Letter(encode(turned)))


async def pause(seconds: float) -> None:
    await asyncio.sleep(min(max(seconds, 0.0), 30.0))
