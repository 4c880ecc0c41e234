"""When a member is left alone, and when it is tried again."""

from ostiary_proxy.breaker import FAILURES, LAST_SECONDS, Breaker


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def broken(clock: Clock) -> Breaker:
    breaker = Breaker(clock)
    for _ in range(FAILURES):
        assert breaker.admit()
        breaker.failed()
    return breaker


def test_a_success_between_failures_keeps_it_closed() -> None:
    breaker = Breaker(Clock())
    for _ in range(FAILURES * 3):
        breaker.failed()
        breaker.worked()
    assert breaker.admit()
    assert not breaker.open


def test_after_failures_in_a_row_nothing_is_sent_for_a_moment() -> None:
    clock = Clock()
    breaker = broken(clock)
    assert breaker.open
    assert not breaker.admit()
    assert breaker.seconds == 1


def test_after_the_pause_one_alone_tries() -> None:
    clock = Clock()
    breaker = broken(clock)
    clock.now += 1.5
    assert [breaker.admit() for _ in range(3)] == [True, False, False]
    breaker.worked()
    assert [breaker.admit() for _ in range(3)] == [True] * 3


def test_pauses_grow_to_a_bound_and_begin_small_again() -> None:
    clock = Clock()
    breaker = broken(clock)
    for _ in range(10):
        clock.now += LAST_SECONDS + 1
        assert breaker.admit()
        breaker.failed()
    assert breaker.seconds == LAST_SECONDS
    breaker.worked()
    for _ in range(FAILURES):
        breaker.failed()
    assert breaker.seconds == 1
