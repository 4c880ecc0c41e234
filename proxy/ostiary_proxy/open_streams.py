"""Streams that are held for what comes, and no call: which they are, and how long they last."""

import math
from collections.abc import Iterable

from ostiary_proxy.exchange import Exchange
from ostiary_proxy.message import INVALID_REQUEST, Rejection


def end_expired(open_: Iterable[Exchange]) -> None:
    """A token's plain expiry ends held streams; calls in flight may finish."""
    for exchange in tuple(open_):
        caller = exchange.caller
        expires = math.inf if caller is None else caller.expires
        if exchange.holding and expires <= exchange.runtime.now():
            exchange.interrupt("old")


def is_held(exchange: Exchange) -> bool:
    """A stream for the server's own messages, and no call."""
    message = exchange.message
    if message is None:
        return exchange.verb == "GET"
    return message.method == "subscriptions/listen"


def only_post() -> Rejection:
    """Modern clients hold nothing open but a POST."""
    return Rejection(
        405,
        INVALID_REQUEST,
        "Only POST is served here.",
        headers=((b"allow", b"POST"),),
        reason="BadVerb",
    )
