"""What is in force at a proxy of this machine, and how an edit of the folder replaces it.

An edit that does not validate, or after which a server that runs could not run any more, changes
nothing: the last good state stays, for as long as it takes to mend the file.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ostiary_proxy.config import HttpBackend, Issuer, Server
from ostiary_proxy.serve import Proxy

from .local import HOST, Place, Plan, Refusal, key_of, plan
from .manifests import Manifests

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

    async def take(self, manifests: Manifests) -> Applied | Kept:
        if manifests.problems:
            return Kept(tuple(str(problem) for problem in manifests.problems))
        wanted = plan(manifests, self._place, self._callers)
        wanted = await self._without_busy_ports(wanted, manifests)
        running = {key_of(server) for server in self.servers}
        lost = tuple(str(refusal) for refusal in wanted.refusals if refusal.key in running)
        if lost:
            return Kept(lost)
        if self._generation and wanted.servers == self.servers:
            return Applied(self._generation, (), (), wanted.refusals, changed=False)
        try:
            self._proxy.apply(wanted.config(self._generation + 1, self._issuer))
        except ValueError as err:
            return Kept((str(err),))
        self._generation += 1
        now = {key_of(server) for server in wanted.servers}
        self.servers = wanted.servers
        return Applied(
            self._generation,
            tuple(server for server in wanted.servers if key_of(server) not in running),
            tuple(sorted(running - now)),
            wanted.refusals,
        )

    async def _without_busy_ports(self, wanted: Plan, manifests: Manifests) -> Plan:
        """A port that somebody else listens on would answer in the server's place."""
        ours = {it.backend.port for it in self.servers if isinstance(it.backend, HttpBackend)}
        servers: list[Server] = []
        refusals = list(wanted.refusals)
        for server in wanted.servers:
            port = server.backend.port if isinstance(server.backend, HttpBackend) else None
            if port is not None and port not in ours and await _answers(port):
                refusals.append(_busy(server, port, manifests))
            else:
                servers.append(server)
        return Plan(tuple(servers), tuple(refusals))


def _busy(server: Server, port: int, manifests: Manifests) -> Refusal:
    key = key_of(server)
    _, source = manifests.servers[key]
    return Refusal(
        key,
        source.at("spec.transport.streamableHTTP.port"),
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
