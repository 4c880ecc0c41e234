"""Who is let in from where: a group's tokens and keys from its gateway's addresses alone."""

import random
import socket
import time
from hashlib import sha256
from typing import Any

import orjson
import pytest
from tests.proxy.conditions import until
from tests.proxy.groups import (
    ELSEWHERE,
    GATEWAY,
    GROUP_AUDIENCE,
    KEY,
    LINK,
    PODS,
    READER,
    headers_of,
    hello,
    http_member,
    reader,
    token,
)
from tests.proxy.peers.scripted import Reply, Scripted, event, result
from tests.proxy.rig import ANYBODY, PLANNER, modern, modern_headers, policy, request
from tests.proxy.signing import claims, sign

from ostiary_proxy import config
from ostiary_proxy.token_format import mint

LIST = request("tools/list")
SECRET = mint(random.Random(11).choice)


def walled() -> config.Policy:
    """Anonymous callers, but from one network only."""
    subject = config.Subject(kind="anonymous", network=True)
    [rule] = ANYBODY.rules
    return ANYBODY.model_copy(update={"rules": (rule.model_copy(update={"subjects": (subject,)}),)})


def entry(**more: Any) -> config.AccessToken:
    digest = sha256(SECRET.encode()).hexdigest()
    later = int(time.time()) + 3600
    return config.AccessToken(namespace="tools", name="ci", sha256=digest, expires=later, **more)


def for_tokens() -> config.Policy:
    subject = config.Subject(kind="token", names=("*",), namespaces=None)
    rule = config.Rule(name="ci", subjects=(subject,), allow=config.Allow(tools=("*",)))
    return config.Policy(namespace="tools", name="ci", rules=(rule,))


# a group's audiences


async def test_a_token_for_the_group_is_taken_from_its_gateway_alone() -> None:
    async with http_member(Scripted()) as made:
        taken = [await made.ask(LIST, token(audience=one)) for one in LINK.audiences]
        stolen = await made.ask(LIST, local=ELSEWHERE)
        wrong = await made.ask(LIST, token(audience="http://else/mcp"), local=ELSEWHERE)
        other = await made.ask(LIST, token(audience="http://else/mcp"))
        own = await made.ask(LIST, token(), local=ELSEWHERE)

    assert [answer.status for answer in taken] == [200, 200]
    assert (stolen.status, wrong.status, other.status, own.status) == (401, 401, 401, 200)
    stolen.json["error"].pop("data")
    assert stolen.json["error"]["message"] == wrong.json["error"]["message"]
    assert stolen.headers["www-authenticate"] == wrong.headers["www-authenticate"]
    lines = [(it.get("via"), it["source"], it.get("subject")) for it in made.ended()]
    assert lines == [
        ("group:agents/everyday", GATEWAY, PLANNER),
        ("group:agents/everyday", GATEWAY, PLANNER),
        (None, ELSEWHERE, PLANNER),
    ]
    assert {line["reason"] for line in made.ended("refusal")} == {"Unauthenticated"}


async def test_a_servers_own_policies_decide_on_what_a_gateway_sends() -> None:
    async with http_member(Scripted(), policies=(policy("other"),)) as made:
        answer = await made.ask(LIST)

    assert answer.status == 403


@pytest.mark.parametrize(
    "answer", [OSError("cannot tell"), socket.gaierror(socket.EAI_NONAME, "none")]
)
async def test_while_the_name_tells_nothing_nobody_comes_through_the_group(
    answer: OSError,
) -> None:
    async with http_member(Scripted()) as made:
        made.names[PODS] = answer
        refused = await made.ask(LIST)
        own = await made.ask(LIST, token())

    assert (refused.status, own.status) == (401, 200)


async def test_an_expired_and_a_forged_token_are_none_through_a_group_either() -> None:
    past = int(time.time()) - 10
    expired = sign(claims(aud=[GROUP_AUDIENCE], exp=past))
    head, body, _ = token(audience=GROUP_AUDIENCE).split(".")
    async with http_member(Scripted()) as made:
        for bad in (expired, f"{head}.{body}.AAAA", "nonsense"):
            assert (await made.ask(LIST, bad)).status == 401


async def test_a_server_that_leaves_the_group_ends_what_came_through_it() -> None:
    def held(seen: Any) -> Reply:
        return Reply(body=[event(result(0, {}))], kind="text/event-stream", hang=True)

    async with http_member(Scripted(answers={"tools/call": held})) as made:
        async with made.wire() as wire:
            sent = modern("tools/call", 5, name="echo")
            headers = {**headers_of(), **modern_headers("tools/call", {"name": "echo"})}
            wire.send("POST", "/mcp", orjson.dumps(sent), **headers)
            await wire.reader.readuntil(b"event: message")
            made.apply(groups=())
            await until(lambda: made.proxy.backends.in_flight == 0)
        after = await made.ask(LIST)

    assert after.status == 401
    assert made.ended()[0]["cut"] == "revoked"


async def test_a_proxy_that_denies_everybody_knows_no_group_either() -> None:
    async with http_member(Scripted()) as made:
        runtime = made.proxy.runtime
        assert runtime.snapshot is not None
        runtime.swap(runtime.snapshot.denying_all())
        refused = [await made.ask(LIST), await made.ask(LIST, reader())]
        own = await made.ask(LIST, token())

    assert [answer.status for answer in refused] == [401, 401]
    assert own.status == 403


# keys


@pytest.mark.parametrize("given", [token(), None], ids=["a token", "nobody"])
async def test_a_key_is_taken_from_a_gateway_alone(given: str | None) -> None:
    async with http_member(Scripted(), policies=(policy(), ANYBODY)) as made:
        bodies = (hello(), LIST)
        refused = [await made.ask(it, given, key=KEY, local=ELSEWHERE) for it in bodies]
        taken = await made.ask(hello(), given, key=KEY)

    assert [answer.status for answer in refused] == [400, 400]
    assert "Ostiary-Session" in refused[0].json["error"]["message"]
    assert taken.status == 200
    assert {line["reason"] for line in made.ended("refusal")} == {"NotAGateway"}


async def test_a_server_of_no_group_takes_no_key() -> None:
    async with http_member(Scripted(), groups=()) as made:
        answer = await made.ask(hello(), token(), key=KEY)

    assert answer.status == 400


@pytest.mark.parametrize("key", ["x", KEY.upper(), KEY[:-1], KEY + "0", f"{KEY}, {KEY}"])
async def test_a_key_that_is_none(key: str) -> None:
    async with http_member(Scripted()) as made:
        answer = await made.ask(hello(), key=key)

    assert answer.status == 400


async def test_a_key_comes_once() -> None:
    async with http_member(Scripted()) as made, made.wire() as wire:
        twice = {**headers_of(key=KEY), "ostiary_session": "f" * 32}
        answer = await wire.ask("POST", "/mcp", b"{}", **twice)

    assert answer.status == 400


async def test_a_key_is_for_streamable_http_alone() -> None:
    clients = config.Clients(sse=True)
    async with http_member(Scripted(), clients=clients) as made, made.wire() as wire:
        keyed = await wire.ask("GET", "/sse", **headers_of(token(), KEY))
    async with http_member(Scripted(), clients=clients) as made, made.wire() as wire:
        grouped = await wire.ask("GET", "/sse", **headers_of())

    assert (keyed.status, grouped.status) == (400, 401)


# access tokens


async def test_an_access_token_of_the_group_opens_nothing_by_itself() -> None:
    given: dict[str, Any] = {"policies": (for_tokens(),)}
    async with http_member(Scripted(), tokens=(entry(groups=(LINK.uid,)),), **given) as made:
        through = await made.ask(LIST, SECRET)
        alone = await made.ask(LIST, SECRET, local=ELSEWHERE)
    async with http_member(Scripted(), tokens=(entry(groups=("g-2",)),), **given) as made:
        other = await made.ask(LIST, SECRET)
    async with http_member(Scripted(), tokens=(entry(),), **given) as made:
        both = [await made.ask(LIST, SECRET, local=one) for one in (GATEWAY, ELSEWHERE)]

    assert (through.status, alone.status, other.status) == (200, 401, 401)
    assert [answer.status for answer in both] == [200, 200]


# nobody in particular


async def test_no_network_stands_for_what_a_gateway_sends() -> None:
    async with http_member(Scripted(), policies=(walled(),)) as made:
        through = await made.ask(LIST, None)
        straight = await made.ask(LIST, None, local=ELSEWHERE)
        made.names[PODS] = OSError("cannot tell")
        made.apply(groups=(LINK.model_copy(update={"pods": "never-told"}),))
        unclear = await made.ask(LIST, None, local=ELSEWHERE)
    async with http_member(Scripted(), policies=(ANYBODY,)) as made:
        anybody = await made.ask(LIST, None)

    assert (through.status, straight.status, unclear.status) == (403, 200, 403)
    assert anybody.status == 200
    assert made.ended()[0]["subject"] == "anonymous"


# the gateway itself


async def test_a_gateways_own_token_is_good_from_its_own_addresses_alone() -> None:
    async with http_member(Scripted(), policies=()) as made:
        taken = await made.ask(LIST, reader())
        stolen = await made.ask(LIST, reader(), local=ELSEWHERE)
        somebody = await made.ask(LIST, token(PLANNER, config.CATALOGUE_AUDIENCE))
        as_caller = await made.ask(LIST, token(READER, GROUP_AUDIENCE))

    assert (taken.status, stolen.status, somebody.status) == (200, 401, 401)
    assert as_caller.status == 403
    assert [line["subject"] for line in made.ended()] == ["catalogue:agents/everyday"]
    assert [line["rule"] for line in made.ended()] == ["catalogue"]
