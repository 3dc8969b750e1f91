"""A reading takes no longer than a scrape may take, and a server that hangs is asked by one thread only."""

from threading import Event

import pytest

from scrip.exporter.bounded_reading import BoundedReading


class Server:
    """A server that answers when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer, self.has_answered = Event(), Event()
        self.error: Exception | None = None

    def read(self) -> int:
        """Answer with the number of questions so far."""
        self.asked += 1
        assert self.may_answer.wait(60)
        self.has_answered.set()
        if self.error:
            raise self.error
        return self.asked


def reading_of(server: Server, *, fresh_seconds: float = -1, seconds_max: float = 60) -> BoundedReading[int]:
    """Return bounded readings, which are not shared unless `fresh_seconds` says so."""
    return BoundedReading(server.read, errors=(OSError,), seconds_max=seconds_max, fresh_seconds=fresh_seconds)


def test_a_server_that_hangs_is_asked_once_until_it_answers() -> None:
    """Each scrape goes without it."""
    server = Server()
    reading = reading_of(server, seconds_max=0.01)
    assert [reading.get() for _ in range(5)] == [None] * 5
    assert server.asked == 1
    server.may_answer.set()
    assert server.has_answered.wait(60)
    patient = reading._begun  # noqa: SLF001 - the thread that asks
    assert patient is not None
    assert patient.result(60) == 1
    assert reading.get() == 1


def test_a_server_that_cannot_be_reached_gives_nothing_and_is_asked_again() -> None:
    """As soon as it is back, it is read."""
    server = Server()
    server.may_answer.set()
    server.error = ConnectionRefusedError()
    reading = reading_of(server)
    assert reading.get() is None
    server.error = None
    assert reading.get() == 2


def test_a_server_whose_own_wait_ended_is_asked_again() -> None:
    """Such an error is a timeout of the server, and not one of the scrape."""
    server = Server()
    server.may_answer.set()
    server.error = TimeoutError()
    reading = reading_of(server)
    assert [reading.get() for _ in range(2)] == [None] * 2
    server.error = None
    assert reading.get() == 3


def test_an_error_of_our_own_is_not_hidden() -> None:
    """It is a bug, not an outage."""
    server = Server()
    server.may_answer.set()
    server.error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        reading_of(server).get()


def test_scrapes_at_about_the_same_time_share_a_reading() -> None:
    """Also one that has failed, so that many scrapes do not wait one after the other."""
    server = Server()
    server.may_answer.set()
    reading = reading_of(server, fresh_seconds=60)
    assert [reading.get() for _ in range(3)] == [1, 1, 1]
    server.error = ConnectionRefusedError()
    failing = reading_of(server, fresh_seconds=60)
    assert [failing.get() for _ in range(3)] == [None] * 3
    assert server.asked == 2
