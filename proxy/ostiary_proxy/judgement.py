"""The decision on one request, as the stages of `app` meet it: allowed, or refused in its shape.

A name outside a caller's lists has one answer whether it exists or not.  A listed tool that a
`when` keeps from running has a result that says so, which a model can read; a limit has 429.
"""

from dataclasses import replace

from ostiary_proxy.catalogue_reader import NO_MORE, may_say
from ostiary_proxy.conditions import Budget
from ostiary_proxy.era import targets
from ostiary_proxy.exchange import Exchange, Refused
from ostiary_proxy.message import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    Json,
    Rejection,
)
from ostiary_proxy.observations import observe
from ostiary_proxy.policy import Allow, Decision, Deny, Target, decide
from ostiary_proxy.resource_metadata import step_up


def judge(exchange: Exchange) -> None:
    """Everything that the message is about must be allowed.  Raises Refused."""
    message = exchange.message
    assert message is not None
    assert exchange.caller is not None
    if exchange.caller.kind == "catalogue" and not may_say(message):
        exchange.allow, exchange.deny = None, NO_MORE
        raise Refused(_denied(exchange, Target("unknown", message.method), NO_MORE))
    about = exchange.about or targets(message)
    if isinstance(about, Rejection):
        raise Refused(about)
    exchange.targets, budget = about, Budget()
    for target in about:
        decision = decided(exchange, target, budget)
        if isinstance(decision, Deny):
            exchange.allow, exchange.deny = None, decision
            raise Refused(_refused(exchange, target, decision, budget))
        exchange.allow = decision
    _throttle(exchange)


def _refused(exchange: Exchange, target: Target, deny: Deny, budget: Budget) -> Rejection:
    rejection, more = _denied(exchange, target, deny), step_up(exchange, target, budget)
    if not more:
        return rejection
    # An error that clients act on, in place of a result that says why.
    return replace(rejection, status=403, headers=more, code=INVALID_PARAMS, result=None)


def decided(exchange: Exchange, target: Target, budget: Budget | None = None) -> Decision:
    """The decision, and the count of what observed policies would have made of it."""
    caller, endpoint = exchange.caller, exchange.endpoint
    assert caller is not None
    assert endpoint is not None
    budget = budget or Budget()
    decision = decide(target, caller, endpoint.rules, budget)
    if endpoint.rules.observed:
        found = observe(target, caller, endpoint.rules, decision, budget)
        # Once for a request, whatever of it would have been decided otherwise.
        exchange.observed = tuple(dict.fromkeys((*exchange.observed, *found)))
    return decision


def _throttle(exchange: Exchange) -> None:
    message, caller, endpoint = exchange.message, exchange.caller, exchange.endpoint
    assert caller is not None
    assert endpoint is not None
    if message is None or message.kind != "request":
        return
    server, allow = endpoint.server, exchange.allow
    limits = [("", server.limits.perCaller)]
    if isinstance(allow, Allow) and exchange.targets[0].kind in ("tool", "resource", "prompt"):
        limits.append((f"{allow.policy} {allow.rule}", allow.rate))
    for name, rate in limits:
        wait = 0
        if rate is not None:
            wait = exchange.runtime.throttle.take((server.uid, name, caller.digest), rate)
        if wait:
            raise Refused(_too_often(wait))


def _too_often(wait: int) -> Rejection:
    return Rejection(
        429,
        INTERNAL_ERROR,
        "Too many requests of this caller; try again later.",
        headers=((b"retry-after", str(wait).encode()),),
        reason="TooManyRequests",
    )


def _denied(exchange: Exchange, target: Target, deny: Deny) -> Rejection:
    assert exchange.message is not None
    assert exchange.spoken is not None
    modern = exchange.spoken.era == "modern"
    # A legacy answer to a request is 200; a notification has no answer that could say it.
    plain = 200 if exchange.message.kind == "request" else 400
    if deny.reason == "UnknownMethod":
        status = 404 if modern else plain
        return Rejection(status, METHOD_NOT_FOUND, deny.message, reason=deny.reason)
    status = 400 if modern else plain
    rejection = Rejection(status, INVALID_PARAMS, deny.message, reason=deny.reason)
    if deny.reason == "Condition" and target.kind == "tool" and exchange.message.kind == "request":
        return replace(rejection, status=200, code=0, result=_failed(deny.message, modern))
    return rejection


def _failed(message: str, modern: bool) -> Json:
    """A tool's result that is an error of the tool's."""
    result: Json = {"content": [{"type": "text", "text": message}], "isError": True}
    return {**result, "resultType": "complete"} if modern else result
