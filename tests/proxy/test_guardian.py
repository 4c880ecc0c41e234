"""A shell that outlives us ends what we leave behind."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.proxy.conditions import until

from ostiary_proxy.guardian import guard

PARENT = """
import asyncio, sys
from ostiary_proxy.guardian import guard

async def main():
    guardian = await guard(int(sys.argv[1]), lambda: None)
    if sys.argv[2] == "dismiss":
        guardian.dismiss()
    print("guarding", flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


@pytest.fixture
def group() -> Iterator[subprocess.Popen[bytes]]:
    """A process that leads a group of its own, and nobody's child who is asked to guard it."""
    process = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


async def parent(group: int, word: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PARENT, str(group), word), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"guarding\n"
    return process


async def test_a_group_ends_with_the_one_who_had_it_guarded(
    group: subprocess.Popen[bytes],
) -> None:
    guarding = await parent(group.pid, "keep")

    guarding.send_signal(signal.SIGKILL)
    await guarding.wait()

    await until(lambda: group.poll() is not None)
    assert group.returncode == -signal.SIGKILL


async def test_a_dismissed_guardian_leaves_everybody_alone(group: subprocess.Popen[bytes]) -> None:
    guarding = await parent(group.pid, "dismiss")

    guarding.send_signal(signal.SIGKILL)
    await guarding.wait()

    os.kill(group.pid, 0)
    assert group.poll() is None


async def test_dismissing_twice_is_no_error(group: subprocess.Popen[bytes]) -> None:
    ended = asyncio.Event()
    guardian = await guard(group.pid, ended.set)

    assert guardian is not None
    guardian.dismiss()
    guardian.dismiss()

    await asyncio.wait_for(ended.wait(), 20)
    assert group.poll() is None
