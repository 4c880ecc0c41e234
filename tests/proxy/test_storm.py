"""500 changes of policies, tokens and namespaces, as fast as they are reported, while callers call.

A real sidecar process before a real HTTP server, its document by the operator's own rendering, and
callers of both eras and both kinds.  A call that begins once a generation was reported obeys it, or
a later one that is already written; who is not touched is never refused and loses no stream.
"""

import asyncio
import random
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final

import orjson
from tests.proxy.conditions import PATIENCE
from tests.proxy.peers.scripted import Reply, Scripted, Seen, result
from tests.proxy.rig import served
from tests.proxy.storm import Caller, Line, World
from tests.proxy.streams import LISTEN, SUBSCRIPTION
from tests.proxy.test_sidecar import MASTER, Pod
from tests.proxy.volumes import project
from tests.proxy.wire import Wire

CHANGES: Final = 500
AT_ONCE: Final = 6
"""Changes that may be written before one is reported: a proxy may pass over some generations."""
CALLING: Final = 8


def server() -> Scripted:
    """It gives out a session to each handshake, and ends no stream of its own accord."""
    numbers = count()

    def begin(seen: Seen) -> Reply:
        value = {
            "protocolVersion": seen.body["params"]["protocolVersion"],
            "capabilities": {},
            "serverInfo": {"name": "storm", "version": "1"},
        }
        headers = {"mcp-session-id": f"s{next(numbers)}"}
        return Reply(body=result(seen.body["id"], value), headers=headers)

    def listened(seen: Seen) -> Reply:
        meta = {SUBSCRIPTION: seen.body["id"]}
        params = {"notifications": seen.body["params"]["notifications"], "_meta": meta}
        method = "notifications/subscriptions/acknowledged"
        note = orjson.dumps({"jsonrpc": "2.0", "method": method, "params": params})
        return Reply(body=[b"data: " + note + b"\n\n"], hang=True, kind="text/event-stream")

    def silent(seen: Seen) -> Reply:
        return Reply(body=[], hang=True, kind="text/event-stream")

    return Scripted(answers={"initialize": begin, "GET": silent, LISTEN: listened})


@dataclass
class Storm:
    world: World
    pod: Pod
    group: asyncio.TaskGroup
    room: asyncio.Semaphore
    """Calls at once beside those of the storm itself, which must not queue behind them."""
    enforced: int = 1
    """The newest generation that was reported."""
    etag: str = ""
    streams: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    """Marks of calls that were refused."""
    wrong: list[str] = field(default_factory=list)
    calls: int = 0
    judged: int = 0
    """Of them, those that could only be answered in one way."""
    ended: int = 0

    async def write(self) -> None:
        project(self.pod.config_dir, {"config.json": self.world.document()})

    async def reported(self) -> None:
        """Until the newest generation is."""
        async with asyncio.timeout(PATIENCE):
            while self.enforced < self.world.generation:
                report = (await self.pod.status(f"?since={self.etag}&wait=25")).json
                assert not report["configError"], report
                self.etag, self.enforced = report["etag"], report["generation"]

    async def call(self, line: Line) -> None:
        """One call, judged by what was reported before it and written until it was answered."""
        caller, first = line.caller, self.enforced
        secret = caller.secret
        mark, allowed = await line.call()
        possible = caller.between(first, self.world.generation)
        if secret != caller.secret:
            # A token that was made anew meanwhile: the old secret opens nothing once that is in
            # force, and where it still was in force is not to be known.
            possible = {True, False}
        self.calls += 1
        self.judged += len(possible) == 1
        if allowed not in possible:
            self.wrong.append(f"{mark} allowed={allowed} {first}..{self.world.generation}")
        if possible == {False}:
            self.refused.add(mark)

    async def keep_calling(self, caller: Caller, over: asyncio.Event) -> None:
        async with Wire(self.pod.mcp_port) as wire:
            line = Line(caller, wire)
            while not over.is_set():
                async with self.room:
                    await self.call(line)

    async def hold(self, caller: Caller) -> None:
        opened = asyncio.Event()
        self.streams[caller.name] = self.group.create_task(self._hold(caller, opened))
        async with asyncio.timeout(PATIENCE):
            await opened.wait()

    async def _hold(self, caller: Caller, opened: asyncio.Event) -> None:
        async with Wire(self.pod.mcp_port) as wire:
            await Line(caller, wire).hold(opened)

    async def settle(self, caller: Caller) -> None:
        """After its change was reported: a call, and its stream."""
        if not caller.admitted and caller.name in self.streams:
            async with asyncio.timeout(PATIENCE):
                await self.streams.pop(caller.name)
            self.ended += 1
        await self.call(self.lines[caller.name])
        assert self.wrong == []
        if caller.admitted and caller.name not in self.streams:
            await self.lines[caller.name].open_session()
            await self.hold(caller)


async def test_500_changes_let_nobody_in_late_and_keep_nobody_out(tmp_path: Path) -> None:
    pod, chance, peer = Pod(tmp_path), random.Random(500), server()
    async with served(peer) as port, AsyncExitStack() as stack:
        world = World(port, MASTER, chance)
        project(pod.keys_dir, {"0": MASTER})
        project(pod.config_dir, {"config.json": world.document()})
        await pod.start()
        stack.push_async_callback(pod.process.communicate)
        stack.callback(pod.process.kill)
        await pod.becomes(200)
        async with asyncio.TaskGroup() as group:
            storm = Storm(world, pod, group, asyncio.Semaphore(CALLING))
            reading = group.create_task(drained(pod))
            over = asyncio.Event()
            for caller in world.callers:
                wire = await stack.enter_async_context(Wire(pod.mcp_port))
                storm.lines[caller.name] = line = Line(caller, wire)
                await line.open_session()
                await storm.hold(caller)
                group.create_task(storm.keep_calling(caller, over))
            began = time.monotonic()
            await rage(storm, chance)
            seconds = time.monotonic() - began
            over.set()
            lost = [it.name for it in world.steady if storm.streams[it.name].done()]
            for task in (*storm.streams.values(), reading):
                task.cancel()

    print(f"{CHANGES} changes in {seconds:.1f} s: {storm.calls} calls, {storm.judged} of them")
    print(f"with one right answer, {storm.ended} streams ended; {world.kinds}")
    reached = {seen.body["params"]["arguments"]["mark"] for seen in peer.asked("tools/call")}
    assert storm.wrong == []
    assert lost == []
    assert not storm.refused & reached, "refused, and carried out all the same"
    assert sum(world.kinds.values()) == CHANGES
    assert len(world.kinds) == 7
    assert storm.refused
    assert storm.ended


async def rage(storm: Storm, chance: random.Random) -> None:
    left = CHANGES
    while left:
        those = chance.sample(storm.world.tossed, min(left, chance.randint(1, AT_ONCE)))
        left -= len(those)
        for caller in those:
            storm.world.change(caller)
            await storm.write()
        await storm.reported()
        await asyncio.gather(*map(storm.settle, those))


async def drained(pod: Pod) -> None:
    """What the process says must not fill its pipe."""
    assert pod.process.stderr is not None
    while await pod.process.stderr.readline():
        pass
