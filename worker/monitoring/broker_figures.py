"""Read the metrics that the broker knows."""

from collections.abc import Iterator

from worker.metrics.definitions import QUEUE_MESSAGES, QUEUE_OLDEST_AGE, UNREADABLE_MESSAGES, Reading
from worker.monitoring.queue_figures import BrokerFigures


def readings_of(figures: BrokerFigures) -> Iterator[Reading]:
    """Yield a reading of each figure that the broker told."""
    for name, queue in figures.queues.items():
        for state, count in (("ready", queue.ready), ("taken", queue.taken), ("waiting", queue.waiting)):
            if count is not None:
                yield Reading(QUEUE_MESSAGES, count, (name, state))
        if figures.unreadable is not None:
            # An empty queue has no message that could be old.
            yield Reading(QUEUE_OLDEST_AGE, queue.oldest_age_seconds or 0, (name,))
    if figures.unreadable is not None:
        yield Reading(UNREADABLE_MESSAGES, figures.unreadable)
