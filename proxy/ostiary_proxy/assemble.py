"""From a config document to a snapshot that can be put in force: compiled rules, keys, verifier.

The only I/O is the reading of master keys.
"""

import os
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Final

from ostiary_proxy.access_tokens import AccessTokens
from ostiary_proxy.auth import Verifier
from ostiary_proxy.config import GroupBackend, ProxyConfig, Server
from ostiary_proxy.group_places import GroupPlaces, aggregate_audiences, passthroughs
from ostiary_proxy.group_rules import compile_group
from ostiary_proxy.pins import Book
from ostiary_proxy.policy import Rules, compile_rules
from ostiary_proxy.runtime import LOCAL_HOSTS, Endpoint, Snapshot, backend_key
from ostiary_proxy.seal import MASTER_BYTES, PROCESS_NONCE_BYTES, Sealer, held_keys

LOCAL_KEY_NUMBER: Final = 0


class Assembler:
    """Builds snapshots for one process."""

    def __init__(
        self,
        *,
        keys_dir: Path | None,
        now: Callable[[], float],
        on_unknown_kid: Callable[[], None],
    ) -> None:
        """`keys_dir` None: the local role; its master lives in memory and dies with the process."""
        self._keys_dir = keys_dir
        self._now = now
        self._on_unknown_kid = on_unknown_kid
        self._process_nonce = os.urandom(PROCESS_NONCE_BYTES)
        self._own_master = os.urandom(MASTER_BYTES)
        self._books: dict[tuple[str, str], Book] = {}
        """By backend: what is known of its tools outlives the rules."""
        self._places: dict[str, GroupPlaces] = {}
        """By a group's uid: so does what its members' things are called."""

    def build(self, config: ProxyConfig, digest: str) -> Snapshot:
        keys = [backend_key(server) for server in config.servers]
        self._books = {key: self._books.get(key) or Book() for key in keys}
        self._places = {
            server.uid: self._places.get(server.uid) or GroupPlaces(server.backend)
            for server in config.servers
            if isinstance(server.backend, GroupBackend)
        }
        known = frozenset(issuer.issuer for issuer in config.issuers)
        return Snapshot(
            config=config,
            generation=config.generation,
            digest=digest,
            endpoints={
                endpoint.server.path: endpoint
                for server in config.servers
                for endpoint in self._endpoints(server, known)
            },
            verifier=Verifier(config.issuers, clock=self._now, on_unknown_kid=self._on_unknown_kid),
            hops=tuple(ip_network(text) for text in config.hops),
        )

    def _endpoints(self, server: Server, issuers: frozenset[str]) -> Iterator[Endpoint]:
        """A group has its members' own ways beside `/mcp`."""
        if not isinstance(server.backend, GroupBackend):
            rules = compile_rules(server, self._books[backend_key(server)])
            yield self._endpoint(server, rules, issuers)
            return
        places = self._places[server.uid]
        books = places.books(server.backend)
        whole = server.model_copy(update={"audiences": aggregate_audiences(server)})
        yield self._endpoint(whole, compile_group(server, books, places), issuers)
        for way in passthroughs(server):
            assert isinstance(way.backend, GroupBackend)
            alone = GroupPlaces(way.backend)
            yield self._endpoint(way, compile_group(way, books, alone), issuers)

    def _endpoint(self, server: Server, rules: Rules, issuers: frozenset[str]) -> Endpoint:
        return Endpoint(
            server=server,
            rules=rules,
            audiences=frozenset(server.audiences),
            tokens=AccessTokens(server.tokens),
            issuers=issuers,
            hosts=frozenset(host.lower() for host in server.hosts) | LOCAL_HOSTS,
            origins=frozenset(origin.encode() for origin in server.clients.allowedOrigins),
            sealer=Sealer(
                self._masters(server),
                now=self._now,
                process_nonce=self._process_nonce,
                awaited=(key.number for key in server.keys),
            ),
        )

    def _masters(self, server: Server) -> dict[int, bytes]:
        if self._keys_dir is None:
            return {LOCAL_KEY_NUMBER: self._own_master}
        held = held_keys(server.keys, self._keys_dir)
        sealing = {key.number: key.seals for key in server.keys}
        # Newest first, but for those that some pod does not hold yet.
        return dict(sorted(held.items(), key=lambda item: not sealing[item[0]]))
