"""Buckets: how often one caller may ask."""

from ostiary_proxy.config import Rate
from ostiary_proxy.throttle import BUCKETS, Throttle

RATE = Rate(requestsPerSecond=2, burst=3)


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def key(who: int = 1, limit: str = "") -> tuple[str, str, bytes]:
    return ("u1", limit, who.to_bytes(4, "big"))


def test_a_burst_passes_and_then_so_many_a_second() -> None:
    clock = Hand()
    throttle = Throttle(clock)

    burst = [throttle.take(key(), RATE) for _ in range(5)]
    clock.now = 1.0
    later = [throttle.take(key(), RATE) for _ in range(3)]

    assert burst == [0, 0, 0, 1, 1]
    assert later == [0, 0, 1]


def test_who_asks_while_refused_waits_no_longer_for_it() -> None:
    clock = Hand()
    throttle = Throttle(clock)
    for _ in range(100):
        throttle.take(key(), RATE)

    clock.now = 0.5

    assert throttle.take(key(), RATE) == 0


def test_a_slow_rate_tells_how_long_to_wait() -> None:
    throttle = Throttle(Hand())
    slow = Rate(requestsPerSecond=1, burst=1)

    assert [throttle.take(key(), slow) for _ in range(2)] == [0, 1]


def test_callers_and_limits_do_not_share() -> None:
    throttle = Throttle(Hand())
    one = Rate(requestsPerSecond=1, burst=1)

    found = [throttle.take(it, one) for it in (key(1), key(2), key(1, "r"), key(1))]

    assert found == [0, 0, 0, 1]


def test_a_limit_that_shrinks_counts_at_once() -> None:
    throttle = Throttle(Hand())
    throttle.take(key(), Rate(requestsPerSecond=100, burst=100))

    found = [throttle.take(key(), Rate(requestsPerSecond=1, burst=1)) for _ in range(2)]

    assert found == [0, 1]


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    clock = Hand()
    throttle = Throttle(clock)
    one = Rate(requestsPerSecond=1, burst=1)
    throttle.take(key(), one)

    clock.now = -100.0

    assert throttle.take(key(), one) == 1


def test_strangers_do_not_fill_the_memory() -> None:
    throttle = Throttle(Hand())

    for who in range(BUCKETS + 100):
        throttle.take(key(who), RATE)

    assert len(throttle) == BUCKETS
