"""Limits of an endpoint and of one caller, and which tools an MCPServer has."""

from typing import Annotated, Final, Literal

from pydantic import Field

from .fields import Glob
from .schema import ATOMIC, Part, keyed

Globs = Annotated[
    tuple[Glob, ...] | None, Field(min_length=1, max_length=256, json_schema_extra=ATOMIC)
]


class CallerRate(Part):
    requestsPerSecond: Annotated[int, Field(ge=1, le=100_000)]
    """Requests per second that one caller may make, at each pod by itself. Required."""
    burst: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Requests that a caller who was silent may make at once. Default: twice requestsPerSecond."""


class Limits(Part):
    requestBytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] | None = None
    """Largest request body, in bytes; a larger one is refused. Default: 4194304 (4 MiB)."""
    callSeconds: Annotated[int, Field(ge=1, le=86400)] | None = None
    """Seconds that the server may be silent on a call; each message, such as progress, starts them
    anew, a keep-alive comment does not. Default: 300."""
    inputSeconds: Annotated[int, Field(ge=1, le=86400)] | None = None
    """Seconds that a person may take to answer what the server asks, whatever the server says
    meanwhile. Default: 900."""
    concurrency: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Calls in flight per pod; beyond it a caller is told to come back later. Default: 64."""
    perCaller: CallerRate | None = None
    """How often each caller may ask, whatever it asks; beyond it 429 with Retry-After. Callers
    without a token are one caller. Default: no limit."""


class Effects(Part):
    ReadOnly: Globs = None
    """Tools that change nothing; `*` stands for any text. Default: none."""
    Idempotent: Globs = None
    """Tools that may be called twice with the same effect as once. Default: none."""
    Destructive: Globs = None
    """Tools that may delete or overwrite. Default: none."""
    OpenWorld: Globs = None
    """Tools that reach things outside, the internet for one. Default: none."""


DIGEST_PATTERN: Final = "^sha256:[0-9a-f]{64}$"
MOST_PINS: Final = 512


class ToolPin(Part):
    name: Annotated[str, Field(min_length=1, max_length=128)]
    """Name of the tool. Required."""
    digest: Annotated[str, Field(max_length=71, pattern=DIGEST_PATTERN)]
    """Digest that the tool was approved with, as in status.tools.items. Required."""


class Pin(Part):
    mode: Literal["Off", "Warn", "Enforce"]
    """Off: tools may change as they like. Warn: what was not approved as it stands is said in the
    condition ToolsPinned. Enforce: it is besides hidden from lists and refused. Required."""
    digest: Annotated[str, Field(max_length=71, pattern="^(sha256:[0-9a-f]{64})?$")] | None = None
    """Digest of the whole approved set, as in status.tools.digest: all tools of just this set are
    approved, and none when one of them changes, unless `tools` approves it. Default: none."""
    tools: Annotated[
        tuple[ToolPin, ...] | None,
        Field(max_length=MOST_PINS, json_schema_extra=keyed("name", "digest")),
    ] = None
    """Approved tools, each by itself: the others go on when one changes. A name may be there with
    several digests, of which any will do. Default: none."""


class ServerTools(Part):
    allow: Globs = None
    """Tools that exist at all, for anybody; `*` stands for any text. Default: every tool."""
    deny: Annotated[tuple[Glob, ...] | None, Field(max_length=256, json_schema_extra=ATOMIC)] = None
    """Tools that do not exist for anybody, whatever `allow` and policies say. Default: none."""
    effects: Effects | None = None
    """What the tools do, by your word, for policies that allow by effects. Of a tool that is not
    named here the server's own annotations count only with trustAnnotations, or where the tool is
    pinned (Enforce). Default: no tool has an effect."""
    trustAnnotations: bool | None = None
    """Take the server's own word on the effects of its tools. Default: false."""
    pin: Pin | None = None
    """Approve tools as they stand, so that a server that changes one is noticed (Warn) or stopped
    (Enforce). Default: Off."""
