"""A login of the folder's own issuer, against a real `ostiary up`, with its keys rotated."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import yaml
from tests.cli.folders import server, write
from tests.operator.identity_provider import Provider, provider
from tests.operator.identity_provider import patient as patient
from tests.proxy import signing
from tests.proxy.conditions import until
from tests.proxy.rig import dashed, modern, modern_headers, peer_command

from ostiary_cli.inforce import Applied, InForce
from ostiary_cli.local import Place
from ostiary_cli.logins import follow_logins
from ostiary_cli.manifests import read_folder
from ostiary_cli.token import Wish, create, revoke
from ostiary_proxy.config import Issuer
from ostiary_proxy.serve import Proxy

TOKENS = "tokens: {names: [ci]}"
POLICY = """
apiVersion: ostiary.dev/v1alpha1
kind: MCPAccessPolicy
metadata: {name: people}
spec:
  selector: {}
  rules:
  - name: readers
    from: [{oidc: {issuer: "%s", claims: {groups: [readers]}}}]
    allow: {tools: ["*"]}
"""


def settings(found: Provider) -> str:
    issuer = {"name": "team", "url": found.url, "caBundle": found.ca, "primary": True}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "ostiary-settings", "namespace": "ostiary-system"},
            "data": {"settings.yaml": yaml.safe_dump({"issuers": [issuer]})},
        }
    )


def publish(found: Provider, *keys: Any) -> None:
    found.publish()
    path = next(it for it in found.documents if it.endswith("/certs"))
    found.documents[path] = {"keys": [one.as_dict(private=False) for one in keys]}


@asynccontextmanager
async def up(tmp_path: Path, found: Provider) -> AsyncIterator[tuple[Proxy, InForce, list[str]]]:
    told: list[str] = []
    command = "command: " + yaml.safe_dump(list(peer_command()), default_flow_style=True).strip()
    write(tmp_path, a=server("time", command), b=POLICY % found.url, c=settings(found))
    with (tmp_path / "audit.jsonl").open("wb") as audit:
        async with Proxy(role="local", audit_stream=audit, accept_seconds=0) as proxy:
            place = Place(tmp_path, proxy.port, "/usr/bin:/bin")
            issuer = Issuer(kind="local", issuer="me")
            state = InForce(proxy=proxy, issuer=issuer, place=place, callers=())
            assert isinstance(await state.take(read_folder(tmp_path)), Applied)
            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(follow_logins(state, proxy.runtime, told.append))
                try:
                    yield proxy, state, told
                finally:
                    task.cancel()


async def ask(url: str, key: Any, **claims: Any) -> httpx2.Response:
    claims = {"aud": url, **claims}
    return await bear(url, signing.sign(signing.person(**claims), with_key=key, typ="at+jwt"))


async def bear(url: str, token: str) -> httpx2.Response:
    headers = {
        "authorization": f"Bearer {token}",
        "accept": "application/json, text/event-stream",
        **dashed(modern_headers("tools/list", {})),
    }
    async with httpx2.AsyncClient(timeout=60) as http:
        body = modern("tools/list")
        return await http.post(url, json=body, headers=headers)


async def test_a_person_logs_in_with_the_issuer_of_the_folder(tmp_path: Path) -> None:
    key = signing.key("P-256", "one")
    async with provider() as found:
        publish(found, key)
        async with up(tmp_path, found) as (proxy, state, _):
            url = state.servers[0].url
            await until(lambda: state.logins.issuers[0].keys)
            await until(lambda: len(proxy.runtime.snapshot.config.issuers[1].keys) == 1)
            iss = found.url
            other = url.replace("127.0.0.1", "localhost")

            answers = [
                await ask(url, key, iss=iss),
                await ask(url, key, iss=iss, aud=other),
                await ask(url, key, iss=iss, groups=["writers"]),
                await ask(url, key, iss=iss, aud="http://elsewhere/mcp"),
                await ask(url, signing.key("P-256", "evil"), iss=iss),
            ]
            metadata = f"http://127.0.0.1:{proxy.port}/.well-known/oauth-protected-resource"
            async with httpx2.AsyncClient() as http:
                told = (await http.get(f"{metadata}/default/time/mcp")).json()

    assert [it.status_code for it in answers] == [200, 200, 403, 401, 401]
    assert (told["resource"], told["authorization_servers"]) == (url, [found.url])


async def test_an_issuer_that_is_down_is_told_of_and_stops_nothing(tmp_path: Path) -> None:
    async with provider() as found:
        found.documents = {}
        async with up(tmp_path, found) as (_, state, told):
            await until(lambda: told)

            assert state.servers
    assert told[0].startswith("The keys of issuer team were not fetched")
    assert len(told) == 1


async def test_a_token_of_the_folder_opens_its_server_until_it_is_revoked(tmp_path: Path) -> None:
    async with provider() as found, up(tmp_path, found) as (_, state, _):
        url = state.servers[0].url
        policy = POLICY.replace('oidc: {issuer: "%s", claims: {groups: [readers]}}', TOKENS)
        (tmp_path / "d.yaml").write_text(policy.replace("people", "ci"))
        wish = Wish("ci", "default", ("time",), "1d")
        secret = create(wish, tmp_path, datetime.now(UTC))
        await state.take(read_folder(tmp_path))

        good = await bear(url, secret)
        revoke("ci", "default", tmp_path)
        await state.take(read_folder(tmp_path))
        gone = await bear(url, secret)

    assert (good.status_code, gone.status_code) == (200, 401)
    assert secret not in (tmp_path / "audit.jsonl").read_text()
