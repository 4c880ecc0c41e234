"""The API server's audit log, read back: who did what to which object.

Metadata level: no bodies, so it says that something was written, not what."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

WRITES: Final = frozenset({"create", "update", "patch", "delete", "deletecollection"})

# One event per finished request.  A watch has two (started, ended): only the end is kept.
POLICY: Final = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [
        {"level": "None", "nonResourceURLs": ["/healthz*", "/readyz*", "/livez*", "/openapi/*"]},
        {"level": "Metadata"},
    ],
}


@dataclass(frozen=True, slots=True)
class AuditEvent:
    at: str  # RFC 3339 with microseconds, as the server wrote it: comparable as text
    user: str
    user_agent: str
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    uri: str
    code: int

    @property
    def is_write(self) -> bool:
        return self.verb in WRITES


class AuditLog:
    def __init__(self, path: Path) -> None:
        self._path = path

    def mark(self) -> int:
        """A place in the log, to read on from."""
        return self._path.stat().st_size if self._path.exists() else 0

    def events(self, *, since: int = 0) -> list[AuditEvent]:
        return list(self._read(since))

    def writes(
        self, *, since: int = 0, user: str | None = None, user_agent: str | None = None
    ) -> list[AuditEvent]:
        """Writing requests, refused ones too, of one user and of agents that begin so."""
        return [
            event
            for event in self._read(since)
            if event.is_write
            and (user is None or event.user == user)
            and (user_agent is None or event.user_agent.startswith(user_agent))
        ]

    def _read(self, since: int) -> Iterator[AuditEvent]:
        if not self._path.exists():
            return
        with self._path.open("rb") as handle:
            handle.seek(since)
            for line in handle:
                if line.endswith(b"\n"):  # a line still being written comes next time
                    yield _event(json.loads(line))


def _event(raw: dict[str, Any]) -> AuditEvent:
    target = raw.get("objectRef") or {}
    return AuditEvent(
        at=raw["stageTimestamp"],
        user=raw["user"].get("username", ""),
        user_agent=raw.get("userAgent", ""),
        verb=raw["verb"],
        group=target.get("apiGroup", ""),
        resource=target.get("resource", ""),
        subresource=target.get("subresource", ""),
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        uri=raw["requestURI"],
        code=(raw.get("responseStatus") or {}).get("code", 0),
    )
