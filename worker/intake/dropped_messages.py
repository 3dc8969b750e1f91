"""Telling the callers of dropped messages. The event loop does this, so it must not wait for the store."""

from collections.abc import Mapping
from time import monotonic
from typing import Any

from celery import states
from celery.backends.redis import RedisBackend
from celery.utils.log import get_logger
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.intake.delivery import Delivery
from worker.intake.envelope import is_storable
from worker.intake.results import STORE_ERRORS, TaskResult, write_together

logger = get_logger(__name__)

# A store that is up answers in milliseconds.
STORE_SECONDS_MAX = 1
# After an error, the store is not tried again for this time.
QUIET_SECONDS = 60


class DroppedMessages:
    """The failures of messages that were dropped. Their callers are told only if the result store is Redis."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._backend: RedisBackend | None = None
        self._quiet_until = 0.0

    def store_failure(self, headers: Mapping[str, Any], error: Exception) -> None:
        """Store that the task with those headers failed with the error. There is only a single attempt."""
        task_id = headers.get("id")
        if not is_storable(task_id) or headers.get("ignore_result") or monotonic() < self._quiet_until:
            return
        if not isinstance(self._app.backend, RedisBackend):
            return
        try:
            delivery = undecided_delivery(task_id, kwargs=None)
            write_together(self._impatient_backend(), [TaskResult(delivery, states.FAILURE, error)])
        except STORE_ERRORS as problem:
            logger.warning(
                "nobody is told of dropped messages for %d s: %s of the result store",
                QUIET_SECONDS,
                type(problem).__name__,
            )
            self._quiet_until = monotonic() + QUIET_SECONDS

    def _impatient_backend(self) -> RedisBackend:
        if self._backend is None:
            self._backend = self._app._get_backend()  # noqa: SLF001 - a backend of our own, beside the app's
            options = self._backend.connparams
            options.update(socket_timeout=STORE_SECONDS_MAX, retry=Retry(NoBackoff(), 0), retry_on_timeout=False)
            # A connection through a socket file does not know this option.
            if "socket_connect_timeout" in options:
                options["socket_connect_timeout"] = STORE_SECONDS_MAX
        return self._backend


def undecided_delivery(task_id: str, *, kwargs: Any) -> Delivery:
    """Return a message that no child decides, for its result. The arguments, if known, tell whose task it is."""
    return Delivery(
        id=task_id,
        args=None,
        kwargs=kwargs,
        retries=0,
        redelivered=False,
        wants_answer=True,
        group=None,
        parent=None,
        original=None,
    )
