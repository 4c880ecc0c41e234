"""What a call costs on its way: directly, through a sidecar, through a gateway and a sidecar.

Real processes on loopback, with a token, policies, metrics and audit on; CPU of each proxy a call,
read from the kernel.  Figures of one run are for each other: absolute ones are noise on a shared
machine.  `python -m bench.hops [calls]`.
"""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from tests.proxy import documents, grouped, pods, rig, signing
from tests.proxy.volumes import project

from ostiary_proxy import config
from ostiary_proxy.pool import Pool

CALLS, CLIENTS = 6000, 16
TICKS = os.sysconf("SC_CLK_TCK")
HERE = "127.0.0.1"
BACKEND = """
import asyncio, sys, orjson
import uvicorn

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = b""
    while True:
        event = await receive()
        body += event.get("body", b"")
        if not event.get("more_body"):
            break
    asked = orjson.loads(body or b"{}")
    tools = [{"name": "echo", "inputSchema": {"type": "object"}}]
    results = {
        "server/discover": {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}},
                            "resultType": "complete", "ttlMs": 0, "cacheScope": "private",
                            "_meta": {"io.modelcontextprotocol/serverInfo":
                                      {"name": "fast", "version": "1"}}},
        "tools/list": {"tools": tools, "resultType": "complete", "ttlMs": 0,
                       "cacheScope": "private"},
        "tools/call": {"content": [{"type": "text", "text": "hello"}],
                       "resultType": "complete"},
    }
    answer = {"jsonrpc": "2.0", "id": asked.get("id"), "result": results.get(asked["method"], {})}
    raw = orjson.dumps(answer)
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(raw)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": raw})

uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", loop="uvloop")
"""


def cpu(pid: int) -> float:
    """Seconds of processor time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@asynccontextmanager
async def process(*words: str, **more: str) -> AsyncIterator[int]:
    environment = {**os.environ, **more}
    null = asyncio.subprocess.DEVNULL
    running = await asyncio.create_subprocess_exec(
        sys.executable, *words, env=environment, stdout=null, stderr=null
    )
    try:
        yield running.pid
    finally:
        running.send_signal(signal.SIGTERM)
        await running.wait()


@asynccontextmanager
async def proxy(folder: Path, role: str, port: int, server: config.Server) -> AsyncIterator[int]:
    for name in ("config", "keys", "run"):
        (folder / name).mkdir(parents=True)
    document = documents.raw(1, role=role, servers=(server,))
    project(folder / "config", {"config.json": document})
    token = folder / "token"
    subject = "system:serviceaccount:agents:everyday-group"
    token.write_text(signing.sign(signing.claims(subject, aud=config.CATALOGUE_AUDIENCE)))
    more = {
        "OSTIARY_ROLE": role,
        "OSTIARY_CONFIG_DIR": str(folder / "config"),
        "OSTIARY_KEYS_DIR": str(folder / "keys"),
        "OSTIARY_RUN_DIR": str(folder / "run"),
        "OSTIARY_CATALOGUE_TOKEN": str(token),
        "OSTIARY_BIND": HERE,
        "OSTIARY_MCP_PORT": str(port),
        "OSTIARY_ADMIN_PORT": "0",
        "POD_UID": role,
    }
    async with process("-m", "ostiary_proxy", **more) as pid:
        yield pid


def request(path: str, tool: str, bearer: str) -> bytes:
    body = orjson.dumps(rig.modern("tools/call", 7, name=tool, arguments={"text": "hello"}))
    headers = {
        "host": "localhost",
        "authorization": f"Bearer {bearer}",
        "accept": "application/json, text/event-stream",
        "content-type": "application/json",
        "content-length": str(len(body)),
        **rig.dashed(rig.modern_headers("tools/call", {"name": tool})),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


async def call(pool: Pool, sent: bytes) -> bytes:
    connection = await pool.request(sent, safe=True, seconds=30)
    chunks = []
    while (chunk := await connection.chunk(30)) is not None:
        chunks.append(chunk)
    pool.give_back(connection)
    return b"".join(chunks)


async def until_served(pool: Pool, sent: bytes) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if b'"text":"hello"' in await call(pool, sent):
                return
        except Exception:  # noqa: BLE001 -- it has not begun yet
            pass
        await asyncio.sleep(0.1)
    raise SystemExit("nothing answers")


async def measure(name: str, port: int, sent: bytes, calls: int, pids: dict[str, int]) -> None:
    pool = Pool(host=HERE, port=port)
    await until_served(pool, sent)
    for _ in range(200):
        await call(pool, sent)
    before = {one: cpu(pid) for one, pid in pids.items()}
    began = time.perf_counter()
    left = calls

    async def client() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await call(pool, sent)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(CLIENTS):
            tasks.create_task(client())
    wall = time.perf_counter() - began
    spent = {one: (cpu(pid) - before[one]) / calls * 1e6 for one, pid in pids.items()}
    shares = ", ".join(f"{one} {value:.0f} us" for one, value in spent.items())
    print(f"{name:<28} CPU a call: {shares}; {calls / wall:.0f} calls a second in all")
    pool.close()


async def main(calls: int) -> None:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ports = [pods.free_port() for _ in range(3)]
        server, whole = described(ports)
        program = folder / "backend.py"
        program.write_text(BACKEND)
        pids = {"backend": await stack.enter_async_context(process(str(program), str(ports[0])))}
        side = proxy(folder / "side", "sidecar", ports[1], server)
        pids["sidecar"] = await stack.enter_async_context(side)
        gate = proxy(folder / "gate", "gateway", ports[2], whole)
        pids["gateway"] = await stack.enter_async_context(gate)
        own = signing.sign(signing.claims(aud="http://clock.tools.svc/mcp"))
        through = signing.sign(signing.claims(aud=grouped.AUDIENCE))
        direct = {"backend": pids["backend"]}
        await measure("directly", ports[0], request("/mcp", "echo", own), calls, direct)
        one = {name: pids[name] for name in ("backend", "sidecar")}
        await measure("through a sidecar", ports[1], request("/mcp", "echo", own), calls, one)
        sent = request("/mcp", "clock_echo", through)
        await measure("through gateway and sidecar", ports[2], sent, calls, pids)


def described(ports: list[int]) -> tuple[config.Server, config.Server]:
    link = grouped.link("clock").model_copy(update={"pods": "localhost"})
    backend: Any = config.HttpBackend(port=ports[0])
    server = grouped.of("clock", backend, path="/mcp", groups=(link,))
    member = grouped.member(server, host="localhost", port=ports[1])
    return server, grouped.group([member], path="/mcp", policies=(rig.policy(),))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS))
