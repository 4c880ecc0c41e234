"""What an audit line says of a call, beside who asked and what decided."""

from hashlib import sha256
from typing import Any

import orjson
import pytest
from tests.proxy.peers.scripted import Scripted
from tests.proxy.rig import Rig, http_rig

from ostiary_proxy import config

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OTHER = "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-00f067aa0ba902b7-01"


def digest(arguments: dict[str, Any]) -> str:
    return "sha256:" + sha256(orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS)).hexdigest()


async def called(rig: Rig, arguments: dict[str, Any] | None = None) -> None:
    async with rig.raw() as raw:
        given = {} if arguments is None else {"arguments": arguments}
        await raw.legacy("tools/call", name="echo", **given)


async def test_arguments_are_known_by_their_digest_in_any_order() -> None:
    async with http_rig(Scripted()) as rig:
        await called(rig, {"b": 1, "a": "canary"})
        await called(rig, {"a": "canary", "b": 1})
        await called(rig, {"a": "canary", "b": 2})
        await called(rig)
    found = [line.get("argumentsDigest") for line in rig.calls()]
    assert found == [
        digest({"a": "canary", "b": 1}),
        digest({"a": "canary", "b": 1}),
        digest({"a": "canary", "b": 2}),
        None,
    ]
    assert "canary" not in str(rig.trail)


async def test_arguments_are_written_down_where_the_admin_asks_for_it() -> None:
    wanted = config.AuditSettings(arguments="Text")
    async with http_rig(Scripted(), audit=wanted) as rig:
        await called(rig, {"text": "all of it\u202e"})
        await called(rig, {"text": "x" * 10_000})
    first, second = (line["arguments"] for line in rig.calls())
    assert first == '{"text":"all of it"}'
    assert len(second) == 4096


async def test_the_tools_digest_is_that_of_the_status() -> None:
    async with http_rig(Scripted()) as rig:
        await rig.ready()
        await called(rig, {})
        [known] = [tool.digest for tool in rig.report.tools if tool.name == "echo"]
    assert [line["toolDigest"] for line in rig.calls()] == [known]


@pytest.mark.parametrize(
    ("header", "meta", "wanted"),
    [
        (PARENT, None, PARENT[3:35]),
        (None, PARENT, PARENT[3:35]),
        (OTHER, PARENT, PARENT[3:35]),
        ("nonsense", None, None),
        ("00-" + "0" * 32 + "-00f067aa0ba902b7-01", None, None),
        (None, 7, None),
        (None, None, None),
    ],
)
async def test_a_call_is_found_again_by_its_trace(
    header: str | None, meta: Any, wanted: str | None
) -> None:
    async with http_rig(Scripted()) as rig, rig.raw() as raw:
        headers = {} if header is None else {"traceparent": header}
        more = {} if meta is None else {"_meta": {"traceparent": meta}}
        await raw.legacy("tools/call", name="echo", headers=headers, **more)
    assert [line.get("trace") for line in rig.calls()] == [wanted]


async def test_a_refusal_says_what_it_was_about_as_well() -> None:
    async with http_rig(Scripted(), policies=()) as rig:
        await called(rig, {"a": 1})
    [line] = rig.refusals()
    assert line["reason"] == "NotAdmitted"
    assert line["ms"] >= 0
