"""`process: PerSession`, `PerUser` and `Shared`: whose calls meet in one process."""

import pytest
from tests.proxy.rig import ANYBODY, META, OTHER, policy, rig, stdio
from tests.proxy.test_session import open_session
from tests.proxy.test_stdio import BOTH, LEGACY, call

from ostiary_proxy.seats import offered

ASKABLE = {"sampling": {}, "elicitation": {}, "roots": {}, "tasks": {}}


def test_a_process_for_several_is_offered_nothing_that_it_could_ask_of_one() -> None:
    assert offered("PerSession", ASKABLE) == ASKABLE
    assert offered("PerUser", ASKABLE) == offered("Shared", ASKABLE) == {"tasks": {}}


@pytest.mark.parametrize(("process", "count"), [("PerSession", 3), ("PerUser", 2), ("Shared", 1)])
async def test_sessions_share_processes_as_the_owner_wants(process: str, count: int) -> None:
    async with (
        rig(stdio(*LEGACY, process=process)) as made,
        made.raw() as mine,
        made.raw(OTHER) as other,
    ):
        await made.ready()
        sessions = [(raw, await open_session(raw)) for raw in (mine, mine, other)]
        pids = [(await call(raw, "pid", session))["pid"] for raw, session in sessions]
        said = await call(mine, "said", sessions[0][1])

    assert len(set(pids)) == count
    assert (pids[0] == pids[1]) is (process != "PerSession")
    assert [hello["capabilities"] for hello in said["said"]] == [{}]


@pytest.mark.parametrize(("process", "count"), [("PerSession", 3), ("PerUser", 2), ("Shared", 1)])
async def test_modern_callers_share_processes_likewise(process: str, count: int) -> None:
    richer = {**META, "io.modelcontextprotocol/clientCapabilities": ASKABLE}
    async with (
        rig(stdio(*BOTH, process=process)) as made,
        made.raw() as mine,
        made.raw(OTHER) as other,
    ):
        await made.ready()
        pids = {
            (await call(mine, "pid"))["pid"],
            (await call(mine, "pid", _meta=richer))["pid"],
            (await call(other, "pid"))["pid"],
        }
        told = await call(mine, "echo", _meta=richer)

    assert len(pids) == count
    capabilities = told["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"]
    assert capabilities == (ASKABLE if process == "PerSession" else {"tasks": {}})


async def test_nobody_in_particular_has_no_process_for_a_user() -> None:
    rules = (ANYBODY, policy())
    async with (
        rig(stdio(*BOTH, process="PerUser"), policies=rules) as made,
        made.raw(None) as raw,
        made.raw() as mine,
    ):
        await made.ready()
        answers = [await raw.initialize(), await raw.modern("tools/call", name="pid")]
        taken = await mine.initialize()

    assert [answer.status_code for answer in answers] == [403, 403]
    assert taken.status_code == 200
