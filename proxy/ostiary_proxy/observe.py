"""The first look at a backend: which revisions it speaks, who it is, which tools it has.

The questions are the same for every transport; `Ask` carries them.  What a failure means to the
owner is said here, in a word and a sentence; when to look again is the backends' business.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from ostiary_proxy import VERSION
from ostiary_proxy.config import ToolReport
from ostiary_proxy.era import CAPABILITIES_KEY, INFO_KEY, LEGACY, MODERN, SERVER_KEY, VERSION_KEY
from ostiary_proxy.message import METHOD_NOT_FOUND, UNSUPPORTED_VERSION, Json, encode

LOOK_SECONDS: Final = 10.0
"""How long one question of a look may stay unanswered."""
PAGES: Final = 100
MOST_TOOLS: Final = 5000
LONGEST_NAME: Final = 128
CLIENT: Final[Json] = {"name": "ostiary", "version": VERSION}

Ask = Callable[[str, Json, str], Awaitable[Json]]
"""(method, params, revision) -> the response object.  Raises LookError."""


class LookError(Exception):
    """The backend could not be looked at."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look found."""

    legacy: tuple[str, ...] = ()
    """Revisions of the handshake era that a client may use, oldest first."""
    modern: tuple[str, ...] = ()
    name: str = ""
    version: str = ""
    tools: tuple[ToolReport, ...] = ()
    digest: str = ""

    @property
    def served(self) -> tuple[str, ...]:
        return self.legacy + self.modern

    @property
    def protocol(self) -> str:
        return self.served[-1] if self.served else ""


async def discover(ask: Ask) -> Seen | None:
    """Ask as a modern client would; None: it is no modern server."""
    response = await ask("server/discover", modern_params({}), MODERN[-1])
    result, error = response.get("result"), response.get("error")
    if isinstance(result, dict):
        modern = _known_modern(result.get("supportedVersions"))
        return replace(_identity(_server_info(result)), modern=modern) if modern else None
    if isinstance(error, dict) and error.get("code") == UNSUPPORTED_VERSION:
        data = error.get("data")
        modern = _known_modern(data.get("supported") if isinstance(data, dict) else None)
        return Seen(modern=modern) if modern else None
    return None


async def initialize(ask: Ask) -> Seen | None:
    """Shake hands as a legacy client would; None: the server speaks no revision that we know."""
    params = {"protocolVersion": LEGACY[-1], "capabilities": {}, "clientInfo": CLIENT}
    response = await ask("initialize", params, "")
    result = response.get("result")
    if not isinstance(result, dict):
        return None
    version = result.get("protocolVersion")
    if version not in LEGACY:
        return None
    info = result.get("serverInfo")
    upto = LEGACY[: LEGACY.index(version) + 1]
    return replace(_identity(info if isinstance(info, dict) else {}), legacy=upto)


async def list_tools(ask: Ask, seen: Seen) -> Seen:
    """The same, with the tools that the server has now."""
    revision = seen.protocol
    tools: list[Json] = []
    params: Json = {}
    for _ in range(PAGES):
        asked = modern_params(params) if revision in MODERN else params
        response = await ask("tools/list", asked, revision)
        error = response.get("error")
        if isinstance(error, dict) and error.get("code") == METHOD_NOT_FOUND:
            break
        result = response.get("result")
        if not isinstance(result, dict) or not isinstance(result.get("tools"), list):
            raise LookError("NotMCP", "The server's answer to tools/list holds no list of tools.")
        tools += [tool for tool in result["tools"] if isinstance(tool, dict)]
        cursor = result.get("nextCursor")
        if not isinstance(cursor, str) or len(tools) >= MOST_TOOLS:
            break
        params = {"cursor": cursor}
    reports = tuple(_report(tool) for tool in tools[:MOST_TOOLS] if _named(tool))
    return replace(seen, tools=reports, digest=_digest_of(reports))


def modern_params(params: Json) -> Json:
    meta = {VERSION_KEY: MODERN[-1], CAPABILITIES_KEY: {}, INFO_KEY: CLIENT}
    return {**params, "_meta": meta}


def _known_modern(offered: object) -> tuple[str, ...]:
    versions = offered if isinstance(offered, list) else []
    return tuple(version for version in MODERN if version in versions)


def _server_info(result: Json) -> Json:
    meta = result.get("_meta")
    info = meta.get(SERVER_KEY) if isinstance(meta, dict) else None
    return info if isinstance(info, dict) else {}


def _identity(info: Json) -> Seen:
    name, version = info.get("name"), info.get("version")
    return Seen(
        name=name[:LONGEST_NAME] if isinstance(name, str) else "",
        version=version[:LONGEST_NAME] if isinstance(version, str) else "",
    )


def _named(tool: Json) -> bool:
    name = tool.get("name")
    return isinstance(name, str) and 0 < len(name) <= LONGEST_NAME


def _report(tool: Json) -> ToolReport:
    """The digest of what a model is told of a tool, whatever order its keys came in."""
    told = {
        key: tool.get(key)
        for key in ("name", "description", "inputSchema", "outputSchema", "annotations")
    }
    return ToolReport(name=tool["name"], digest=f"sha256:{sha256(canonical(told)).hexdigest()}")


def _digest_of(reports: tuple[ToolReport, ...]) -> str:
    pairs = sorted((tool.name, tool.digest) for tool in reports)
    return f"sha256:{sha256(encode(pairs)).hexdigest()}"


def canonical(value: object) -> bytes:
    return encode(_sorted(value))


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value
