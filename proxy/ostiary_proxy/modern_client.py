"""Modern clients of a backend that speaks only the handshake era: protocol.md 52, M->L."""

import asyncio
from collections.abc import Callable
from typing import Final

from ostiary_proxy import input_state, to_legacy
from ostiary_proxy.agreement import disagreement
from ostiary_proxy.asked_call import URL_STATE, AskedCall
from ostiary_proxy.channel import Call
from ostiary_proxy.discovery import identity
from ostiary_proxy.era import KNOWN_NOTIFICATIONS, LISTS, unknown_method
from ostiary_proxy.exchange import Exchange, Refused, failed
from ostiary_proxy.held import Held, Holds
from ostiary_proxy.input_state import Waiting
from ostiary_proxy.listening import Listening
from ostiary_proxy.mailbox import Letter, Mailbox
from ostiary_proxy.message import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    Id,
    Json,
    Message,
    Rejection,
    encode,
)
from ostiary_proxy.observe import Seen
from ostiary_proxy.seats import lessened
from ostiary_proxy.sources import Source
from ostiary_proxy.stdio import deliver
from ostiary_proxy.upstreams import Upstream, Upstreams
from ostiary_proxy.watch import Watch

_BAD_STATE: Final = "requestState is not good here, or not any more: make the request anew."
_BAD_ANSWERS: Final = "inputResponses must answer, by its key, each of the inputRequests."
_DECLINED: Final = "The page that the server needs was not opened."


class ModernClients:
    """What they need at one backend."""

    def __init__(
        self,
        source: Source,
        *,
        uid: str,
        pod: str,
        name: str,
        now: Callable[[], float],
        idle_seconds: float,
        on_repair: Callable[[], None] = lambda: None,
    ) -> None:
        self._uid, self._pod, self._now = uid, pod, now
        self._source = source
        self.upstreams = Upstreams(
            source, name=name, now=now, idle_seconds=idle_seconds, on_repair=on_repair
        )
        self.holds = Holds(self._give_up)

    def reap(self) -> None:
        self.upstreams.reap()

    def close(self) -> None:
        self.holds.close()
        self.upstreams.close()

    async def serve(self, exchange: Exchange, seen: Seen) -> None:
        message = exchange.message
        assert message is not None
        if message.kind != "request":
            self._tell(exchange, message)
            await exchange.reply(202)
            return
        message = lessened(self._source.mode, message)
        if message.method in to_legacy.UNCARRIED:
            raise Refused(unknown_method(message))
        if message.method == "subscriptions/listen":
            await self._listen(exchange, message, seen)
        elif why := _mismatch(exchange, message, seen):
            raise Refused(Rejection(400, HEADER_MISMATCH, why, reason="HeaderMismatch"))
        elif message.method in to_legacy.ASKING and _is_retry(message):
            await self._go_on(exchange, message, seen)
        elif not await self._listed(exchange, message, seen):
            await self._begin(exchange, message, seen)

    def _tell(self, exchange: Exchange, message: Message) -> None:
        """Modern clients have no notifications.  What no revision knows is passed on to the session
        that there is (9); anything else means nothing to the server."""
        upstream = self.upstreams.standing(exchange, message)
        if upstream is not None and message.kind == "notification" and _is_unknown(message):
            upstream.channel.send(encode(to_legacy.request(message)))

    async def _listed(self, exchange: Exchange, message: Message, seen: Seen) -> bool:
        """Lists cost no session, but where there is one already: a call may have changed them."""
        if message.method not in LISTS or self.upstreams.has(exchange, message, seen):
            return False
        assert exchange.endpoint is not None
        limits = exchange.endpoint.server.limits
        cursor = message.params.get("cursor")
        page = (message.method, cursor if isinstance(cursor, str) else None)
        hello = to_legacy.handshake(message, seen.legacy[-1])
        response = await self._source.page(
            hello["protocolVersion"], hello["capabilities"], page, limits.callSeconds
        )
        if response is None:
            return False
        said = to_legacy.answer(message.method, response, message.id, identity(seen))
        mailbox = Mailbox()
        mailbox.put(Letter(encode(said), last=True))
        await deliver(exchange, mailbox, Watch(limits, asyncio.get_running_loop().time()))
        return True

    async def _begin(self, exchange: Exchange, message: Message, seen: Seen) -> None:
        upstream = await self.upstreams.take(exchange, message, seen)
        call = self._call(exchange, message, upstream, upstream.channel.begin(message), seen)
        await self._deliver(exchange, call)

    def _call(
        self,
        exchange: Exchange,
        message: Message,
        upstream: Upstream,
        call: Call,
        seen: Seen,
        *,
        fresh: bool = True,
    ) -> AskedCall:
        async def again(asked: AskedCall) -> None:
            self.upstreams.release(asked.upstream)
            asked.upstream = await self.upstreams.take(exchange, message, seen)
            asked.call = asked.upstream.channel.begin(message)
            exchange.on_cut = asked.wake

        return AskedCall(
            message,
            upstream,
            call,
            info=identity(seen),
            hold=lambda asked, question, ident: self._hold(exchange, asked, question, ident),
            sealed=lambda ident: self._sealed(exchange, message, ident),
            again=again if fresh else None,
        )

    async def _deliver(self, exchange: Exchange, asked: AskedCall) -> None:
        assert exchange.endpoint is not None
        limits = exchange.endpoint.server.limits
        watch = Watch(limits, asyncio.get_running_loop().time())
        try:
            await deliver(exchange, asked, watch)
        finally:
            if asked.held is not None and exchange.cut is None:
                self.holds.put(asked.held, limits.inputSeconds)
            else:
                self._leave(asked)

    def _leave(self, asked: AskedCall) -> None:
        """The answer is over for the client; when not for the backend, it is told (27)."""
        if asked.held is not None:
            self._give_up(asked.held, "The client left.")
            return
        asked.upstream.channel.cancel(asked.call, "The client left, or was answered.")
        self.upstreams.release(asked.upstream)

    def _give_up(self, held: Held, why: str) -> None:
        channel = held.upstream.channel
        channel.refuse(held.asked, why)
        channel.cancel(held.call, why)
        self.upstreams.release(held.upstream)

    # a question, and its answer

    def _hold(self, exchange: Exchange, asked: AskedCall, question: Json, ident: Id) -> Held | None:
        assert exchange.caller is not None
        caller = exchange.caller
        if not self.holds.has_room(caller.digest):
            return None
        return Held(
            caller, exchange.targets, asked.call, asked.upstream, "question", question, ident
        )

    def _sealed(self, exchange: Exchange, message: Message, ident: str) -> str:
        assert exchange.caller is not None
        assert exchange.endpoint is not None
        return input_state.seal(
            Waiting(ident, self._pod),
            message,
            exchange.caller,
            exchange.endpoint.sealer,
            server=self._uid,
            expires=self._now() + exchange.endpoint.server.limits.inputSeconds,
        )

    async def _go_on(self, exchange: Exchange, message: Message, seen: Seen) -> None:
        assert exchange.caller is not None
        assert exchange.endpoint is not None
        waiting = input_state.unseal(
            message.params.get("requestState"),
            message,
            exchange.caller,
            exchange.endpoint.sealer,
            server=self._uid,
            now=self._now(),
        )
        if waiting is None:
            raise Refused(_refused(message, _BAD_STATE))
        answers = message.params.get("inputResponses")
        if not isinstance(answers, dict) or not all(isinstance(a, dict) for a in answers.values()):
            raise Refused(_refused(message, _BAD_ANSWERS))
        if waiting.ident == URL_STATE:
            if any(answer.get("action") != "accept" for answer in answers.values()):
                raise Refused(failed(200, _DECLINED, "Declined"))
            await self._begin(exchange, message, seen)
            return
        held = self.holds.take(waiting.ident)
        if held is None:
            raise Refused(_refused(message, _BAD_STATE))
        await self._answer(exchange, message, held, answers, seen)

    async def _answer(
        self, exchange: Exchange, message: Message, held: Held, answers: Json, seen: Seen
    ) -> None:
        held.call.message = message
        asked = self._call(exchange, message, held.upstream, held.call, seen, fresh=False)
        if held.key in answers:
            held.upstream.channel.answer(held.asked, answers[held.key])
        else:
            # Not answered: asked again, as the pattern has it.
            raw = encode({**held.question, "jsonrpc": "2.0", "id": held.asked})
            held.call.put_first(Letter(raw, question=held.asked))
        await self._deliver(exchange, asked)

    # what changes

    async def _listen(self, exchange: Exchange, message: Message, seen: Seen) -> None:
        assert exchange.endpoint is not None
        listening = Listening(self.upstreams, exchange, message, seen)
        now = asyncio.get_running_loop().time()
        watch = Watch(exchange.endpoint.server.limits, now, holding=True)
        try:
            await listening.open()
            await deliver(exchange, listening, watch)
        finally:
            listening.close()


def _mismatch(exchange: Exchange, message: Message, seen: Seen) -> str:
    """Obligation 11's last rung: a legacy backend sees no such headers."""
    if message.method != "tools/call":
        return ""
    mirrored = seen.mirrored.get(message.params["name"], ())
    return disagreement(mirrored, message.params.get("arguments"), exchange.scope["headers"])


def _is_unknown(message: Message) -> bool:
    return message.method not in KNOWN_NOTIFICATIONS


def _is_retry(message: Message) -> bool:
    """Whoever was asked has a state.  Answers without one are to nothing that was asked here: the
    call begins, and asks for what it misses (SEP-2322)."""
    return "requestState" in message.params


def _refused(message: Message, why: str) -> Rejection:
    return Rejection(400, INVALID_PARAMS, why, id=message.id, reason="BadRequestState")
