"""What is in force at a proxy of this machine, and how an edit of the folder replaces it.

An edit that does not validate, or after which a server that runs could not run any more, changes
nothing: the last good state stays, for as long as it takes to mend the file.
"""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ostiary_operator.oidc_issuers import OidcIssuers, Wanted
from ostiary_operator.trusted_issuers import TrustedIssuer
from ostiary_proxy.config import Issuer, PortBackend, Server
from ostiary_proxy.serve import Proxy

from .folder_tokens import good_tokens
from .local import HOST, Place, Plan, Refusal, key_of, listening, plan, port_field
from .local_groups import without
from .manifests import Manifests
from .upstream import Files, remove_files, write_files

LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Applied:
    """The folder is in force."""

    generation: int
    added: tuple[Server, ...]
    removed: tuple[str, ...]
    refusals: tuple[Refusal, ...]
    """Servers that are left out."""
    changed: bool = True
    notes: tuple[str, ...] = ()
    """Access tokens that are good for nothing, and servers that are no members; and why."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The folder is not in force; what was there before is."""

    problems: tuple[str, ...]


class InForce:
    """One proxy and the plan it follows."""

    def __init__(
        self, *, proxy: Proxy, issuer: Issuer, place: Place, callers: Iterable[str]
    ) -> None:
        self._proxy = proxy
        self._issuer = issuer
        self._place = place
        self._callers = tuple(callers)
        self._generation = 0
        self.servers: tuple[Server, ...] = ()
        self._files = Files()
        self._plan = Plan((), ())
        self._issuers: tuple[Issuer, ...] = ()
        self._trusted: tuple[TrustedIssuer, ...] = ()
        self.logins = OidcIssuers(
            wanted=lambda: Wanted(self._trusted, loopback=True), clock=time.monotonic
        )
        """Issuers of the folder's settings."""

    async def take(self, manifests: Manifests) -> Applied | Kept:
        if manifests.problems:
            return Kept(tuple(str(problem) for problem in manifests.problems))
        tokens, notes = good_tokens(
            (token for token, _ in manifests.tokens.values()), datetime.now(UTC)
        )
        wanted = plan(manifests, self._place, self._callers, tokens)
        wanted = await self._without_busy_ports(wanted, manifests)
        notes += wanted.notes
        running = {key_of(server) for server in self.servers}
        lost = tuple(str(refusal) for refusal in wanted.refusals if refusal.key in running)
        if lost:
            return Kept(lost)
        trusted, self._trusted = self._trusted, manifests.issuers
        same = wanted.files == self._files and wanted.servers == self.servers
        if self._generation and same and trusted == self._trusted:
            return Applied(
                self._generation, (), (), wanted.refusals, changed=False, notes=tuple(notes)
            )
        await self._write(wanted.files)
        try:
            self._put(wanted)
        except ValueError as err:
            self._trusted = trusted
            return Kept((str(err),))
        self.logins.look_at_settings()
        now = {key_of(server) for server in wanted.servers}
        self.servers = wanted.servers
        return Applied(
            self._generation,
            tuple(server for server in wanted.servers if key_of(server) not in running),
            tuple(sorted(running - now)),
            wanted.refusals,
            notes=tuple(notes),
        )

    def refresh(self) -> None:
        """Other keys: the same folder, for whoever they sign for."""
        if self._generation and self._all_issuers() != self._issuers:
            self._put(self._plan)

    def _put(self, wanted: Plan) -> None:
        """Raises ValueError, and what was in force stays."""
        issuers = self._all_issuers()
        self._proxy.apply(wanted.config(self._generation + 1, issuers))
        self._generation += 1
        self._plan, self._issuers = wanted, issuers

    def _all_issuers(self) -> tuple[Issuer, ...]:
        return (self._issuer, *self.logins.issuers)

    async def _write(self, files: Files) -> None:
        """Before the config that names them."""
        root = self._place.upstream
        if not self._generation:
            await asyncio.to_thread(remove_files, root)
        await asyncio.to_thread(write_files, self._files, files)
        self._files = files

    async def close(self) -> None:
        """No credential outlives the proxy that needed it."""
        await asyncio.to_thread(remove_files, self._place.upstream)

    async def _without_busy_ports(self, wanted: Plan, manifests: Manifests) -> Plan:
        """A port that somebody else listens on would answer in the server's place."""
        ours = {
            backend.port for it in self.servers if (backend := listening(it.backend)) is not None
        }
        servers: list[Server] = []
        refusals = list(wanted.refusals)
        for server in wanted.servers:
            backend = listening(server.backend)
            if backend and backend.port not in ours and await _answers(backend.port):
                refusals.append(_busy(server, backend, manifests))
            else:
                servers.append(server)
        running = [key_of(server) for server in servers]
        kept = tuple(without(server, running) for server in servers)
        return Plan(kept, tuple(refusals), wanted.files, wanted.notes)


def _busy(server: Server, backend: PortBackend, manifests: Manifests) -> Refusal:
    key, port = key_of(server), backend.port
    _, source = manifests.servers[key]
    return Refusal(
        key,
        source.at(port_field(backend)),
        f"another program on this machine listens on port {port}: stop it, or give {key} another",
    )


async def _answers(port: int) -> bool:
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            _, writer = await asyncio.open_connection(HOST, port)
    except OSError:  # TimeoutError is one
        return False
    writer.close()
    return True
