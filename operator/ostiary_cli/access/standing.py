"""What is written down: the servers, policies and tokens that every question here is asked of.

`folders` and `cluster` read it; nothing is read from here on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ostiary_cli.endpoint import WRONG, CallFailed
from ostiary_operator.api import MCPAccessPolicy, MCPAccessToken, MCPGroup, MCPServer
from ostiary_operator.render.proxy_config import cluster_address, server_section
from ostiary_operator.render.selection import Labels, selecting
from ostiary_operator.render.tokens import opening
from ostiary_operator.trusted_issuers import TrustedIssuer
from ostiary_proxy import config
from ostiary_proxy.globs import Globs
from ostiary_proxy.pin_shapes import drift
from ostiary_proxy.rules import EVERYTHING


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything by `<namespace>/<name>`."""

    servers: Mapping[str, MCPServer]
    policies: Mapping[str, MCPAccessPolicy]
    """What is usable of each, ceilings that count for nothing left out."""
    groups: Mapping[str, MCPGroup] = field(default_factory=dict)
    tokens: Mapping[str, MCPAccessToken] = field(default_factory=dict)
    good: tuple[MCPAccessToken, ...] = ()
    """Those of the tokens that may open something."""
    namespaces: Mapping[str, Labels] = field(default_factory=dict)
    issuers: tuple[TrustedIssuer, ...] | None = None
    """None: nobody wrote down which are trusted."""
    statuses: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Of servers, on a cluster."""
    notes: tuple[str, ...] = ()
    """What was left out, as sentences."""
    idle: Mapping[str, MCPAccessPolicy] = field(default_factory=dict)
    """Ceilings outside of the admins' namespace."""
    default_egress: str = "Public"
    """Of servers that say nothing about it."""

    def of_server(self, server: MCPServer) -> tuple[MCPAccessPolicy, ...]:
        return selecting(self.policies.values(), server, self.namespaces)

    def opened_by(self, server: MCPServer) -> tuple[MCPAccessToken, ...]:
        return opening(server, self.good, self.policies.values(), self.namespaces)

    def section(self, server: MCPServer) -> config.Server:
        """The server's part of the proxy's document.  The backend has no part in a decision."""
        return server_section(
            server,
            self.policies.values(),
            self.namespaces,
            address=cluster_address(server),
            backend=config.StdioBackend(),
            tokens=self.opened_by(server),
        )

    def as_pinned(self, server: MCPServer) -> config.Server:
        """The same, with what an enforced pin hides left out: by the tools in the status, else by
        the names that it approves.  A digest of the whole set alone tells no names: the tools are
        then taken to be as approved."""
        section = self.section(server)
        pin = section.tools.pin
        if pin.mode != "Enforce":
            return section
        open_ = section.tools.model_copy(update={"pin": config.Pin()})
        names = self._approved(server, pin)
        if names is not None:
            exists = EVERYTHING if open_.allow is None else Globs.compile(open_.allow)
            # A name with a star in it would be a pattern here, and hides rather than opens.
            kept = tuple(sorted(it for it in names if exists.match(it) and "*" not in it))
            open_ = open_.model_copy(update={"allow": kept})
        return section.model_copy(update={"tools": open_})

    def _approved(self, server: MCPServer, pin: config.Pin) -> frozenset[str] | None:
        """None: nobody can tell from here."""
        place = server.metadata
        tools = (self.statuses.get(f"{place.namespace}/{place.name}") or {}).get("tools") or {}
        items = [config.ToolReport(**it) for it in tools.get("items") or ()]
        if items and len(items) == tools.get("count"):
            hidden = drift(pin, str(tools.get("digest", "")), items)
            if hidden.whole:
                return frozenset()
            return frozenset(it.name for it in items) - frozenset(hidden.unapproved)
        if pin.digest:
            return None
        return frozenset(it.name for it in pin.tools)

    def with_namespaces(self, others: Mapping[str, Labels]) -> "Standing":
        return replace(self, namespaces={**others, **self.namespaces})

    def with_policy(self, key: str, policy: MCPAccessPolicy) -> "Standing":
        return replace(self, policies={**self.policies, key: policy})

    def chosen(self, namespace: str, name: str | None) -> tuple[MCPServer, ...]:
        """The server named, or every one of the namespace.  Raises CallFailed."""
        within = [it for it in self.servers.values() if it.metadata.namespace == namespace]
        found = [it for it in within if name in (None, it.metadata.name)]
        if not found:
            what = f"no MCPServer {namespace}/{name}" if name else f"no MCPServer in {namespace}"
            known = ", ".join(sorted(self.servers)[:20]) or "none"
            raise CallFailed(f"There is {what}: write -n and --server; it has {known}.", code=WRONG)
        return tuple(sorted(found, key=lambda it: it.metadata.name))

    def tools_of(self, server: MCPServer) -> frozenset[str] | None:
        """By its status, where all are listed there; None: not known."""
        place = server.metadata
        tools = (self.statuses.get(f"{place.namespace}/{place.name}") or {}).get("tools") or {}
        items = tools.get("items") or ()
        if not items or len(items) != tools.get("count"):
            return None
        return frozenset(str(it.get("name")) for it in items)
