"""`python -m ostiary_proxy` and the installed command are the same sidecar."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    "command",
    [[sys.executable, "-m", "ostiary_proxy"], [str(Path(sys.executable).parent / "ostiary-proxy")]],
    ids=["module", "command"],
)
@pytest.mark.parametrize("port", ["http", "-1", "65536", "9" * 5000, ""])
def test_a_port_that_is_none_is_told_in_a_sentence(command: list[str], port: str) -> None:
    ended = subprocess.run(
        command,
        env={**os.environ, "OSTIARY_MCP_PORT": port},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("ostiary-proxy: OSTIARY_MCP_PORT must be a port number")
    assert ended.stderr.count("\n") == 1


def test_a_folder_for_its_socket_that_is_missing_is_named(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "ostiary_proxy"],
        env={
            **os.environ,
            "OSTIARY_RUN_DIR": str(tmp_path / "absent"),
            "OSTIARY_BIND": "127.0.0.1",
            "OSTIARY_MCP_PORT": "0",
            "OSTIARY_ADMIN_PORT": "0",
        },
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("ostiary-proxy: ")
    assert str(tmp_path / "absent") in ended.stderr.splitlines()[-1]
