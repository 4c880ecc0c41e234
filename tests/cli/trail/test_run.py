"""`ostiary audit verify` and `ostiary why`, over what a real proxy wrote."""

import json
from pathlib import Path

import pytest
from tests.proxy.peers.scripted import Scripted
from tests.proxy.rig import http_rig, policy

from ostiary_cli.__main__ import main


async def written(folder: Path) -> tuple[Path, str]:
    """The audit of a proxy that answered and refused, and the id of the refusal."""
    file = folder / "audit.log"
    async with http_rig(Scripted(), policies=(policy(tools=("echo",)),)) as made:
        async with made.raw() as raw:
            await raw.modern("tools/call", name="echo")
            refused = await raw.modern("tools/call", name="hidden_one")
        ident = str(refused.json()["error"]["data"]["ostiary.dev/refusal"])
    lines = [json.dumps(line, separators=(",", ":"), ensure_ascii=False) for line in made.trail]
    file.write_text("what else is said\n" + "\n".join(lines) + "\n")
    return file, ident


async def test_the_trail_of_a_proxy_is_whole_and_a_line_taken_out_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, _ = await written(tmp_path)
    assert main(["audit", "verify", str(file)]) == 0
    assert "whole: " in capsys.readouterr().out

    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join([*lines[:2], *lines[3:]]))
    assert main(["audit", "verify", str(file), "--output", "json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert not said["whole"]
    assert f"{file} line 3" in said["gap"]


async def test_the_operators_heads_show_an_end_that_was_cut_off(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, _ = await written(tmp_path)
    main(["audit", "verify", str(file), "--output", "json"])
    (chain,) = json.loads(capsys.readouterr().out)["chains"]
    head = {"podUid": chain["podUid"], "auditSeq": chain["last"], "auditHead": chain["head"]}
    heads = tmp_path / "operator.log"
    heads.write_text(json.dumps({"message": "audit head", **head}) + "\n")
    assert main(["audit", "verify", str(file), "--heads", str(heads)]) == 0

    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    assert main(["audit", "verify", str(file), "--heads", str(heads)]) == 1
    assert "its end was cut off" in capsys.readouterr().out


async def test_a_refusals_id_leads_to_what_decided(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, ident = await written(tmp_path)
    assert main(["why", ident, "-f", str(file)]) == 0
    said = capsys.readouterr().out
    for words in (ident, "hidden_one", "tools/call", "NotAllowed", f"{file} line"):
        assert words in said

    assert main(["why", "0" * 26, "-f", str(file)]) == 1
    assert "is not in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["audit", "verify", "/nowhere/at/all"], "cannot be read"),
        (["why", "short"], "write the 26 characters"),
        (["why", "0" * 26, "-f", "/nowhere/at/all"], "cannot be read"),
    ],
)
def test_bad_input_is_a_sentence(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_no_audit_line_at_all_is_no_whole_trail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "f").write_text("hello\n")
    assert main(["audit", "verify", str(tmp_path / "f")]) == 2
    assert "no audit line" in capsys.readouterr().err
