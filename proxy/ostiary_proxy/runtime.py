"""What is in force right now: one snapshot, swapped by a single assignment.

A request reads `runtime.snapshot` once and works with that; a reload builds the next one beside it.
Nothing here reads files or decides.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from ostiary_proxy.access_tokens import AccessTokens
from ostiary_proxy.audit import Audit
from ostiary_proxy.auth import Verifier
from ostiary_proxy.between import new_secret
from ostiary_proxy.config import (
    CATALOGUE_TOKEN,
    GroupBackend,
    HttpBackend,
    Outside,
    ProxyConfig,
    Server,
)
from ostiary_proxy.guard import Network
from ostiary_proxy.metrics import Metrics
from ostiary_proxy.observations import Observations, Would
from ostiary_proxy.policy import Caller, Rules, compile_rules
from ostiary_proxy.seal import Sealer
from ostiary_proxy.throttle import Throttle

LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Taken beside the endpoint's own: port-forward and the local role.  Origin is still checked."""


def backend_key(server: Server) -> tuple[str, str]:
    """A backend lives on across configs while this stays the same.  A group does for as long as
    it is: its members come and go without it."""
    if isinstance(server.backend, GroupBackend):
        return (server.uid, "group")
    return (server.uid, server.backend.model_dump_json())


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path of this proxy."""

    server: Server
    rules: Rules
    audiences: frozenset[str]
    hosts: frozenset[str]
    """Lower case, without port."""
    sealer: Sealer
    origins: frozenset[bytes] = frozenset()
    """Of pages that may call from a browser, as browsers write them."""
    tokens: AccessTokens = field(default_factory=AccessTokens)
    issuers: frozenset[str] = frozenset()
    """Whose tokens are taken."""

    def knows(self, caller: Caller) -> bool:
        """Would the proof of who it is be taken now?  Its expiry aside."""
        if caller.through and all(link.uid != caller.through for link in self.server.groups):
            return False
        if caller.proof:
            return self.tokens.hold(caller.proof, through=frozenset({caller.through}))
        return not caller.issuer or caller.issuer in self.issuers

    @property
    def has_walls(self) -> bool:
        """Some rule takes callers without a token for what their network says of them."""
        subjects = (
            it for one in self.server.policies for rule in one.rules for it in rule.subjects
        )
        return any(subject.network for subject in subjects)

    @property
    def backend_key(self) -> tuple[str, str]:
        return backend_key(self.server)

    @property
    def outside(self) -> Outside | None:
        """How the backend is reached, where it is not beside the proxy."""
        backend = self.server.backend
        return backend.outside if isinstance(backend, HttpBackend) else None

    @property
    def is_remote(self) -> bool:
        """Somebody else's server: it is looked at when somebody calls, and at no other time."""
        return self.outside is not None and self.outside.source == "remote"


@dataclass(frozen=True, slots=True)
class Snapshot:
    config: ProxyConfig
    generation: int
    digest: str
    """sha256:<hex> of the document's bytes."""
    endpoints: Mapping[str, Endpoint]
    """By path."""
    verifier: Verifier
    hops: tuple[Network, ...] = ()
    """Who is believed about whom it speaks for."""
    paths: Mapping[str, Endpoint] = field(init=False)
    """The same endpoints, by every path that they are served at."""

    def __post_init__(self) -> None:
        outside = {
            it.server.exposed.path: it for it in self.endpoints.values() if it.server.exposed
        }
        object.__setattr__(self, "paths", {**outside, **self.endpoints})

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
    server = endpoint.server.model_copy(update={"policies": (), "groups": ()})
    if endpoint.rules.group is not None:
        group = replace(endpoint.rules.group, members={})
        return replace(endpoint, server=server, rules=replace(endpoint.rules, group=group))
    return replace(endpoint, server=server, rules=compile_rules(server))


@dataclass(slots=True)
class Runtime:
    """The state that all parts of one proxy share.  One thread, the loop's, writes it."""

    audit: Audit
    metrics: Metrics
    role: str
    pod: str = ""
    pod_uid: str = ""
    address: str = ""
    """Of this pod; empty where there is no other."""
    keys_dir: Path | None = None
    """None: the local role, which makes its own master."""
    catalogue_token: Path = Path(CATALOGUE_TOKEN)
    """A gateway's own, for its members' lists."""
    now: Callable[[], float] = time.time
    internal: str = field(default_factory=new_secret, repr=False)
    """Local role: what its gateways show its members in the place of an address; never told."""
    snapshot: Snapshot | None = None
    config_error: str = ""
    """Why a newer document is not in force."""
    deny_all: bool = False
    """The newer document has been unusable for too long, or there never was a usable one."""
    draining: bool = False
    reading: int = 0
    """Requests whose body was asked for and is not whole yet."""
    throttle: Throttle = field(default_factory=lambda: Throttle(time.monotonic))
    observations: Observations = field(default_factory=Observations)
    _subscribers: list[Callable[[], None]] = field(default_factory=list)

    @property
    def unrecorded(self) -> bool:
        """What begins now would leave no trace in the audit, and that is not wanted."""
        snapshot = self.snapshot
        return self.audit.full and snapshot is not None and snapshot.config.audit.onFull == "Refuse"

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Called after every change of the fields above; returns the way to stop that."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    def swap(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.config_error = ""
        self.deny_all = False
        self.changed()

    def observed(self, server: str, found: tuple[tuple[str, Would], ...]) -> None:
        """Policies in Observe mode would have decided otherwise."""
        self.observations.add(server, found)
        for policy, would in found:
            self.metrics.observed(server, policy, would)

    def changed(self) -> None:
        for callback in tuple(self._subscribers):
            callback()
