"""The pace of a scheduled audit: it rests, so that the tasks of customers have the server most of the time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# After a piece of work, the audit rests so many times as long, so it takes a tenth of one core. Rests of four times the
# work cost redeeming on two cores more than a tenth.
RESTS_PER_WORK = 9


class Pace:
    """Rests after each piece of work, until the audit has lasted `seconds_max`. From then on, it only works."""

    def __init__(
        self,
        *,
        seconds_max: float,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin now, by the clock in seconds."""
        self._sleep, self._clock = sleep, clock
        self._rests_until = clock() + seconds_max

    @contextmanager
    def work(self) -> Iterator[None]:
        """Rest after this piece of work, unless it fails."""
        began = self._clock()
        yield
        now = self._clock()
        rest = min(RESTS_PER_WORK * (now - began), self._rests_until - now)
        if rest > 0:
            self._sleep(rest)
