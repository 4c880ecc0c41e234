"""A command that ends at once is not started in a loop."""

from ostiary_proxy.gate import FIRST_DELAY, LAST_DELAY, PROVEN_SECONDS, Gate


def test_each_crash_at_the_start_doubles_the_wait_up_to_a_bound() -> None:
    now = [100.0]
    gate = Gate(lambda: now[0])
    waits = []
    for _ in range(8):
        started = now[0]
        gate.ended(started)
        waits.append(round(gate.wait, 6))
        now[0] += gate.wait

    assert waits[:3] == [FIRST_DELAY, FIRST_DELAY * 2, FIRST_DELAY * 4]
    assert waits[-1] == LAST_DELAY


def test_those_that_were_started_together_count_once() -> None:
    gate = Gate(lambda: 100.0)
    for _ in range(5):
        gate.ended(started=99.9)

    assert round(gate.wait, 6) == FIRST_DELAY


def test_a_child_that_lived_long_enough_opens_the_gate() -> None:
    now = [100.0]
    gate = Gate(lambda: now[0])
    gate.ended(100.0)
    now[0] += FIRST_DELAY
    gate.lived()
    gate.ended(now[0])
    after_life = gate.wait
    now[0] += PROVEN_SECONDS + 1
    gate.ended(now[0] - PROVEN_SECONDS)

    assert round(after_life, 6) == FIRST_DELAY
    assert gate.wait == 0


async def test_a_start_waits_until_the_gate_opens() -> None:
    now = [100.0]
    gate = Gate(lambda: now[0])
    await gate.enter()
    gate.ended(100.0)
    now[0] += FIRST_DELAY
    await gate.enter()

    assert gate.wait == 0
