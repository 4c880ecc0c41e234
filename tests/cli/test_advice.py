"""What is said of a folder that is valid and may not mean what it says."""

from pathlib import Path

from tests.cli.folders import group, policy, server, write
from tests.proxy import documents

from ostiary_cli.advice import missing_targets, not_admitted, tools_to_approve
from ostiary_cli.local import Place, plan
from ostiary_cli.manifests import read_folder
from ostiary_proxy.config import Pin, ServerReport, SuspectReport, ToolFilter

DEVELOPER = "system:serviceaccount:default:developer"
NAMED = policy().replace("selector: {}", "targetRefs: [{kind: MCPServer, name: time}]")


def test_a_policy_for_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    write(tmp_path, time=server("tima", "command: [x]"), access=NAMED)

    (said,) = missing_targets(read_folder(tmp_path))

    assert "spec.targetRefs[0] names the MCPServer default/time" in said


def test_nothing_is_said_where_every_target_is_there(tmp_path: Path) -> None:
    write(tmp_path, time=server("time", "command: [x]"), access=NAMED)

    assert not list(missing_targets(read_folder(tmp_path)))


def test_a_policy_for_a_group_that_is_not_there_is_named(tmp_path: Path) -> None:
    named = NAMED.replace("MCPServer, name: time", "MCPGroup, name: {name}")
    write(
        tmp_path,
        time=server("time", "command: [x]"),
        group=group("server: {name: time}"),
        here=named.replace("{name}", "everyday"),
        gone=named.replace("{name}", "nightly").replace("{name: all", "{name: other"),
    )

    (said,) = missing_targets(read_folder(tmp_path))

    assert "default/other: spec.targetRefs[0] names the MCPGroup default/nightly" in said


def test_who_may_call_nothing_of_a_group_is_told_so(tmp_path: Path) -> None:
    write(tmp_path, a=server("time", "command: [x]"), b=group("server: {name: time}"), c=policy())
    servers = plan(read_folder(tmp_path), Place(tmp_path, 8931, "/bin")).servers

    said = list(not_admitted(servers, [DEVELOPER, "system:serviceaccount:shop:stranger"]))

    assert len(said) == 2
    assert "stranger may not call default/time:" in said[0]
    assert "stranger may not call MCPGroup default/everyday: No server of the group" in said[1]


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
