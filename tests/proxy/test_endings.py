"""What is repeated of a child's end; the child can write the shim's last line itself."""

import orjson
import pytest

from ostiary_proxy.config import SHIM_EXIT_KEY
from ostiary_proxy.endings import own_exit, shim_exit


def line(**told: object) -> bytes:
    return orjson.dumps({SHIM_EXIT_KEY: {"code": -1, "signal": "", "error": "", **told}})


@pytest.mark.parametrize(
    ("told", "reason", "message"),
    [
        (line(code=3), "CommandExited", "The command exited with status 3."),
        (line(signal="SIGKILL"), "CommandExited", "The command was ended by signal SIGKILL."),
        (
            line(error="exec: no such file or directory"),
            "CommandNotFound",
            "The command could not be started: exec: no such file or directory",
        ),
    ],
)
def test_the_shims_last_line_is_read(told: bytes, reason: str, message: str) -> None:
    found = shim_exit(told)

    assert found is not None
    assert (found.reason, found.message) == (reason, message)


@pytest.mark.parametrize(
    "told",
    [
        line(signal="SIGKILL\n\x1b[31mlevel=ERROR forged"),
        line(signal="x" * 1_000_000),
        line(code="1" * 1_000_000),
        line(code=10**9),
        line(error="\x1b[2J\u202e" + "x" * 1_000_000),
    ],
    ids=["escape", "long signal", "long code", "large code", "error"],
)
def test_a_forged_line_says_nothing_of_its_own_at_length(told: bytes) -> None:
    """Security row 29."""
    found = shim_exit(told)

    assert found is not None
    assert found.message.isprintable()
    assert len(found.message) < 300


@pytest.mark.parametrize("told", [b"{}", b"no json", orjson.dumps({SHIM_EXIT_KEY: 1, "more": 2})])
def test_a_line_that_only_looks_like_it_is_the_childs(told: bytes) -> None:
    assert shim_exit(told) is None


def test_the_kernels_word_is_read() -> None:
    assert own_exit(-9).message == "The command was ended by signal 9."
    assert own_exit(2).message == "The command exited with status 2."
