"""Several pods of one server: real proxy processes on loopback addresses, each with children of its
own, and a client that knows of none of this.
"""

import asyncio
import os
import random
import shlex
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.proxy.conditions import until, until_asked
from tests.proxy.documents import session_key
from tests.proxy.peers.features import Features
from tests.proxy.rig import (
    META,
    OTHER,
    PEERS,
    PLANNER,
    modern,
    modern_headers,
    peer_command,
    request,
    served,
    stdio,
)
from tests.proxy.signing import bearer, claims, operator_token, sign
from tests.proxy.test_legacy_client import MODERN
from tests.proxy.test_sidecar import MASTER, Pod
from tests.proxy.test_stdio import BOTH, alive
from tests.proxy.volumes import project
from tests.proxy.wire import Answer, Wire

from ostiary_proxy import config

NAME = "time-pods.tools.svc"
TYPES = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


@dataclass
class Replica:
    address: str
    pod: Pod

    async def ask(
        self,
        body: object = b"",
        verb: str = "POST",
        who: str = PLANNER,
        local: str = "127.0.0.9",
        **headers: str,
    ) -> Answer:
        """One request on a connection of its own, from an address that is no pod's."""
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        sent = {**TYPES, "Authorization": bearer(sign(claims(who))), **headers}
        sent = {name.replace("-", "_"): value for name, value in sent.items()}
        async with Wire(self.pod.mcp_port, self.address, local) as wire:
            return await wire.ask(verb, "/mcp", content, **sent)

    async def legacy(
        self, method: str, session: str = "", who: str = PLANNER, **params: Any
    ) -> Any:
        headers = {"Mcp-Session-Id": session} if session else {}
        return await self.ask(request(method, 1, **params), who=who, **headers)

    async def modern(self, method: str, who: str = PLANNER, **params: Any) -> Any:
        return await self.ask(
            modern(method, 1, **params), who=who, **modern_headers(method, params)
        )

    async def initialize(self, who: str = PLANNER) -> str:
        answer = await self.legacy(
            "initialize",
            who=who,
            protocolVersion="2025-11-25",
            capabilities={},
            clientInfo={"name": "raw", "version": "1"},
        )
        assert answer.status == 200, answer.body
        return str(answer.headers["mcp-session-id"])

    def audit(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.pod.out.read_bytes().splitlines()]


@dataclass
class Deployment:
    hosts: Path
    replicas: list[Replica]

    def resolves_to(self, *replicas: Replica) -> None:
        fresh = self.hosts.with_suffix(".new")
        fresh.write_text(" ".join([NAME, *(one.address for one in replicas)]))
        fresh.rename(self.hosts)

    def pid_of(self, replica: Replica, pid: int) -> bool:
        """Is this process a child of that replica's?"""
        status = Path(f"/proc/{pid}/status").read_text()
        return f"PPid:\t{replica.pod.process.pid}\n" in status


def free_port(addresses: list[str]) -> int:
    """Free at each address, and not among those that the kernel gives to others meanwhile."""
    for _ in range(100):
        port = random.SystemRandom().randrange(20_000, 32_000)
        with ExitStack() as probes:
            try:
                for address in addresses:
                    probes.enter_context(socket.socket()).bind((address, port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


@asynccontextmanager
async def deployed(folder: Path, count: int = 2, **values: Any) -> AsyncIterator[Deployment]:
    """`count` replicas, all ready."""
    port = free_port([f"127.0.0.{number + 2}" for number in range(count)])
    made = Deployment(folder / "hosts", [])
    try:
        for number in range(count):
            (folder / str(number)).mkdir()
            pod = Pod(folder / str(number))
            project(pod.keys_dir, {"0": MASTER})
            pod.write(1, **{"backend": stdio(*BOTH), "pods": NAME, **values})
            made.replicas.append(Replica(f"127.0.0.{number + 2}", pod))
        made.resolves_to(*made.replicas)
        for replica in made.replicas:
            await replica.pod.start(
                str(PEERS / "replica.py"),
                str(made.hosts),
                OSTIARY_BIND=replica.address,
                OSTIARY_MCP_PORT=str(port),
                POD_IP=replica.address,
                POD_UID=f"uid-{replica.address}",
            )
        for replica in made.replicas:
            await until_asked(lambda replica=replica: answers(replica))
        yield made
    finally:
        for replica in made.replicas:
            if hasattr(replica.pod, "process"):
                await ended(replica)


async def answers(replica: Replica) -> bool:
    return bool((await replica.modern("tools/list")).status == 200)


async def ended(replica: Replica) -> None:
    await replica.pod.close()


def pid(answer: Answer) -> int:
    assert answer.status == 200, answer.body
    return int(answer.json["result"]["pid"])


async def test_a_thousand_requests_to_random_replicas_reach_the_sessions_own_process(
    tmp_path: Path,
) -> None:
    """Obligation 22."""
    rng = random.Random(4)
    async with deployed(tmp_path, 3) as made:
        owners = [replica for replica in made.replicas for _ in range(2)]
        sessions = [await replica.initialize() for replica in owners]
        served: dict[str, set[int]] = {session: set() for session in sessions}
        counts: dict[str, list[int]] = {session: [] for session in sessions}
        for _ in range(1000):
            session, replica = rng.choice(sessions), rng.choice(made.replicas)
            answer = await replica.legacy("tools/call", session, name="tally")
            served[session].add(pid(answer))
            counts[session].append(answer.json["result"]["count"])

        assert all(len(pids) == 1 for pids in served.values())
        assert all(seen == list(range(1, len(seen) + 1)) for seen in counts.values())
        assert len(set.union(*served.values())) == len(sessions)
        for session, owner in zip(sessions, owners, strict=True):
            assert made.pid_of(owner, next(iter(served[session])))


@pytest.mark.parametrize("words", [BOTH, MODERN], ids=["same-era", "bridged"])
async def test_a_session_outlives_its_owner(words: tuple[str, ...], tmp_path: Path) -> None:
    async with deployed(tmp_path, 3, backend=stdio(*words)) as made:
        first, *others = made.replicas
        session = await first.initialize()
        before = pid(await others[0].legacy("tools/call", session, name="pid"))

        await ended(first)
        after = [pid(await one.legacy("tools/call", session, name="pid")) for one in others * 3]
        made.resolves_to(*others)
        later = [pid(await one.legacy("tools/call", session, name="pid")) for one in others * 3]
        repaired = [line for one in others for line in one.audit() if line.get("repaired")]

    assert set(after) == set(later) != {before}
    assert len(set(after)) == 1
    assert [line["repaired"] for line in repaired] == ["process"]


async def test_across_the_hop_a_session_is_still_its_principals_alone(tmp_path: Path) -> None:
    async with deployed(tmp_path) as made:
        owner, other = made.replicas
        session = await owner.initialize()
        stolen = [
            await one.legacy("tools/call", ident, who=OTHER, name="pid")
            for one in made.replicas
            for ident in (session, session[:-2] + "AA")
        ]
        mine = await other.legacy("tools/call", session, name="pid")
        unauthenticated = await other.ask(
            request("tools/list"), Authorization="Bearer x", **{"Mcp-Session-Id": session}
        )

    for answer in stolen:
        answer.json["error"].pop("data")
    errors = [{**answer.json["error"], "data": None} for answer in stolen]
    assert [answer.status for answer in stolen] == [404] * 4
    assert all(error == errors[0] for error in errors)
    assert mine.status == 200
    assert unauthenticated.status == 401


async def test_streams_answers_cancels_and_goodbyes_cross_the_hop(tmp_path: Path) -> None:
    async with deployed(tmp_path) as made:
        owner, other = made.replicas
        session = await owner.initialize()
        headers = {**TYPES, "Authorization": bearer(sign(claims(PLANNER)))}
        headers = {name.replace("-", "_"): value for name, value in headers.items()}
        async with Wire(other.pod.mcp_port, other.address) as wire:
            body = orjson.dumps(request("tools/call", 5, name="ask"))
            wire.send("POST", "/mcp", body, mcp_session_id=session, **headers)
            head = await wire.reader.readuntil(b"\r\n\r\n")
            await wire.reader.readuntil(b'"q1"')
            answered = await other.ask(
                {"jsonrpc": "2.0", "id": "q1", "result": {"action": "accept"}},
                **{"Mcp-Session-Id": session},
            )
            await wire.reader.readuntil(b'"accept"')
        async with Wire(other.pod.mcp_port, other.address) as wire:
            wire.send("GET", "/mcp", mcp_session_id=session, **headers)
            await wire.reader.readuntil(b"text/event-stream")
            second = await owner.ask(verb="GET", **{"Mcp-Session-Id": session})
            await other.legacy("tools/call", session, name="whisper")
            await wire.reader.readuntil(b"whispered")
            note = {"method": "notifications/cancelled", "params": {"requestId": 77}}
            cancelled = await other.ask({"jsonrpc": "2.0", **note}, **{"Mcp-Session-Id": session})
            told = await owner.legacy("tools/call", session, name="cancelled")
            before = pid(await owner.legacy("tools/call", session, name="pid"))
            deleted = await other.ask(verb="DELETE", **{"Mcp-Session-Id": session})
            await until(lambda: not alive(before))
        back = await other.legacy("tools/call", session, name="pid")

        def forwarded() -> list[dict[str, Any]]:
            return [line for line in other.audit() if line["event"] == "forward"]

        def taken() -> list[dict[str, Any]]:
            return [line for line in owner.audit() if line.get("via") == "sibling"]

        # Each pod writes its line once its own side of the request has ended.
        await until(lambda: len(taken()) == len(forwarded()))
        assert b"text/event-stream" in head
        assert answered.status == cancelled.status == 202
        assert second.status == 409
        assert told.json["result"] == {"cancelled": [77]}
        assert deleted.status == 204
        assert made.pid_of(owner, pid(back))
        assert {line["hop"] for line in forwarded()} == {owner.address}
        assert "127.0.0.9" in {line["source"] for line in taken()}


ASKABLE = {**META, "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}


async def asked_and_answered(asked: Replica, retried: Replica, how: str = "red") -> Any:
    held = (await asked.modern("tools/call", name="ask", arguments={}, _meta=ASKABLE)).json
    (question,) = held["result"]["inputRequests"]
    return await retried.modern(
        "tools/call",
        name="ask",
        arguments={},
        _meta=ASKABLE,
        requestState=held["result"]["requestState"],
        inputResponses={question: {"action": "accept", "content": {"colour": how}}},
    )


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
@pytest.mark.parametrize("kind", ["http", "stdio"])
async def test_an_answer_finds_the_call_that_waits_for_it_at_whatever_pod_it_arrives(
    kind: str, tmp_path: Path
) -> None:
    """Obligation 22: nothing else keeps these callers to one pod."""
    async with Features().http("legacy") as app, served(app) as port:
        backend: config.Backend = config.HttpBackend(port=port)
        if kind == "stdio":
            backend = stdio(*peer_command("features.py"), "legacy")
        made: Deployment
        async with deployed(tmp_path, backend=backend, sessionAffinity="Request") as made:
            one, other = made.replicas
            answers = [
                await asked_and_answered(one, one),
                await asked_and_answered(one, other),
                await asked_and_answered(other, one),
            ]
            hops = [line["hop"] for line in other.audit() if line["event"] == "forward"]

    assert [answer.status for answer in answers] == [200, 200, 200]
    assert all(b"red" in answer.body for answer in answers)
    assert hops == [one.address]


async def test_a_marked_request_is_never_sent_on_and_believed_of_siblings_alone(
    tmp_path: Path,
) -> None:
    async with deployed(tmp_path) as made:
        owner, other = made.replicas
        session = await owner.initialize()
        body = request("tools/call", 1, name="pid")
        marked = {"Mcp-Session-Id": session, "Ostiary-Forwarded": "1.2.3.4"}
        strangers = await other.ask(body, **marked)
        siblings = await other.ask(body, local=owner.address, **marked)
        owners = pid(await owner.legacy("tools/call", session, name="pid"))

        assert strangers.status == 403
        assert made.pid_of(other, pid(siblings))
        assert pid(siblings) != owners
        assert not [line for one in made.replicas for line in one.audit() if line.get("hop")]


async def test_a_name_that_does_not_resolve_breaks_no_session(tmp_path: Path) -> None:
    async with deployed(tmp_path) as made:
        owner, other = made.replicas
        session = await owner.initialize()
        before = pid(await other.legacy("tools/call", session, name="pid"))
        made.hosts.write_text("")
        during = pid(await other.legacy("tools/call", session, name="pid"))

    assert before == during


async def test_a_pod_whose_siblings_are_unknown_says_so(tmp_path: Path) -> None:
    async with deployed(tmp_path) as made:
        owner, other = made.replicas
        session = await owner.initialize()
        await ended(other)
        made.hosts.write_text("")
        await other.pod.start(
            str(PEERS / "replica.py"),
            str(made.hosts),
            OSTIARY_BIND=other.address,
            OSTIARY_MCP_PORT=str(owner.pod.mcp_port),
            POD_IP=other.address,
        )
        await until_asked(lambda: answers(other))
        refused = await other.legacy("tools/call", session, name="pid")
        made.resolves_to(*made.replicas)
        await until_asked(lambda: serves(other, session))

    assert (refused.status, refused.json["error"]["code"]) == (503, -32603)
    assert int(refused.headers["retry-after"]) > 0


async def serves(replica: Replica, session: str) -> bool:
    return bool((await replica.legacy("tools/call", session, name="pid")).status == 200)


async def test_a_modern_callers_process_is_the_same_whichever_replica_is_asked(
    tmp_path: Path,
) -> None:
    async with deployed(tmp_path, 3) as made:
        mine = {pid(await one.modern("tools/call", name="pid")) for one in made.replicas * 2}
        other = {
            pid(await one.modern("tools/call", who=OTHER, name="pid")) for one in made.replicas
        }
        made.replicas[0].pod.write(2, backend=stdio(*BOTH), pods=NAME, sessionAffinity="Request")
        replica = made.replicas[0]
        await until_asked(lambda: differs(replica))

    assert len(mine) == len(other) == 1
    assert mine != other


async def differs(replica: Replica) -> bool:
    pids = [pid(await replica.modern("tools/call", name="pid")) for _ in range(2)]
    return pids[0] != pids[1]


async def test_concurrent_calls_from_all_sides_after_the_owner_died_begin_one_process(
    tmp_path: Path,
) -> None:
    async with deployed(tmp_path, 3) as made:
        first, *others = made.replicas
        session = await first.initialize()
        await ended(first)
        made.resolves_to(*others)
        calls = [
            one.ask(request("tools/call", number, name="pid"), **{"Mcp-Session-Id": session})
            for number, one in enumerate(others * 10)
        ]
        pids = {pid(answer) for answer in await asyncio.gather(*calls)}

    assert len(pids) == 1


async def test_a_pod_that_leaves_takes_no_call_with_it(tmp_path: Path) -> None:
    """Callers of two pods, all of whom another pod's processes serve, until that pod has left."""
    callers = [f"system:serviceaccount:agents:caller-{number}" for number in range(24)]
    failures: list[Answer] = []
    async with deployed(tmp_path, 3) as made:
        first, *others = made.replicas
        begun = [
            await one.modern("tools/call", name="pid", who=who)
            for who in callers
            for one in others[:1]
        ]
        mine = [
            who
            for who, answer in zip(callers, begun, strict=True)
            if made.pid_of(first, pid(answer))
        ]
        assert mine, "none of the callers is served by the first pod"

        async def calls(replica: Replica, who: str) -> int:
            count = 0
            while first.pod.process.returncode is None:
                answer = await replica.modern("tools/call", name="pid", who=who)
                failures.extend([answer] if answer.status != 200 else [])
                count += 1
            return count

        first.pod.process.terminate()
        counts = await asyncio.gather(*(calls(one, who) for one in others for who in mine))
        after = [
            await one.modern("tools/call", name="pid", who=who) for one in others for who in mine
        ]

    assert min(counts) > 10
    assert [(answer.status, answer.body) for answer in failures] == []
    assert {answer.status for answer in after} == {200}


async def test_a_pod_whose_server_is_gone_leaves_its_sessions_to_others(tmp_path: Path) -> None:
    """As a pod that is killed: its server's container ends before the proxy beside it."""
    program, started = tmp_path / "server", tmp_path / "started"
    program.write_text(f"#!/bin/sh\ntouch {started}\nexec {shlex.join(BOTH)}\n")
    program.chmod(0o700)
    async with deployed(tmp_path) as made:
        first, other = made.replicas
        first.pod.write(2, backend=stdio(str(program)), pods=NAME)
        await until(started.exists)
        await until_asked(lambda: answers(first))
        session = await first.initialize()
        before = pid(await other.legacy("tools/call", session, name="pid"))
        assert made.pid_of(first, before)

        program.unlink()
        os.kill(before, signal.SIGKILL)
        await until(lambda: not alive(before))
        after = pid(await other.legacy("tools/call", session, name="pid"))

        assert made.pid_of(other, after)


async def test_masters_change_without_a_restart_and_without_a_lost_session(
    tmp_path: Path,
) -> None:
    fresh = b"f" * 32
    keys = (session_key(1, fresh), session_key(0, MASTER))
    async with deployed(tmp_path) as made:
        early, late = made.replicas
        old = await early.initialize()
        served = pid(await late.legacy("tools/call", old, name="pid"))
        for replica in made.replicas:
            replica.pod.write(2, backend=stdio(*BOTH), pods=NAME, keys=keys)
        project(early.pod.keys_dir, {"0": MASTER, "1": fresh})
        await until_asked(lambda: holds(early, [0, 1]))
        new = await early.initialize()
        refused = await late.legacy("tools/call", new, name="pid")
        kept = [pid(await one.legacy("tools/call", old, name="pid")) for one in made.replicas]
        project(late.pod.keys_dir, {"0": MASTER, "1": fresh})
        await until_asked(lambda: serves(late, new))
        for replica in made.replicas:
            replica.pod.write(3, backend=stdio(*BOTH), pods=NAME, keys=keys[:1])
            project(replica.pod.keys_dir, {"1": fresh})
        await until_asked(lambda: holds(late, [1]))
        await until_asked(lambda: holds(early, [1]))
        after = await late.legacy("tools/call", new, name="pid")

    assert kept == [served, served]
    assert refused.status == 503
    assert int(refused.headers["retry-after"]) > 0
    assert after.status == 200


async def holds(replica: Replica, keys: list[int]) -> bool:
    """By its report; the newest config is in force."""
    async with Wire(replica.pod.admin_port, replica.address) as wire:
        answer = await wire.ask("GET", "/status", Authorization=bearer(operator_token()))
    return bool(answer.json["keys"] == keys)
