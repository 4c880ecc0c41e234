"""An OIDC issuer on this machine, behind TLS: it publishes what a test tells it to."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.proxy.certificates import Authority

from ostiary_operator import fetch
from ostiary_operator.trusted_issuers import TrustedIssuer

PATH = "/realms/team"


@dataclass
class Provider:
    authority: Authority
    port: int = 0
    documents: dict[str, Any] = field(default_factory=dict)
    """By path; a web.Response is sent as it is, once for each of its uses."""
    asked: list[str] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def url(self) -> str:
        return self.origin + PATH

    @property
    def ca(self) -> str:
        return self.authority.pem.decode()

    def publish(self, *kids: str, **metadata: Any) -> None:
        """As Keycloak does: OpenID's metadata below the path, and nothing elsewhere."""
        self.documents = {
            f"{PATH}/.well-known/openid-configuration": {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/certs",
                **metadata,
            },
            f"{PATH}/certs": {"keys": [{"kid": kid, "kty": "EC", "crv": "P-256"} for kid in kids]},
        }

    def settings(self, **more: Any) -> TrustedIssuer:
        values = {"name": "team", "url": self.url, "caBundle": self.ca, **more}
        return TrustedIssuer.model_validate(values)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        found = self.documents.get(request.path)
        if callable(found):
            response: web.StreamResponse = await found(request)
            return response
        return web.Response(status=404) if found is None else web.json_response(found)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under load TLS takes its time, and the tests' clocks stand still: nothing is tried again."""
    monkeypatch.setattr(fetch, "SECONDS", 60.0)


@asynccontextmanager
async def provider(name: str = "localhost") -> AsyncIterator[Provider]:
    """`name`: what its certificate is for."""
    found = Provider(Authority())
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.answer)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        with tempfile.TemporaryDirectory() as folder:
            context = found.authority.server(Path(folder), name)
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        found.port = runner.addresses[0][1]
        found.publish("a")
        yield found
    finally:
        await runner.cleanup()
