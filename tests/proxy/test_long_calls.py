"""A call that goes on and on is on record before it ends."""

import asyncio

import pytest
from tests.proxy.peers.scripted import Reply, Scripted
from tests.proxy.rig import Rig, http_rig, until

from ostiary_proxy import long_calls


def events(rig: Rig) -> list[tuple[str, str]]:
    return [(line["event"], line["id"]) for line in rig.trail if line.get("method") == "tools/call"]


async def test_a_call_still_open_has_a_decision_of_its_own_and_ends_under_one_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(long_calls, "TOLD_AFTER_SECONDS", 0.2)
    monkeypatch.setattr(long_calls, "EACH_SECONDS", 0.05)
    server = Scripted(answers={"tools/call": lambda _: Reply(body=[b"{}"], pause=0.8)})
    async with http_rig(server) as rig, rig.raw() as raw:
        await rig.ready()
        await raw.legacy("tools/call", name="echo", arguments={"a": 1})
    (decision, first), (call, second) = events(rig)
    assert (decision, call) == ("decision", "call")
    assert first == second
    line = next(line for line in rig.trail if line["event"] == "decision")
    assert (line["method"], line["name"], line["outcome"]) == ("tools/call", "echo", "allowed")
    assert line["policy"] == "tools/p"
    assert line["argumentsDigest"].startswith("sha256:")
    assert 200 <= line["ms"] < rig.calls()[0]["ms"]


async def test_one_that_is_cut_off_keeps_the_id_that_its_caller_gets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The refusal's id is in the answer; the decision before it is named beside it."""
    monkeypatch.setattr(long_calls, "TOLD_AFTER_SECONDS", 0.1)
    monkeypatch.setattr(long_calls, "EACH_SECONDS", 0.02)
    server = Scripted(answers={"tools/call": lambda _: Reply(body=[b"{}"], hang=True)})
    async with http_rig(server) as rig, rig.raw() as raw:
        await rig.ready()
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(raw.legacy("tools/call", name="echo"))
            await until(lambda: any(one.told_as for one in rig.proxy.backends._open()))
            rig.apply(policies=())
        answer = asked.result().json()
    decision = next(line for line in rig.trail if line["event"] == "decision")
    [refusal] = rig.refusals()
    assert answer["error"]["data"]["ostiary.dev/refusal"] == refusal["id"]
    assert refusal["decision"] == decision["id"] != refusal["id"]
