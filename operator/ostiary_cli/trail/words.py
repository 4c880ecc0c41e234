"""An audit line in sentences.  Pure."""

from collections.abc import Mapping
from typing import Any, Final

_HINTS: Final[Mapping[str, str]] = {
    "NotAdmitted": "no rule of a policy admits this caller: `ostiary allow` prints one that would",
    "NotAllowed": "a rule admits this caller, and none allows this name: `ostiary can-i` says "
    "which comes nearest",
    "Denied": "a deny of a policy, which always wins",
    "Condition": "the rule's `when` did not hold with these arguments",
    "UnknownMethod": 'no revision of MCP has this method, and only a rule with `tools: ["*"]` '
    "lets it pass",
    "Unauthenticated": "the token was missing, not for this URL, expired, or of nobody that is "
    "trusted",
    "BadHost": "the request asked for a name that is not this server's",
    "BadOrigin": "a browser's page that spec.clients.allowedOrigins does not name",
}


def told(line: Mapping[str, Any]) -> list[str]:
    """What was asked, by whom, where, and what decided it."""
    outcome, reason = str(line.get("outcome", "")), str(line.get("reason", ""))
    said = [f"{line.get('id')}: {outcome or line.get('event')} at {line.get('time')}"]
    said.append(f"  who     {line.get('subject') or 'nobody known'}{_from(line)}")
    said.append(f"  what    {_what(line)}")
    if line.get("server"):
        said.append(f"  server  {line.get('namespace')}/{line.get('server')}")
    rule = [str(line[key]) for key in ("policy", "rule") if line.get(key)]
    if rule:
        said.append(f"  rule    {', '.join(rule)}")
    if reason:
        hint = _HINTS.get(reason)
        said.append(f"  why     {reason}{f': {hint}' if hint else ''}")
    said += [
        f"  {name:<7} {_list(line[key])}"
        for key, name in (
            ("status", "HTTP"),
            ("code", "code"),
            ("generation", "rules"),
            ("via", "via"),
            ("hop", "hop"),
            ("cut", "cut"),
            ("observed", "observe"),
            ("trace", "trace"),
            ("toolDigest", "tool"),
            ("argumentsDigest", "args"),
            ("arguments", "args"),
            ("ms", "ms"),
        )
        if line.get(key) not in (None, "", [])
    ]
    return said


def short(line: Mapping[str, Any]) -> str:
    """A refusal in half a line: who, what, why."""
    server = f"{line.get('namespace')}/{line.get('server')}" if line.get("server") else "no server"
    who = line.get("subject") or f"somebody at {line.get('source') or 'an unknown address'}"
    return f"Refused: {who}, {_what(line)} at {server}: {line.get('reason')}"


def _from(line: Mapping[str, Any]) -> str:
    source, agent = line.get("source"), line.get("userAgent")
    parts = [str(source)] if source else []
    parts += [f"with {agent}"] if agent else []
    return f", from {' '.join(parts)}" if parts else ""


def _what(line: Mapping[str, Any]) -> str:
    method, name = line.get("method") or "a request", line.get("name")
    return f"{method} {name}" if name else str(method)


def _list(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
