"""The headers that repeat what a modern message says, as HTTP wants them and stdio has none.  Pure.

`Mcp-Param-*` come from annotations in the tools' own schemas, so lists that go by are remembered.
"""

from collections.abc import Iterator
from typing import Any, Final

from ostiary_proxy.annotations import KEY, flaw
from ostiary_proxy.era import CAPABILITIES_KEY, LEGACY, NAMED_BY, VERSION_KEY, encode_value
from ostiary_proxy.message import Json

MOST_TOOLS: Final = 5000
_PARAM: Final = "Mcp-Param-"

Path = tuple[str, ...]


def modern_version(data: object) -> str:
    """The revision that a self-contained request names; empty for a legacy one."""
    params = data.get("params") if isinstance(data, dict) else None
    meta = params.get("_meta") if isinstance(params, dict) else None
    version = meta.get(VERSION_KEY) if isinstance(meta, dict) else None
    return version if isinstance(version, str) and version not in LEGACY else ""


def envelope(version: str) -> Json:
    """`_meta` of a request of our own."""
    return {VERSION_KEY: version, CAPABILITIES_KEY: {}}


class Parameters:
    """Which arguments of which tools are repeated in headers."""

    def __init__(self) -> None:
        self._by_tool: dict[str, dict[str, Path]] = {}

    def learn(self, result: object) -> None:
        """From the result of tools/list."""
        tools = result.get("tools") if isinstance(result, dict) else None
        for tool in tools if isinstance(tools, list) else ():
            name = tool.get("name") if isinstance(tool, dict) else None
            if not isinstance(name, str):
                continue
            schema = tool.get("inputSchema")
            if flaw(schema):
                continue
            if name in self._by_tool or len(self._by_tool) < MOST_TOOLS:
                self._by_tool[name] = dict(_annotated(schema, ()))

    def mirrored(self, data: Json, version: str) -> dict[str, str]:
        method, params = str(data.get("method")), data.get("params") or {}
        headers = {"MCP-Protocol-Version": version, "Mcp-Method": method}
        name = params.get(NAMED_BY.get(method, ""))
        if isinstance(name, str):
            headers["Mcp-Name"] = encode_value(name).decode()
        if method == "tools/call":
            for header, path in self._by_tool.get(str(name), {}).items():
                text = _text(_at(params.get("arguments"), path))
                if text is not None:
                    headers[_PARAM + header] = encode_value(text).decode()
        return headers


def _annotated(schema: Any, path: Path) -> Iterator[tuple[str, Path]]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    for name, inner in properties.items() if isinstance(properties, dict) else ():
        header = inner.get(KEY) if isinstance(inner, dict) else None
        if isinstance(header, str):
            yield header, (*path, name)
        yield from _annotated(inner, (*path, name))


def _at(value: Any, path: Path) -> object:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None
