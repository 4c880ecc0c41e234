"""What a session holds while its process comes and goes."""

from tests.proxy.test_recipe import NOW, OWNER, PLANNER, initialize, sealer

from ostiary_proxy.desk import Desk
from ostiary_proxy.exclusive import LegacyChannel
from ostiary_proxy.lines import Exit
from ostiary_proxy.mailbox import Mailbox
from ostiary_proxy.session import Session, Sessions


class Child:
    """A pipe that goes nowhere."""

    def write(self, line: bytes) -> None: ...

    async def writable(self) -> None: ...

    def close(self) -> None: ...

    async def closed(self) -> None: ...


def desk() -> tuple[Sessions, Session, Desk, LegacyChannel]:
    sessions = Sessions("u1", OWNER, now=lambda: NOW)
    session = sessions.begin(initialize(), "2025-11-25", PLANNER, sealer())
    made = Desk(session, lambda: None)
    channel = LegacyChannel("time", on_ended=made.on_ended)
    channel.pipe = Child()
    made.sit(channel)
    return sessions, session, made, channel


def test_a_process_that_ended_is_noticed_and_the_stream_goes_on() -> None:
    _, session, made, channel = desk()
    made.attach(held := Mailbox())
    assert not made.check_lost()

    channel.on_exit(Exit("CommandExited", "gone"))

    assert made.check_lost()
    assert session.lost
    assert held.ended is None
    assert made.held is held


def test_where_sessions_end_with_their_process_so_does_the_stream() -> None:
    _, _, made, channel = desk()
    made.ends = True
    made.attach(held := Mailbox())

    channel.on_exit(Exit("CommandExited", "gone"))

    assert held.ended is not None


def test_the_end_of_a_session_clears_its_desk() -> None:
    sessions, session, made, channel = desk()
    made.attach(held := Mailbox())

    sessions.end(session)

    assert made.cleared
    assert channel.closing
    assert held.ended is not None


def test_a_request_that_waits_for_its_process_can_be_cancelled_and_has_its_id_to_itself() -> None:
    _, _, made, _ = desk()
    message = initialize()

    with made.expecting(message) as coming, made.expecting(message) as twin:
        made.cancel("1")
        assert coming is not None
        assert not coming.cancelled
        made.cancel(1)
        assert coming.cancelled
        assert twin is None
    with made.expecting(message) as again:
        assert again is not None
