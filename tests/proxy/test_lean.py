"""What a sidecar leaves out, seen in a process of its own."""

import subprocess
import sys

IMPORTS = """
import sys
from ostiary_proxy import lean
lean.before_imports()
import ostiary_proxy.sidecar
lean.after_start()
print(*sorted(sys.modules))
"""


def loaded() -> set[str]:
    shown = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORTS], check=True, capture_output=True, text=True
    )
    return set(shown.stdout.split())


def test_no_command_line_no_sdk_and_no_client_library_is_loaded() -> None:
    heavy = {"click", "mcp", "httpx", "kopf", "kubernetes", "hypothesis", "yaml", "requests"}

    modules = loaded()

    assert not heavy & modules
    assert {"httptools", "uvicorn.config"} <= modules


def test_a_process_that_loaded_uvicorn_whole_keeps_it_whole() -> None:
    program = (
        "import uvicorn; from ostiary_proxy import lean; lean.before_imports();"
        "import uvicorn as again; assert again.run and again.Server and again.Config"
    )

    subprocess.run([sys.executable, "-c", program], check=True)
