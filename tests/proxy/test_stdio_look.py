"""A look at a stdio server whose processes do not all start alike."""

import sys
from pathlib import Path

import pytest
from tests.proxy.rig import peer_command, rig, stdio

from ostiary_proxy.era import LEGACY

PLAIN = peer_command("plain.py")


async def test_a_slow_second_process_is_not_taken_for_a_server_without_the_handshake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ostiary_proxy.stdio_look.PROBE_SECONDS", 0.5)
    starts = tmp_path / "starts"
    program = (
        "import pathlib, time\n"
        f"starts = pathlib.Path({str(starts)!r})\n"
        "count = len(starts.read_text()) if starts.exists() else 0\n"
        "starts.write_text('x' * (count + 1))\n"
        "time.sleep(1.0 if count == 1 else 0)\n"
        f"exec(open({PLAIN[1]!r}).read())\n"
    )

    async with rig(stdio(sys.executable, "-c", program)) as made:
        await made.ready()
        report = made.report

    assert report.served == (*LEGACY, "2026-07-28")
    assert len(starts.read_text()) == 2
