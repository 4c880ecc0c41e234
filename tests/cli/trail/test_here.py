"""The trail of `ostiary up`: a file that nobody else reads, and a line for whoever wonders why."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import PATIENCE, call, ostiary, quickstart, running

from ostiary_cli.trail import here
from ostiary_cli.trail.here import AGAIN_SECONDS, Refusals, open_trail, trail_of

ID = "01M8B2V761SSB3E2XFSFYR8M66"
STRANGER = "system:serviceaccount:shop:stranger"


def refusal(**more: Any) -> dict[str, Any]:
    return {
        "id": ID,
        "subject": STRANGER,
        "namespace": "default",
        "server": "time",
        "method": "tools/call",
        "name": "get",
        "reason": "NotAllowed",
        **more,
    }


def test_a_refusal_is_one_line_that_says_where_more_is() -> None:
    told: list[str] = []
    Refusals(Path("demo"), told.append)(refusal())
    Refusals(Path("demo"), told.append)({"id": ID, "source": "127.0.0.1", "reason": "BadHost"})
    assert told == [
        f"Refused: {STRANGER}, tools/call get at default/time: NotAllowed "
        f"(ostiary why {ID} -f demo)",
        "Refused: somebody at 127.0.0.1, a request at no server: BadHost "
        f"(ostiary why {ID} -f demo)",
    ]


def test_who_tries_again_and_again_is_told_of_once_in_a_while() -> None:
    told: list[str] = []
    now = 0.0
    refusals = Refusals(Path("demo"), told.append, lambda: now)
    for _ in range(100):
        refusals(refusal())
        refusals(refusal(name="other"))
    assert len(told) == 2
    now = AGAIN_SECONDS + 1
    refusals(refusal())
    assert len(told) == 3


def test_names_without_end_fill_no_memory() -> None:
    refusals = Refusals(Path("demo"), lambda _: None, lambda: 0.0)
    for number in range(here.MOST_REMEMBERED * 3):
        refusals(refusal(name=str(number)))
    assert len(refusals._told) <= here.MOST_REMEMBERED


def test_the_file_is_its_owners_alone_and_is_appended_to(tmp_path: Path) -> None:
    trail_of(tmp_path).parent.mkdir()
    for word in (b"a\n", b"b\n"):
        with open_trail(tmp_path) as trail:
            trail.write(word)
    assert trail_of(tmp_path).read_bytes() == b"a\nb\n"
    assert stat.S_IMODE(trail_of(tmp_path).stat().st_mode) == 0o600


def test_a_long_file_makes_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(here, "LARGEST_BYTES", 4)
    trail_of(tmp_path).parent.mkdir()
    trail_of(tmp_path).write_bytes(b"12345")
    open_trail(tmp_path).close()
    assert trail_of(tmp_path).read_bytes() == b""
    assert (tmp_path / ".ostiary" / "audit.1.jsonl").read_bytes() == b"12345"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    trail_of(tmp_path).parent.mkdir()
    trail_of(tmp_path).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        open_trail(tmp_path)


async def test_a_refused_caller_is_told_of_and_the_reason_found_again(tmp_path: Path) -> None:
    """The whole way, with real processes."""
    folder = quickstart(tmp_path)
    with running(folder, "--as", STRANGER) as up:
        url, token = up.url("notes"), up.token(STRANGER)
        called = ostiary("call", url, "delete_note", "title=x", "--token", token)
        assert called.returncode != 0
        assert f"Refused: {STRANGER}" in up.told("ostiary why ")
        ident = called.stderr.partition("ostiary why ")[2].split()[0]
        why = ostiary("why", ident, "-f", str(folder))
        assert why.returncode == 0, why.stderr
        assert STRANGER in why.stdout
        assert "default/notes" in why.stdout
        assert not [line for line in up.news if line.startswith("{")], "no JSON on the terminal"
        up.end()
        assert up.process.wait(PATIENCE) == 0
    whole = ostiary("audit", "verify", str(folder))
    assert whole.returncode == 0, whole.stdout
    lines = [json.loads(line) for line in trail_of(folder).read_bytes().splitlines()]
    assert lines[0]["event"] == "chain.start"
    assert ident in {line["id"] for line in lines}
    assert token not in trail_of(folder).read_text()


async def test_a_second_run_goes_on_in_the_same_file(tmp_path: Path) -> None:
    folder = quickstart(tmp_path)
    for _ in range(2):
        with running(folder) as up:
            await call(up.url("time"), up.token(), "get_current_time", {"timezone": "UTC"})
            up.end()
    whole = ostiary("audit", "verify", str(folder), "--output", "json")
    assert whole.returncode == 0, whole.stdout
    assert len(json.loads(whole.stdout)["chains"]) == 2
