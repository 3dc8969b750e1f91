"""The counters of this process. Only the main process of a worker counts, and only if there is a folder for it.

The main process knows the outcome of every message, and outlives its children: a child that is killed after its COMMIT
takes no count with it, and its message is not counted twice.
"""

import logging
from pathlib import Path

from celery.signals import celeryd_init, worker_process_init

import worker.logs.beginning  # noqa: F401 - connects a signal handler, which has to be called before the one below
from worker.metrics.counter_file import UNREADABLE, CounterFile
from worker.metrics.definitions import (
    MESSAGES_DROPPED,
    MESSAGES_REFUSED,
    NOT_A_TASK,
    OUTAGES,
    TRANSACTION_RERUNS,
    UNKNOWN_TASK,
    Metric,
)
from worker.settings import settings
from worker.signing.verification import VerificationFailure

# Not one of Celery's loggers: the worker has not set up its log yet, and Python writes the line to standard error.
logger = logging.getLogger(__name__)


class Counters:
    """Counts in a file, or nowhere."""

    def __init__(self) -> None:
        """Count nowhere. Every method then does nothing."""
        self._file: CounterFile | None = None

    def begin(self, folder: Path) -> None:
        """Count in a folder from now on. Raises one of UNREADABLE if the folder or its files cannot be used."""
        folder.mkdir(parents=True, exist_ok=True)
        self._file = CounterFile(folder)
        # Prometheus sees no increase in a series that begins with 1.
        for metric in (OUTAGES, TRANSACTION_RERUNS):
            self.add(metric, 0)
        for reason in (NOT_A_TASK, UNKNOWN_TASK):
            self.add(MESSAGES_DROPPED, 0, reason)
        for failure in VerificationFailure if settings().signers_file else ():
            self.add(MESSAGES_REFUSED, 0, failure.value)

    def end(self) -> None:
        """Count nowhere from now on. What was counted stays in the folder."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def __bool__(self) -> bool:
        """Return whether anything is counted."""
        return self._file is not None

    def add(self, metric: Metric, amount: float, *labels: str) -> None:
        """Add to a counter with those values of its labels."""
        if self._file is not None:
            self._file.add(metric, amount, *labels)

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Add an observation to a histogram with those values of its labels."""
        if self._file is not None:
            self._file.observe(metric, value, *labels)


counters = Counters()


@celeryd_init.connect(weak=False)
def begin_counting(**_: object) -> None:
    """Count from now on, if there is a folder. A folder that cannot be used does not keep the worker from its work."""
    folder = settings().metrics_folder
    if folder is None:
        return
    try:
        counters.begin(Path(folder))
    except UNREADABLE as error:
        logger.warning("scrip: nothing is counted, because SCRIP_METRICS_FOLDER cannot be used: %s", error)


@worker_process_init.connect(weak=False)
def count_nothing(**_: object) -> None:
    """Count nothing in a child: it would write into its parent's file."""
    counters.end()
