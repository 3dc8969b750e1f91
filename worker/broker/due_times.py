"""The instant at which a message is due, by its `eta`."""

from datetime import UTC, datetime


def instant_of(eta: object) -> float | None:
    """Return an eta in seconds since 1970, or None if there is none, or if Celery fails a message that has it."""
    if not isinstance(eta, str):
        return None
    try:
        instant = datetime.fromisoformat(eta)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
