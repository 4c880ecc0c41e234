"""What is decided on, and what is decided: the words of `policy`.  Shapes only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ostiary_proxy.config import Rate

Kind = Literal["tool", "resource", "prompt", "list", "protocol", "unknown"]
"""list and protocol: for anybody admitted; unknown: a method that this proxy does not know."""

Reason = Literal["NotAdmitted", "NotAllowed", "Denied", "UnknownMethod", "Condition"]


@dataclass(frozen=True, slots=True)
class Target:
    kind: Kind
    name: str = ""
    """Of the tool or prompt, the resource's URI, or the unknown method."""
    args: Mapping[str, object] | None = field(default=None, compare=False)
    """Of a call.  None: it is only asked whether there are any with which it may be called."""


@dataclass(frozen=True, slots=True)
class Allow:
    policy: str
    rule: str
    rate: Rate | None = None
    """Of the rule that allows it."""


@dataclass(frozen=True, slots=True)
class Deny:
    reason: Reason
    policy: str
    rule: str
    message: str
    """For the caller.  The same for a name that exists and one that does not."""


Decision = Allow | Deny
