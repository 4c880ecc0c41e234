"""How what a process writes is cut into lines."""

from tests.proxy.test_children import Ear

from ostiary_proxy.lines import LONGEST_LINE, Lines


def test_lines_are_the_same_however_they_arrive() -> None:
    ear = Ear()
    lines = Lines(ear)

    for byte in b"one\n\ntwo\r\n  \nthree":
        assert lines.feed(bytes((byte,)))

    assert ear.lines == [b"one", b"two\r"]


def test_a_line_may_not_be_longer_than_its_cap() -> None:
    lines = Lines(Ear())

    assert lines.feed(b"x" * LONGEST_LINE)
    assert not lines.feed(b"x")
