"""The decision on a request: the shapes of its refusals, and that no method sees more than a list.

"Listed" is what `lists` leaves of a server's answer, "callable" what a request is let do: each by
its own code, so that they agree is no tautology.
"""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.proxy.peers.scripted import Scripted
from tests.proxy.rig import NEW, Rig, http_rig, modern, modern_headers, request, subject
from tests.proxy.test_policy import callers, filters, names, rules_of, some_policies

from ostiary_proxy import config
from ostiary_proxy.era import LISTS, spoken, targets
from ostiary_proxy.lists import narrowed
from ostiary_proxy.message import Message, parse
from ostiary_proxy.policy import Caller, Deny, Rules, decide

NAMED: dict[str, dict[str, Any]] = {
    "tools/call": {"kind": "tools/list", "params": lambda it: {"name": it}},
    "prompts/get": {"kind": "prompts/list", "params": lambda it: {"name": it}},
    "completion/complete": {
        "kind": "prompts/list",
        "params": lambda it: {
            "ref": {"type": "ref/prompt", "name": it},
            "argument": {"name": "a", "value": "v"},
        },
    },
    "completion/complete of a resource": {
        "kind": "resources/templates/list",
        "params": lambda it: {
            "ref": {"type": "ref/resource", "uri": it},
            "argument": {"name": "a", "value": "v"},
        },
    },
    "resources/read": {"kind": "resources/list", "params": lambda it: {"uri": it}},
    "resources/subscribe": {"kind": "resources/list", "params": lambda it: {"uri": it}},
    "resources/unsubscribe": {"kind": "resources/list", "params": lambda it: {"uri": it}},
    "subscriptions/listen": {
        "kind": "resources/list",
        "params": lambda it: {"notifications": {"resourceSubscriptions": [it]}},
    },
}
"""Every method that names a tool, resource or prompt, and the list that it is in."""
ONE_ERA = {
    "resources/subscribe": "legacy",
    "resources/unsubscribe": "legacy",
    "subscriptions/listen": "modern",
}


def resources_too(policies: list[config.Policy]) -> list[config.Policy]:
    """What is said of prompts is said of resources as well."""

    def both(part: Any) -> Any:
        return part.model_copy(update={"resources": part.prompts})

    def rule(one: config.Rule) -> config.Rule:
        return one.model_copy(update={"allow": both(one.allow)})

    return [
        each.model_copy(
            update={
                "rules": tuple(map(rule, each.rules)),
                "deny": tuple(map(both, each.deny)),
            }
        )
        for each in policies
    ]


def listed(method: str, catalogue: list[str], caller: Caller, rules: Rules) -> set[str]:
    key, _, named = LISTS[method]
    answer = {"jsonrpc": "2.0", "id": 1, "result": {key: [{named: it} for it in catalogue]}}
    kept = narrowed(method, answer, caller, rules)
    assert kept is not None
    return {item[named] for item in kept["result"][key]}


def refusal(era: str, method: str, params: dict[str, Any], caller: Caller, rules: Rules) -> str:
    """The reason; empty: it may."""
    headers: dict[bytes, bytes] = {}
    if era == "modern":
        given = modern_headers(method, params)
        headers = {key.replace("_", "-").encode(): it.encode() for key, it in given.items()}
    body = modern(method, **params) if era == "modern" else request(method, **params)
    message = parse(orjson.dumps(body))
    assert isinstance(message, Message)
    assert spoken(headers, message) == (era, NEW if era == "modern" else "")
    about = targets(message)
    assert isinstance(about, tuple)
    reasons = [
        it.reason for it in (decide(t, caller, rules) for t in about) if isinstance(it, Deny)
    ]
    return reasons[0] if reasons else ""


@pytest.mark.parametrize("method", NAMED)
@pytest.mark.parametrize("era", ["legacy", "modern"])
@given(
    policies=some_policies,
    tools=filters,
    caller=callers,
    catalogue=st.lists(names, unique=True, min_size=1),
)
def test_in_every_method_what_is_listed_is_exactly_what_may_be_called(
    era: str,
    method: str,
    policies: list[config.Policy],
    tools: config.ToolFilter,
    caller: Caller,
    catalogue: list[str],
) -> None:
    wire = method.partition(" ")[0]
    if ONE_ERA.get(wire, era) != era:
        return
    rules = rules_of(*resources_too(policies), tools=tools)
    case = NAMED[method]

    reasons = {it: refusal(era, wire, case["params"](it), caller, rules) for it in catalogue}

    seen = listed(case["kind"], catalogue, caller, rules)
    # What a `when` says of a call's arguments is said of a listed name alone.
    assert seen == {it for it, reason in reasons.items() if reason in ("", "Condition")}


def one_rule(**more: Any) -> config.Policy:
    allow = config.Allow(tools=("*",), prompts=("*",), resources=("*",))
    rule = config.Rule(name="all", subjects=(subject("*"),), allow=allow, **more)
    return config.Policy(namespace="tools", name="p", rules=(rule,))


EUROPE = one_rule(when="args.zone.startsWith('Europe/')")


async def test_a_listed_tool_that_a_condition_keeps_from_running_has_a_result_that_says_so() -> (
    None
):
    peer = Scripted()
    async with http_rig(peer, policies=(EUROPE,)) as rig, rig.raw() as raw:
        refused = [
            await raw.legacy("tools/call", name="echo", arguments={"zone": "Asia/Tokyo"}),
            await raw.modern("tools/call", name="echo", arguments={"zone": "Asia/Tokyo"}),
            await raw.legacy("tools/call", name="echo"),
        ]
        passed = await raw.legacy("tools/call", name="echo", arguments={"zone": "Europe/Paris"})

    for answer in refused:
        result = answer.json()["result"]
        assert answer.status_code == 200
        assert result["isError"] is True
        assert "not with these arguments" in result["content"][0]["text"]
        assert len(result["_meta"]["ostiary.dev/refusal"]) == 26
    assert refused[1].json()["result"]["resultType"] == "complete"
    assert "resultType" not in refused[0].json()["result"]
    assert "error" not in passed.json()
    assert len(peer.asked("tools/call")) == 1
    assert [line["reason"] for line in rig.refusals()] == ["Condition"] * 3
    ids = [it.json()["result"]["_meta"]["ostiary.dev/refusal"] for it in refused]
    assert [line["id"] for line in rig.refusals()] == ids
    assert rig.refusals()[0]["rule"] == "all"


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("prompts/get", {"name": "p", "arguments": {"zone": "x"}}),
        ("resources/read", {"uri": "memo:one"}),
        (
            "completion/complete",
            {"ref": {"type": "ref/prompt", "name": "p"}, "argument": {"name": "zone", "value": ""}},
        ),
    ],
)
async def test_what_is_no_tool_has_an_error_in_its_place(
    method: str, params: dict[str, Any]
) -> None:
    async with http_rig(Scripted(), policies=(EUROPE,)) as rig, rig.raw() as raw:
        legacy, new = await raw.legacy(method, **params), await raw.modern(method, **params)

    assert (legacy.status_code, new.status_code) == (200, 400)
    assert legacy.json()["error"]["code"] == new.json()["error"]["code"] == -32602


@pytest.mark.parametrize("arguments", [[1], "text", 7, True])
async def test_arguments_that_are_no_object_are_refused(arguments: object) -> None:
    """A condition would see none of them, and the server all."""
    peer = Scripted()
    async with http_rig(peer) as rig, rig.raw() as raw:
        answer = await raw.legacy("tools/call", name="echo", arguments=arguments)
        none = await raw.legacy("tools/call", name="echo", arguments=None)

    assert answer.json()["error"]["code"] == -32602
    assert "error" not in none.json()
    assert len(peer.asked("tools/call")) == 1


async def times(rig: Rig, count: int, **options: Any) -> list[Any]:
    async with rig.raw(**options) as raw:
        return [await raw.legacy("tools/call", name="echo") for _ in range(count)]


async def test_a_limit_per_caller_is_429_and_says_when_to_come_back() -> None:
    limits = config.Limits(perCaller=config.Rate(requestsPerSecond=1, burst=2))
    async with http_rig(Scripted(), limits=limits) as rig:
        mine = await times(rig, 30)
        others = await times(rig, 1, who="system:serviceaccount:agents:other")

    refused = [it for it in mine if it.status_code == 429]
    assert [it.status_code for it in mine[:2]] == [200, 200]
    assert refused
    assert all(int(it.headers["retry-after"]) >= 1 for it in refused)
    assert refused[0].json()["error"]["code"] == -32603
    assert others[0].status_code == 200
    assert rig.refusals()[0]["reason"] == "TooManyRequests"


async def test_a_limit_of_a_rule_counts_what_that_rule_allows() -> None:
    slow = one_rule(rate=config.Rate(requestsPerSecond=1, burst=1))
    async with http_rig(Scripted(), policies=(slow,)) as rig:
        async with rig.raw() as raw:
            lists = [(await raw.legacy("tools/list")).status_code for _ in range(5)]
        calls = await times(rig, 20)

    assert lists == [200] * 5
    assert calls[0].status_code == 200
    assert 429 in [it.status_code for it in calls]


async def test_what_an_observed_policy_would_change_is_counted_and_changes_nothing() -> None:
    watching = config.Policy(
        namespace="tools", name="strict", mode="Observe", deny=(config.Deny(tools=("echo",)),)
    )
    async with http_rig(Scripted(), policies=(one_rule(), watching)) as rig:
        answers = await times(rig, 3)
        report = rig.report
        text = rig.proxy.runtime.metrics.text().decode()
        async with rig.raw() as raw:
            shown = (await raw.legacy("tools/list")).json()["result"]["tools"]

    assert [it.status_code for it in answers] == [200] * 3
    assert "echo" in [tool["name"] for tool in shown]
    assert report.observed == (config.ObservedReport(policy="tools/strict", allow=0, deny=3),)
    assert 'policy="tools/strict",server="tools/time",would="deny"} 3.0' in text
    calls = [line for line in rig.calls() if line["method"] == "tools/call"]
    assert [line["observed"] for line in calls] == [["deny tools/strict"]] * 3


async def test_an_observed_grant_tells_of_whom_it_would_let_in() -> None:
    watching = one_rule().model_copy(update={"mode": "Observe"})
    async with http_rig(Scripted(), policies=(watching,)) as rig:
        answers = await times(rig, 2)

    assert [it.status_code for it in answers] == [403, 403]
    assert [line["observed"] for line in rig.refusals()] == [["allow tools/p"]] * 2


async def test_a_ceiling_admits_nobody_that_it_does_not_speak_of() -> None:
    top = config.Policy(
        namespace="admin",
        name="top",
        ceiling=True,
        caps=True,
        rules=(
            config.Rule(
                name="r", subjects=(subject("other"),), allow=config.Allow(tools=("echo",))
            ),
        ),
    )
    async with http_rig(Scripted(), policies=(one_rule(), top)) as rig:
        (mine,) = await times(rig, 1)
        (others,) = await times(rig, 1, who="system:serviceaccount:agents:other")

    assert (mine.status_code, others.status_code) == (403, 200)
    assert "admin/top" in mine.json()["error"]["message"]
