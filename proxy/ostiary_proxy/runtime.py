"""What is in force right now: one snapshot, swapped by a single assignment.

A request reads `runtime.snapshot` once and works with that; a reload builds the next one beside it.
Nothing here reads files or decides.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from ostiary_proxy.audit import Audit
from ostiary_proxy.auth import Verifier
from ostiary_proxy.config import ProxyConfig, Server
from ostiary_proxy.metrics import Metrics
from ostiary_proxy.policy import Rules, compile_rules
from ostiary_proxy.seal import Sealer

LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Taken beside the endpoint's own: port-forward and the local role.  Origin is still checked."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path of this proxy."""

    server: Server
    rules: Rules
    audiences: frozenset[str]
    hosts: frozenset[str]
    """Lower case, without port."""
    sealer: Sealer

    @property
    def backend_key(self) -> tuple[str, str]:
        """A backend lives on across configs while this stays the same."""
        return (self.server.uid, self.server.backend.model_dump_json())


@dataclass(frozen=True, slots=True)
class Snapshot:
    config: ProxyConfig
    generation: int
    digest: str
    """sha256:<hex> of the document's bytes."""
    endpoints: Mapping[str, Endpoint]
    """By path."""
    verifier: Verifier

    @property
    def keys(self) -> tuple[int, ...]:
        return tuple(
            sorted({n for endpoint in self.endpoints.values() for n in endpoint.sealer.numbers})
        )

    @property
    def lacks_keys(self) -> bool:
        """Some server names masters and none of them is here (yet): its sessions cannot start."""
        return any(
            endpoint.server.keys and not endpoint.sealer.numbers
            for endpoint in self.endpoints.values()
        )

    def denying_all(self) -> "Snapshot":
        """The same endpoints, and nobody may do anything."""
        return replace(
            self,
            endpoints={path: _closed(endpoint) for path, endpoint in self.endpoints.items()},
        )


def _closed(endpoint: Endpoint) -> Endpoint:
    server = endpoint.server.model_copy(update={"policies": ()})
    return replace(endpoint, server=server, rules=compile_rules(server))


@dataclass(slots=True)
class Runtime:
    """The state that all parts of one proxy share.  One thread, the loop's, writes it."""

    audit: Audit
    metrics: Metrics
    role: str
    pod: str = ""
    pod_uid: str = ""
    keys_dir: Path | None = None
    """None: the local role, which makes its own master."""
    now: Callable[[], float] = time.time
    snapshot: Snapshot | None = None
    config_error: str = ""
    """Why a newer document is not in force."""
    deny_all: bool = False
    """The newer document has been unusable for too long, or there never was a usable one."""
    draining: bool = False
    _subscribers: list[Callable[[], None]] = field(default_factory=list)

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Called after every change of the fields above; returns the way to stop that."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    def swap(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.config_error = ""
        self.deny_all = False
        self.changed()

    def changed(self) -> None:
        for callback in tuple(self._subscribers):
            callback()
