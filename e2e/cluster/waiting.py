"""Waiting for a condition, with a bound.  The only place of these tests that sleeps."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(
    look: Callable[[], T], *, seconds: float = 30, what: str = "", every: float = 0.05
) -> T:
    """The first truthy result of `look`.

    An AssertionError of `look` counts as "not yet", and the last one is raised at the end."""
    deadline = time.monotonic() + seconds
    while True:
        failure: AssertionError | None = None
        result: T | None = None
        try:
            result = look()
        except AssertionError as err:
            failure = err
        if result:
            return result
        if time.monotonic() > deadline:
            seen = f"; last: {failure or result!r}"
            raise AssertionError(f"not within {seconds:g} s: {what or look}{seen}") from failure
        time.sleep(every)
