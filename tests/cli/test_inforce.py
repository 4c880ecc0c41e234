"""What an edit of the folder does to a running proxy."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.cli.folders import policy, server, write

from ostiary_cli.inforce import Applied, InForce, Kept
from ostiary_cli.local import Place
from ostiary_cli.manifests import read_folder
from ostiary_proxy.config import Issuer
from ostiary_proxy.serve import Proxy

COMMAND = "command: [no-such-program-at-all]"


@pytest.fixture
async def proxy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Proxy]:
    with (tmp_path_factory.mktemp("audit") / "audit.jsonl").open("wb") as audit:
        async with Proxy(role="local", audit_stream=audit, accept_seconds=0) as proxy:
            yield proxy


@pytest.fixture
def state(proxy: Proxy, tmp_path: Path) -> InForce:
    place = Place(tmp_path, proxy.port, "/nonexistent")
    return InForce(proxy=proxy, issuer=Issuer(kind="local", issuer="me"), place=place, callers=())


async def test_a_good_folder_is_put_in_force_at_once(
    proxy: Proxy, state: InForce, tmp_path: Path
) -> None:
    write(tmp_path, a=server("time", COMMAND))

    outcome = await state.take(read_folder(tmp_path))

    assert isinstance(outcome, Applied)
    assert [it.name for it in outcome.added] == ["time"]
    assert proxy.runtime.snapshot is not None
    assert list(proxy.runtime.snapshot.endpoints) == ["/default/time/mcp"]


async def test_servers_come_and_go(proxy: Proxy, state: InForce, tmp_path: Path) -> None:
    write(tmp_path, a=server("time", COMMAND))
    await state.take(read_folder(tmp_path))

    (tmp_path / "a.yaml").unlink()
    write(tmp_path, b=server("clock", COMMAND))
    outcome = await state.take(read_folder(tmp_path))

    assert isinstance(outcome, Applied)
    assert (outcome.generation, outcome.removed) == (2, ("default/time",))
    assert [it.name for it in outcome.added] == ["clock"]


async def test_an_edit_of_nothing_makes_no_generation(state: InForce, tmp_path: Path) -> None:
    write(tmp_path, a=server("time", COMMAND))
    await state.take(read_folder(tmp_path))

    write(tmp_path, a="# a comment\n" + server("time", COMMAND))
    outcome = await state.take(read_folder(tmp_path))

    assert isinstance(outcome, Applied)
    assert (outcome.generation, outcome.changed) == (1, False)


@pytest.mark.parametrize(
    "broken", [server("time", "comand: [x]"), server("time", COMMAND, "replicas: 0")]
)
async def test_an_edit_that_breaks_what_runs_changes_nothing_else_either(
    proxy: Proxy, state: InForce, tmp_path: Path, broken: str
) -> None:
    write(tmp_path, a=server("time", COMMAND))
    await state.take(read_folder(tmp_path))
    before = proxy.runtime.snapshot

    write(tmp_path, a=broken, b=policy())
    outcome = await state.take(read_folder(tmp_path))

    assert isinstance(outcome, Kept)
    assert "a.yaml" in outcome.problems[0]
    assert proxy.runtime.snapshot is before


async def test_a_new_server_that_cannot_run_hinders_no_other_edit(
    state: InForce, tmp_path: Path
) -> None:
    write(tmp_path, a=server("time", COMMAND))
    await state.take(read_folder(tmp_path))

    write(tmp_path, b=server("odd", COMMAND, "replicas: 0"), c=policy())
    outcome = await state.take(read_folder(tmp_path))

    assert isinstance(outcome, Applied)
    assert [refusal.key for refusal in outcome.refusals] == ["default/odd"]
    assert len(state.servers[0].policies) == 1


async def test_an_edited_secret_is_written_and_no_backend_is_replaced(
    proxy: Proxy, state: InForce, tmp_path: Path
) -> None:
    def folder(value: str) -> None:
        write(
            tmp_path,
            a="""apiVersion: ostiary.dev/v1alpha1
kind: MCPServer
metadata: {name: saas, namespace: default}
spec:
  remote: {url: "http://127.0.0.1:9/mcp", allowInsecure: true}
  upstream: {headers: [{name: X-Key, secretKeyRef: {name: saas, key: token}}]}
""",
            b=f"""apiVersion: v1
kind: Secret
metadata: {{name: saas, namespace: default}}
stringData: {{token: {value}}}
""",
        )

    folder("one")
    await state.take(read_folder(tmp_path))
    backend = proxy.backends._by_path["/default/saas/mcp"]
    folder("two")
    outcome = await state.take(read_folder(tmp_path))
    (file,) = (tmp_path / ".ostiary").rglob("header-x-key")
    value = file.read_text()
    await state.close()

    assert isinstance(outcome, Applied)
    assert outcome.changed
    assert proxy.backends._by_path["/default/saas/mcp"] is backend
    assert value == "two"
    assert not file.exists()
