"""An outage of the database: the messages wait, still unacknowledged, and follow at once when the outage is over.

If connections were lost, a child asks the database whether it is there. If the database is there but has no resources
or takes no writes, only a message can tell: one at a time probes.
"""

from collections.abc import Callable
from typing import Any

from celery.utils.log import get_logger
from sqlalchemy import text

from worker.database import engine
from worker.intake.delivery import Fate, Outcome
from worker.metrics.counters import counters
from worker.metrics.definitions import OUTAGES

logger = get_logger(__name__)

# The pauses between two probes double from the first to the last. A probe of a database that is not there costs a
# child some milliseconds.
PAUSE_SECONDS_MIN = 0.25
PAUSE_SECONDS_MAX = 2.0
# A child that asks in vain is killed after this time. Every wait for the database is shorter.
ASK_SECONDS_MAX = 60


def is_database_there() -> bool:
    """Return whether the database answers. The pool calls this in a child."""
    try:
        with engine().connect() as connection:
            connection.execute(text("SELECT 1"))
    except Exception as error:  # noqa: BLE001 - whatever it was, no statement can be run
        logger.info("the database is still away: %s", type(error).__name__)
        return False
    return True


class Outage:
    """Whether the database is away, as the batches of a worker have found."""

    def __init__(self, *, hub: Any, pool: Any, slots: Any, resume: Callable[[], None]) -> None:
        """Begin without an outage. `resume` makes the gatherers send, as far as `allowed_size` lets them."""
        self.hub, self.pool, self.slots = hub, pool, slots
        self.resume = resume
        self.is_on = False
        self._is_connection_lost = self._is_probe_due = self._is_asked = False
        self._pause_seconds = PAUSE_SECONDS_MIN

    def allowed_size(self, size_max: int) -> int:
        """Return how many messages a batch may have now: one for a probe, and none between two probes."""
        if not self.is_on:
            return size_max
        return int(self._is_probe_due)

    def note_sent(self) -> None:
        """Note that a batch was sent, which is the probe during an outage."""
        self._is_probe_due = False

    def note_away(self, found: Outcome) -> None:
        """Note that a batch found the database away."""
        self._is_connection_lost = found.fate is Fate.AWAIT_CONNECTION
        if not self.is_on:
            logger.error("the database is away, messages wait: %s", type(found.error).__name__)
            counters.add(OUTAGES, 1)
            self.is_on, self._pause_seconds = True, PAUSE_SECONDS_MIN
        self._probe_later()

    def note_back(self) -> None:
        """Note that the database is there."""
        if self.is_on:
            logger.warning("the database is back")
            self.is_on = False
            self.resume()

    def note_lost(self) -> None:
        """Note that a batch ended without a word about the database, so that another may probe."""
        if self.is_on:
            self._probe_later()

    def _probe_later(self) -> None:
        self.hub.call_later(self._pause_seconds, self._probe)
        self._pause_seconds = min(2 * self._pause_seconds, PAUSE_SECONDS_MAX)

    def _probe(self) -> None:
        if not self.is_on:
            return
        if not self._is_connection_lost:
            self._is_probe_due = True
            self.resume()
        elif not self._is_asked:
            self._is_asked = True
            self.slots.acquire(self._ask)

    def _ask(self) -> None:
        sent = self.pool.apply_async(
            is_database_there, callback=self._on_answer, error_callback=self._on_no_answer, timeout=ASK_SECONDS_MAX
        )
        if sent is None:
            self.slots.release()

    def _on_answer(self, is_there: bool) -> None:  # noqa: FBT001 - the pool's callback
        self._is_asked = False
        if is_there:
            self.note_back()
        elif self.is_on:
            self._probe_later()

    def _on_no_answer(self, _fault: object) -> None:
        self._on_answer(False)  # noqa: FBT003 - as the pool calls it
