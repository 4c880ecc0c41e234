"""What a group's gateway may do on its own behalf: read the lists, and hear that they changed.

No policy is asked, for the gateway decides for each caller by itself, and so does this server on
each call; what `spec.tools` takes away, or its pin does not approve, is in no list for it either.
Pure.
"""

from typing import Final

from ostiary_proxy.decisions import Allow, Decision, Deny, Target
from ostiary_proxy.era import CHANGES, LISTS
from ostiary_proxy.message import Message
from ostiary_proxy.rules import Rules

RULE: Final = "catalogue"
"""What the audit calls it, in the place of a policy's rule."""
METHODS: Final = frozenset(
    {
        "initialize",
        "notifications/initialized",
        "ping",
        "server/discover",
        "subscriptions/listen",
        *LISTS,
    }
)
HEARD: Final = CHANGES | {"notifications/subscriptions/acknowledged"}
"""Of what a server says by itself."""
NO_MORE: Final = Deny(
    "UnknownMethod", "", RULE, "A gateway by itself reads the lists, and does nothing else."
)


def decide_for_reader(target: Target, rules: Rules) -> Decision:
    if rules.group is not None:
        return Deny("NotAdmitted", "", RULE, "A group is no member of a group.")
    if target.kind in ("list", "protocol"):
        return Allow("", RULE)
    if target.kind == "unknown":
        return NO_MORE
    used = target.args is not None
    if used or (target.kind == "tool" and not _exists(target.name, rules)):
        return Deny("NotAllowed", "", RULE, NO_MORE.message)
    return Allow("", RULE)


def _exists(tool: str, rules: Rules) -> bool:
    there = rules.exists.match(tool) and not rules.removed.match(tool)
    return there and rules.pinned.admits(tool)


def may_say(message: Message) -> bool:
    return message.kind != "response" and message.method in METHODS


def may_hear(asked: Message | None, said: object) -> bool:
    """`asked`: what the stream belongs to; None: to the session, where nothing is answered."""
    if not isinstance(said, dict):
        return False
    method = said.get("method")
    if method is None:
        return asked is not None
    return method in HEARD and "id" not in said
