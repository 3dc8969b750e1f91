"""Beat's scheduler, which sends the tasks of the schedule and no others."""

from threading import Thread
from typing import Any

from celery.beat import PersistentScheduler
from celery.utils.log import get_logger

from worker.schedule import NIGHTLY_AUDIT

logger = get_logger(__name__)


class Scheduler(PersistentScheduler):
    """Celery's scheduler without `celery.backend_cleanup`, which no worker runs. Beat does that work itself."""

    def install_default_entries(self, data: Any) -> None:
        """Add no tasks of Celery's own."""

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send the task of an entry. Beside the nightly audit, remove expired results from a store that keeps them."""
        super().apply_entry(entry, producer=producer)
        if entry.name == NIGHTLY_AUDIT and not self.app.backend.supports_autoexpire:
            Thread(target=remove_expired_results, args=(self.app.backend,), name="results", daemon=True).start()


def remove_expired_results(backend: Any) -> None:
    """Remove the expired results from a result store. An error is logged, and the next night tries again."""
    try:
        backend.cleanup()
    except Exception as error:  # noqa: BLE001 - of a backend of any kind, beside what beat is for
        logger.warning("expired results could not be removed: %s", type(error).__name__)
