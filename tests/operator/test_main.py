"""The operator as a process of its own, against the small API server."""

import asyncio
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.operator.fake_api import Refusal, Seen
from tests.operator.watched_api import WatchedApi, listening
from tests.proxy.conditions import until

from ostiary_operator.resources import CONFIG_MAPS, CRDS, LEASES, ROOTS
from ostiary_operator.settings import SETTINGS_KEY


def installed(settings: str = "proxyImage: registry.example/proxy:1") -> WatchedApi:
    """What the charts put into a cluster."""
    api = WatchedApi()
    for resource in ROOTS:
        api.put(CRDS, {"metadata": {"name": resource.title}})
    place = {"name": "ostiary-settings", "namespace": "ostiary-system"}
    api.put(CONFIG_MAPS, {"metadata": place, "data": {SETTINGS_KEY: settings}})
    api.documents["/.well-known/openid-configuration"] = {"issuer": "https://cluster.example"}
    api.documents["/openid/v1/jwks"] = {"keys": []}
    return api


@asynccontextmanager
async def operator(
    tmp_path: Path, api: WatchedApi | None = None, **environment: str
) -> AsyncIterator[Process]:
    env = {
        "OSTIARY_NAMESPACE": "ostiary-system",
        "OSTIARY_SERVICE_ACCOUNT": "ostiary-operator",
        "OSTIARY_METRICS_PORT": "0",
    }
    if api:
        env["KUBECONFIG"] = str(kubeconfig(tmp_path, api.url))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ostiary_operator", env=env | environment, stdout=PIPE, stderr=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def kubeconfig(folder: Path, url: str) -> Path:
    path = folder / "kubeconfig"
    document: dict[str, Any] = {
        "current-context": "small",
        "contexts": [{"name": "small", "context": {"cluster": "small", "user": "small"}}],
        "clusters": [{"name": "small", "cluster": {"server": url}}],
        "users": [{"name": "small", "user": {"token": "secret"}}],
    }
    path.write_text(yaml.safe_dump(document))
    return path


async def last_words(process: Process) -> tuple[int | None, str]:
    """Exit code, and what it said that is no log line."""
    _, errors = await process.communicate()
    said = [line for line in errors.decode().splitlines() if not line.startswith("{")]
    return process.returncode, "\n".join(said)


def refusing(path: str, message: str) -> Callable[[Seen], None]:
    def before(seen: Seen) -> None:
        if seen.path == path:
            raise Refusal(403, "Forbidden", message)

    return before


async def ended(tmp_path: Path, api: WatchedApi, **environment: str) -> tuple[int | None, str]:
    async with listening(api), operator(tmp_path, api, **environment) as process:
        return await last_words(process)


async def test_a_missing_crd_is_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    api = installed()
    api.take(CRDS, "", ROOTS[0].title)

    code, said = await ended(tmp_path, api)

    assert code == 1
    assert said == (
        "ostiary-operator: the CRD mcpservers.ostiary.dev is not installed: "
        "install the chart ostiary-crds first"
    )


@pytest.mark.parametrize(
    "path",
    [CRDS.path(None, ROOTS[0].title), "/openid/v1/jwks", ROOTS[1].path(None)],
    ids=["crds", "issuer", "list"],
)
async def test_a_missing_permission_is_one_sentence_and_exit_code_1(
    tmp_path: Path, path: str
) -> None:
    api = installed()
    api.before = refusing(path, "operator cannot read it")

    code, said = await ended(tmp_path, api)

    assert code == 1
    assert said == "ostiary-operator: a permission is missing: operator cannot read it"


async def test_broken_settings_are_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    code, said = await ended(tmp_path, installed(settings="proxyImage: [1"))

    assert code == 1
    assert said.startswith("ostiary-operator: settings.yaml is not YAML")


async def test_missing_settings_are_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    api = installed()
    api.take(CONFIG_MAPS, "ostiary-system", "ostiary-settings")

    code, said = await ended(tmp_path, api)

    assert code == 1
    assert said == (
        "ostiary-operator: ConfigMap ostiary-system/ostiary-settings does not exist: "
        "the chart makes it"
    )


async def test_a_metrics_port_that_is_taken_is_one_sentence_and_exit_code_1(
    tmp_path: Path,
) -> None:
    with socket.create_server(("", 0)) as holder:
        taken = str(holder.getsockname()[1])

        code, said = await ended(tmp_path, installed(), OSTIARY_METRICS_PORT=taken)

    assert code == 1
    assert said.startswith(f"ostiary-operator: port {taken} for metrics cannot be had")
    assert "\n" not in said


async def test_without_an_api_server_to_speak_to_there_is_one_sentence(tmp_path: Path) -> None:
    async with operator(tmp_path) as process:
        code, said = await last_words(process)

    assert code == 1
    assert said.startswith("ostiary-operator: No API server is known")


async def test_a_variable_that_is_missing_is_named(tmp_path: Path) -> None:
    async with operator(tmp_path, OSTIARY_NAMESPACE="") as process:
        code, said = await last_words(process)

    assert code == 1
    assert said == "ostiary-operator: OSTIARY_NAMESPACE: Field required"


async def test_told_to_stop_it_lets_go_of_the_lease_and_ends_well(tmp_path: Path) -> None:
    api = installed()
    async with listening(api), operator(tmp_path, api) as process:
        await until(lambda: len(api.watched) > 0)
        held = holder(api)
        process.send_signal(signal.SIGTERM)
        code, said = await last_words(process)

    assert held.startswith("ostiary-operator-")
    assert (code, said, holder(api)) == (0, "", "")


async def test_a_lease_that_somebody_took_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    api = installed()
    async with listening(api), operator(tmp_path, api, OSTIARY_LEASE_SECONDS="3") as process:
        await until(lambda: len(api.watched) > 0)
        lease = api.find(LEASES, "ostiary-system", "ostiary-operator")
        assert lease is not None
        api.put(LEASES, {**lease, "spec": {**lease["spec"], "holderIdentity": "another"}})
        code, said = await last_words(process)

    assert code == 2
    assert said == "ostiary-operator: another replica holds the lease"
    assert holder(api) == "another"


async def test_a_replica_in_waiting_stops_when_told_and_leaves_the_lease(tmp_path: Path) -> None:
    api = installed()
    spec = {"holderIdentity": "another", "leaseDurationSeconds": 600}
    place = {"name": "ostiary-operator", "namespace": "ostiary-system"}
    api.put(LEASES, {"metadata": place, "spec": spec})
    async with listening(api), operator(tmp_path, api) as process:
        await until(lambda: any("/leases/" in seen.path for seen in api.requests))
        process.send_signal(signal.SIGTERM)
        code, said = await last_words(process)

    assert (code, said, holder(api)) == (0, "", "another")
    assert api.writes == []


def holder(api: WatchedApi) -> str:
    lease = api.find(LEASES, "ostiary-system", "ostiary-operator")
    return str(lease["spec"]["holderIdentity"]) if lease else ""
