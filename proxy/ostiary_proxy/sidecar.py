"""The process of a sidecar or a gateway: follows its files, leaves on a signal after a drain.

Everything comes from the environment: OSTIARY_ROLE (sidecar, or gateway), OSTIARY_CONFIG_DIR,
OSTIARY_KEYS_DIR, OSTIARY_RUN_DIR, OSTIARY_TLS_DIR, OSTIARY_CATALOGUE_TOKEN (a gateway's own),
OSTIARY_BIND (every address), OSTIARY_MCP_PORT, OSTIARY_ADMIN_PORT, OSTIARY_TLS_PORT, POD_NAME,
POD_UID, POD_IP.
The audit goes to stdout, all else to stderr.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self

from ostiary_proxy import lean
from ostiary_proxy.addresses import Resolve, by_dns
from ostiary_proxy.config import (
    ADMIN_PORT,
    CATALOGUE_TOKEN,
    CONFIG_DIR,
    DRAIN_SOCKET,
    KEYS_DIR,
    MCP_PORT,
    RUN_DIR,
    TLS_DIR,
    TLS_PORT,
)
from ostiary_proxy.descriptors import raise_limit
from ostiary_proxy.drain import DrainSocket
from ostiary_proxy.reload import Reloader
from ostiary_proxy.serve import Proxy

LAST_PORT: Final = 65535
Role = Literal["sidecar", "gateway"]

log = logging.getLogger("ostiary_proxy")


@dataclass(frozen=True, slots=True)
class Environment:
    role: Role
    """A document for the other one is refused."""
    config_dir: Path
    keys_dir: Path
    run_dir: Path
    bind: str
    mcp_port: int
    admin_port: int
    tls_port: int
    tls_dir: Path
    catalogue_token: Path
    pod: str
    pod_uid: str
    address: str

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        return cls(
            role=_role(environ.get("OSTIARY_ROLE", "sidecar")),
            config_dir=Path(environ.get("OSTIARY_CONFIG_DIR", CONFIG_DIR)),
            keys_dir=Path(environ.get("OSTIARY_KEYS_DIR", KEYS_DIR)),
            run_dir=Path(environ.get("OSTIARY_RUN_DIR", RUN_DIR)),
            bind=environ.get("OSTIARY_BIND", ""),
            mcp_port=_port(environ, "OSTIARY_MCP_PORT", MCP_PORT),
            admin_port=_port(environ, "OSTIARY_ADMIN_PORT", ADMIN_PORT),
            tls_port=_port(environ, "OSTIARY_TLS_PORT", TLS_PORT),
            tls_dir=Path(environ.get("OSTIARY_TLS_DIR", TLS_DIR)),
            catalogue_token=Path(environ.get("OSTIARY_CATALOGUE_TOKEN", CATALOGUE_TOKEN)),
            pod=environ.get("POD_NAME", ""),
            pod_uid=environ.get("POD_UID", ""),
            address=environ.get("POD_IP", ""),
        )


def _role(text: str) -> Role:
    if text not in ("sidecar", "gateway"):
        raise ValueError(f"OSTIARY_ROLE must be sidecar or gateway, not {text!r}")
    return "gateway" if text == "gateway" else "sidecar"


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, str(default))
    if not (text.isascii() and text.isdigit() and int(text[:6]) <= LAST_PORT):
        raise ValueError(f"{name} must be a port number, not {text!r}")
    return int(text)


async def serve(environment: Environment, resolve: Resolve = by_dns) -> None:
    """Until a signal, and the drain after it."""
    stop = _signalled()
    proxy = Proxy(
        role=environment.role,
        audit_stream=sys.stdout.buffer,
        host=environment.bind,
        port=environment.mcp_port,
        admin_port=environment.admin_port,
        tls_port=environment.tls_port,
        tls_dir=environment.tls_dir,
        catalogue_token=environment.catalogue_token,
        keys_dir=environment.keys_dir,
        pod=environment.pod,
        pod_uid=environment.pod_uid,
        address=environment.address,
        resolve=resolve,
    )
    socket = environment.run_dir / Path(DRAIN_SOCKET).name
    async with proxy, DrainSocket(socket, proxy.drain), asyncio.TaskGroup() as group:
        reloader = Reloader(
            runtime=proxy.runtime,
            assembler=proxy.assembler,
            config_dir=environment.config_dir,
            keys_dir=environment.keys_dir,
        )
        following = group.create_task(reloader.run())
        log.info("ports=open mcp=%d admin=%d", proxy.port, proxy.admin_port)
        await reloader.loaded.wait()
        lean.after_start()
        await stop.wait()
        await proxy.drain.run()
        following.cancel()


def _signalled() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def run() -> int:
    logging.basicConfig(
        stream=sys.stderr,
        level=os.environ.get("OSTIARY_LOG_LEVEL", "INFO").upper(),
        format="time=%(asctime)s level=%(levelname)s logger=%(name)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S%z",
    )
    try:
        environment = Environment.read(os.environ)
    except ValueError as err:
        return _fail(err)
    raise_limit()
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve(environment))
    except OSError as err:
        return _fail(err)
    return 0


def _fail(err: Exception) -> int:
    """A port or a folder that is not to be had: the words say which, a stack would not."""
    print(f"ostiary-proxy: {err}", file=sys.stderr)
    return 1
