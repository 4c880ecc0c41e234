"""Names that add lines, turn text around, colour a terminal or fill a disk: wherever a stranger may
write one, it costs no line of a log that is not its own, and no series of the metrics.

A real sidecar process before a real HTTP server that is hostile as well.
"""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.proxy.conditions import until_asked
from tests.proxy.documents import raw, server, session_key
from tests.proxy.peers.scripted import Reply, Scripted, Seen
from tests.proxy.rig import modern, modern_headers, request, served
from tests.proxy.signing import bearer, claims, issuer, oidc_issuer, person, sign
from tests.proxy.test_sidecar import MASTER, Pod
from tests.proxy.volumes import project
from tests.proxy.wire import Answer, Wire, ask

from ostiary_proxy import config
from ostiary_proxy.era import encode_value
from ostiary_proxy.message import encode

NAMES = {
    "newline": "a\nlevel=ERROR forged=1\r\nb",
    "bidi": "\u202egnp.exe\u2066",
    "ansi": "\x1b[2J\x1b[31mred\x07",
    "separators": "a\u2028b\u2029c\x85d\x0bd",
    "quotes": '"} {"event":"call","outcome":"allowed"} \\',
    "long": "n" * 10_240,
    "tags": "\U000e0041\U000e0042\u200b\ufeff",
}
LINE = re.compile(r"time=\S+ level=\w+ logger=[\w.]+ \S.*")
ANYBODY = config.Policy(
    namespace="tools",
    name="p",
    rules=(
        config.Rule(
            name="all",
            subjects=(
                config.Subject(kind="serviceAccount", names=("*",), namespaces=None),
                config.Subject(kind="oidc", issuer=oidc_issuer().issuer),
            ),
            allow=config.Allow(tools=("*",), resources=("*",), prompts=("*",)),
        ),
    ),
)


class Hostile(Scripted):
    """It says a name of these wherever it says something, and any number for an error."""

    said: int = 0

    def _reply(self, seen: Seen) -> Reply:
        self.said += 1
        method = seen.body.get("method") if isinstance(seen.body, dict) else None
        if method == "tools/list":
            tools = [
                {"name": name, "title": name, "description": name, "inputSchema": {name: name}}
                for name in NAMES.values()
            ]
            return Reply(body=answer(seen, result={"tools": tools}))
        if method == "tools/call":
            name = list(NAMES.values())[self.said % len(NAMES)]
            # Of any size: beyond 64 bits every second time.
            code = (-1) ** self.said * (2 ** (62 + self.said % 2 * 8) + self.said)
            return Reply(body=answer(seen, error={"code": code, "message": name, "data": name}))
        return super()._reply(seen)


def answer(seen: Seen, **more: Any) -> bytes:
    return encode({"jsonrpc": "2.0", "id": seen.body["id"], **more})


@pytest.fixture
async def pod(tmp_path: Path) -> AsyncIterator[Pod]:
    made = Pod(tmp_path)
    yield made
    await made.close()


def requests(name: str) -> Iterator[tuple[object, dict[str, str | bytes]]]:
    """The name wherever a caller may write one."""
    own = {"Authorization": bearer(sign(claims()))}
    header = name.encode("ascii", "ignore").translate(None, b"\r\n\x0b\x07\x1b")[:4000]
    yield called(name), own
    yield request("tools/call", 1, name=name, arguments={name: name}), own
    yield request("prompts/get", name, name=name, arguments={}), own
    yield request("resources/read", 1, uri=name), own
    yield request(name, 1), own
    yield request("a/" + "".join(filter(str.isalnum, name))[:200], 1), own
    yield request("tools/call", 1, **{name: 1}), own
    hello = {"protocolVersion": name, "capabilities": {}}
    yield request("initialize", 1, **hello, clientInfo={"name": name, "version": name}), own
    yield called("echo"), {**own, "User_Agent": header, "Mcp_Session_Id": header}
    yield called("echo"), {**own, "Traceparent": header, "mcp_name": header, "Origin": header}
    yield called("echo"), {"Authorization": b"Bearer " + header}
    for token in (
        sign(claims(iss=name)),
        sign(claims(aud=[name])),
        sign(claims(jti=name, **{"kubernetes.io": {"namespace": name}})),
        sign(claims(), kid=name[:2000]),
        sign(person(sub=name), typ="at+jwt"),
        sign(person(preferred_username=name, groups=[name], scope=name), typ="at+jwt"),
        sign(person(client_id=name), typ="at+jwt"),
    ):
        yield called("echo"), {"Authorization": bearer(token)}


def called(name: str) -> dict[str, Any]:
    return modern("tools/call", 1, name=name, arguments={})


async def sent(pod: Pod, body: Any, headers: dict[str, str | bytes]) -> Answer:
    own: dict[str, str | bytes] = {
        "Content_Type": "application/json",
        "Accept": "application/json, text/event-stream",
    }
    if "_meta" in body.get("params", {}):
        own |= modern_headers(body["method"], body["params"])
        own["mcp_name"] = encode_value(body["params"]["name"])
    async with Wire(pod.mcp_port) as wire:
        return await wire.ask("POST", "/mcp", orjson.dumps(body), **{**own, **headers})


async def series(pod: Pod) -> set[str]:
    text = (await ask(pod.admin_port, "GET", "/metrics")).body.decode()
    return {line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")}


async def test_no_name_adds_a_line_or_a_series(pod: Pod) -> None:
    policies = (ANYBODY,)
    async with served(Hostile()) as port:
        backend = config.HttpBackend(port=port)
        keys = (session_key(0, MASTER),)
        servers = (server(backend=backend, keys=keys, policies=policies),)
        document = raw(1, servers=servers, issuers=(issuer(), oidc_issuer()))
        project(pod.keys_dir, {"0": MASTER})
        project(pod.config_dir, {"config.json": document})
        await pod.start()
        await pod.becomes(200)

        count = 0
        for body, headers in requests("plain"):
            await sent(pod, body, headers)
            count += 1
        known = await series(pod)
        answers = []
        for name in NAMES.values():
            for body, headers in requests(name):
                answers.append(await sent(pod, body, headers))
                count += 1
        grown = await series(pod) - known
        for _ in range(2):
            for name in NAMES.values():
                for body, headers in requests(f"{count}{name}"):
                    await sent(pod, body, headers)
                    count += 1
        again = await series(pod) - known - grown
        status = (await pod.status()).body
        await until_asked(lambda: written(pod, count))
        pod.process.terminate()
        _, rest = await pod.process.communicate()

    log = "".join(pod.said) + rest.decode()
    trail = pod.out.read_bytes().decode()
    assert again == set(), "the same requests with other names"
    assert all("forged" not in one and one.isprintable() for one in known | grown)
    assert [line for line in log.splitlines() if not LINE.fullmatch(line)] == []
    assert not re.search("level=ERROR|Traceback", log)
    assert [line for line in trail.split("\n")[:-1] if not is_plain(line)] == []
    assert sum(b'"outcome"' in line.encode() for line in trail.split("\n")) == count
    assert len(trail) < 4096 * (count + 9)
    assert orjson.loads(status)
    assert {answer.status for answer in answers} >= {200, 400, 401}


def is_plain(line: str) -> bool:
    """One event in one line, whose text is all to be seen."""
    texts = [it for it in orjson.loads(line).values() if isinstance(it, str)]
    return line.isprintable() and all(text.isprintable() for text in texts)


async def written(pod: Pod, count: int) -> bool:
    return pod.out.read_bytes().count(b'"outcome"') >= count
