"""The sealed `requestState` of a call that waits for its client's answer.  Pure.

A client treats it as opaque, and we as something an attacker may have written: it opens only for
the principal, the server and the very request that it was made for, and only in time.
"""

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from ostiary_proxy.message import Json, Message, decode
from ostiary_proxy.message import encode as written
from ostiary_proxy.policy import Caller
from ostiary_proxy.seal import Sealer
from ostiary_proxy.tool_digest import canonical

PURPOSE: Final = b"input"
_NOT_ABOUT: Final = frozenset({"_meta", "inputResponses", "requestState"})


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a state stands for."""

    ident: str
    """Of the held call."""
    pod: str
    """Address of the pod that holds it; empty in the local role."""


def seal(
    waiting: Waiting,
    message: Message,
    caller: Caller,
    sealer: Sealer,
    *,
    server: str,
    expires: float,
) -> str:
    payload: Json = {
        "h": waiting.ident,
        "o": waiting.pod,
        "p": urlsafe_b64encode(caller.digest).decode(),
        "d": digest(message),
        "e": int(expires),
    }
    return sealer.seal(PURPOSE, server.encode(), written(payload))


def unseal(
    state: object,
    message: Message,
    caller: Caller,
    sealer: Sealer,
    *,
    server: str,
    now: float,
) -> Waiting | None:
    """None for whatever is not this caller's, for this request, and still good."""
    if not isinstance(state, str):
        return None
    raw = sealer.unseal(PURPOSE, server.encode(), state)
    payload = None if raw is None else decode(raw)
    if not isinstance(payload, dict):
        return None
    mine = payload["p"] == urlsafe_b64encode(caller.digest).decode()
    if not mine or payload["d"] != digest(message) or payload["e"] < now:
        return None
    return Waiting(payload["h"], payload["o"])


def digest(message: Message) -> str:
    """Of all that a retry must repeat: the method and its parameters."""
    about = {key: value for key, value in message.params.items() if key not in _NOT_ABOUT}
    return sha256(canonical([message.method, about])).hexdigest()[:32]
