"""A legacy client's session at a modern backend: what the client said of itself, and what it runs.

No process stands behind it until something needs one: lists come from the catalogue process where
there is one, and all else from a channel that is opened at the first call, of its own or one that
serves several.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from ostiary_proxy import to_modern
from ostiary_proxy.dialogue import Dialogue, Leg
from ostiary_proxy.discovery import offers
from ostiary_proxy.lines import Exit
from ostiary_proxy.mailbox import Letter, Mailbox
from ostiary_proxy.message import Id, Json, Message, decode, encode
from ostiary_proxy.observe import Seen
from ostiary_proxy.shared import ModernChannel

MOST_URIS: Final = 256


class Partner:
    """State of one session."""

    def __init__(
        self,
        hello: Json,
        version: str,
        channel: ModernChannel,
        relisted: Callable[[list[Json]], None],
    ) -> None:
        """`hello`: parameters of its `initialize`; `channel`: not connected yet."""
        self.version = version
        self.capabilities = to_modern.capabilities(hello.get("capabilities"))
        self.relisted = relisted
        self.channel = channel
        self.revived = False
        """Its session was begun elsewhere, and what it held there is lost."""
        self.shares = False
        """Its channel serves others, too."""
        self.ends = False
        """With its process, by the owner's wish."""
        self.opening = asyncio.Lock()
        self.running: dict[Id, Dialogue] = {}
        """By the client's id of the request."""
        self.uris: set[str] = set()
        self.level = ""
        self.held: Mailbox | None = None
        """The client's GET stream."""
        self.deaf = False
        """A subscription that fed it has ended."""
        self._info = hello.get("clientInfo")
        self._asked = 0
        self._legs: dict[ModernChannel, Leg] = {}
        """Upstream subscriptions that feed the GET stream."""

    @property
    def has_lost(self) -> bool:
        """It had a channel, which has ended."""
        return self.channel.pipe is not None and not self.channel.alive

    @property
    def busy(self) -> bool:
        return bool(self.running) or self.held is not None

    def meta(self) -> Json:
        return to_modern.envelope(self.capabilities, self._info, self.level)

    def new_id(self) -> str:
        self._asked += 1
        return f"ostiary-{self._asked}"

    def close(self) -> None:
        for dialogue in tuple(self.running.values()):
            dialogue.cancel("The session was ended.")
        self.running.clear()
        self.unlisten()
        if self.held is not None:
            self.held.end(Exit("Closed", "The session was ended."))
        self.leave()

    def leave(self) -> None:
        """Give its channel back."""
        if not self.shares:
            self.channel.close()

    def sit(self, channel: ModernChannel, *, shares: bool) -> None:
        self.channel, self.shares = channel, shares

    def forget(self, ident: Id, dialogue: Dialogue) -> None:
        if self.running.get(ident) is dialogue:
            del self.running[ident]

    def reply(self, message: Message) -> None:
        """A response of the client's."""
        if message.id is None:
            return
        for dialogue in tuple(self.running.values()):
            if message.id in dialogue.asked:
                dialogue.reply(message.id, message.data)
                return

    # the GET stream

    def listen(self, channel: ModernChannel, seen: Seen) -> None:
        """Have what changes there come to the GET stream; called again when the URIs changed."""
        self._stop(channel)
        if self.held is None or not channel.alive:
            return
        wanted: Json = {
            kind: True
            for kind, (group, flag) in to_modern.CHANGES.items()
            if offers(seen, group, flag)
        }
        if self.uris and channel is self.channel:
            wanted["resourceSubscriptions"] = sorted(self.uris)
        if not wanted:
            return

        def lost(ended: Exit) -> None:
            if self.held is not None and self.ends and not channel.alive:
                self.held.end(ended)
            self._hear_no_more(channel)

        def take(letter: Letter) -> None:
            if letter.last:
                self._hear_no_more(channel)
            else:
                self._note(letter)

        message = to_modern.listen(wanted, self.meta())
        leg = channel.begin(message, lambda ident, sent: Leg(ident, sent, take, lost))
        assert isinstance(leg, Leg)
        self._legs[channel] = leg

    def hears(self, channel: ModernChannel) -> bool:
        return channel in self._legs

    def unlisten(self) -> None:
        for channel in tuple(self._legs):
            self._stop(channel)

    def _stop(self, channel: ModernChannel) -> None:
        leg = self._legs.pop(channel, None)
        if leg is not None:
            channel.cancel(leg, "The client listens no more.")

    def _hear_no_more(self, channel: ModernChannel) -> None:
        self._legs.pop(channel, None)
        if self.held is not None:
            self.deaf = True
            self.held.wake()

    def _note(self, letter: Letter) -> None:
        data = decode(letter.data)
        if self.held is not None and data.get("method") != ACKNOWLEDGED:
            self.held.put(Letter(encode(to_modern.notification(data))))


ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"
