"""The objects of a cluster under a storm of changes, who may call after each, and the callers.

The truth is written down by whoever makes a change, never derived from the objects: what renders
and decides them is what is judged.
"""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import orjson
from tests.operator import build
from tests.proxy.documents import session_key
from tests.proxy.rig import NEW, modern, modern_headers, request
from tests.proxy.signing import claims, issuer, sign
from tests.proxy.wire import Answer, Wire

from ostiary_operator.api import MCPAccessPolicy
from ostiary_operator.render import ServerView
from ostiary_operator.render.proxy_config import encode, render
from ostiary_operator.render.tokens import opening
from ostiary_operator.token_book import write_book
from ostiary_proxy.token_format import mint

TOOL: Final = "echo"
TEAM: Final = {"team": "storm"}
TYPES: Final = {
    "Accept": "application/json, text/event-stream",
    "Content_Type": "application/json",
}


@dataclass
class Caller:
    """Somebody with a credential, and since which generation it may call the tool."""

    name: str
    kind: str
    """serviceAccount or token"""
    era: str
    rights: list[tuple[int, bool]] = field(default_factory=list)
    """Of the tool: from this generation on."""
    admitted: bool = True
    """May it hold a stream now?"""
    secret: str = ""
    session: str = ""
    removed: str = ""
    """Which change took the right away; empty while it has it."""

    @property
    def namespace(self) -> str:
        return self.name

    def between(self, first: int, last: int) -> set[bool]:
        """What it may have been told by a proxy that enforced any of these generations."""
        found = set()
        for at, (since, right) in enumerate(self.rights):
            until = self.rights[at + 1][0] if at + 1 < len(self.rights) else last + 1
            if since <= last and until > first:
                found.add(right)
        return found

    @property
    def is_modern(self) -> bool:
        return self.era == NEW

    @property
    def headers(self) -> dict[str, str]:
        own = {"Mcp_Session_Id": self.session} if self.session else {}
        return {**TYPES, **own, "Authorization": f"Bearer {self.secret}"}

    def asks(self, method: str, ident: Any, params: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
        """A request of its era, and its headers."""
        if self.is_modern:
            body = modern(method, ident, **params)
            return orjson.dumps(body), {**self.headers, **modern_headers(method, params)}
        return orjson.dumps(request(method, ident, **params)), self.headers


class World:
    """`changes`: what may be done to a caller, by name."""

    def __init__(self, port: int, master: bytes, chance: random.Random) -> None:
        self._server = build.http(transport={"streamableHTTP": {"port": port}})
        self._master = master
        self._chance = chance
        self.generation = 1
        self.kinds: dict[str, int] = {}
        self._policies: dict[str, MCPAccessPolicy] = {}
        self._denied: dict[str, dict[str, Any]] = {}
        self._labels: dict[str, dict[str, str]] = {}
        self._tokens: dict[str, Any] = {}
        self.callers: list[Caller] = []
        for era in ("2025-11-25", NEW):
            for kind in ("serviceAccount", "token"):
                for name in ("steady", "tossed", "tossed-too"):
                    self._add(Caller(f"{name}-{kind.lower()}-{era[:4]}", kind, era))

    def _add(self, caller: Caller) -> None:
        self.callers.append(caller)
        caller.rights.append((self.generation, True))
        if caller.kind == "token":
            self._issue(caller)
        else:
            self._labels[caller.namespace] = TEAM
            subject = f"system:serviceaccount:{caller.namespace}:{caller.name}"
            caller.secret = sign(claims(subject))
        self._policies[caller.name] = self._policy(caller, TOOL)

    def _issue(self, caller: Caller) -> None:
        caller.secret = mint(self._chance.choice)
        digest = sha256(caller.secret.encode()).hexdigest()
        self._tokens[caller.name] = build.token(caller.name, sha256=digest)

    def _policy(self, caller: Caller, *tools: str, to: str = "") -> MCPAccessPolicy:
        name = to or caller.name
        if caller.kind == "token":
            who: dict[str, Any] = {"tokens": {"names": [name]}}
        else:
            who = build.accounts(name, selector={"matchLabels": TEAM})
        rule = build.rule(who, allow={"tools": list(tools)})
        return build.policy(rule, name=caller.name)

    @property
    def tossed(self) -> list[Caller]:
        return [it for it in self.callers if not it.name.startswith("steady")]

    @property
    def steady(self) -> list[Caller]:
        return [it for it in self.callers if it.name.startswith("steady")]

    def document(self) -> bytes:
        """As the operator would write it now."""
        policies = tuple(self._policies.values()) + tuple(self._denials())
        book = write_book(self._tokens.values(), vouched=None)
        view = ServerView(
            policies=policies,
            namespaces=self._labels,
            issuers=(issuer(),),
            keys=(session_key(0, self._master),),
            tokens=opening(self._server, book.accepted, policies, self._labels),
            generation=self.generation,
        )
        return encode(render(self._server, view, build.SETTINGS, build.ENV)).encode()

    def _denials(self) -> Iterator[MCPAccessPolicy]:
        entries = [
            {"from": [self._named(it)], **self._denied[it.name]}
            for it in self.callers
            if it.name in self._denied
        ]
        if entries:
            yield build.policy(name="denials", deny=entries)

    @staticmethod
    def _named(caller: Caller) -> dict[str, Any]:
        if caller.kind == "token":
            return {"tokens": {"names": [caller.name]}}
        return build.accounts(caller.name, to="All")

    def change(self, caller: Caller) -> None:
        """One change of one object, and what it means for the caller."""
        self.generation += 1
        if caller.removed:
            kind, right = caller.removed, True
            self._undo(caller, kind)
        else:
            kind, right = self._chance.choice(_KINDS[caller.kind]), False
            self._do(caller, kind)
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        caller.removed = "" if right else kind
        caller.admitted = right or kind in ("narrowed", "tool-denied")
        caller.rights.append((self.generation, right))

    def _do(self, caller: Caller, kind: str) -> None:
        match kind:
            case "policy-deleted":
                del self._policies[caller.name]
            case "rule-of-another":
                self._policies[caller.name] = self._policy(caller, TOOL, to="nobody")
            case "narrowed":
                self._policies[caller.name] = self._policy(caller, "other_*")
            case "denied":
                self._denied[caller.name] = {}
            case "tool-denied":
                self._denied[caller.name] = {"tools": ["ec*"]}
            case "relabelled":
                self._labels[caller.namespace] = {}
            case "token-deleted":
                del self._tokens[caller.name]
            case _:
                raise AssertionError(kind)

    def _undo(self, caller: Caller, kind: str) -> None:
        match kind:
            case "denied" | "tool-denied":
                del self._denied[caller.name]
            case "relabelled":
                self._labels[caller.namespace] = TEAM
            case "token-deleted":
                self._issue(caller)
            case _:
                self._policies[caller.name] = self._policy(caller, TOOL)


_SHARED: Final = ["policy-deleted", "rule-of-another", "narrowed", "denied", "tool-denied"]
_KINDS: Final = {
    "serviceAccount": [*_SHARED, "relabelled"],
    "token": [*_SHARED, "token-deleted"],
}


@dataclass
class Line:
    """One caller's connection to the proxy."""

    caller: Caller
    wire: Wire
    number: int = 0

    async def open_session(self) -> None:
        """Where the era has sessions: as its caller, who must be allowed now."""
        if self.caller.is_modern:
            return
        params = {"capabilities": {}, "clientInfo": {"name": "storm", "version": "1"}}
        hello = request("initialize", protocolVersion=self.caller.era, **params)
        answer = await self.wire.ask("POST", "/mcp", orjson.dumps(hello), **self.caller.headers)
        assert answer.status == 200, answer
        self.caller.session = answer.headers["mcp-session-id"]

    async def call(self) -> tuple[str, bool]:
        """A mark that the server sees too, and whether the call was allowed."""
        self.number += 1
        mark = f"{self.caller.name}/{id(self)}/{self.number}"
        params = {"name": TOOL, "arguments": {"mark": mark}}
        body, headers = self.caller.asks("tools/call", self.number, params)
        return mark, was_allowed(await self.wire.ask("POST", "/mcp", body, **headers))

    async def hold(self, opened: asyncio.Event) -> None:
        """A stream for the server's own messages, until the proxy ends it."""
        verb, body, headers = "GET", b"", self.caller.headers
        if self.caller.is_modern:
            verb, params = "POST", {"notifications": {"toolsListChanged": True}}
            body, headers = self.caller.asks("subscriptions/listen", self.caller.name, params)
        self.wire.send(verb, "/mcp", body, **headers, Connection="close")
        head = await self.wire.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), (self.caller, head)
        opened.set()
        while await self.wire.reader.read(4096):
            pass


def was_allowed(answer: Answer) -> bool:
    """A refusal has one of its few shapes; anything else is a failure of the proxy."""
    error = answer.json.get("error")
    if answer.status == 200 and error is None:
        return True
    refused = answer.status in (401, 403) or (error or {}).get("code") == -32602
    assert refused, answer
    return False
