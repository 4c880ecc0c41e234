"""Tokens of a real OpenID provider, and its keys rotated while calls run."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.oidc.provider import RealProvider, real_provider
from tests.operator.hand_clock import HandClock
from tests.operator.identity_provider import patient as patient
from tests.proxy import documents, signing
from tests.proxy.conditions import until
from tests.proxy.peers.scripted import Scripted
from tests.proxy.rig import Rig, http_rig, request

from ostiary_operator.oidc import SOONEST_SECONDS
from ostiary_operator.oidc_issuers import OidcIssuers, Wanted
from ostiary_operator.token_keys import DROP_AFTER_SECONDS
from ostiary_proxy import config


@dataclass
class World:
    """A proxy that trusts the provider as the operator would have it."""

    provider: RealProvider
    rig: Rig
    clock: HandClock = field(default_factory=HandClock)
    audience: str = ""

    def __post_init__(self) -> None:
        wanted = Wanted((self.provider.settings,), loopback=True)
        self.issuers = OidcIssuers(wanted=lambda: wanted, clock=self.clock)

    def ship(self) -> None:
        server = documents.server(**(self.rig.values or {}))
        self.rig.proxy.apply(
            documents.document(
                self.rig.generation,
                role="local",
                issuers=(signing.issuer(), *self.issuers.issuers),
                servers=(server,),
            )
        )
        self.rig.generation += 1

    def look(self) -> None:
        snapshot = self.rig.proxy.runtime.snapshot
        if snapshot is not None:
            self.issuers.look_again(snapshot.verifier.unknown_kids)

    @property
    def shipped(self) -> list[Any]:
        snapshot = self.rig.proxy.runtime.snapshot
        assert snapshot is not None
        issuers = [it for it in snapshot.config.issuers if it.kind == "oidc"]
        return [key["kid"] for it in issuers for key in it.keys]

    async def call(self, token: str) -> httpx2.Response:
        headers = {
            "authorization": f"Bearer {token}",
            "accept": "application/json, text/event-stream",
        }
        async with httpx2.AsyncClient(timeout=60) as http:
            body = request("tools/call", name="echo", arguments={})
            return await http.post(self.rig.url, json=body, headers=headers)


READERS = config.Policy(
    namespace="tools",
    name="readers",
    rules=(
        config.Rule(
            name="readers",
            subjects=(config.Subject(kind="user", names=("agent",)),),
            allow=config.Allow(tools=("*",)),
        ),
    ),
)


@asynccontextmanager
async def world(tmp_path: Path, *policies: config.Policy) -> AsyncIterator[World]:
    async def settled() -> None:
        return None

    async with (
        real_provider(tmp_path) as provider,
        http_rig(Scripted(), policies=policies or (READERS,)) as rig,
        asyncio.TaskGroup() as tasks,
    ):
        rig.apply(audiences=(rig.url,))
        found = World(provider, rig, audience=rig.url)
        stop = rig.proxy.runtime.subscribe(found.look)
        running = tasks.create_task(found.issuers.run(found.ship, settled))
        try:
            await until(lambda: found.shipped == provider.kids)
            yield found
        finally:
            stop()
            running.cancel()


async def test_a_real_access_token_opens_what_it_is_for(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        good = await it.call(await it.provider.token(it.audience))
        elsewhere = await it.call(await it.provider.token("http://other.tools.svc/mcp"))

    assert good.status_code == 200
    assert elsewhere.status_code == 401
    assert it.rig.calls()[0]["subject"] == "user:agent"


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"groups": ("readers",)}, 200),
        ({"scope": ("mcp.read",)}, 200),
        ({"groups": ("writers",)}, 403),
        ({"scope": ("mcp.write",)}, 403),
    ],
    ids=str,
)
async def test_rules_see_the_claims_of_the_token(
    tmp_path: Path, claims: dict[str, tuple[str, ...]], status: int
) -> None:
    async with world(tmp_path) as it:
        who = config.Subject(kind="oidc", issuer=it.provider.url, claims=claims)
        rule = config.Rule(name="r", subjects=(who,), allow=config.Allow(tools=("*",)))
        it.rig.values = {
            **(it.rig.values or {}),
            "policies": (config.Policy(namespace="tools", name="p", rules=(rule,)),),
        }
        it.ship()

        answer = await it.call(await it.provider.token(it.audience))

    assert answer.status_code == status
    challenge = answer.headers.get("www-authenticate", "")
    assert ("insufficient_scope" in challenge) == (claims == {"scope": ("mcp.write",)})


async def test_keys_rotate_while_calls_run_and_no_good_call_is_refused(tmp_path: Path) -> None:
    statuses: list[int] = []
    stop = asyncio.Event()

    async def keep_calling(it: World, token: str) -> None:
        while not stop.is_set():
            statuses.append((await it.call(token)).status_code)

    async with world(tmp_path) as it, asyncio.TaskGroup() as group:
        old = await it.provider.token(it.audience)
        for _ in range(3):
            group.create_task(keep_calling(it, old))
        await until(lambda: len(statuses) >= 5)

        await it.provider.order("rotate")
        new = await it.provider.token(it.audience)
        first = await it.call(new)
        # Not sooner than half a minute after the last look.
        it.clock.pass_by(SOONEST_SECONDS)
        it.issuers.look_at_settings()
        await until(lambda: sorted(it.shipped) == ["key-1", "key-2"])
        second = await it.call(new)
        before = len(statuses)
        await until(lambda: len(statuses) >= before + 5)
        stop.set()

    assert first.status_code == 401
    assert second.status_code == 200
    assert set(statuses) == {200}


async def test_a_key_that_the_provider_forgets_is_good_for_ten_minutes_more(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        old = await it.provider.token(it.audience)
        await it.provider.order("rotate")
        await it.provider.order("forget")
        it.clock.pass_by(60)
        it.issuers.look_at_settings()
        await until(lambda: sorted(it.shipped) == ["key-1", "key-2"])
        still = await it.call(old)

        it.clock.pass_by(DROP_AFTER_SECONDS)
        it.issuers.look_at_settings()
        await until(lambda: it.shipped == ["key-2"])
        gone = await it.call(old)

    assert (still.status_code, gone.status_code) == (200, 401)


async def test_a_provider_that_dies_takes_no_login_with_it(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        token = await it.provider.token(it.audience)
        it.provider.process.kill()
        await it.provider.process.wait()
        it.clock.pass_by(60)
        it.issuers.look_at_settings()
        await until(lambda: it.issuers.troubles)

        answer = await it.call(token)

    assert answer.status_code == 200
    assert it.issuers.troubles == {"team": "localhost cannot be reached"}
