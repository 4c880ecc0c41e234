"""Which protocol revision a request speaks, and what it is about.  Pure.

The era is decided per POST by `MCP-Protocol-Version`: absent or one of the four handshake
revisions is legacy, anything else is modern and must pass the ladder (first failure wins).  The
policy's targets are read from the parsed body alone; headers only have to agree with it.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from ostiary_proxy.decisions import Target
from ostiary_proxy.message import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    UNSUPPORTED_VERSION,
    Json,
    Message,
    Rejection,
)

Era = Literal["legacy", "modern"]

LEGACY: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""Revisions reached by `initialize`, oldest first."""
MODERN: Final = ("2026-07-28",)
"""Revisions of self-contained requests."""

VERSION: Final = b"mcp-protocol-version"
METHOD: Final = b"mcp-method"
NAME: Final = b"mcp-name"
SESSION: Final = b"mcp-session-id"

VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY: Final = "io.modelcontextprotocol/clientCapabilities"
INFO_KEY: Final = "io.modelcontextprotocol/clientInfo"
SERVER_KEY: Final = "io.modelcontextprotocol/serverInfo"
LOG_LEVEL_KEY: Final = "io.modelcontextprotocol/logLevel"
SUBSCRIPTION_KEY: Final = "io.modelcontextprotocol/subscriptionId"

NAMED_BY: Final = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}
"""Method -> the parameter that `Mcp-Name` mirrors."""
GONE: Final = frozenset(
    {"initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"}
)
"""Methods that modern revisions removed."""
LISTS: Final = {
    "tools/list": ("tools", "tool", "name"),
    "prompts/list": ("prompts", "prompt", "name"),
    "resources/list": ("resources", "resource", "uri"),
    "resources/templates/list": ("resourceTemplates", "resource", "uriTemplate"),
}
"""Method -> the list in its result, what its items are to the policy, and how they are named."""
ONCE: Final = frozenset({"tools/call"})
"""What must not run twice; all else that was swallowed unanswered may be sent again."""
CHANGES: Final = frozenset(
    {
        "notifications/tools/list_changed",
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
    }
)
"""What a server says when one of its lists is another now."""
KNOWN_NOTIFICATIONS: Final = CHANGES | {
    "notifications/initialized",
    "notifications/cancelled",
    "notifications/progress",
    "notifications/message",
    "notifications/roots/list_changed",
    "notifications/resources/updated",
    "notifications/elicitation/complete",
    "notifications/tasks/status",
    "notifications/subscriptions/acknowledged",
}
"""Of any revision: each crosses to the other era as that era has it, or not at all.  Every other
one crosses as it came (9)."""

LONGEST_NAME: Final = 1024
"""Characters of a tool's or prompt's name: the specification advises 128."""
LONGEST_URI: Final = 8192
SUBSCRIPTIONS: Final = 256
"""Resources that one listen stream may follow: each is decided again with every new config."""

_PROTOCOL: Final = Target("protocol")
_LIST: Final = Target("list")
_PLAIN: Final = {
    "initialize": _PROTOCOL,
    "ping": _PROTOCOL,
    "logging/setLevel": _PROTOCOL,
    "server/discover": _PROTOCOL,
    "subscriptions/listen": _PROTOCOL,
    "notifications/initialized": _PROTOCOL,
    "notifications/cancelled": _PROTOCOL,
    "notifications/progress": _PROTOCOL,
    "notifications/roots/list_changed": _PROTOCOL,
    **dict.fromkeys(LISTS, _LIST),
}
_SENTINEL: Final = re.compile(rb"=\?base64\?(.*)\?=")
_PLAIN_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


class Spoken(NamedTuple):
    """The era and revision of one request."""

    era: Era
    version: str
    """Legacy: as in the header, empty when absent."""


def spoken(headers: Mapping[bytes, bytes], message: Message) -> Spoken | Rejection:
    value = headers.get(VERSION)
    if value is None or value.decode("latin-1") in LEGACY:
        if _meta(message).get(VERSION_KEY) in MODERN:
            return _mismatch("MCP-Protocol-Version does not name the body's revision.", message)
        return Spoken("legacy", (value or b"").decode("latin-1"))
    return _modern(value.decode("latin-1"), headers, message)


def _modern(version: str, headers: Mapping[bytes, bytes], message: Message) -> Spoken | Rejection:
    if message.kind == "response":
        return Rejection(400, INVALID_REQUEST, f"No responses are posted at {version}.")
    if message.kind == "request":
        flaw = _envelope(version, headers, message)
        if flaw is not None:
            return flaw
    if version not in MODERN:
        return unsupported(version, MODERN, message)
    if message.method in GONE:
        return unknown_method(message)
    return Spoken("modern", version)


def _envelope(version: str, headers: Mapping[bytes, bytes], message: Message) -> Rejection | None:
    meta = _meta(message)
    missing = [key for key in (VERSION_KEY, CAPABILITIES_KEY) if key not in meta]
    if missing:
        return Rejection(400, INVALID_PARAMS, f"params._meta lacks {missing[0]}.", id=message.id)
    if meta[VERSION_KEY] != version:
        return _mismatch("MCP-Protocol-Version is not what the body says.", message)
    if not isinstance(meta[CAPABILITIES_KEY], dict):
        why = f"{CAPABILITIES_KEY} must be an object."
        return Rejection(400, INVALID_PARAMS, why, id=message.id)
    if headers.get(METHOD, b"").decode("latin-1") != message.method:
        return _mismatch("Mcp-Method is not the body's method.", message)
    named = NAMED_BY.get(message.method)
    if named is None or message.params.get(named) is None:
        return None
    if decode_value(headers.get(NAME)) != message.params[named]:
        return _mismatch(f"Mcp-Name is not the body's params.{named}.", message)
    return None


def targets(message: Message) -> tuple[Target, ...] | Rejection:
    """What the policy decides on; every one must be allowed."""
    if message.kind == "response":
        return (_PROTOCOL,)
    if message.method == "subscriptions/listen":
        return _listened(message)
    plain = _PLAIN.get(message.method)
    if plain is not None:
        return (plain,)
    params = message.params
    match message.method:
        case "tools/call":
            return _named("tool", params, "name", message)
        case "prompts/get":
            return _named("prompt", params, "name", message)
        case "resources/read" | "resources/subscribe" | "resources/unsubscribe":
            return _named("resource", params, "uri", message)
        case "completion/complete":
            return _completed(message)
    return (Target("unknown", message.method),)


def _named(
    kind: Literal["tool", "resource", "prompt"], params: Json, key: str, message: Message
) -> tuple[Target, ...] | Rejection:
    name = params.get(key)
    if not isinstance(name, str):
        return Rejection(400, INVALID_PARAMS, f"params.{key} must be a string.", id=message.id)
    longest = LONGEST_URI if key == "uri" else LONGEST_NAME
    if len(name) > longest:
        why = f"params.{key} is longer than {longest} characters."
        return Rejection(400, INVALID_PARAMS, why, id=message.id)
    args = params.get("arguments") or {} if key == "name" else {}
    if not isinstance(args, dict):
        return Rejection(400, INVALID_PARAMS, "params.arguments must be an object.", id=message.id)
    return (Target(kind, name, args),)


def _completed(message: Message) -> tuple[Target, ...] | Rejection:
    ref = message.params.get("ref")
    if isinstance(ref, dict):
        if ref.get("type") == "ref/prompt":
            found = _named("prompt", {"name": ref.get("name")}, "name", message)
            if isinstance(found, Rejection):
                return found
            return (Target("prompt", found[0].name, _so_far(message.params)),)
        if ref.get("type") == "ref/resource":
            return _named("resource", ref, "uri", message)
    why = "params.ref must name a prompt or a resource."
    return Rejection(400, INVALID_PARAMS, why, id=message.id)


def _so_far(params: Json) -> Json:
    """The arguments of a prompt that is being filled in."""
    context, argument = params.get("context"), params.get("argument")
    given = context.get("arguments") if isinstance(context, dict) else None
    known = dict(given) if isinstance(given, dict) else {}
    if isinstance(argument, dict) and isinstance(argument.get("name"), str):
        known[argument["name"]] = argument.get("value")
    return known


def _listened(message: Message) -> tuple[Target, ...] | Rejection:
    wanted = message.params.get("notifications")
    uris = wanted.get("resourceSubscriptions", []) if isinstance(wanted, dict) else []
    if not isinstance(uris, list) or not all(isinstance(uri, str) for uri in uris):
        why = "resourceSubscriptions must be a list of strings."
        return Rejection(400, INVALID_PARAMS, why, id=message.id)
    if len(uris) > SUBSCRIPTIONS or any(len(uri) > LONGEST_URI for uri in uris):
        why = f"resourceSubscriptions: at most {SUBSCRIPTIONS}, of {LONGEST_URI} characters each."
        return Rejection(400, INVALID_PARAMS, why, id=message.id)
    return (_PROTOCOL, *(Target("resource", uri, {}) for uri in uris))


def unsupported(requested: str, supported: tuple[str, ...], message: Message) -> Rejection:
    return Rejection(
        400,
        UNSUPPORTED_VERSION,
        "Unsupported protocol version",
        data={"supported": list(supported), "requested": requested[:64]},
        id=message.id,
        reason="UnsupportedVersion",
    )


def unknown_method(message: Message) -> Rejection:
    return Rejection(
        404, METHOD_NOT_FOUND, "Method not found", id=message.id, reason="UnknownMethod"
    )


def _mismatch(why: str, message: Message) -> Rejection:
    return Rejection(400, HEADER_MISMATCH, why, id=message.id, reason="HeaderMismatch")


def _meta(message: Message) -> Json:
    meta = message.params.get("_meta")
    return meta if isinstance(meta, dict) else {}


def decode_value(value: bytes | None) -> str | None:
    """A mirrored header's text; None for a broken sentinel, so that it equals no body."""
    if value is None:
        return None
    sealed = _SENTINEL.fullmatch(value)
    if sealed is None:
        return value.decode("latin-1") if value.isascii() else None
    try:
        raw = base64.b64decode(sealed[1], validate=True)
        # One spelling per value: stray bits would make two headers equal.
        return raw.decode() if base64.b64encode(raw) == sealed[1] else None
    except (binascii.Error, UnicodeDecodeError):
        return None


def encode_value(value: str) -> bytes:
    if _PLAIN_VALUE.fullmatch(value) and not value.startswith("=?base64?"):
        return value.encode()
    return b"=?base64?" + base64.b64encode(value.encode()) + b"?="
