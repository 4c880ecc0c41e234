"""examples/group as its README tells: servers of three teams behind one endpoint."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from e2e.cluster.kubectl import Kubectl
from tests.cli.running import ROOT, Up, call, ostiary, running, tools_of, until

EXAMPLE = ROOT / "examples" / "group"
LISTED = ["clock_convert_time", "clock_get_current_time", "words_count"]
CONSENT = "exposeTo:\n    namespaces: {from: Selector, selector: {matchLabels: {team: agents}}}"


def copied(folder: Path) -> Path:
    ignored = shutil.ignore_patterns(".ostiary", "__pycache__")
    return shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True, ignore=ignored)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """For tests that change nothing."""
    with running(copied(tmp_path_factory.mktemp("group"))) as up:
        yield up


def test_scripts_are_told_of_the_group_as_of_any_endpoint(shared: Up) -> None:
    (whole,) = (it for it in shared.ready["endpoints"] if it["kind"] == "MCPGroup")

    assert (whole["namespace"], whole["name"]) == ("agents", "everyday")
    assert whole["url"].endswith("/agents/everyday-group/mcp")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_real_client_sees_one_list_and_calls_each_member(shared: Up, mode: str) -> None:
    url, token = shared.url("everyday"), shared.token()

    assert await tools_of(url, token, mode) == LISTED
    told = await call(url, token, "clock_get_current_time", {"timezone": "Asia/Tokyo"}, mode)
    assert json.loads(told)["timezone"] == "Asia/Tokyo"
    assert await call(url, token, "words_count", {"text": "one two three"}, mode) == "3"


async def test_each_member_has_a_way_in_of_its_own(shared: Up) -> None:
    way = shared.url("everyday").removesuffix("/mcp") + "/servers/words/mcp"

    assert await tools_of(way, shared.token()) == ["count"]
    assert await call(way, shared.token(), "count", {"text": "one two"}) == "2"


async def test_what_a_members_policy_keeps_to_itself_the_group_does_not_have(shared: Up) -> None:
    refused = await call(
        shared.url("everyday"), shared.token(), "words_redact", {"text": "a", "word": "a"}
    )

    assert refused.startswith("refused: ")


def test_the_commands_speak_to_a_group(shared: Up) -> None:
    url, token = shared.url("everyday"), shared.token()

    listed = ostiary("tools", url, OSTIARY_TOKEN=token)
    called = ostiary("call", url, "words_count", "text=one two", OSTIARY_TOKEN=token)
    port, way = str(urlsplit(url).port), "agents/everyday-group/servers/words"
    named = ostiary("call", way, "count", "text=a b c", "--port", port, OSTIARY_TOKEN=token)

    assert all(name in listed.stdout for name in LISTED), listed.stderr
    assert called.stdout.strip() == "2", called.stderr
    assert named.stdout.strip() == "3", named.stderr


async def test_consent_is_withdrawn_and_given_by_editing_a_file(tmp_path: Path) -> None:
    manifest = copied(tmp_path) / "time.yaml"
    given = manifest.read_text()
    with running(tmp_path) as up:
        url, token = up.url("everyday"), up.token()

        manifest.write_text(given.replace(CONSENT, "# nobody's"))
        up.told("tools/time is no member of MCPGroup agents/everyday")
        up.told("The folder is in force")
        assert await tools_of(url, token) == ["words_count"]

        manifest.write_text(given)
        up.told("change 3")
        assert await tools_of(url, token) == LISTED


def test_the_table_shows_the_group_and_a_first_call(tmp_path: Path) -> None:
    sample = ("--call", "everyday", "words_count", "text=one two three")
    with running(copied(tmp_path), *sample, json_output=False) as up:
        until(lambda: "3" in up.said, "an answer")

    table = [line.split() for line in up.said[:4]]
    assert table[3][1:] == ["Ready", "4", "group", "of", "clock,", "words"]
    assert not any("no member" in line or "may not call" in line for line in up.news)


@pytest.mark.usefixtures("crds")
def test_it_is_valid_on_a_cluster(kubectl: Kubectl) -> None:
    manifests = [EXAMPLE / name for name in ("time.yaml", "words.yaml", "everyday.yaml")]
    for namespace in ("tools", "writing", "agents"):
        kubectl.run("create", "namespace", namespace)

    done = kubectl.run(
        "apply", "--dry-run=server", "--validate=strict", *(f"-f{it}" for it in manifests)
    )

    assert done.returncode == 0, done.stderr
