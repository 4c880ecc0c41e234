"""`ostiary token` on a folder, and that its token opens what `ostiary up` runs.  On a cluster:
tests/operator_api/test_tokens.py."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
import yaml
from tests.cli.folders import server, write

from ostiary_cli import token
from ostiary_cli.__main__ import main
from ostiary_cli.endpoint import CallFailed
from ostiary_cli.manifests import read_folder
from ostiary_cli.token import Wish, create, expiry, listed, manifest_of, revoke, table
from ostiary_proxy.token_format import is_whole

NOW = datetime(2029, 6, 1, tzinfo=UTC)
WISH = Wish("ci", "default", ("time", "shop/*"), "90d")


def test_the_hash_is_written_and_the_token_nowhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, a=server("time", "command: [x]"))

    secret = create(WISH, tmp_path, NOW)

    text = (tmp_path / "token-ci.yaml").read_text()
    assert is_whole(secret.encode())
    assert secret not in "".join(it.read_text() for it in tmp_path.glob("*.yaml"))
    assert secret not in "".join(capsys.readouterr())
    assert yaml.safe_load(text)["spec"] == {
        "sha256": sha256(secret.encode()).hexdigest(),
        "expirationTime": "2029-08-30T00:00:00Z",
        "restrictTo": [
            {"kind": "MCPServer", "namespace": "default", "name": "time"},
            {"kind": "MCPServer", "namespace": "shop", "name": "*"},
        ],
    }
    assert list(read_folder(tmp_path).tokens) == ["default/ci"]


def test_nothing_but_the_token_is_on_stdout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, a=server("time", "command: [x]"))

    assert main(["token", "create", "ci", "--for", "time", "-f", str(tmp_path)]) == 0

    out, err = capsys.readouterr()
    assert is_whole(out.strip().encode())
    assert "only time" in err
    assert out.strip() not in err


def test_a_second_of_that_name_is_not_written_over_the_first(tmp_path: Path) -> None:
    write(tmp_path, a=server("time", "command: [x]"))
    create(WISH, tmp_path, NOW)
    before = (tmp_path / "token-ci.yaml").read_text()

    with pytest.raises(CallFailed, match="is there already"):
        create(WISH, tmp_path, NOW)

    assert (tmp_path / "token-ci.yaml").read_text() == before


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("90d", NOW + timedelta(days=90)),
        ("366d", NOW + timedelta(days=366)),
        ("12h", NOW + timedelta(hours=12)),
        ("2029-07-01", datetime(2029, 7, 1, tzinfo=UTC)),
        ("2029-07-01T02:00:00+02:00", datetime(2029, 7, 1, tzinfo=UTC)),
    ],
)
def test_an_end_is_a_span_or_a_time(text: str, end: datetime) -> None:
    assert expiry(text, NOW) == end


@pytest.mark.parametrize(
    "text", ["never", "0d", "367d", "-1d", "2029-05-31", "2031-01-01", "", "1y"]
)
def test_an_end_is_within_a_year_and_never_missing(text: str) -> None:
    with pytest.raises(CallFailed) as caught:
        expiry(text, NOW)

    assert caught.value.code == 2


@pytest.mark.parametrize(
    "wish",
    [
        Wish("Ci", "default", ("time",), "1d"),
        Wish("ci", "default", ("a/b/c",), "1d"),
        Wish("ci", "default", ("*/time",), "1d"),
        Wish("ci", "default", ("ti*",), "1d"),
        Wish("ci", "default", ("time",), "1d", "a\nb"),
    ],
    ids=str,
)
def test_what_a_cluster_would_refuse_is_refused_here(wish: Wish, tmp_path: Path) -> None:
    with pytest.raises(CallFailed) as caught:
        create(wish, tmp_path, NOW)

    assert caught.value.code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_persons_token_bears_their_name() -> None:
    wish = Wish("mine", "default", ("time",), "1d", "alice@example.com")

    assert manifest_of(wish, "a" * 64, NOW)["spec"]["user"] == "alice@example.com"


def test_a_groups_token_names_the_group(tmp_path: Path) -> None:
    wish = Wish("ci", "default", ("time",), "1d", groups=("time", "agents/everyday", "time"))
    write(tmp_path, a=server("time", "command: [x]"))

    create(wish, tmp_path, NOW)

    (found,) = listed(None, tmp_path, every=False)
    assert found["spec"]["restrictTo"] == [
        {"kind": "MCPServer", "namespace": "default", "name": "time"},
        {"kind": "MCPGroup", "namespace": "default", "name": "time"},
        {"kind": "MCPGroup", "namespace": "agents", "name": "everyday"},
    ]
    assert "default/time,MCPGroup:default/time,MCPGroup:agents/everyday" in table([found], NOW)


def test_a_token_that_opens_nothing_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["token", "create", "ci", "-f", str(tmp_path)]) == 2
    assert "--for-group GROUP" in capsys.readouterr().err


def test_the_list_shows_whose_for_what_and_until_when(tmp_path: Path) -> None:
    write(tmp_path, a=server("time", "command: [x]"))
    create(WISH, tmp_path, NOW)

    found = listed(None, tmp_path, every=False)
    lines = table(found, NOW).splitlines()

    assert lines[0].split() == ["NAMESPACE", "NAME", "USER", "OPENS", "EXPIRES", "STATE"]
    assert lines[1].split() == [
        "default",
        "ci",
        "-",
        "default/time,shop/*",
        "2029-08-30T00:00:00Z",
        "-",
    ]
    assert table(found, NOW + timedelta(days=90)).endswith("Expired")
    assert listed("shop", tmp_path, every=False) == []


@pytest.mark.parametrize(
    ("conditions", "state"),
    [
        ([("Ready", "True", "PolicyMissing"), ("Accepted", "True", "Accepted")], "PolicyMissing"),
        (
            [("Ready", "False", "Invalid"), ("Accepted", "False", "DuplicateToken")],
            "DuplicateToken",
        ),
    ],
)
def test_the_state_is_what_the_operator_says(
    conditions: list[tuple[str, str, str]], state: str
) -> None:
    manifest = manifest_of(WISH, "a" * 64, NOW)
    said = [dict(zip(("type", "status", "reason"), it, strict=True)) for it in conditions]

    assert table([{**manifest, "status": {"conditions": said}}], NOW).split()[-1] == state


def test_a_revoked_token_is_gone_from_the_folder(tmp_path: Path) -> None:
    write(tmp_path, a=server("time", "command: [x]"))
    create(WISH, tmp_path, NOW)

    revoke("ci", "default", tmp_path)

    assert read_folder(tmp_path).tokens == {}
    with pytest.raises(CallFailed, match="it has none"):
        revoke("ci", "default", tmp_path)


def test_a_token_is_revoked_whatever_else_is_wrong_in_the_folder(tmp_path: Path) -> None:
    write(tmp_path, a=server("time", "command: [x]"))
    create(WISH, tmp_path, NOW)
    write(tmp_path, b="junk: [")

    said = revoke("ci", "default", tmp_path)

    assert "default/ci" not in read_folder(tmp_path).tokens
    assert "b.yaml:1" in said
    assert "takes no edit while another file is wrong" in said


def test_a_file_that_holds_more_is_left_alone(tmp_path: Path) -> None:
    both = yaml.safe_dump(manifest_of(WISH, "a" * 64, NOW)) + "---\n" + server("b", "command: [x]")
    write(tmp_path, a=both)

    with pytest.raises(CallFailed, match="holds more than the token"):
        revoke("ci", "default", tmp_path)
    assert "default/ci" in read_folder(tmp_path).tokens


def test_a_folder_has_no_users_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["token", "create", "ci", "--for", "time", "--personal", "-f", str(tmp_path)]

    assert main(words) == 2
    assert "--user" in capsys.readouterr().err


def test_the_namespace_is_the_clusters_or_the_folders(tmp_path: Path) -> None:
    assert token.namespace_for(None, tmp_path) == "default"
    assert token.namespace_for("shop", None) == "shop"
