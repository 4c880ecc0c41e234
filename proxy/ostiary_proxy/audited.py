"""What an audit line says of one request (access.md section 4).  It decides nothing."""

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import orjson

from ostiary_proxy.audit import LateText
from ostiary_proxy.message import Json, Message, Rejection
from ostiary_proxy.trace import PARENT

if TYPE_CHECKING:
    from ostiary_proxy.exchange import Exchange

_TRACE: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
"""W3C Trace Context; an id of zeros is none."""
LONGEST_ARGUMENTS: Final = 4096


def fields(exchange: "Exchange", rejection: Rejection | None) -> Json:
    """All but the event's own kind, outcome and duration."""
    agent = exchange.headers.get(b"user-agent", b"").decode("latin-1")
    found: Json = {**_whence(exchange), "userAgent": agent, "status": exchange.status}
    if exchange.endpoint is not None and exchange.snapshot is not None:
        found["namespace"] = exchange.endpoint.server.namespace
        found["server"] = exchange.endpoint.server.name
        found["generation"] = exchange.snapshot.generation
    if exchange.caller is not None:
        found["subject"] = exchange.caller.principal
    if rejection is not None:
        found["reason"] = rejection.reason
    if exchange.cut is not None:
        found["cut"] = exchange.cut
    _way(exchange, found)
    _about(exchange, found)
    return found


def _way(exchange: "Exchange", found: Json) -> None:
    """Over which other proxies of ours it came and went."""
    if exchange.hop:
        found["hop"] = exchange.hop
    if exchange.repaired:
        found["repaired"] = exchange.repaired


def _whence(exchange: "Exchange") -> Json:
    """The client's address, and who vouches for it where it is not the connection's own."""
    if exchange.via == "sibling":
        return {"source": exchange.forwarded_for, "via": exchange.via}
    found = {"source": exchange.came.source}
    if exchange.via:
        found["via"] = exchange.via
    if exchange.came.through:
        found["through"] = exchange.came.through
    return found


def _about(exchange: "Exchange", found: Json) -> None:
    """What was asked, and what decided."""
    if exchange.spoken is not None:
        found["era"] = exchange.spoken.era
    target = exchange.targets[0] if exchange.targets else None
    if target is not None and target.name:
        found["name"] = target.name
    decision = exchange.allow or exchange.deny
    if decision is not None:
        found["policy"], found["rule"] = decision.policy, decision.rule
    if exchange.observed:
        found["observed"] = [f"{would} {policy}" for policy, would in exchange.observed]
    trace = trace_id(exchange)
    if trace:
        found["trace"] = trace
    message = exchange.message
    if message is not None and message.method == "tools/call" and target is not None:
        _called(exchange, message, target.name, found)


def _called(exchange: "Exchange", message: Message, tool: str, found: Json) -> None:
    if exchange.endpoint is not None:
        # A name that is listed twice has no one digest.
        forms = exchange.endpoint.rules.pinned.book.current.get(tool, frozenset())
        if len(forms) == 1:
            [found["toolDigest"]] = forms
    arguments = message.params.get("arguments")
    if not arguments:
        return
    written = orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS)
    found["argumentsDigest"] = f"sha256:{sha256(written).hexdigest()}"
    if exchange.snapshot is not None and exchange.snapshot.config.audit.arguments == "Text":
        found["arguments"] = LateText(written.decode(), LONGEST_ARGUMENTS)


def trace_id(exchange: "Exchange") -> str:
    """Of the message where it bears one, else of the HTTP request that brought it; empty: none."""
    message = exchange.message
    meta = None if message is None else message.params.get("_meta")
    given = meta.get(PARENT) if isinstance(meta, dict) else None
    if not isinstance(given, str):
        given = exchange.headers.get(PARENT.encode(), b"").decode("latin-1")
    matched = _TRACE.fullmatch(given) if given else None
    return matched[1] if matched is not None and matched[1].strip("0") else ""
