"""The events of one process, kept so that a stream can be resumed: numbered and bounded."""

from collections import OrderedDict
from typing import Final

from mcp.server.streamable_http import EventCallback, EventId, EventMessage, EventStore, StreamId
from mcp_types import JSONRPCMessage

MOST: Final = 10_000


class Events(EventStore):
    def __init__(self) -> None:
        self._kept: OrderedDict[int, tuple[StreamId, JSONRPCMessage | None]] = OrderedDict()
        self._last = 0

    async def store_event(self, stream_id: StreamId, message: JSONRPCMessage | None) -> EventId:
        self._last += 1
        self._kept[self._last] = (stream_id, message)
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return str(self._last)

    async def replay_events_after(
        self, last_event_id: EventId, send_callback: EventCallback
    ) -> StreamId | None:
        number = int(last_event_id) if last_event_id.isdecimal() else 0
        if number not in self._kept:
            return None
        stream, _ = self._kept[number]
        for later, (of, message) in list(self._kept.items()):
            if later > number and of == stream and message is not None:
                await send_callback(EventMessage(message, str(later)))
        return stream
