"""examples/remote as its README tells: a vendor who wants a key, and the proxy that has it."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from e2e.cluster.kubectl import Kubectl
from tests.cli.running import PATIENCE, ROOT, Up, call, free_port, running

EXAMPLE = ROOT / "examples" / "remote"
PORT = "8933"


@contextmanager
def vendor(port: int, key: str) -> Iterator[None]:
    program = [sys.executable, str(EXAMPLE / "vendor.py"), "--port", str(port), "--key", key]
    with subprocess.Popen(program) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE)


def example(folder: Path, port: int) -> Path:
    """On a port of its own; answers the manifest."""
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
    manifest = folder / "orders.yaml"
    manifest.write_text(manifest.read_text().replace(PORT, str(port)))
    return manifest


async def asked(up: Up) -> str:
    try:
        return await call(up.url("orders"), up.token(), "order_status", {"number": "7"})
    except Exception as err:  # noqa: BLE001 -- a client says so in one way or another
        return f"refused: {err!r}"


async def test_it_runs_and_a_new_key_is_taken_while_it_does(tmp_path: Path) -> None:
    port = free_port()
    manifest = example(tmp_path, port)
    with running(tmp_path) as up:
        kept = list((tmp_path / ".ostiary").rglob("header-authorization"))
        with vendor(port, "demo-key"):
            await until_answered(up)
        manifest.write_text(manifest.read_text().replace("demo-key", "second-key"))
        up.told("The folder is in force")
        with vendor(port, "second-key"):
            await until_answered(up)
        up.end()

    assert len(kept) == 1
    assert not kept[0].exists()
    assert "-key" not in "\n".join(up.news + up.said + up.trail)


async def until_answered(up: Up) -> None:
    last = ""
    for _ in range(200):
        last = await asked(up)
        if last == "Order 7 is on its way.":
            return
    raise AssertionError(f"{last}\n" + "\n".join(up.news))


async def test_a_key_that_the_vendor_refuses_is_told_to_the_owner(tmp_path: Path) -> None:
    port = free_port()
    example(tmp_path, port)
    with vendor(port, "another-key"), running(tmp_path) as up:
        said = ""
        # Whoever asks before the vendor listens is told of that first.
        while "CredentialsRefused" not in said:
            await asked(up)
            said = "\n".join(up.news)

    assert "MCPServer default/orders: Unavailable (CredentialsRefused)" in said
    assert "demo-key" not in said


@pytest.mark.usefixtures("crds")
def test_it_is_valid_on_a_cluster(kubectl: Kubectl) -> None:
    done = kubectl.run("apply", "--dry-run=server", "--validate=strict", "-f", str(EXAMPLE))

    assert done.returncode == 0, done.stderr
