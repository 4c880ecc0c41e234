"""A pipe that leads into a list: what a channel sends, and a way to answer it."""

from dataclasses import dataclass, field
from typing import Any

import orjson

from ostiary_proxy.channel import Channel


@dataclass
class Recorded:
    """`lines.Pipe`."""

    channel: Channel
    sent: list[dict[str, Any]] = field(default_factory=list)
    ended: bool = False

    def write(self, line: bytes) -> None:
        self.sent.append(orjson.loads(line))

    async def writable(self) -> None:
        return

    def close(self) -> None:
        self.ended = True

    async def closed(self) -> None:
        return

    @property
    def last(self) -> dict[str, Any]:
        return self.sent[-1]

    def of(self, method: str) -> list[dict[str, Any]]:
        return [one for one in self.sent if one.get("method") == method]

    def say(self, **message: Any) -> None:
        """The backend speaks."""
        self.channel.on_line(orjson.dumps({"jsonrpc": "2.0", **message}))


def piped(channel: Channel) -> Recorded:
    pipe = Recorded(channel)
    channel.pipe = pipe
    return pipe
