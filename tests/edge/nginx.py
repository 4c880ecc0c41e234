"""A real nginx on this machine, routed as a rendered Ingress or HTTPRoute says."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from socket import create_connection, socket
from typing import Any, Final

from e2e.cluster.packages import SYSTEM_PATH
from e2e.edge import Place, configuration, read

ADDRESS: Final = "127.0.0.9"
"""Where its connections to the proxy come from."""


@asynccontextmanager
async def routing(
    manifests: list[dict[str, Any]], folder: Path, pair: tuple[bytes, bytes], upstream: int
) -> AsyncIterator[int]:
    """The port that it listens at, with TLS.  `pair`: certificate and key; `upstream`: the port of
    the proxy behind the one Service that the routes name."""
    for name, content in zip(("tls.crt", "tls.key"), pair, strict=True):
        (folder / name).write_bytes(content)
    port = _free_port()
    routes = [route for manifest in manifests for route in read(manifest)]
    config, log = folder / "nginx.conf", folder / "error.log"
    place = Place(
        listen=f"127.0.0.1:{port}",
        folder=str(folder),
        certificate=str(folder),
        upstream=f"127.0.0.1:{upstream}",
        source=ADDRESS,
        log=str(log),
    )
    config.write_text(configuration(routes, place))
    program = shutil.which("nginx", path=SYSTEM_PATH)
    assert program, "the fixture installs it"
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
