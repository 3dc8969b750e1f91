"""While the database is away, a worker probes often, and lets everything follow when the database is back."""

import heapq
from collections.abc import Callable
from typing import Any

import pytest

from worker.intake.delivery import Fate, Outcome
from worker.intake.outage import Outage

SIZE_MAX = 500
# Every probe of the first minute is so close to the one before.
PAUSE_SECONDS_MAX = 2


class Loop:
    """A loop with a clock of its own, a free child, and a database that is away until an instant."""

    def __init__(self, *, back_at: float) -> None:
        self.back_at = back_at
        self.now = 0.0
        self.probes: list[float] = []
        self.resumed: list[float] = []
        self._timers: list[tuple[float, int, Callable[..., None]]] = []

    def call_later(self, seconds: float, function: Callable[..., None]) -> None:
        """Call a function later by the loop's clock."""
        heapq.heappush(self._timers, (self.now + seconds, len(self._timers), function))

    def acquire(self, use: Callable[[], None]) -> None:
        """Give the child to whoever wants it."""
        use()

    def apply_async(self, _function: object, *, callback: Callable[[bool], None], **_: Any) -> bool:
        """Answer whether the database is there."""
        self.probes.append(self.now)
        callback(self.now >= self.back_at)
        return True

    def run(self, *, until: float) -> None:
        """Run the timers until an instant."""
        while self._timers and self._timers[0][0] <= until:
            self.now, _, function = heapq.heappop(self._timers)
            function()


def outage_of(loop: Loop) -> Outage:
    """Return an outage in that loop, whose resumption is noted."""
    anything: Any = loop
    return Outage(hub=anything, pool=anything, slots=anything, resume=lambda: loop.resumed.append(loop.now))


def away(fate: Fate) -> Outcome:
    """Return the outcome of a message that found the database away."""
    return Outcome(fate=fate, error=ConnectionError())


def test_after_lost_connections_a_child_asks_at_most_two_seconds_apart() -> None:
    """The first answer lets all messages follow."""
    loop = Loop(back_at=60)
    outage = outage_of(loop)
    outage.note_away(away(Fate.AWAIT_CONNECTION))
    assert outage.allowed_size(SIZE_MAX) == 0
    loop.run(until=100)
    assert loop.probes[0] <= 1
    assert (
        max(later - earlier for earlier, later in zip(loop.probes, loop.probes[1:], strict=False)) <= PAUSE_SECONDS_MAX
    )
    assert loop.resumed == [loop.probes[-1]]
    assert loop.back_at <= loop.probes[-1] <= loop.back_at + PAUSE_SECONDS_MAX
    assert outage.allowed_size(SIZE_MAX) == SIZE_MAX


def test_while_the_database_takes_no_writes_one_message_at_a_time_probes() -> None:
    """`SELECT 1` would succeed. A probe that fails is followed by another, and one that succeeds by everything."""
    loop = Loop(back_at=0)
    outage = outage_of(loop)
    outage.note_away(away(Fate.AWAIT_SERVERS))
    for number in range(1, 10):
        loop.run(until=loop.now + PAUSE_SECONDS_MAX)
        assert (len(loop.resumed), outage.allowed_size(SIZE_MAX)) == (number, 1)
        outage.note_sent()
        assert outage.allowed_size(SIZE_MAX) == 0
        outage.note_away(away(Fate.AWAIT_SERVERS))
    loop.run(until=loop.now + PAUSE_SECONDS_MAX)
    outage.note_back()
    assert outage.allowed_size(SIZE_MAX) == SIZE_MAX
    assert loop.probes == []


@pytest.mark.parametrize("fate", [Fate.AWAIT_CONNECTION, Fate.AWAIT_SERVERS])
def test_a_probe_that_ends_without_a_word_is_followed_by_another(fate: Fate) -> None:
    """Its child may have died."""
    loop = Loop(back_at=100)
    outage = outage_of(loop)
    outage.note_away(away(fate))
    loop.run(until=1)
    outage.note_sent()
    outage.note_lost()
    loop.run(until=loop.now + PAUSE_SECONDS_MAX)
    assert len(loop.probes or loop.resumed) >= 2
