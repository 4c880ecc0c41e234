"""The way from a gateway to one member: to a living pod of it, with a breaker of its own.

The caller's own token travels, as does what says how the message is to be read; nothing else of the
caller's request does.  Which pod it is follows from the session's key, so that any replica of the
gateway comes to the same one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ostiary_proxy.addresses import Resolve
from ostiary_proxy.between import session_header
from ostiary_proxy.breaker import Breaker
from ostiary_proxy.era import VERSION
from ostiary_proxy.exchange import NOT_HERE, Headers
from ostiary_proxy.group_shapes import Member
from ostiary_proxy.http_request import PARAM
from ostiary_proxy.member_pods import MemberPods
from ostiary_proxy.pool import Holder, Pool
from ostiary_proxy.upstream import (
    BrokenError,
    Connection,
    NotTakenError,
    UnreachableError,
)

HOPS: Final = 4
"""Pods of one member that are tried for one request."""
_TRAVELS: Final = frozenset(
    {b"authorization", VERSION, b"user-agent", b"traceparent", b"tracestate", b"baggage"}
)
_BOTH: Final = b"application/json, text/event-stream"
_STREAM: Final = b"text/event-stream"


class MemberAwayError(UnreachableError):
    """No pod of the member takes it: nothing was carried out."""

    def __init__(self, seconds: int = 1) -> None:
        super().__init__("MemberAway", "No pod of the member answers.")
        self.seconds = seconds
        """After which it is worth another try."""


@dataclass(frozen=True, slots=True)
class Errand:
    """One request to a member."""

    headers: Headers
    body: bytes = b""
    verb: str = "POST"
    key: bytes = b""
    """Of the session at the member; it decides on the pod."""
    looks: bool = False
    """It is the gateway's own look, for nobody who waits: whether the member is back."""
    safe: bool = True
    """It may be sent again where it is not known whether it was carried out."""


@dataclass(slots=True)
class Answer:
    """What a pod of the member says.  Close it, whatever was read of it."""

    connection: Connection
    pool: Pool
    address: str

    @property
    def status(self) -> int:
        return self.connection.head.status

    def close(self) -> None:
        self.pool.give_back(self.connection)


def travelling(headers: Mapping[bytes, bytes]) -> Headers:
    """Of a client's headers, those that a member gets as they came."""
    return tuple(
        header for header in headers.items() if header[0] in _TRAVELS or header[0].startswith(PARAM)
    )


class MemberLink:
    """To one member."""

    def __init__(
        self,
        member: Member,
        *,
        port: Callable[[], int],
        resolve: Resolve,
        clock: Callable[[], float],
        mark: Headers = (),
        own: str = "",
    ) -> None:
        """`port`: of this very process, where it serves its members itself; `mark`: what then
        says that a request is this group's (`between`); `own`: this pod's address."""
        self.member = member
        """Replaced when a newer config has the same member."""
        self._mark = mark
        self.breaker = Breaker(clock)
        served = port if not member.host else lambda: self.member.port
        self.pods = MemberPods(member.host, served, resolve=resolve, clock=clock, own=own)

    def close(self) -> None:
        self.pods.close()

    async def send(self, errand: Errand, seconds: float, holder: Holder | None = None) -> Answer:
        """The answer's head has come.  MemberAwayError, BrokenError, SilentError (`upstream`)."""
        if not errand.looks and not self.breaker.admit():
            raise MemberAwayError(self.breaker.seconds)
        tried: set[str] = set()
        for _ in range(HOPS):
            try:
                address = await self.pods.choose(errand.key, tried)
            except UnreachableError:
                break
            tried.add(address)
            answer = await self._try(errand, address, seconds, holder)
            if answer is not None:
                self.breaker.worked()
                return answer
        if not errand.looks:
            self.breaker.failed()
        raise MemberAwayError(self.breaker.seconds)

    async def _try(
        self, errand: Errand, address: str, seconds: float, holder: Holder | None
    ) -> Answer | None:
        """None: this pod has carried out nothing."""
        pool = self.pods.pool(address)
        head = self._head(errand, offered=not errand.safe)
        sent, offered = (head + errand.body, b"") if errand.safe else (head, errand.body)
        try:
            connection = await pool.request(
                sent, safe=errand.safe, seconds=seconds, holder=holder, offered=offered
            )
        except (UnreachableError, NotTakenError):
            self.pods.lost(address)
            return None
        except BrokenError:
            if not errand.safe or (holder is not None and holder.cut is not None):
                raise
            self.pods.lost(address)
            return None
        if NOT_HERE in connection.head.headers:
            pool.give_back(connection)
            return None
        return Answer(connection, pool, address)

    def _head(self, errand: Errand, *, offered: bool) -> bytes:
        member = self.member
        host = f"{member.name}.{member.namespace}.svc" if member.host else "localhost"
        accept = _STREAM if errand.verb == "GET" else _BOTH
        lines = [
            f"{errand.verb} {member.path} HTTP/1.1\r\nhost: {host}\r\n".encode(),
            b"accept: %b\r\naccept-encoding: identity\r\n" % accept,
            *(b"%b: %b\r\n" % header for header in (*self._mark, *errand.headers)),
        ]
        if errand.key:
            lines.append(b"%b: %b\r\n" % session_header(errand.key))
        if errand.verb == "POST":
            lines.append(b"content-type: application/json\r\n")
            lines.append(b"content-length: %d\r\n" % len(errand.body))
        if offered:
            lines.append(b"expect: 100-continue\r\n")
        return b"".join((*lines, b"\r\n"))
