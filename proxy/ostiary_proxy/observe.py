"""The first look at a backend: which revisions it speaks, who it is, which tools it has.

The questions are the same for every transport; `Ask` carries them.  What a failure means to the
owner is said here, in a word and a sentence; when to look again is the backends' business.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from ostiary_proxy import VERSION
from ostiary_proxy.config import Effect, SuspectReport, ToolReport
from ostiary_proxy.era import CAPABILITIES_KEY, INFO_KEY, LEGACY, MODERN, SERVER_KEY, VERSION_KEY
from ostiary_proxy.message import METHOD_NOT_FOUND, UNSUPPORTED_VERSION, Json, Rejection
from ostiary_proxy.mirror import Mirror
from ostiary_proxy.tool_study import LONGEST_NAME, MOST_TOOLS, Study, studied

LOOK_SECONDS: Final = 10.0
"""How long one question of a look may stay unanswered."""
PAGES: Final = 100
CLIENT: Final[Json] = {"name": "ostiary", "version": VERSION}

Ask = Callable[[str, Json, str], Awaitable[Json]]
"""(method, params, revision) -> the response object.  Raises LookError."""


class LookError(Exception):
    """The backend could not be looked at."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def unpinned(revision: str) -> LookError:
    """The owner pinned a revision that the server does not speak."""
    why = (
        f"The server does not speak {revision}, which spec.transport.protocol names: "
        "name another revision, or leave the field out."
    )
    return LookError("ProtocolUnsupported", why)


def unread(method: str, answer: object) -> LookError:
    """`answer`: as it was decoded, or not."""
    if isinstance(answer, Rejection) and answer.reason == "TooLarge":
        why = f"The server's answer to {method} holds too many values: let it answer in pages."
    else:
        why = f"The server's answer to {method} is not JSON-RPC."
    return LookError("NotMCP", why)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look found."""

    legacy: tuple[str, ...] = ()
    """Revisions of the handshake era that the backend speaks, oldest first."""
    modern: tuple[str, ...] = ()
    name: str = ""
    version: str = ""
    tools: tuple[ToolReport, ...] = ()
    digest: str = ""
    proven: str | None = None
    """The newest revision that it was seen to speak, where `served` is in part a guess."""
    about: Json = field(default_factory=dict)
    """The server's own capabilities, serverInfo and instructions, under these names."""
    mirrored: Mapping[str, tuple[Mirror, ...]] = field(default_factory=dict)
    hints: Mapping[str, tuple[Effect, ...]] = field(default_factory=dict)
    twins: Mapping[str, str] = field(default_factory=dict)
    suspects: tuple[SuspectReport, ...] = ()

    @property
    def spoken(self) -> tuple[str, ...]:
        return self.legacy + self.modern

    @property
    def protocol(self) -> str:
        if self.proven is not None:
            return self.proven
        return self.spoken[-1] if self.spoken else ""

    def having(self, study: Study) -> "Seen":
        """The same server, with these tools."""
        return replace(
            self,
            tools=study.tools,
            digest=study.digest,
            mirrored=study.mirrored,
            hints=study.hints,
            twins=study.twins,
            suspects=study.suspects,
        )


async def discover(ask: Ask) -> Seen | None:
    """Ask as a modern client would; None: it is no modern server."""
    response = await ask("server/discover", modern_params({}), MODERN[-1])
    result, error = response.get("result"), response.get("error")
    if isinstance(result, dict):
        modern = _known_modern(result.get("supportedVersions"))
        if not modern:
            return None
        info = _server_info(result)
        return replace(_identity(info), modern=modern, about=_about(result, info))
    if isinstance(error, dict) and error.get("code") == UNSUPPORTED_VERSION:
        data = error.get("data")
        modern = _known_modern(data.get("supported") if isinstance(data, dict) else None)
        return Seen(modern=modern) if modern else None
    return None


async def initialize(ask: Ask, revision: str = LEGACY[-1]) -> Seen | None:
    """Shake hands as a legacy client would; None: the server speaks no revision that we know."""
    params = {"protocolVersion": revision, "capabilities": {}, "clientInfo": CLIENT}
    response = await ask("initialize", params, "")
    result = response.get("result")
    if not isinstance(result, dict):
        return None
    version = result.get("protocolVersion")
    if version not in LEGACY:
        return None
    upto = LEGACY[: LEGACY.index(version) + 1]
    return replace(introduced(result), legacy=upto)


def introduced(result: Json) -> Seen:
    """Who a handshake's result says it is."""
    info = result.get("serverInfo")
    info = info if isinstance(info, dict) else {}
    return replace(_identity(info), about=_about(result, info))


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
    return seen.having(await studied(tools))


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


def _about(result: Json, info: Json) -> Json:
    capabilities, told = result.get("capabilities"), result.get("instructions")
    about: Json = {
        "capabilities": capabilities if isinstance(capabilities, dict) else {},
        "serverInfo": info,
    }
    return {**about, "instructions": told} if isinstance(told, str) else about
