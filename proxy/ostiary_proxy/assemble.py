"""From a config document to a snapshot that can be put in force: compiled rules, keys, verifier.

The only I/O is the reading of master keys.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ostiary_proxy.auth import Verifier
from ostiary_proxy.config import ProxyConfig, Server
from ostiary_proxy.policy import compile_rules
from ostiary_proxy.runtime import LOCAL_HOSTS, Endpoint, Snapshot
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

    def build(self, config: ProxyConfig, digest: str) -> Snapshot:
        return Snapshot(
            config=config,
            generation=config.generation,
            digest=digest,
            endpoints={server.path: self._endpoint(server) for server in config.servers},
            verifier=Verifier(config.issuers, clock=self._now, on_unknown_kid=self._on_unknown_kid),
        )

    def _endpoint(self, server: Server) -> Endpoint:
        return Endpoint(
            server=server,
            rules=compile_rules(server),
            audiences=frozenset(server.audiences),
            hosts=frozenset(host.lower() for host in server.hosts) | LOCAL_HOSTS,
            sealer=Sealer(self._masters(server), now=self._now, process_nonce=self._process_nonce),
        )

    def _masters(self, server: Server) -> dict[int, bytes]:
        if self._keys_dir is None:
            return {LOCAL_KEY_NUMBER: self._own_master}
        return held_keys(server.keys, self._keys_dir)
