"""The fields of a server's status that only its proxies know."""

from collections.abc import Mapping
from typing import Any, Final

from ostiary_proxy.config import ServerReport

from .conditions import in_one_line
from .observed import Observed

FIELDS: Final = ("protocol", "server", "tools", "proxyVersion")
MAX_TOOLS: Final = 512
"""Items listed; `count` is always the whole number."""


def reported(observed: Observed, previous: Mapping[str, Any]) -> dict[str, Any]:
    """From the first pod, by name, whose server answered; what stands stays while none does."""
    for pod in observed.live_pods:
        report, backend = observed.report_of(pod), observed.backend_of(pod)
        if report is not None and backend is not None and backend.state == "Ready":
            return {**_backend_fields(backend), "proxyVersion": report.version[:64]}
    if not observed.live_pods:
        return {}
    return {field: previous[field] for field in FIELDS if field in previous}


def _backend_fields(backend: ServerReport) -> dict[str, Any]:
    items = sorted(backend.tools, key=lambda tool: tool.name)[:MAX_TOOLS]
    protocol: dict[str, Any] = {
        "backend": backend.protocol[:64],
        "served": [revision[:64] for revision in backend.served[:16]],
    }
    if backend.notBridged:
        protocol["notBridged"] = [word[:64] for word in backend.notBridged[:16]]
    return {
        "protocol": protocol,
        "server": {
            "name": in_one_line(backend.serverName[:256]),
            "version": in_one_line(backend.serverVersion[:256]),
        },
        "tools": {
            "count": backend.toolCount,
            "digest": backend.toolsDigest[:128],
            # Exact, for a pin is compared with them: the command line shows them escaped.
            "items": [{"name": it.name[:256], "digest": it.digest[:128]} for it in items],
        },
    }
