"""An outage of the servers that decide: the database is away.

The messages wait, still unacknowledged, and one of them at a time probes. When a probe is decided, the others follow at
once.
"""

from collections.abc import Callable
from typing import Any

from celery.utils.log import get_logger

logger = get_logger(__name__)

# The pauses between two probes double from the first to the last. A probe of a database that is not there costs a
# child some milliseconds.
PAUSE_SECONDS_MIN = 0.25
PAUSE_SECONDS_MAX = 2.0


class Outage:
    """Whether the servers are away, as the batches of a worker have found."""

    def __init__(self, *, hub: Any, resume: Callable[[], None]) -> None:
        """Begin without an outage. `resume` makes the gatherers send, as far as `allowed_size` lets them."""
        self.hub = hub
        self.resume = resume
        self.is_on = False
        self._pause_seconds = PAUSE_SECONDS_MIN
        self._is_probe_due = False

    def allowed_size(self, size_max: int) -> int:
        """Return how many messages a batch may have now: one for a probe, and none between two probes."""
        if not self.is_on:
            return size_max
        return int(self._is_probe_due)

    def note_sent(self) -> None:
        """Note that a batch was sent, which is the probe during an outage."""
        self._is_probe_due = False

    def note_away(self, error: object) -> None:
        """Note that a batch found the servers away."""
        if not self.is_on:
            logger.error("the database is away, messages wait: %s", error)
            self.is_on, self._pause_seconds = True, PAUSE_SECONDS_MIN
        self.hub.call_later(self._pause_seconds, self._probe)
        self._pause_seconds = min(2 * self._pause_seconds, PAUSE_SECONDS_MAX)

    def note_back(self) -> None:
        """Note that a batch found the servers."""
        if self.is_on:
            logger.warning("the database is back")
            self.is_on = False
            self.resume()

    def note_lost(self) -> None:
        """Note that a batch ended without a word about the servers, so that another may probe."""
        if self.is_on:
            self.hub.call_later(self._pause_seconds, self._probe)

    def _probe(self) -> None:
        if self.is_on:
            self._is_probe_due = True
            self.resume()
