"""Connecting to a broker that is away, for as long as that takes."""

from collections.abc import Callable
from time import monotonic
from typing import Any

from celery.utils.log import get_logger

logger = get_logger(__name__)

# The pauses between two attempts, in seconds. kombu's grow to 30 s, and the leases would end. An attempt is cheap, and
# new messages wait for it.
PAUSES = {"interval_start": 0.1, "interval_step": 0.05, "interval_max": 0.25}
# A failure is logged no more often than this.
LOG_SECONDS = 2


def keep_connecting(connection: Any) -> None:
    """Make the first use of a connection try again after short pauses, and log few of the failures."""
    ensure = connection.ensure_connection
    logged_until = 0.0

    def log_failure(error: Exception, pause_seconds: float) -> None:
        nonlocal logged_until
        if monotonic() >= logged_until:
            logged_until = monotonic() + LOG_SECONDS
            address, reason = connection.as_uri(), str(error) or repr(error)
            logger.error("cannot connect to %s, trying again in %.2f s: %s", address, pause_seconds, reason)

    def ensure_connection(_log: Callable[..., None], *arguments: Any, **options: Any) -> Any:
        return ensure(log_failure, *arguments, **options, **PAUSES)

    connection.ensure_connection = ensure_connection
