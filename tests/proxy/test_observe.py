"""The first look, and what a failed one tells the owner."""

import sys

import pytest
from tests.proxy.conditions import until
from tests.proxy.peers.everything import Peer
from tests.proxy.rig import Rig, http_rig, peer_command, rig, stdio

from ostiary_proxy import config, observe
from ostiary_proxy.era import LEGACY
from ostiary_proxy.observe import Seen, list_tools
from ostiary_proxy.tool_digest import canonical

BOTH = (*LEGACY, "2026-07-28")
PLAIN = peer_command("plain.py")


async def test_a_real_http_server_is_known_after_one_look() -> None:
    async with Peer().http() as app, http_rig(app) as made:
        report = made.report

    assert (report.serverName, report.serverVersion) == ("everything", "1.2.3")
    assert report.protocol == "2026-07-28"
    assert report.served == BOTH
    assert report.toolCount == len(report.tools) > 5
    assert all(tool.digest.startswith("sha256:") for tool in report.tools)


LOOKS = {
    "both eras": ((), BOTH),
    "legacy only": (("legacy",), LEGACY),
    "modern only": (("modern",), ("2026-07-28",)),
    "legacy, and dies of the first question": (("legacy", "dies"), LEGACY),
    "noise before the first line": (("noisy",), BOTH),
}


@pytest.mark.parametrize(("words", "spoken"), LOOKS.values(), ids=LOOKS.keys())
async def test_a_stdio_server_is_known_after_one_look(
    words: tuple[str, ...], spoken: tuple[str, ...]
) -> None:
    async with rig(stdio(*PLAIN, *words)) as made:
        await made.ready()
        report = made.report

    assert report.protocol == spoken[-1]
    assert report.served == BOTH
    assert (report.serverName, report.serverVersion) == ("plain", "3")
    assert [tool.name for tool in report.tools] == ["echo", "pid", "hidden_one"]
    assert report.processes == 1


async def test_tools_that_change_are_seen_at_once() -> None:
    async with rig(stdio(*PLAIN)) as made, made.raw() as raw:
        await made.ready()
        before = made.report.toolsDigest
        catalogue = made.backend._look.catalogue
        catalogue.ask("tools/call", {"name": "change"})
        await until(lambda: made.report.toolCount == 4)
        listed = await raw.modern("tools/list")
        assert made.report.toolsDigest != before

    assert b"grown" in listed.content


async def test_the_catalogue_process_comes_back_when_it_dies() -> None:
    async with rig(stdio(*PLAIN)) as made, made.raw() as raw:
        await made.ready()
        first = made.backend._look.catalogue
        first.ask("tools/call", {"name": "crash"})
        await until(lambda: made.backend._look.catalogue not in (first, None))
        await made.ready()
        listed = await raw.modern("tools/list")

    assert listed.status_code == 200


async def unavailable(made: Rig) -> config.ServerReport:
    await until(lambda: made.report.state == "Unavailable")
    return made.report


COMMANDS = {
    "no such command": (("no-such-program-anywhere",), "CommandNotFound", "was not found"),
    "exits": ((*PLAIN, "exits"), "CommandExited", "exited with status 1"),
    "a program that is no server": ((sys.executable, "-c", "0"), "CommandExited", "status 0"),
    "silent": ((*PLAIN, "silent"), "NoAnswer", "did not answer"),
    "garbage": ((*PLAIN, "deaf", "noisy"), "NotMCP", "no JSON-RPC"),
}


@pytest.mark.parametrize(("command", "reason", "words"), COMMANDS.values(), ids=COMMANDS.keys())
async def test_a_stdio_server_that_cannot_be_used_says_why(
    command: tuple[str, ...], reason: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ostiary_proxy.stdio_look.PROBE_SECONDS", 0.5)
    async with rig(stdio(*command)) as made, made.raw() as raw:
        report = await unavailable(made)
        refused = await raw.modern("tools/call", name="echo")
        more = made.report

    assert report.reason == reason
    assert words in report.message
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, -32603)
    assert more.processes <= 1


async def test_a_slow_server_is_asked_once_and_found_when_it_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No second handshake goes to a live process."""
    monkeypatch.setattr("ostiary_proxy.stdio_look.PROBE_SECONDS", 0.3)
    slow = f"import time; time.sleep(1.5); exec(open({PLAIN[1]!r}).read())"
    async with rig(stdio(sys.executable, "-c", slow)) as made:
        assert (await unavailable(made)).reason == "NoAnswer"
        await made.ready()
        assert made.report.protocol == "2026-07-28"


async def test_a_server_with_pages_of_tools_is_read_to_the_end() -> None:
    async def ask(method: str, params: dict, revision: str) -> dict:
        start = int(params.get("cursor", "0"))
        tools = [{"name": f"t{number}"} for number in range(start, start + 2)]
        more = {"nextCursor": str(start + 2)} if start < 6 else {}
        return {"result": {"tools": tools, **more}}

    seen = await list_tools(ask, Seen(legacy=LEGACY))

    assert [tool.name for tool in seen.tools] == [f"t{number}" for number in range(8)]


async def test_a_server_whose_pages_never_end_is_read_to_a_bound() -> None:
    """Obligation 65."""
    asked = 0

    async def ask(method: str, params: dict, revision: str) -> dict:
        nonlocal asked
        asked += 1
        return {"result": {"tools": [{"name": "again"}], "nextCursor": "same"}}

    await list_tools(ask, Seen(legacy=LEGACY))

    assert asked == observe.PAGES


async def test_a_digest_changes_with_what_a_model_is_told_and_with_nothing_else() -> None:
    async def digest(**tool: object) -> str:
        async def ask(method: str, params: dict, revision: str) -> dict:
            return {"result": {"tools": [{"name": "a", **tool}]}}

        return (await list_tools(ask, Seen(legacy=LEGACY))).digest

    plain = await digest(description="x", inputSchema={"a": 1, "b": 2})

    assert await digest(inputSchema={"b": 2, "a": 1}, description="x", icons=[]) == plain
    for changed in ({"description": "y"}, {"inputSchema": {}}, {"annotations": {"a": 1}}):
        told = {"description": "x", "inputSchema": {"a": 1, "b": 2}, **changed}
        assert await digest(**told) != plain


def test_the_canonical_form_does_not_know_the_order_of_keys() -> None:
    assert canonical({"b": [{"d": 1, "c": 2}], "a": 1}) == b'{"a":1,"b":[{"c":2,"d":1}]}'
