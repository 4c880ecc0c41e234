"""The admin port over real sockets: what anybody may read, and what the operator alone may."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import orjson
import pytest
from tests.proxy import signing
from tests.proxy.conditions import until
from tests.proxy.documents import document
from tests.proxy.signing import bearer, claims, operator_token, sign
from tests.proxy.wire import Wire, ask

from ostiary_proxy.admin import MOST_WAITING, Admin
from ostiary_proxy.assemble import Assembler
from ostiary_proxy.audit import Audit
from ostiary_proxy.config import StatusReport
from ostiary_proxy.limits import LimitedProtocol
from ostiary_proxy.listener import Listener, bind
from ostiary_proxy.metrics import Metrics
from ostiary_proxy.runtime import Runtime
from ostiary_proxy.status import Status

STATUS = "ostiary.dev/status"


class Port:
    """An admin port with its runtime."""

    def __init__(self, audit: Audit, path: Path) -> None:
        self.audit_path = path
        self.missing: list[str] = []
        self.runtime = Runtime(audit=audit, metrics=Metrics(), role="sidecar")
        status = Status(runtime=self.runtime, reports=tuple)
        self.runtime.subscribe(status.wake)
        self.admin = Admin(runtime=self.runtime, status=status, missing=lambda: self.missing)
        self.listener = Listener(self.admin, bind("127.0.0.1", 0), protocol=LimitedProtocol)
        self._assembler = Assembler(
            keys_dir=None, now=self.runtime.now, on_unknown_kid=self.runtime.changed
        )

    @property
    def number(self) -> int:
        return self.listener.port

    def apply(self, generation: int, **more: object) -> None:
        self.runtime.swap(self._assembler.build(document(generation, **more), ""))

    def events(self) -> list[dict[str, object]]:
        return [orjson.loads(line) for line in self.audit_path.read_bytes().splitlines()]


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[Port]:
    with (tmp_path / "audit").open("wb") as stream:
        audit = Audit(stream)
        made = Port(audit, tmp_path / "audit")
        await made.listener.start()
        yield made
        await made.listener.close()
        audit.close()


async def test_health_readiness_and_metrics_are_for_anybody(port: Port) -> None:
    port.runtime.metrics.request("tools/time", "tools/call", "allowed", 200, 0.1)
    async with Wire(port.number) as wire:
        assert (await wire.ask("GET", "/healthz")).body == b"ok\n"
        assert (await wire.ask("GET", "/readyz")).body == b"ready\n"
        metrics = await wire.ask("GET", "/metrics")

    assert b"ostiary_requests_total{" in metrics.body
    assert metrics.headers["content-type"].startswith("text/plain; version=")


async def test_readiness_names_what_is_missing_in_a_word(port: Port) -> None:
    port.missing = ["config", "backend"]
    port.runtime.config_error = "config.json: servers[0].name: is missing"

    answer = await ask(port.number, "GET", "/readyz")

    assert (answer.status, answer.body) == (503, b"not ready: config, backend\n")
    assert (await ask(port.number, "GET", "/healthz")).status == 200


@pytest.mark.parametrize(
    "path", ["/", "/status/", "/metrics/x", "/mcp", "/..//status", "/healthz;"]
)
async def test_other_paths_are_not_found(port: Port, path: str) -> None:
    assert (await ask(port.number, "GET", path)).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_nothing_can_be_changed_here(port: Port, method: str) -> None:
    answer = await ask(port.number, method, "/status", Content_Length="0")

    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD"


async def test_the_operator_reads_the_status(port: Port) -> None:
    port.apply(4)

    answer = await ask(port.number, "GET", "/status", Authorization=bearer(operator_token()))

    assert answer.status == 200
    report = StatusReport.model_validate_json(answer.body)
    assert report.generation == 4
    assert answer.headers["etag"] == f'"{report.etag}"'
    assert answer.headers["cache-control"] == "no-store"


STRANGERS_KEY = signing.key("P-256", "x")
OTHER = "system:serviceaccount:ostiary-system:other"


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (None, 401),
        (b"Bearer nonsense", 401),
        (b"Basic " + bearer("x"), 401),
        (bearer(sign(claims(OTHER, aud=[STATUS]))), 403),
        (bearer(sign(claims(signing.OPERATOR))), 401),
        (bearer(sign(claims(signing.OPERATOR, aud=["ostiary.dev/local"]))), 401),
        (bearer(operator_token(exp=1)), 401),
        (bearer(operator_token(iss="https://evil.example")), 401),
        (
            bearer(
                sign(claims(signing.OPERATOR, aud=[STATUS]), with_key=signing.key("P-256", "x"))
            ),
            401,
        ),
        (bearer(sign(claims(signing.OPERATOR, aud=[STATUS], iss=signing.LOCAL_ISSUER))), 401),
    ],
    ids=[
        "none",
        "nonsense",
        "basic",
        "another-account",
        "a-servers-audience",
        "local-audience",
        "expired",
        "another-issuer",
        "another-key",
        "a-development-token",
    ],
)
async def test_nobody_else_reads_the_status_and_each_try_is_audited(
    port: Port, authorization: bytes | None, status: int
) -> None:
    issuers = (signing.issuer(), signing.issuer(kind="local"))
    port.apply(4, role="local", issuers=issuers)
    headers = {} if authorization is None else {"Authorization": authorization}

    answer = await ask(port.number, "GET", "/status", **headers)

    assert answer.status == status
    assert ("www-authenticate" in answer.headers) is (status == 401)
    assert b"generation" not in answer.body
    name = answer.json["id"]
    await until(lambda: any(event["id"] == name for event in port.events()))
    event = port.events()[-1]
    assert (event["outcome"], event["status"], event["source"]) == ("denied", status, "127.0.0.1")


async def test_two_authorization_headers_are_one_too_many(port: Port) -> None:
    port.apply(1)
    token = operator_token()
    async with Wire(port.number) as wire:
        wire.writer.write(
            b"GET /status HTTP/1.1\r\nHost: localhost\r\n"
            b"Authorization: Bearer %b\r\nAuthorization: Bearer %b\r\n\r\n"
            % (token.encode(), token.encode())
        )

        assert (await wire.receive()).status in (400, 401)


async def test_without_an_operator_in_the_config_nobody_reads_the_status(port: Port) -> None:
    port.apply(1, operatorSubject="")

    answer = await ask(port.number, "GET", "/status", Authorization=bearer(operator_token()))

    assert answer.status == 403


async def test_without_a_config_the_status_says_come_again(port: Port) -> None:
    answer = await ask(port.number, "GET", "/status", Authorization=bearer(operator_token()))

    assert (answer.status, answer.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize("wait", ["-1", "26", "x", "1e1", "9" * 5000, "٣", "1.5"])
async def test_a_wait_that_is_no_small_number_is_refused(port: Port, wait: str) -> None:
    port.apply(1)
    token = bearer(operator_token())

    answer = await ask(port.number, "GET", f"/status?wait={quote(wait)}", Authorization=token)

    assert answer.status == 400


async def test_a_long_poll_is_answered_at_the_change(port: Port) -> None:
    port.apply(1)
    token = bearer(operator_token())
    async with Wire(port.number) as wire:
        etag = (await wire.ask("GET", "/status", Authorization=token)).json["etag"]
        wire.send("GET", f"/status?since={etag}&wait=25", Authorization=token)
        await until(lambda: port.admin._waiting == 1)

        port.apply(2)

        assert (await wire.receive()).json["generation"] == 2


async def test_a_poller_that_leaves_frees_its_place(port: Port) -> None:
    port.apply(1)
    token = bearer(operator_token())
    etag = (await ask(port.number, "GET", "/status", Authorization=token)).json["etag"]
    async with Wire(port.number) as wire:
        wire.send("GET", f"/status?since={etag}&wait=25", Authorization=token)
        await until(lambda: port.admin._waiting == 1)

    await until(lambda: port.admin._waiting == 0)


async def test_long_polls_are_bounded(port: Port) -> None:
    port.apply(1)
    token = bearer(operator_token())
    etag = (await ask(port.number, "GET", "/status", Authorization=token)).json["etag"]
    wires = [Wire(port.number) for _ in range(MOST_WAITING)]
    for wire in wires:
        await wire.__aenter__()
        wire.send("GET", f"/status?since={etag}&wait=25", Authorization=token)
    await until(lambda: port.admin._waiting == MOST_WAITING)

    path = f"/status?since={etag}&wait=25"
    answer = await ask(port.number, "GET", path, Authorization=token)

    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    port.apply(2)
    answers = await asyncio.gather(*(wire.receive() for wire in wires))
    assert {answer.json["generation"] for answer in answers} == {2}
    for wire in wires:
        wire.writer.close()


async def test_an_unknown_key_wakes_the_operators_poll(port: Port) -> None:
    port.apply(1)
    token = bearer(operator_token())
    async with Wire(port.number) as wire:
        etag = (await wire.ask("GET", "/status", Authorization=token)).json["etag"]
        wire.send("GET", f"/status?since={etag}&wait=25", Authorization=token)
        await until(lambda: port.admin._waiting == 1)
        stranger = sign(claims(aud=[STATUS]), with_key=signing.key("P-256", "rotated"))
        await ask(port.number, "GET", "/status", Authorization=bearer(stranger))

        assert (await wire.receive()).json["unknownKeyIds"] == ["rotated"]
