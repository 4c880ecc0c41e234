"""What a process writes that is no answer to anybody."""

from tests.proxy.rig import (
    stdio_rig,
)
from tests.proxy.test_session import open_session
from tests.proxy.test_stdio import BOTH, call


async def test_garbage_between_answers_is_passed_over() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw:
        assert await call(raw, "garbage") == {"done": True}
        assert await call(raw, "garbage", await open_session(raw)) == {"done": True}


async def test_a_line_without_end_ends_the_process() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw:
        answer = await raw.modern("tools/call", name="long")

    assert answer.status_code == 502
