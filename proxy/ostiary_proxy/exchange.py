"""One request on its way through: what is known of it so far, and how it is answered.

It decides nothing.  Whoever answers calls `reply`, or `start`, `write` and `end`; `finish` then
leaves exactly one audit line and one count, whatever stage it came to.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal

from ostiary_proxy import audited
from ostiary_proxy.asgi import Receive, Scope, Send
from ostiary_proxy.config import GroupLink
from ostiary_proxy.era import Spoken
from ostiary_proxy.hops import Came, straight
from ostiary_proxy.message import INTERNAL_ERROR, Message, Rejection
from ostiary_proxy.metrics import Outcome
from ostiary_proxy.policy import Allow, Caller, Deny, Target
from ostiary_proxy.runtime import Endpoint, Runtime, Snapshot

Headers = tuple[tuple[bytes, bytes], ...]

JSON_TYPE: Final = b"application/json"
STREAM_TYPE: Final = b"text/event-stream"
STREAM_HEADERS: Final = (
    (b"content-type", STREAM_TYPE),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)
FORWARDED: Final = b"ostiary-forwarded"
"""Between pods of one server: never send it on again.  Its value is the client's address."""
NOT_HERE: Final = b"ostiary-not-here"
"""On a refusal: this pod could not serve it, and did nothing; another one may."""
_CLOSE: Final = (b"connection", b"close")

Cut = Literal["gone", "revoked", "draining", "overflow", "old", "silent", "broken"]
"""Why an answer ends early: the client left; the policy changed; the proxy stops; the client reads
too slowly; the stream has lived its hour; the backend said nothing, or broke off."""


class Refused(Exception):
    """A stage ends the request with this answer."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.reason)
        self.rejection = rejection


class Exchange:
    """State of one request.  Fields are filled in as the stages pass."""

    __slots__ = (
        "_receive",
        "_send",
        "about",
        "allow",
        "caller",
        "came",
        "carrier",
        "cors",
        "cut",
        "deny",
        "endpoint",
        "error",
        "headerless",
        "headers",
        "holding",
        "hop",
        "key",
        "message",
        "observed",
        "on_cut",
        "repaired",
        "runtime",
        "scope",
        "snapshot",
        "spoken",
        "started",
        "status",
        "targets",
        "through",
        "told_as",
        "verb",
        "via",
        "witness",
    )

    def __init__(self, runtime: Runtime, scope: Scope, receive: Receive, send: Send) -> None:
        self.runtime = runtime
        self.scope = scope
        self._receive = receive
        self._send = send
        self.headers: Mapping[bytes, bytes] = dict(scope["headers"])
        self.verb: str = scope["method"]
        self.came = straight(scope)
        self.started = time.perf_counter()
        self.snapshot: Snapshot | None = None
        self.endpoint: Endpoint | None = None
        self.caller: Caller | None = None
        self.message: Message | None = None
        self.spoken: Spoken | None = None
        self.about: tuple[Target, ...] = ()  # in place of what the message says it is about
        self.targets: tuple[Target, ...] = ()
        self.allow: Allow | None = None
        self.deny: Deny | None = None
        self.observed: tuple[tuple[str, Literal["allow", "deny"]], ...] = ()
        """Policies in Observe mode that would have decided otherwise, and how."""
        self.cors: Headers = ()
        """Headers for the browser of an allowed page, on every answer."""
        self.carrier = False  # it only carries other exchanges, which are audited in its place
        self.headerless = False
        """Its transport has no headers, so those that repeat the body are ours to write."""
        self.holding = False
        """A stream that stays open for the server's own messages: GET or listen."""
        self.status = 0
        self.error: int | str = ""
        """JSON-RPC code of the answer when it is an error, as far as it was looked at."""
        self.cut: Cut | None = None
        self.on_cut: Callable[[], None] | None = None
        self.repaired: Literal["", "process", "upstream"] = ""  # what was lost and begun anew
        self.through: GroupLink | None = None  # the group whose gateway sent it
        self.key = b""  # what that gateway wants the caller's session held under
        self.via = ""  # who sent it on: `sibling`, or `group:<namespace>/<name>`
        self.told_as = ""  # id of the event that told of it while it went on
        self.hop = ""  # the pod it was sent on to, which counts and audits it as a call
        self.witness: Callable[[bytes], None] | None = None
        """Is shown each message of the answer, unfiltered."""

    @property
    def answering(self) -> bool:
        return self.status != 0

    def write_headers(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Where the transport has none; in the place of those of the same names."""
        self.headers = {**self.headers, **dict(headers)}
        self.scope = {**self.scope, "headers": list(self.headers.items())}

    def come(self, came: Came) -> None:
        """As whoever brought it here says of it, and may be believed."""
        self.came = came
        if came.host:
            self.headers = {**self.headers, b"host": came.host}

    def interrupt(self, why: Cut) -> None:
        """End the answer early; whoever is waiting on a backend for it is woken."""
        if self.cut is None:
            self.cut = why
            if self.on_cut is not None:
                self.on_cut()

    async def body(self, largest: int) -> bytes:
        """The whole body; the connection's own limits bound the time this takes."""
        self.runtime.reading += 1
        try:
            return await self._body(largest)
        finally:
            self.runtime.reading -= 1

    async def _body(self, largest: int) -> bytes:
        announced = self.headers.get(b"content-length", b"")
        if announced and int(announced) > largest:
            raise Refused(_too_large(largest))
        chunks: list[bytes] = []
        size = 0
        while True:
            event = await self._receive()
            if event["type"] == "http.disconnect":
                self.interrupt("gone")
                raise ClientGoneError
            chunk = event.get("body", b"")
            size += len(chunk)
            if size > largest:
                raise Refused(_too_large(largest))
            chunks.append(chunk)
            if not event.get("more_body", False):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def reply(self, status: int, body: bytes = b"", headers: Headers = ()) -> None:
        lines = [(b"content-length", str(len(body)).encode()), *headers]
        if status == 204:
            lines = list(headers)
        if body:
            lines.append((b"content-type", JSON_TYPE))
        await self._begin(status, lines)
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def start(self, headers: Headers = STREAM_HEADERS, status: int = 200) -> None:
        await self._begin(status, list(headers))

    async def write(self, chunk: bytes) -> None:
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def end(self, chunk: bytes = b"") -> None:
        await self._send({"type": "http.response.body", "body": chunk, "more_body": False})

    async def _begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status = status
        headers += self.cors
        if self.runtime.draining:
            headers.append(_CLOSE)
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    def finish(self, rejection: Rejection | None = None, *, ident: str = "") -> None:
        """The one audit line and the one count."""
        if self.carrier and rejection is None:
            return
        method, outcome = self._method(), self._outcome(rejection)
        code, seconds = self.error or self.status, self._seconds()
        endpoint = self.endpoint
        server = "" if endpoint is None else f"{endpoint.server.namespace}/{endpoint.server.name}"
        if self.hop:
            self.runtime.metrics.forwarded(server, outcome)
        else:
            self.runtime.metrics.request(server, method, outcome, code, seconds)
        if self.observed and not self.hop:
            self.runtime.observed(server, self.observed)
        fields = audited.fields(self, rejection)
        if ident:
            fields["id"] = ident
        if self.told_as:
            # The decision that was told of while it went on: one id for both, but a refusal's is
            # in the caller's hands already.
            fields["decision" if ident else "id"] = self.told_as
        self.runtime.audit.event(
            event=_event(rejection, self.hop),
            outcome=outcome,
            method=method,
            code=code,
            ms=_milliseconds(seconds),
            **fields,
        )

    def tell_of(self) -> None:
        """It is still going on: the decision at least is on record, if it ever ends or not."""
        self.told_as = self.runtime.audit.event(
            event="decision",
            outcome="allowed",
            method=self._method(),
            ms=_milliseconds(self._seconds()),
            **audited.fields(self, None),
        )

    def _seconds(self) -> float:
        return time.perf_counter() - self.started

    def _method(self) -> str:
        return self.message.method or "response" if self.message is not None else self._verb()

    @property
    def forwarded_for(self) -> str:
        """The client's address, as the pod that sent it on says; empty: it came straight."""
        return self.headers.get(FORWARDED, b"").decode("latin-1")

    def _verb(self) -> str:
        return self.verb if self.verb in ("GET", "DELETE", "OPTIONS") else ""

    def _outcome(self, rejection: Rejection | None) -> Outcome:
        if rejection is not None:
            return "error" if rejection.status >= 500 else "denied"
        failed = self.status >= 400 or self.error != ""
        return "error" if failed else "allowed"


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _event(rejection: Rejection | None, hop: str) -> str:
    if rejection is not None:
        return "refusal"
    return "forward" if hop else "call"


class ClientGoneError(Exception):
    """The client left before its request was whole: there is nobody to answer."""


def _too_large(largest: int) -> Rejection:
    why = f"The body is larger than {largest} bytes."
    return Rejection(413, -32600, why, reason="TooLarge")


def failed(status: int, why: str, reason: str, **more: Any) -> Rejection:
    """The backend cannot answer: -32603 with the HTTP status that says why."""
    return Rejection(status, INTERNAL_ERROR, why, reason=reason, **more)
