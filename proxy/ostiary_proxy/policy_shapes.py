"""The part of the config document that says who may do what on one server.  Shapes only."""

from typing import Annotated, Literal

from pydantic import Field

from ostiary_proxy.pin_shapes import Pin
from ostiary_proxy.shape import Shape

SubjectKind = Literal["serviceAccount", "user", "oidc", "token", "anonymous"]


class Subject(Shape):
    """Who a rule speaks of."""

    kind: SubjectKind
    names: tuple[str, ...] = ()
    """serviceAccount, user, token: globs (`*` alone is special) over the account's name, the
    user's as policies write it, or the MCPAccessToken's."""
    namespaces: tuple[str, ...] | None = ()
    """serviceAccount, token: literal namespaces, resolved by the operator; null = every one."""
    issuer: str = ""
    """oidc: compared with `iss`, byte for byte."""
    claims: dict[str, tuple[str, ...]] = Field(default={})
    """oidc: of every claim named, the token must bear one of the values; `groups` is read as the
    settings map it.  Empty: every token of the issuer."""
    network: bool = False
    """anonymous: the entry names a network, which is all that tells these callers from others: it
    grants nothing to what a group's gateway sends, for that comes from the gateway's network."""


Effect = Literal["ReadOnly", "Idempotent", "Destructive", "OpenWorld"]
"""What a tool does, by its owner's word: the hints of the protocol."""


class Allow(Shape):
    """What a rule grants: an absent (null) list grants none of that kind."""

    tools: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None
    prompts: tuple[str, ...] | None = None
    effects: tuple[Effect, ...] | None = None
    """Of the tools, only those with one of these; with no list at all: every tool with one."""
    servers: tuple[str, ...] | None = None
    """Of a policy on a group: globs over its members' aliases.  Null: any member."""


class Rate(Shape):
    """Of each caller by itself, in each proxy by itself."""

    requestsPerSecond: Annotated[int, Field(ge=1)]
    burst: Annotated[int, Field(ge=1)]


class Rule(Shape):
    name: str
    subjects: tuple[Subject, ...]
    allow: Allow
    when: str = ""
    """An expression that must hold as well: `condition_shape`.  Empty: nothing more."""
    rate: Rate | None = None
    """Of what this rule allows."""


class Deny(Shape):
    """Always wins.  Empty `subjects`: everybody.  All lists null: everything."""

    tools: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None
    prompts: tuple[str, ...] | None = None
    subjects: tuple[Subject, ...] = ()


class Policy(Shape):
    """One MCPAccessPolicy as it applies to one server."""

    namespace: str
    name: str
    mode: Literal["Enforce", "Observe"] = "Enforce"
    """Observe: it neither grants nor denies; what it would change is counted."""
    ceiling: bool = False
    """Its rules grant nothing, and nobody may do more than they say."""
    caps: bool = False
    """Of a ceiling: it has rules (of which all may be invalid); without, it only denies."""
    rules: tuple[Rule, ...] = ()
    deny: tuple[Deny, ...] = ()


class ToolFilter(Shape):
    """`spec.tools` of the server: what exists at all, for anybody.  Globs."""

    allow: tuple[str, ...] | None = None
    """Null: every tool."""
    deny: tuple[str, ...] = ()
    effects: dict[Effect, tuple[str, ...]] = Field(default={})
    """Which tools have which effects.  Of a tool that is in none the server's own annotations
    count, if they are trusted or the tool set is pinned (Enforce); else it has none."""
    trustAnnotations: bool = False
    pin: Pin = Pin()
