"""A client's request on to the member that it names, and the answer back.

The member decides again, by the caller's own token.  One hop: which pod it is follows from the
session's key, so that no proxy has to ask another.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Final

from ostiary_proxy import between, cuts, relay
from ostiary_proxy.era import CAPABILITIES_KEY, CHANGES, METHOD, NAME, ONCE
from ostiary_proxy.exchange import Exchange, Headers, Refused, failed
from ostiary_proxy.gateway import Gateway, Spawn
from ostiary_proxy.group_inward import Routed
from ostiary_proxy.http_request import given_up, mirrored
from ostiary_proxy.mailbox import Mailbox
from ostiary_proxy.member_answer import Feed, Speech, json_answer, pause
from ostiary_proxy.member_link import Answer, Errand, MemberAwayError, MemberLink, travelling
from ostiary_proxy.member_session import Attendance, Sitting, headers_at
from ostiary_proxy.message import Json, Message, Rejection, encode
from ostiary_proxy.relay import is_stream
from ostiary_proxy.stdio import deliver
from ostiary_proxy.upstream import BrokenError, SilentError, UpstreamError
from ostiary_proxy.watch import Watch

RESUMES: Final = 100
"""How often a member may end one answer's stream and have it taken up again."""
TELL_SECONDS: Final = 5.0
LAST_EVENT: Final = b"last-event-id"


class GroupCalls:
    """Of one way into a group."""

    def __init__(self, gateway: Gateway, spawn: Spawn) -> None:
        self._gateway = gateway
        self._spawn = spawn

    async def serve(
        self, exchange: Exchange, routed: Routed, speech: Speech, attendance: Attendance | None
    ) -> None:
        """`attendance`: of a legacy client; a modern one has no session."""
        message = exchange.message
        assert message is not None
        link = self.link(routed.alias)
        inner = message
        if routed.params is not message.params:
            data = {**message.data, "params": routed.params}
            inner = message._replace(params=routed.params, data=data, canonical=encode(data))
        if attendance is None:
            await self._passed(exchange, self._modern(exchange, inner, link), speech, None)
            return
        assert inner.id is not None
        key = (type(inner.id), inner.id)
        if key in attendance.asked:
            raise Refused(failed(400, "A request with this id is still running.", "IdInUse"))
        attendance.asked[key] = routed.alias
        try:
            sitting = Sitting(exchange, attendance, link, speech.names)
            sent = sitting.send(inner.canonical, _seconds(exchange), safe=inner.method not in ONCE)
            await self._passed(exchange, sent, speech, attendance)
        finally:
            del attendance.asked[key]

    def link(self, alias: str) -> MemberLink:
        member = self._gateway.member(alias)
        if member is None:
            raise Refused(failed(503, f"{alias} has just left this group.", "MemberGone"))
        return member.link

    def _modern(
        self, exchange: Exchange, message: Message, link: MemberLink
    ) -> Coroutine[object, object, Answer]:
        errand = Errand(
            modern_headers(exchange, message),
            message.canonical,
            key=modern_key(exchange, message, link),
            safe=message.method not in ONCE,
        )
        return link.send(errand, _seconds(exchange), exchange)

    async def _passed(
        self,
        exchange: Exchange,
        sent: Coroutine[object, object, Answer],
        speech: Speech,
        attendance: Attendance | None,
    ) -> None:
        """Send it, and pass the answer on."""
        answer = await arrived(exchange, sent, speech.alias)
        if answer is None:
            return
        if is_stream(answer.connection):
            await self._stream(exchange, answer, speech, attendance)
            return
        try:
            await json_answer(exchange, answer, speech, _seconds(exchange))
        except (BrokenError, SilentError) as err:
            if exchange.cut != "gone":
                raise Refused(_broken(exchange, speech.alias)) from err
        finally:
            exchange.on_cut = None
            answer.close()

    async def _stream(
        self, exchange: Exchange, answer: Answer, speech: Speech, attendance: Attendance | None
    ) -> None:
        assert exchange.endpoint is not None
        assert exchange.message is not None
        questions = None if attendance is None else attendance.session.questions
        now = asyncio.get_running_loop().time()
        watch = Watch(exchange.endpoint.server.limits, now, questions=questions)
        if speech.names.sole is not None:
            await self._as_it_comes(exchange, answer, watch)
            return
        mailbox, message = Mailbox(), exchange.message
        turn = self._look(speech.alias)
        feed = Feed(mailbox, speech, method=message.method, ident=message.id, turn=turn)
        reading = self._spawn(self._feed(exchange, answer, feed, attendance))
        try:
            await deliver(exchange, mailbox, watch)
        finally:
            await ended(reading)
            if attendance is not None and exchange.cut in ("silent", "revoked"):
                self._spawn(self.tell(exchange, attendance, speech, given_up(message)))

    async def _as_it_comes(self, exchange: Exchange, answer: Answer, watch: Watch) -> None:
        """The only member's own stream, with its event ids: what it can resume, its client can."""
        try:
            await relay.stream(exchange, answer.connection, watch)
        finally:
            answer.close()

    async def hold(self, exchange: Exchange, attendance: Attendance, speech: Speech) -> None:
        """A GET at the only member, which has the session's stream in its hands."""
        assert exchange.endpoint is not None
        last = exchange.headers.get(LAST_EVENT)
        sitting = Sitting(exchange, attendance, self.link(speech.alias), speech.names)
        sent = sitting.send(
            b"",
            _seconds(exchange),
            verb="GET",
            safe=True,
            more=() if last is None else ((LAST_EVENT, last),),
        )
        answer = await arrived(exchange, sent, speech.alias)
        if answer is None:
            return
        if not is_stream(answer.connection):
            try:
                await json_answer(exchange, answer, speech, _seconds(exchange))
            finally:
                answer.close()
            return
        now, questions = asyncio.get_running_loop().time(), attendance.session.questions
        limits = exchange.endpoint.server.limits
        watch = Watch(limits, now, holding=exchange.holding, questions=questions)
        await self._as_it_comes(exchange, answer, watch)

    def _look(self, alias: str) -> Callable[[Json], Json]:
        """A change of lists that a member tells its caller of is looked up for all others too."""

        def turn(data: Json) -> Json:
            member = self._gateway.member(alias)
            if member is not None and data.get("method") in CHANGES:
                member.look_again()
            return data

        return turn

    async def _feed(
        self, exchange: Exchange, answer: Answer, feed: Feed, attendance: Attendance | None
    ) -> None:
        """To the final response, or the end of it: whoever waits for it is told either way."""
        try:
            await self._fed(exchange, answer, feed, attendance)
        finally:
            feed.end()

    async def _fed(
        self, exchange: Exchange, answer: Answer, feed: Feed, attendance: Attendance | None
    ) -> None:
        """A stream that a legacy member ends before the response is taken up again."""
        for _ in range(RESUMES):
            await feed.read(answer)
            if feed.answered or feed.last_id is None or attendance is None:
                return
            await pause(feed.retry)
            more = ((LAST_EVENT, feed.last_id),)
            errand = Errand((*travelling(exchange.headers), *more), verb="GET", key=attendance.key)
            try:
                answer = await self.link(feed.alias).send(errand, _seconds(exchange))
            except (UpstreamError, Refused):
                return
            if not is_stream(answer.connection):
                answer.close()
                return

    async def tell(
        self, exchange: Exchange, attendance: Attendance, speech: Speech, body: bytes
    ) -> None:
        """A notification or an answer, which has no answer; whoever is away misses it."""
        try:
            sitting = Sitting(exchange, attendance, self.link(speech.alias), speech.names)
            answer = await sitting.send(body, TELL_SECONDS, safe=True)
            answer.close()
        except (UpstreamError, Refused):
            return

    async def leave(self, exchange: Exchange, attendance: Attendance) -> None:
        """Give back what the session holds at its members."""
        gone = (
            self._delete(exchange, attendance, alias)
            for alias, seat in attendance.seats.items()
            if seat.begun
        )
        await asyncio.gather(*gone)

    async def _delete(self, exchange: Exchange, attendance: Attendance, alias: str) -> None:
        headers = headers_at(exchange, attendance.seats[alias])
        errand = Errand(headers, verb="DELETE", key=attendance.key)
        try:
            (await self.link(alias).send(errand, TELL_SECONDS)).close()
        except (UpstreamError, Refused):
            return


async def arrived(
    exchange: Exchange, sent: Coroutine[object, object, Answer], alias: str
) -> Answer | None:
    """None: the client left meanwhile.  Raises Refused."""
    try:
        return await sent
    except MemberAwayError as err:
        headers = ((b"retry-after", str(err.seconds).encode()),)
        why = f"{alias} cannot be reached just now."
        raise Refused(failed(503, why, "MemberAway", headers=headers)) from err
    except BrokenError as err:
        if exchange.cut == "gone":
            return None
        raise Refused(_broken(exchange, alias)) from err
    except SilentError as err:
        raise Refused(failed(504, f"{alias} did not answer in time.", "NoAnswer")) from err


async def ended(task: "asyncio.Task[None]") -> None:
    """Cancel it, and wait until it is over."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _broken(exchange: Exchange, alias: str) -> Rejection:
    return cuts.refusal(exchange.cut) or failed(502, f"{alias} broke off its answer.", "Broken")


def modern_headers(exchange: Exchange, message: Message) -> Headers:
    """What says the same as the body is made of the body: names are the member's own by now."""
    others = (one for one in travelling(exchange.headers) if one[0] not in (METHOD, NAME))
    return (*others, *mirrored(message))


def modern_key(exchange: Exchange, message: Message, link: MemberLink) -> bytes:
    """Empty: any pod may serve it, or another key says which."""
    caller, spoken = exchange.caller, exchange.spoken
    assert caller is not None
    assert spoken is not None
    if (
        link.member.sessionAffinity == "Request"
        or caller.kind == "anonymous"
        or message.kind != "request"
    ):
        return b""
    capabilities = message.params["_meta"][CAPABILITIES_KEY]
    return between.modern_key(caller.digest, encode(capabilities), spoken.version)


def _seconds(exchange: Exchange) -> float:
    assert exchange.endpoint is not None
    return exchange.endpoint.server.limits.callSeconds
