"""What is said of a folder that is valid and may not mean what it says."""

from pathlib import Path

from tests.cli.folders import policy, server, write
from tests.proxy import documents

from ostiary_cli.advice import missing_targets, tools_to_approve
from ostiary_cli.manifests import read_folder
from ostiary_proxy.config import Pin, ServerReport, SuspectReport, ToolFilter

NAMED = policy().replace("selector: {}", "targetRefs: [{kind: MCPServer, name: time}]")


def test_a_policy_for_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    write(tmp_path, time=server("tima", "command: [x]"), access=NAMED)

    (said,) = missing_targets(read_folder(tmp_path))

    assert "spec.targetRefs[0] names the MCPServer default/time" in said


def test_nothing_is_said_where_every_target_is_there(tmp_path: Path) -> None:
    write(tmp_path, time=server("time", "command: [x]"), access=NAMED)

    assert not list(missing_targets(read_folder(tmp_path)))


def test_what_of_a_servers_tools_to_approve_and_to_read_is_said() -> None:
    pinned = documents.server(tools=ToolFilter(pin=Pin(mode="Enforce")))
    report = ServerReport(
        namespace="tools",
        name="time",
        state="Ready",
        suspects=(SuspectReport(name="add", findings=("control characters",)),),
        toolsDigest="sha256:all",
        toolCount=1,
    )

    said = tools_to_approve(pinned, report).splitlines()

    assert "nothing is approved yet" in said[0]
    assert "spec.tools.pin.digest: sha256:all" in said[0]
    assert "add: control characters" in said[1]
    assert tools_to_approve(documents.server(), report) == said[1]
    assert tools_to_approve(pinned, None) == ""
