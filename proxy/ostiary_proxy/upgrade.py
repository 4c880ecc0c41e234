"""A connection of the MCP port that leaves HTTP, once a request for it has passed every stage.

Until the application has decided, whatever comes behind the head waits and no more is read; when it
refuses, its answer is the connection's last.  What is spoken afterwards is the receiver's business;
that a peer must read what it is sent stays ours.
"""

from typing import Any, Protocol

from ostiary_proxy.limits import LINGER_SECONDS, LimitedProtocol


class Receiver(Protocol):
    """Takes the bytes of a connection that has left HTTP."""

    def data_received(self, data: bytes) -> None: ...

    def connection_lost(self) -> None: ...


class UpgradingProtocol(LimitedProtocol):
    """One connection of the MCP port."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._receiver: Receiver | None = None
        self._early: list[bytes] = []
        self._ending = False

    def may_leave(self) -> bool:
        offered = getattr(self.config.app, "takes_websocket", None)
        alone = self.cycle is None or self.cycle.response_complete
        path = self.url.partition(b"?")[0].decode("latin-1")
        return alone and self.parser.get_method() == b"GET" and bool(offered and offered(path))

    def after_head(self, rest: bytes) -> None:
        self.cycle.keep_alive = False
        if rest:
            self.data_received(rest)

    def become(self, receiver: Receiver, head: bytes) -> None:
        """The request is answered by `head`, and what follows is the receiver's."""
        self._unset_keepalive_if_required()
        self.cycle.disconnected = True  # uvicorn has no more to say here
        self._receiver = receiver
        self.transport.write(head)
        early, self._early = self._early, []
        self.flow.resume_reading()
        for data in early:
            receiver.data_received(data)

    async def writable(self) -> None:
        if self.flow.write_paused:
            await self.flow.drain()

    def pause_reading(self) -> None:
        self.flow.pause_reading()

    def resume_reading(self) -> None:
        if not self.flow.write_paused:
            self.flow.resume_reading()

    def hang_up(self) -> None:
        """Soon: what was said last should arrive."""
        if not self._ending:
            self._ending = True
            self.loop.call_later(LINGER_SECONDS, self.transport.close)

    # asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        if self._receiver is not None:
            if not self._ending:
                self._receiver.data_received(data)
        elif self.leaving:
            self._early.append(data)
            self.flow.pause_reading()
        else:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._receiver is not None:
            self._receiver.connection_lost()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._receiver is not None:
            self.flow.pause_reading()  # else pings alone would fill what is not read

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._receiver is not None:
            self.flow.resume_reading()
