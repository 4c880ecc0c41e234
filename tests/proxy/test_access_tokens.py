"""Access tokens of ours: who they are, where they are good, and that taking one away ends what it
opened."""

import asyncio
import random
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import orjson
import pytest
from tests.proxy import documents, signing
from tests.proxy.peers.scripted import Reply, Scripted, event
from tests.proxy.rig import Rig, http_rig, request
from tests.proxy.signing import bearer, oidc_issuer, person, sign
from tests.proxy.wire import Wire

from ostiary_proxy import config
from ostiary_proxy.access_tokens import EXPIRED, UNKNOWN, AccessTokens
from ostiary_proxy.auth import Refusal, Verifier
from ostiary_proxy.callers import Caller
from ostiary_proxy.token_format import mint

SECRET = mint(random.Random(7).choice)
OTHER = mint(random.Random(8).choice)
LATER = int(time.time()) + 3600


def entry(secret: str = SECRET, **more: Any) -> config.AccessToken:
    values = {"namespace": "tools", "name": "ci", "expires": LATER, **more}
    return config.AccessToken(sha256=sha256(secret.encode()).hexdigest(), **values)


def test_a_virtual_accounts_token_speaks_for_itself() -> None:
    found = AccessTokens([entry()]).find(SECRET.encode(), time.time())

    assert isinstance(found, Caller)
    assert (found.principal, found.kind) == ("token:tools:ci", "token")
    assert (found.namespace, found.name, found.expires) == ("tools", "ci", LATER)


def test_a_personal_token_speaks_for_its_user() -> None:
    found = AccessTokens([entry(user="alice@example.com")]).find(SECRET.encode(), time.time())

    assert isinstance(found, Caller)
    assert (found.principal, found.kind) == ("user:alice@example.com", "user")
    assert (found.issuer, found.name) == ("", "alice@example.com")


def test_a_token_is_refused_from_its_last_second_on() -> None:
    tokens = AccessTokens([entry()])

    assert isinstance(tokens.find(SECRET.encode(), LATER - 1), Caller)
    assert tokens.find(SECRET.encode(), LATER) == EXPIRED


@pytest.mark.parametrize(
    "raw",
    [
        OTHER.encode(),
        SECRET[:-1].encode(),
        SECRET.encode() + b"x",
        SECRET.upper().encode(),
        sha256(SECRET.encode()).hexdigest().encode(),
        b"ost_" + sha256(SECRET.encode()).hexdigest().encode(),
        b"",
    ],
)
def test_anything_else_is_unknown_the_hash_itself_too(raw: bytes) -> None:
    """Whoever reads the stored hashes holds nothing."""
    assert AccessTokens([entry()]).find(raw, time.time()) == UNKNOWN


@pytest.mark.parametrize(
    ("groups", "through", "opens"),
    [
        ((), (), True),
        ((), ("g-1",), True),
        (("g-1",), (), False),
        (("g-1",), ("g-2",), False),
        (("g-1", "g-2"), ("g-2", "g-3"), True),
    ],
)
def test_a_token_of_a_group_opens_a_member_through_the_group_alone(
    groups: tuple[str, ...], through: tuple[str, ...], opens: bool
) -> None:
    tokens = AccessTokens([entry(groups=groups)])

    found = tokens.find(SECRET.encode(), time.time(), through=frozenset(through))

    assert isinstance(found, Caller) if opens else found == UNKNOWN


async def test_a_token_of_a_group_is_nothing_at_its_members_own_door() -> None:
    mine = {"tokens": (entry(groups=("g-1",)),), "policies": policies()}
    async with http_rig(Scripted(), **mine) as rig:
        assert await status(rig, SECRET) == 401


def test_of_two_with_one_hash_the_first_stands() -> None:
    found = AccessTokens([entry(), entry(name="later")]).find(SECRET.encode(), time.time())

    assert isinstance(found, Caller)
    assert found.name == "ci"


def test_the_secret_is_in_no_representation() -> None:
    tokens = AccessTokens([entry()])
    found = tokens.find(SECRET.encode(), time.time())

    assert SECRET not in repr((tokens, found, vars(tokens)))
    assert sha256(SECRET.encode()).hexdigest() not in repr(found)


def test_a_verifier_takes_the_tokens_of_the_endpoint_and_of_no_other() -> None:
    verify = Verifier([signing.issuer()]).verify
    here = frozenset({signing.AUDIENCE})
    tokens = AccessTokens([entry()])

    taken = verify(bearer(SECRET), here, False, tokens=tokens)
    elsewhere = verify(bearer(SECRET), here, False)
    anonymous = verify(bearer(OTHER), here, True, tokens=tokens)

    assert isinstance(taken, Caller)
    assert isinstance(elsewhere, Refusal)
    assert (elsewhere.status, elsewhere.challenge) == (401, b'Bearer error="invalid_token"')
    assert isinstance(anonymous, Refusal)


def policies(kind: config.SubjectKind = "token", name: str = "*") -> tuple[config.Policy, ...]:
    subject = config.Subject(kind=kind, names=(name,), namespaces=None)
    rule = config.Rule(name="r", subjects=(subject,), allow=config.Allow(tools=("*",)))
    return (config.Policy(namespace="tools", name="p", rules=(rule,)),)


def headers(token: str, **more: str) -> dict[str, str]:
    return {
        "authorization": f"Bearer {token}",
        "accept": "application/json, text/event-stream",
        "content-type": "application/json",
        **more,
    }


async def status(rig: Rig, token: str) -> int:
    async with rig.raw(None) as raw:
        body = request("tools/call", name="echo", arguments={})
        answer = await raw.http.post(rig.url, json=body, headers=headers(token))
        return int(answer.status_code)


async def test_a_token_opens_its_server_until_it_is_taken_away() -> None:
    async with http_rig(Scripted(), tokens=(entry(),), policies=policies()) as rig:
        first = await status(rig, SECRET)
        stranger = await status(rig, OTHER)
        rig.apply(tokens=())
        last = await status(rig, SECRET)

    assert (first, stranger, last) == (200, 401, 401)
    assert SECRET not in str(rig.trail)
    assert OTHER not in str(rig.trail)
    assert rig.calls()[0]["subject"] == "token:tools:ci"


async def test_no_rule_no_entry_whatever_the_token() -> None:
    async with http_rig(Scripted(), tokens=(entry(),), policies=policies("token", "other")) as rig:
        assert await status(rig, SECRET) == 403


FIRST = event(b'{"jsonrpc":"2.0","method":"notifications/vendor"}')
HANGING = Reply(body=[FIRST], kind="text/event-stream", hang=True)


def trusting(rig: Rig, *issuers: config.Issuer) -> None:
    server = documents.server(**(rig.values or {}))
    document = documents.document(rig.generation, role="local", issuers=issuers, servers=(server,))
    rig.proxy.apply(document)
    rig.generation += 1


async def cut_off(rig: Rig, token: str, change: Callable[[], None]) -> bytes:
    """What a call that hangs still says after the change."""
    body = orjson.dumps(request("tools/call", name="echo", arguments={}))
    async with rig.raw(None) as raw:
        sent = headers(token)
        async with raw.http.stream("POST", rig.url, content=body, headers=sent) as answer:
            chunks = answer.aiter_bytes()
            assert await anext(chunks) == FIRST
            change()
            async with asyncio.timeout(20):
                return b"".join([chunk async for chunk in chunks])


@pytest.mark.parametrize("then", [(), (entry(OTHER),)], ids=["none", "another secret"])
async def test_what_a_token_opened_ends_with_it(then: tuple[config.AccessToken, ...]) -> None:
    """Although the rules are what they were, and the name too."""
    peer = Scripted(answers={"tools/call": lambda _: HANGING})
    async with http_rig(peer, tokens=(entry(),), policies=policies()) as rig:
        rest = await cut_off(rig, SECRET, lambda: rig.apply(tokens=then))

    assert b"revoked" in rest
    assert peer.gone.is_set()


async def test_what_is_open_goes_on_while_its_token_stands() -> None:
    peer = Scripted(answers={"tools/call": lambda _: HANGING})
    async with http_rig(peer, tokens=(entry(),), policies=policies()) as rig:

        def change() -> None:
            rig.apply(tokens=(entry(OTHER, name="new"), entry()))
            rig.apply(tokens=(entry(),))
            assert not peer.gone.is_set()
            rig.apply(tokens=())

        assert b"revoked" in await cut_off(rig, SECRET, change)


async def test_what_a_persons_login_opened_ends_with_the_trust_in_its_issuer() -> None:
    peer = Scripted(answers={"tools/call": lambda _: HANGING})
    async with http_rig(peer, policies=policies("user")) as rig:
        trusting(rig, signing.issuer(), oidc_issuer())
        token = sign(person(), typ="at+jwt")
        rest = await cut_off(rig, token, lambda: trusting(rig, signing.issuer()))

    assert b"revoked" in rest


async def test_a_websocket_ends_with_the_token_that_opened_it() -> None:
    clients = config.Clients(webSocket=True)
    values: dict[str, Any] = {"tokens": (entry(),), "policies": policies(), "clients": clients}
    async with http_rig(Scripted(), **values) as rig, Wire(rig.port) as wire:
        wire.send(
            "GET",
            "/ws",
            authorization=f"Bearer {SECRET}",
            connection="Upgrade",
            upgrade="websocket",
            sec_websocket_version="13",
            sec_websocket_key="dGhlIHNhbXBsZSBub25jZQ==",
            sec_websocket_protocol="mcp",
        )
        async with asyncio.timeout(20):
            assert b" 101 " in await wire.reader.readuntil(b"\r\n\r\n")
            rig.apply(tokens=())
            last = await wire.reader.read()

    assert b"revoked" in last


def test_what_a_groups_token_opened_ends_with_its_way() -> None:
    tokens = AccessTokens([entry(groups=("g-1",)), entry(OTHER)])
    proofs = [sha256(secret.encode()).digest() for secret in (SECRET, OTHER)]

    assert [tokens.hold(it, through=frozenset({"g-1"})) for it in proofs] == [True, True]
    assert [tokens.hold(it, through=frozenset({"g-2"})) for it in proofs] == [False, True]
    assert [tokens.hold(it) for it in proofs] == [False, True]
    assert not tokens.hold(b"x", through=frozenset({"g-1"}))
