"""A real nginx that routes as a rendered Ingress or HTTPRoute says: its exact paths, no rewrite.

What a Gateway or an ingress controller would make of such an object, in as few lines as it takes.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection, socket
from typing import Any, Final

from e2e.cluster.packages import SYSTEM_PATH

ADDRESS: Final = "127.0.0.9"
"""Where its connections to the proxy come from."""


@dataclass(frozen=True, slots=True)
class Route:
    host: str
    path: str
    service: str
    port: int


def read(manifest: dict[str, Any]) -> Iterator[Route]:
    """What either kind means.  What it may not hold fails: a prefix, a filter, another kind."""
    spec = manifest["spec"]
    if manifest["kind"] == "Ingress":
        for rule in spec["rules"]:
            for it in rule["http"]["paths"]:
                assert it["pathType"] == "Exact"
                service = it["backend"]["service"]
                yield Route(rule["host"], it["path"], service["name"], service["port"]["number"])
        return
    assert manifest["kind"] == "HTTPRoute"
    for rule in spec["rules"]:
        assert set(rule) == {"matches", "backendRefs"}
        (backend,) = rule["backendRefs"]
        for match in rule["matches"]:
            assert match["path"]["type"] == "Exact"
            assert set(match) == {"path"}
            path = match["path"]["value"]
            for host in spec["hostnames"]:
                yield Route(host, path, backend["name"], backend["port"])


def configuration(routes: list[Route], folder: Path, *, port: int, upstream: int) -> str:
    """`upstream`: the port of the proxy behind the one Service that the routes name."""
    (host,) = {it.host for it in routes}
    locations = "\n".join(_location(it.path, upstream) for it in routes)
    temporary = "\n".join(
        f"  {kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
{temporary}
  map $http_upgrade $upgrading {{ default upgrade; '' ''; }}
  server {{
    listen 127.0.0.1:{port} ssl;
    server_name {host};
    ssl_certificate {folder}/tls.crt;
    ssl_certificate_key {folder}/tls.key;
{locations}
    location / {{ return 404 "no route\\n"; }}
  }}
}}
"""


def _location(path: str, upstream: int) -> str:
    """As controllers write them: the path as it is, and what they know of the client."""
    return f"""    location = {path} {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_bind {ADDRESS};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $upgrading;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_buffering off;
      proxy_read_timeout 1h;
    }}"""


@asynccontextmanager
async def routing(
    manifests: list[dict[str, Any]], folder: Path, pair: tuple[bytes, bytes], upstream: int
) -> AsyncIterator[int]:
    """The port that it listens at, with TLS.  `pair`: certificate and key."""
    for name, content in zip(("tls.crt", "tls.key"), pair, strict=True):
        (folder / name).write_bytes(content)
    port = _free_port()
    routes = [route for manifest in manifests for route in read(manifest)]
    config = folder / "nginx.conf"
    config.write_text(configuration(routes, folder, port=port, upstream=upstream))
    program = shutil.which("nginx", path=SYSTEM_PATH)
    assert program, "the fixture installs it"
    log = folder / "error.log"
    process = await asyncio.create_subprocess_exec(program, "-e", str(log), "-c", str(config))
    try:
        await _until_open(port, process, log)
        yield port
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(10):
            await process.wait()


async def _until_open(port: int, process: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(30):
        while True:
            assert process.returncode is None, f"its words are in {log}"
            try:
                create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                await asyncio.sleep(0.02)
            else:
                return


def _free_port() -> int:
    with closing(socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
